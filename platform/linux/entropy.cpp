#include "platform/linux/entropy.h"

#include <sys/random.h>

#include <cerrno>

namespace rivulet::platform {

void fill_with_entropy(MutableBytes into) {
    while (!into.empty()) {
        const ssize_t n = ::getrandom(into.data(), into.size(), 0);
        RIVULET_CHECK(n > 0 || errno == EINTR);
        if (n > 0) into = into.subspan(static_cast<std::size_t>(n));
    }
}

}  // namespace rivulet::platform
