// `rivulet check-config`: reads the configuration, sums what it takes of memory and flash, prints both.
// Returns:  the exit code: 0 all is well, 2 it is not, and standard error says why, all at once. With --json standard output says it, in one object:
//           {"problems": [{"file", "line", "key", "message"}, ...], "memory": [...], ...}; null where there is none, the budget only where the configuration could be read.
#pragma once

#include "server/host.h"

namespace rivulet::server {

int check_config(std::span<const std::string_view> arguments, Host& host);

// The tables alone, as text or as members of a JSON object: "memory": [...], "flash": [...], "memory_total": n, ...
void print_budget(const Budget& budget, config::LineSink& sink);
void print_budget_json(const Budget& budget, config::LineSink& sink);

}  // namespace rivulet::server
