// `rivulet serve`: configuration, budget, memory, listening, recovery, the loop, a clean stop.
// Returns:  the exit code: 0 stopped cleanly, 2 usage or configuration, 3 could not start, or did not stop cleanly.
// Signals:  interrupt and terminate stop cleanly, another one half a second later or more at once; reload reads the configuration again.
#pragma once

#include "server/host.h"

namespace rivulet::server {

int serve(std::span<const std::string_view> arguments, Host& host);

}  // namespace rivulet::server
