#include "server/kafka/handlers.h"

namespace rivulet::server::kafka {

// It is taken as a stream, before a handler would be looked for (produce.h).
Progress handle_produce(Exchange&) {
    RIVULET_CHECK(false);
    return Progress::ended;
}

Handler find_handler(wire::kafka::Api api) {
    switch (api) {
#define RIVULET_KAFKA_API(key, name, lowest, highest, flexible_from) \
    case wire::kafka::Api::name: return handle_##name;
#include "wire/kafka/apis.def"
#undef RIVULET_KAFKA_API
    }
    RIVULET_CHECK(false);
    return nullptr;
}

}  // namespace rivulet::server::kafka
