#include "sim/run/readings.h"

#include <algorithm>
#include <string>

namespace rivulet::sim {

namespace {

constexpr std::uint8_t mark_first = 0xb7;
constexpr std::int64_t first_time_ms = 1'700'000'000'000;
constexpr std::uint8_t mark_header[] = {2, 'm', 2 * mark_bytes};  // as in Kafka's record, before the mark

void add_zigzag(std::vector<std::uint8_t>& out, std::int64_t n) {
    std::uint8_t scratch[varint_bytes_max];
    Writer writer(scratch);
    writer.zigzag_varint(n);
    out.insert(out.end(), scratch, scratch + writer.size());
}

void add_header(std::vector<std::uint8_t>& out, std::string_view key, bool has_value, std::string_view value) {
    add_zigzag(out, static_cast<std::int64_t>(key.size()));
    out.insert(out.end(), key.begin(), key.end());
    add_zigzag(out, has_value ? static_cast<std::int64_t>(value.size()) : -1);
    if (has_value) out.insert(out.end(), value.begin(), value.end());
}

std::optional<ReadingId> mark_in(Bytes bytes) {
    if (bytes.size() < mark_bytes || bytes[0] != mark_first) return std::nullopt;
    return ReadingId{load_le<std::uint16_t>(&bytes[1]), bytes[3], load_le<std::uint32_t>(&bytes[4])};
}

}  // namespace

void write_mark(ReadingId id, MutableBytes out) {
    out[0] = mark_first;
    store_le(&out[1], id.producer);
    out[3] = id.incarnation;
    store_le(&out[4], id.sequence);
}

std::optional<ReadingId> read_mark(Bytes key, Bytes value, Bytes headers) {
    if (const std::optional<ReadingId> in_value = mark_in(value)) return in_value;
    if (headers.size() >= sizeof mark_header && equal(headers.first(sizeof mark_header), mark_header)) return mark_in(headers.subspan(sizeof mark_header));
    return mark_in(key);
}

wire::compact::Reading Content::reading() const {
    wire::compact::Reading out;
    out.stamped = stamped;
    out.time = Timestamp(time);
    out.has_key = has_key;
    out.key = key;
    out.has_value = has_value;
    out.value = value;
    if (header_count != 0) out.headers = wire::compact::List<wire::compact::Header>::over(headers, static_cast<std::size_t>(header_count));
    return out;
}

Content make_reading(std::uint64_t seed, ReadingId id, const ReadingStyle& style) {
    Random random(seed ^ (std::uint64_t{id.producer} << 48 | std::uint64_t{id.incarnation} << 40 | id.sequence) * 0x9e3779b97f4a7c15ULL);
    const auto dice = [&](unsigned percent) { return random.chance(percent, 100); };
    Content content;
    content.stamped = dice(style.stamped);
    if (content.stamped) {
        content.time = first_time_ms + static_cast<std::int64_t>(id.sequence) * style.period_ms;
        if (style.jitter_ms != 0) content.time += static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(style.jitter_ms)));
        if (dice(1)) content.time -= 3'600'000;
        if (dice(style.bad_time)) {
            content.bad_time = true;
            content.time = random.chance(1, 2) ? -1 - static_cast<std::int64_t>(random.below(1'000'000)) : INT64_MIN + static_cast<std::int64_t>(random.below(1000));
        }
    }
    content.has_key = dice(style.keyed);
    const bool tombstone = dice(style.tombstones);
    const bool empty = !tombstone && dice(style.empty);
    if (tombstone || empty) {
        content.has_value = !tombstone;
        content.has_key = true;
        content.key.resize(mark_bytes + random.below(8));
        random.fill(content.key);
        write_mark(id, content.key);
        return content;
    }
    if (content.has_key) {
        const std::string key = "key-" + std::to_string(random.below(style.keys));
        content.key.assign(key.begin(), key.end());
    }
    if (style.deletions != 0 && dice(style.deletions)) {
        content.has_value = false;
        content.header_count = 1;
        content.headers.assign(std::begin(mark_header), std::end(mark_header));
        content.headers.resize(sizeof mark_header + mark_bytes);
        write_mark(id, MutableBytes(content.headers).subspan(sizeof mark_header));
        return content;
    }
    if (dice(style.headers)) {
        content.header_count = 1 + static_cast<std::int32_t>(random.below(2));
        add_header(content.headers, "unit", true, "C");
        if (content.header_count == 2) add_header(content.headers, "raw", random.chance(1, 2), "");
    }
    const std::size_t around = content.key.size() + content.headers.size() + 32;
    std::uint64_t most = std::min<std::uint64_t>(style.value_max, style.reading_max > around + mark_bytes ? style.reading_max - around : mark_bytes);
    std::uint64_t least = std::min<std::uint64_t>(style.value_min, most);
    if (dice(style.too_large) && style.frame_max > style.batch_max + around + 64) {
        content.too_large = true;
        least = style.batch_max;
        most = style.frame_max - around - 32;
    }
    content.value.resize(std::max<std::uint64_t>(mark_bytes, random.between(least, most)));
    random.fill(content.value);
    write_mark(id, content.value);
    return content;
}

}  // namespace rivulet::sim
