// The handlers of all APIs: one file each, handle_<api>.cpp. Each takes a whole request but for Produce, which is parsed as a stream (produce.h).
// Thread:   loop only.
#pragma once

#include "server/kafka/exchange.h"

namespace rivulet::server::kafka {

using Handler = Progress (*)(Exchange& exchange);
Handler find_handler(wire::kafka::Api api);

#define RIVULET_KAFKA_API(key, name, lowest, highest, flexible_from) Progress handle_##name(Exchange& exchange);
#include "wire/kafka/apis.def"
#undef RIVULET_KAFKA_API

}  // namespace rivulet::server::kafka
