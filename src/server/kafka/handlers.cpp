#include "server/kafka/handlers.h"

namespace rivulet::server::kafka {

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
