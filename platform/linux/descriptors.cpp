#include "platform/linux/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

namespace rivulet::platform {

void open_standard_descriptors() {
    for (int descriptor = 0; descriptor <= 2; ++descriptor)
        if (::fcntl(descriptor, F_GETFD) == -1) static_cast<void>(::open("/dev/null", O_RDWR));  // the lowest free number
}

std::size_t set_descriptor_limit(std::size_t descriptors) {
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return descriptors;
    const auto wanted = static_cast<rlim_t>(descriptors);
    const rlim_t hard = limit.rlim_max;
    if (hard < wanted) {
        const rlimit raised{wanted, wanted};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return descriptors;
    }
    limit.rlim_cur = hard < wanted ? hard : wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == -1) ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace rivulet::platform
