// Invariants: a broken one aborts, in production too. Never used on bytes from network or disk.
// Errors:   none; prints file:line and the expression, then aborts.
#pragma once

namespace rivulet {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace rivulet

#define RIVULET_CHECK(expression) \
    (static_cast<bool>(expression) ? static_cast<void>(0) : ::rivulet::check_failed(#expression, __FILE__, __LINE__))
