// Unpredictable bytes from the kernel (getrandom).
// Bounds:   no allocation; early in a boot it waits until the kernel has gathered enough. Errors: none; aborts without getrandom.
// Thread:   any.
#pragma once

#include "base/bytes.h"

namespace rivulet::platform {

void fill_with_entropy(MutableBytes into);

}  // namespace rivulet::platform
