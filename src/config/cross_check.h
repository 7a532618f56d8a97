// What no key can see by itself: values that do not go together.
// Bounds:   no allocation. Passes over pairs of which one was refused already (origin_bad), so that one mistake is one problem.
#pragma once

#include "config/keys.h"
#include "config/problems.h"

namespace rivulet::config {

// Only while parsing: the value was refused, its default stands in.
constexpr Origin origin_bad = -2;

void cross_check(const Config& config, Problems& problems);

}  // namespace rivulet::config
