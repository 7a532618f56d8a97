#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace rivulet {

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "rivulet: broken invariant at %s:%d: %s\n", file, line, expression);
    std::abort();
}

}  // namespace rivulet
