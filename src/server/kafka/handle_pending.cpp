#include "server/kafka/handlers.h"
namespace rivulet::server::kafka {
Progress handle_produce(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_offset_commit(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_offset_fetch(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_join_group(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_heartbeat(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_leave_group(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_sync_group(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_describe_groups(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_list_groups(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_delete_groups(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
Progress handle_offset_delete(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
}
