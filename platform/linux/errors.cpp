#include "platform/linux/errors.h"

#include <cerrno>

namespace rivulet::platform {

namespace {

Error file_error(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT: return Error::no_space;
        case EFBIG: return Error::file_too_large;
        case EROFS: return Error::read_only;
        case EACCES:
        case EPERM: return Error::permission;
        case ENOENT: return Error::not_found;
        case ENOTDIR: return Error::not_a_directory;
        case EISDIR: return Error::is_a_directory;
        case EEXIST: return Error::exists;
        default: return Error::io;
    }
}

}  // namespace

Failure file_failure(int error_number) { return fail(file_error(error_number), error_number); }

Error network_error(int error_number) {
    switch (error_number < 0 ? -error_number : error_number) {
        case ECONNREFUSED: return Error::connection_refused;
        case ECONNRESET:
        case ECONNABORTED:
        case ENOTCONN:
        case EPIPE: return Error::connection_reset;
        case ETIMEDOUT: return Error::timed_out;
        case ECANCELED: return Error::canceled;
        case EADDRINUSE: return Error::address_in_use;
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
        case EINVAL: return Error::invalid_address;
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ENETDOWN:
        case EHOSTDOWN: return Error::unreachable;
        case EACCES:
        case EPERM: return Error::permission;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return Error::limit_reached;
        default: return Error::io;
    }
}

}  // namespace rivulet::platform
