// Page 0 of a checkpoint area, and the chunks of its body.
// Errors:   corrupt, store_newer.  Format: FORMAT.md, section 8.
#pragma once

#include "store/format.h"

namespace rivulet::store {

struct CheckpointHeader {
    Geometry geometry;
    std::uint64_t sequence = 0;
    Lsn replay_from;
    std::uint64_t salt = 0;
    Lsn run_start;
    std::uint64_t run = 0;
    Lsn durable;
    std::uint64_t first_live = 0;
    std::uint64_t zeroed_through = 0;
    std::uint64_t next_log_id = first_user_log.value;
    std::uint32_t body_bytes = 0;
    std::uint32_t body_crc = 0;
    bool operator==(const CheckpointHeader&) const = default;
};

void encode_checkpoint_header(const CheckpointHeader& header, std::span<std::uint8_t, page_bytes> page);
Result<CheckpointHeader> decode_checkpoint_header(std::span<const std::uint8_t, page_bytes> page);

enum class Section : std::uint16_t {
    logs = 1,
    truncations = 2,
    fences = 3,
    boots = 4,
    sessions = 5,
    producers = 6,
    clean_logs = 7,
    catalogue = 32,  // this and above: the layer above
};

constexpr std::size_t chunk_header_bytes = 8;

struct ChunkHeader {
    Section section{};
    std::uint32_t length = 0;
};

void encode_chunk_header(const ChunkHeader& chunk, std::span<std::uint8_t, chunk_header_bytes> out);
// From the first bytes of a chunk; that `length` fits what follows is for the caller to check.
Result<ChunkHeader> decode_chunk_header(Bytes bytes);

constexpr std::size_t log_epochs_max = 32;

struct EpochStart {
    Epoch epoch;
    Offset start;
    bool operator==(const EpochStart&) const = default;
};

// An entry of section logs.
struct LogImage {
    LogId log;
    bool memory = false;
    Offset start;
    Offset end;
    Offset last_stable;
    std::uint64_t bytes = 0;
    Lsn last_extent;
    Offset ceiling;
    std::uint32_t epoch_count = 0;
    EpochStart epochs[log_epochs_max];
};
constexpr std::size_t log_image_bytes_max = 96 + log_epochs_max * 15;
void encode_log_image(const LogImage& image, Writer& out);
bool decode_log_image(Reader& in, LogImage& out);  // false: malformed

// An entry of section clean_logs.
struct CleanLogImage {
    LogId of;            // whose older part it is; 0 while that is not known
    bool making = false; // no LOG_CLEANED names it yet
    Offset clean_end;    // of that log
    LogImage log;
};
constexpr std::size_t clean_log_image_bytes_max = log_image_bytes_max + 20;
void encode_clean_log(const CleanLogImage& image, Writer& out);
bool decode_clean_log(Reader& in, CleanLogImage& out);

struct TruncationImage {
    LogId log;
    Offset offset;
    Lsn lsn;
};
constexpr std::size_t truncation_image_bytes_max = 29;
void encode_truncation(const TruncationImage& image, Writer& out);
bool decode_truncation(Reader& in, TruncationImage& out);

// unproved: of control_log alone, from and to are LSNs: what a start found missing of the commit that the power had cut short, so that it is no damage to whoever comes there later.
enum class FenceCause : std::uint8_t { damage = 1, lost_group = 2, restart = 3, unproved = 4 };
struct FenceImage {
    LogId log;
    Offset from;
    Offset to;
    FenceCause cause{};
    bool operator==(const FenceImage&) const = default;
};
void encode_fence(const FenceImage& image, Writer& out);
bool decode_fence(Reader& in, FenceImage& out);

struct BootImage {
    std::uint32_t index = 0;
    Uuid boot_id;
    bool fixed = false;
    std::int64_t offset_ms = 0;
};
void encode_boot(const BootImage& image, Writer& out);
bool decode_boot(Reader& in, BootImage& out);

struct SessionImage {
    std::uint64_t session = 0;
    std::uint32_t incarnation = 0;
    LogId log{0};
    std::uint64_t last_sequence = 0;  // below 2^63
    bool partial = false;             // more of it follows, or may have been forgotten
};
void encode_session(const SessionImage& image, Writer& out);
bool decode_session(Reader& in, SessionImage& out);

// Batches of a producer that are remembered for each log: as many as a client may have in flight (KIP-98).
constexpr std::size_t producer_batches_max = 5;

struct ProducerImage {
    std::int64_t producer = 0;
    LogId log{0};
    std::int16_t epoch = 0;
    std::int32_t first_sequence = 0;  // of the first batch; each begins where the one before it ends
    std::uint32_t count = 0;          // of batches
    std::uint32_t spans[producer_batches_max] = {};  // last sequence - first
    Offset bases[producer_batches_max] = {};         // ascending
};
constexpr std::size_t producer_image_bytes_max = 98;
void encode_producer(const ProducerImage& image, Writer& out);
bool decode_producer(Reader& in, ProducerImage& out);

}  // namespace rivulet::store
