// The table of topic-level keys, in the order of their numbers: key number n is row n - 1, its object a TopicConfig.
// Owns:     constants.
#pragma once

#include "config/key.h"

namespace rivulet::config {

std::span<const Key> topic_keys();

struct RefusedKey {
    std::string_view name;
    std::string_view why;
};
std::span<const RefusedKey> refused_topic_keys();

}  // namespace rivulet::config
