#pragma once
#include <string_view>
namespace rivulet::server::kafka {
inline bool is_internal_topic(std::string_view name) { return name == "__consumer_offsets"; }
}
