#include "sim/run/batches.h"

#include <array>

#include "sim/run/compression.h"

namespace rivulet::sim {

namespace {

constexpr std::size_t header_bytes = 61;
constexpr std::uint16_t attributes_allowed = 0x0008;  // LogAppendTime; no control, transaction or mark of our own
constexpr std::uint16_t compression = 0x0007;
constexpr std::uint16_t delete_horizon = 0x0040;

// Bit by bit from the polynomial, by one table.
std::uint32_t castagnoli(Bytes bytes) {
    static const std::array<std::uint32_t, 256> table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0x82f63b78U : 0U);
            t[i] = c;
        }
        return t;
    }();
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t b : bytes) crc = (crc >> 8) ^ table[(crc ^ b) & 0xffU];
    return ~crc;
}

// A byte string with its zigzag length in front; -1 is null.
bool take_block(Reader& in, bool& present, Bytes& out) {
    const std::int64_t n = in.zigzag_varint();
    if (n < -1) return false;
    present = n >= 0;
    out = present ? in.bytes(static_cast<std::uint64_t>(n)) : Bytes();
    return in.ok();
}

bool take_record(Reader& body, std::int64_t base_time, SeenRecord& record, std::int64_t& delta) {
    const std::int64_t length = body.zigzag_varint();
    if (length < 0) return false;
    Reader in(body.bytes(static_cast<std::uint64_t>(length)));
    if (!body.ok() || in.u8() != 0) return false;
    record.time = base_time + in.zigzag_varint();
    delta = in.zigzag_varint();
    if (!take_block(in, record.has_key, record.key) || !take_block(in, record.has_value, record.value)) return false;
    record.header_count = in.zigzag_varint();
    const Reader headers = in;
    record.headers = in.rest();
    Reader walk = headers;
    for (std::int64_t i = 0; i < record.header_count; ++i) {
        bool present = false;
        Bytes bytes;
        if (!take_block(walk, present, bytes) || !present || !take_block(walk, present, bytes)) return false;
    }
    return record.header_count >= 0 && walk.ok() && walk.at_end() && in.ok();
}

std::string at(const SeenBatch& batch, const char* what) { return "batch at offset " + std::to_string(batch.base) + ": " + what; }

}  // namespace

std::string parse_batches(Bytes bytes, const SeenBatches& seen) {
    std::int64_t next = -1;
    while (!bytes.empty()) {
        if (bytes.size() < header_bytes) return "a batch is cut in its header";
        Reader in(bytes.first(header_bytes));
        SeenBatch batch;
        batch.base = in.be<std::int64_t>();
        const std::int32_t length = in.be<std::int32_t>();
        batch.epoch = in.be<std::int32_t>();
        const std::uint8_t magic = in.u8();
        const std::uint32_t crc = in.be<std::uint32_t>();
        batch.attributes = in.be<std::uint16_t>();
        const std::int32_t last_delta = in.be<std::int32_t>();
        const std::int64_t base_time = in.be<std::int64_t>();
        const std::int64_t max_time = in.be<std::int64_t>();
        const std::int64_t producer_id = in.be<std::int64_t>();
        (void)in.be<std::int16_t>();
        (void)in.be<std::int32_t>();
        const std::int32_t count = in.be<std::int32_t>();
        if (magic != 2) return at(batch, "its magic is not 2");
        if (length < static_cast<std::int32_t>(header_bytes - 12) || bytes.size() < static_cast<std::size_t>(length) + 12) return at(batch, "it is cut");
        batch.bytes = static_cast<std::size_t>(length) + 12;
        batch.last = batch.base + last_delta;
        if (batch.base < 0 || last_delta < 0 || batch.base < next) return at(batch, "its offsets go back");
        if (castagnoli(bytes.subspan(21, batch.bytes - 21)) != crc) return at(batch, "its CRC is wrong");
        if ((batch.attributes & ~(attributes_allowed | (seen.compacted ? delete_horizon : 0U) | (seen.compressed ? compression : 0U))) != 0) return at(batch, "it has attributes that no reading asks for");
        if (producer_id != -1 && !seen.of_producers) return at(batch, "it has a producer id");
        const bool holds_place = seen.pinned && count == 0 && last_delta == 0;
        if (count < 0 || count > last_delta + 1 || (count != last_delta + 1 && !seen.compacted && !holds_place)) return at(batch, "its count does not go with its last offset");
        if (seen.batch) seen.batch(batch);
        Bytes content = bytes.subspan(header_bytes, batch.bytes - header_bytes);
        std::optional<std::vector<std::uint8_t>> expanded;
        if ((batch.attributes & compression) != 0) {
            expanded = expand(static_cast<record::Compression>(batch.attributes & compression), content);
            if (!expanded) return at(batch, "its content is not as it was compressed");
            content = *expanded;
        }
        Reader body(content);
        std::int64_t largest = INT64_MIN;
        std::int64_t before = -1;
        for (std::int32_t i = 0; i < count; ++i) {
            SeenRecord record;
            std::int64_t delta = 0;
            if (!take_record(body, base_time, record, delta)) return at(batch, "a record is malformed");
            if (seen.compacted ? delta <= before || delta > last_delta : delta != i) return at(batch, "its records are not dense");
            before = delta;
            record.offset = batch.base + delta;
            if (record.time > largest) largest = record.time;
            if ((batch.attributes & 0x0008) != 0) record.time = max_time;
            if (seen.record) seen.record(batch, record);
        }
        if (!body.at_end()) return at(batch, "bytes are left behind its records");
        if ((batch.attributes & 0x0008) == 0 && count != 0 && largest != max_time) return at(batch, "its max timestamp is not that of its records");
        next = batch.last + 1;
        bytes = bytes.subspan(batch.bytes);
    }
    return {};
}

}  // namespace rivulet::sim
