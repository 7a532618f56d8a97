// Values as text: sizes, durations, numbers, words. Reading checks the key's bounds.
// Errors:   invalid_config, unsupported (known and not built yet); the reason is appended to a Text, as a fragment that follows "key = value: ".
// Bounds:   no allocation.
#pragma once

#include "base/result.h"
#include "base/text.h"
#include "config/key.h"

namespace rivulet::config {

// Reads `text` into the member of `object` that the key names; on failure nothing changes.
Status assign(const Key& key, void* object, std::string_view text, Text& why);
// Likewise of a table's own default, which cannot fail.
void assign_default(const Key& key, void* object);
void assign_defaults(std::span<const Key> keys, void* object);
// Whether a number is one that assign() would have taken.
bool in_bounds(const Key& key, std::int64_t value);

// As a configuration file takes it: units, "none".
void print_value(const Key& key, const void* object, Text& out);
void print_number(const Key& key, std::int64_t value, Text& out);
// As Kafka's tools write it: plain numbers, -1.
void print_plain(const Key& key, std::int64_t value, Text& out);
// "2M to 1G", "on or off", "a path": what the key takes.
void print_domain(const Key& key, Text& out);

void copy_value(const Key& key, const void* from, void* to);
bool same_value(const Key& key, const void* a, const void* b);

}  // namespace rivulet::config
