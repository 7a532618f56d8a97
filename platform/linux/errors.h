// The system's error numbers as rivulet::Error.
// Owns:     nothing. Bounds: none. Thread: any.
// Guarantee: the number itself is kept as the detail of the failure.
#pragma once

#include "base/result.h"

namespace rivulet::platform {

// Of a file, a directory or a standard stream; what has no better name is io.
Failure file_failure(int error_number);
// Of a socket: connect, bind, read, write. Takes errno or libuv's negated form of it.
Error network_error(int error_number);

}  // namespace rivulet::platform
