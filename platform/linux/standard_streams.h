// Text to standard output and standard error, whole, before there is a loop or beside it.
// Errors:   io, with errno: the reader is gone, or the disk under it is full. Thread: any; waits for the reader.
#pragma once

#include <string_view>

#include "base/result.h"

namespace rivulet::platform {

Status write_standard_output(std::string_view text);
Status write_standard_error(std::string_view text);

}  // namespace rivulet::platform
