// Compresses what producers send, and opens it again when it is read, with code of its own: a fault that the broker's decoder has must not be shared here.
// Owns:     nothing. Bounds: content of 64 KiB, which is one block of each format; a compressed form is at most compression_growth_max bytes longer.
// Errors:   expand() returns nothing for what compress() does not make.
// Format:   gzip (RFC 1952, stored blocks), raw snappy, LZ4's frame format (a block as it is), Zstandard (RFC 8878, raw blocks and those of one byte): all of these in their simplest form.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "record/batch.h"

namespace rivulet::sim {

constexpr std::size_t compression_growth_max = 48;

std::vector<std::uint8_t> compress(record::Compression how, Bytes content);
std::optional<std::vector<std::uint8_t>> expand(record::Compression how, Bytes compressed);

}  // namespace rivulet::sim
