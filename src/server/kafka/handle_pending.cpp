#include "server/kafka/handlers.h"
namespace rivulet::server::kafka {
Progress handle_produce(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_list_offsets(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_create_topics(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_delete_topics(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_delete_records(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_describe_configs(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_alter_configs(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_describe_log_dirs(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_create_partitions(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_incremental_alter_configs(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
}
