#include "server/kafka/handlers.h"
namespace rivulet::server::kafka {
Progress handle_produce(Exchange& exchange) { return exchange.fail(fail(Error::unsupported)); }
}
