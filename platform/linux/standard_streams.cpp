#include "platform/linux/standard_streams.h"

#include <unistd.h>

#include <cerrno>

namespace rivulet::platform {

namespace {

Status write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(descriptor, text.data(), text.size());
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
        else if (errno != EINTR) return fail(Error::io, errno);
    }
    return {};
}

}  // namespace

Status write_standard_output(std::string_view text) { return write_all(STDOUT_FILENO, text); }
Status write_standard_error(std::string_view text) { return write_all(STDERR_FILENO, text); }

}  // namespace rivulet::platform
