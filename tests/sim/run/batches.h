// Reads what a fetch brought, with a parser of its own: a fault that the broker's record code has must not be shared here.
// Owns:     nothing; SeenRecord is a view of the bytes. Errors: parse_batches() returns what is wrong with them, in words.
// Format:   Kafka's record batch of magic 2; compressed ones as compression.h makes them.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"

namespace rivulet::sim {

struct SeenBatch {
    std::int64_t base = 0;
    std::int64_t last = 0;
    std::int32_t epoch = 0;
    std::uint16_t attributes = 0;
    std::size_t bytes = 0;
};

struct SeenRecord {
    std::int64_t offset = 0;
    std::int64_t time = 0;
    bool has_key = false;
    bool has_value = false;
    Bytes key;
    Bytes value;
    std::int64_t header_count = 0;
    Bytes headers;
};

struct SeenBatches {
    std::function<void(const SeenBatch&)> batch;
    std::function<void(const SeenBatch&, const SeenRecord&)> record;
    bool of_producers = false;  // batches may have a producer's id, and
    bool compressed = false;    // be compressed
    bool compacted = false;     // records may be missing from batches, and batches may say when their deletions go
    bool pinned = false;        // where damage has made the log's end jump, a batch of no records may hold the place
};

// Every batch whole, its CRC right, its records dense from its base offset (but for compacted ones, where they ascend); each batch begins behind the one before.
std::string parse_batches(Bytes bytes, const SeenBatches& seen);

}  // namespace rivulet::sim
