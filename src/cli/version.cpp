#include "cli/version.h"

#include "generated/version.h"

namespace rivulet::cli {

std::string_view version() { return RIVULET_VERSION; }

}  // namespace rivulet::cli
