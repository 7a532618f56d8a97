// The version of this build, from the file VERSION: "0.1.0". Constant text.
#pragma once

#include <string_view>

namespace rivulet::cli {

std::string_view version();

}  // namespace rivulet::cli
