#include "store/checkpoint_file.h"

#include <limits>

#include "store/page.h"

namespace rivulet::store {

namespace {

constexpr std::string_view magic = "RVLCHKPT";
constexpr std::size_t body_bytes_at = 12;
constexpr std::size_t store_id_at = 16;
constexpr std::size_t sequence_at = 32;
constexpr std::size_t replay_from_at = 40;
constexpr std::size_t salt_at = 48;
constexpr std::size_t run_start_at = 56;
constexpr std::size_t run_at = 64;
constexpr std::size_t durable_at = 72;
constexpr std::size_t first_live_at = 80;
constexpr std::size_t zeroed_through_at = 88;
constexpr std::size_t segment_bytes_at = 96;
constexpr std::size_t segment_count_at = 104;
constexpr std::size_t checkpoint_area_bytes_at = 108;
constexpr std::size_t group_bytes_max_at = 112;
constexpr std::size_t body_crc_at = 116;
constexpr std::size_t next_log_id_at = 120;
constexpr std::size_t reserved_at = 128;
static_assert(store_id_at + sizeof(Uuid) == sequence_at && next_log_id_at + 8 == reserved_at && reserved_at < page_crc_at);

constexpr std::size_t chunk_section_at = 0;
constexpr std::size_t chunk_version_at = 2;
constexpr std::size_t chunk_length_at = 4;
static_assert(chunk_length_at + 4 == chunk_header_bytes);

constexpr std::uint8_t log_flag_memory = 1;
constexpr std::size_t offset_bytes_max = 9;  // 63 bits
constexpr std::size_t epoch_bytes_max = 5;
constexpr std::size_t sequence_bytes_max = 5;  // 31 bits
static_assert(3 * varint_bytes_max + 1 + 4 * offset_bytes_max + 1 + log_epochs_max * (epoch_bytes_max + offset_bytes_max) <= log_image_bytes_max);

constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();

void put(Offset offset, Writer& out) {
    RIVULET_CHECK(offset.value >= 0);
    out.varint(static_cast<std::uint64_t>(offset.value));
}

// A number of 63 bits; larger invalidates the reader.
Offset take_offset(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) in.invalidate();
    return Offset(static_cast<std::int64_t>(value));
}

Epoch take_epoch(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) in.invalidate();
    return Epoch(static_cast<std::int32_t>(value));
}

bool known(std::uint16_t section) {
    return (section >= static_cast<std::uint16_t>(Section::logs) && section <= static_cast<std::uint16_t>(Section::clean_logs)) ||
           section >= static_cast<std::uint16_t>(Section::catalogue);
}

Status check(const CheckpointHeader& header) {
    RIVULET_TRY(header.geometry.check());
    if (header.body_bytes > header.geometry.checkpoint_area_bytes - page_bytes) return fail(Error::corrupt, body_bytes_at);
    if (header.geometry.sequence(header.replay_from) < 1) return fail(Error::corrupt, replay_from_at);
    if (header.first_live > header.geometry.sequence(header.replay_from)) return fail(Error::corrupt, first_live_at);
    if (header.next_log_id < first_user_log.value) return fail(Error::corrupt, next_log_id_at);
    return {};
}

}  // namespace

void encode_checkpoint_header(const CheckpointHeader& header, PageOut page) {
    RIVULET_CHECK(check(header).ok());
    begin_page(page, magic);
    std::uint8_t* const at = page.data();
    store_le(at + body_bytes_at, header.body_bytes);
    store_uuid(at + store_id_at, header.geometry.store_id);
    store_le(at + sequence_at, header.sequence);
    store_le(at + replay_from_at, header.replay_from.value);
    store_le(at + salt_at, header.salt);
    store_le(at + run_start_at, header.run_start.value);
    store_le(at + run_at, header.run);
    store_le(at + durable_at, header.durable.value);
    store_le(at + first_live_at, header.first_live);
    store_le(at + zeroed_through_at, header.zeroed_through);
    store_le(at + segment_bytes_at, header.geometry.segment_bytes);
    store_le(at + segment_count_at, header.geometry.segment_count);
    store_le(at + checkpoint_area_bytes_at, header.geometry.checkpoint_area_bytes);
    store_le(at + group_bytes_max_at, header.geometry.group_bytes_max);
    store_le(at + body_crc_at, header.body_crc);
    store_le(at + next_log_id_at, header.next_log_id);
    seal_page(page);
}

Result<CheckpointHeader> decode_checkpoint_header(PageIn page) {
    RIVULET_TRY(check_page(page, magic));
    const std::uint8_t* const at = page.data();
    CheckpointHeader header;
    header.body_bytes = load_le<std::uint32_t>(at + body_bytes_at);
    header.geometry.store_id = load_uuid(at + store_id_at);
    header.sequence = load_le<std::uint64_t>(at + sequence_at);
    header.replay_from = Lsn(load_le<std::uint64_t>(at + replay_from_at));
    header.salt = load_le<std::uint64_t>(at + salt_at);
    header.run_start = Lsn(load_le<std::uint64_t>(at + run_start_at));
    header.run = load_le<std::uint64_t>(at + run_at);
    header.durable = Lsn(load_le<std::uint64_t>(at + durable_at));
    header.first_live = load_le<std::uint64_t>(at + first_live_at);
    header.zeroed_through = load_le<std::uint64_t>(at + zeroed_through_at);
    header.geometry.segment_bytes = load_le<std::uint64_t>(at + segment_bytes_at);
    header.geometry.segment_count = load_le<std::uint32_t>(at + segment_count_at);
    header.geometry.checkpoint_area_bytes = load_le<std::uint32_t>(at + checkpoint_area_bytes_at);
    header.geometry.group_bytes_max = load_le<std::uint32_t>(at + group_bytes_max_at);
    header.body_crc = load_le<std::uint32_t>(at + body_crc_at);
    header.next_log_id = load_le<std::uint64_t>(at + next_log_id_at);
    RIVULET_TRY(check(header));
    return header;
}

void encode_chunk_header(const ChunkHeader& chunk, std::span<std::uint8_t, chunk_header_bytes> out) {
    store_le(out.data() + chunk_section_at, static_cast<std::uint16_t>(chunk.section));
    store_le(out.data() + chunk_version_at, format_version);
    store_le(out.data() + chunk_length_at, chunk.length);
}

Result<ChunkHeader> decode_chunk_header(Bytes bytes) {
    if (bytes.size() < chunk_header_bytes) return fail(Error::corrupt);
    const auto section = load_le<std::uint16_t>(bytes.data() + chunk_section_at);
    const auto version = load_le<std::uint16_t>(bytes.data() + chunk_version_at);
    if (section == 0) return fail(Error::corrupt);
    if (version != format_version || !known(section)) return fail(Error::store_newer, section);
    return ChunkHeader{static_cast<Section>(section), load_le<std::uint32_t>(bytes.data() + chunk_length_at)};
}

void encode_log_image(const LogImage& image, Writer& out) {
    RIVULET_CHECK(image.epoch_count <= log_epochs_max && image.start <= image.end);
    out.varint(image.log.value);
    out.u8(image.memory ? log_flag_memory : 0);
    put(image.start, out);
    put(image.end, out);
    put(image.last_stable, out);
    out.varint(image.bytes);
    out.varint(image.last_extent.value);
    put(image.ceiling, out);
    out.varint(image.epoch_count);
    for (std::uint32_t i = 0; i < image.epoch_count; ++i) {
        RIVULET_CHECK(image.epochs[i].epoch.value >= 0);
        out.varint(static_cast<std::uint64_t>(image.epochs[i].epoch.value));
        put(image.epochs[i].start, out);
    }
}

bool decode_log_image(Reader& in, LogImage& out) {
    out.log = LogId(in.varint());
    const std::uint8_t flags = in.u8();
    out.memory = (flags & log_flag_memory) != 0;
    out.start = take_offset(in);
    out.end = take_offset(in);
    out.last_stable = take_offset(in);
    out.bytes = in.varint();
    out.last_extent = Lsn(in.varint());
    out.ceiling = take_offset(in);
    const std::uint64_t epochs = in.varint();
    if (!in.ok() || out.log < first_user_log || (flags & ~log_flag_memory) != 0 || out.start > out.end || epochs > log_epochs_max) return false;
    out.epoch_count = static_cast<std::uint32_t>(epochs);
    for (std::uint32_t i = 0; i < out.epoch_count; ++i) {
        EpochStart& entry = out.epochs[i];
        entry.epoch = take_epoch(in);
        entry.start = take_offset(in);
        if (!in.ok()) return false;
        if (i != 0 && (entry.epoch <= out.epochs[i - 1].epoch || entry.start < out.epochs[i - 1].start)) return false;
    }
    return true;
}

void encode_clean_log(const CleanLogImage& image, Writer& out) {
    out.varint(image.of.value);
    put(image.making ? Offset(0) : image.clean_end + 1, out);
    encode_log_image(image.log, out);
}

bool decode_clean_log(Reader& in, CleanLogImage& out) {
    out.of = LogId(in.varint());
    const Offset end = take_offset(in);
    out.making = end.value == 0;
    out.clean_end = out.making ? end : end - 1;
    return decode_log_image(in, out.log) && out.of != out.log.log;
}

void encode_truncation(const TruncationImage& image, Writer& out) {
    out.varint(image.log.value);
    put(image.offset, out);
    out.varint(image.lsn.value);
}

bool decode_truncation(Reader& in, TruncationImage& out) {
    out.log = LogId(in.varint());
    out.offset = take_offset(in);
    out.lsn = Lsn(in.varint());
    return in.ok();
}

void encode_fence(const FenceImage& image, Writer& out) {
    RIVULET_CHECK(image.from < image.to);
    out.varint(image.log.value);
    put(image.from, out);
    put(image.to, out);
    out.u8(static_cast<std::uint8_t>(image.cause));
}

bool decode_fence(Reader& in, FenceImage& out) {
    out.log = LogId(in.varint());
    out.from = take_offset(in);
    out.to = take_offset(in);
    out.cause = static_cast<FenceCause>(in.u8());
    const bool known = out.cause >= FenceCause::damage && out.cause <= FenceCause::unproved;
    return in.ok() && out.from < out.to && known && (out.log == control_log) == (out.cause == FenceCause::unproved);
}

void encode_boot(const BootImage& image, Writer& out) {
    out.varint(image.index);
    out.bytes(image.boot_id.bytes);
    out.u8(image.fixed ? 1 : 0);
    out.le(image.offset_ms);
}

bool decode_boot(Reader& in, BootImage& out) {
    const std::uint64_t index = in.varint();
    const Bytes boot_id = in.bytes(out.boot_id.bytes.size());
    const std::uint8_t fixed = in.u8();
    out.offset_ms = in.le<std::int64_t>();
    if (!in.ok() || index > u32_max || fixed > 1) return false;
    out.index = static_cast<std::uint32_t>(index);
    out.boot_id = load_uuid(boot_id.data());
    out.fixed = fixed == 1;
    return true;
}

// A sequence is at most the largest base sequence, 2^62, and what one connection can count.
constexpr std::uint64_t session_partial = std::uint64_t{1} << 63;

void encode_session(const SessionImage& image, Writer& out) {
    out.le(image.session);
    out.le(image.incarnation);
    out.varint(image.log.value);
    out.varint(image.last_sequence | (image.partial ? session_partial : 0));
}

bool decode_session(Reader& in, SessionImage& out) {
    out.session = in.le<std::uint64_t>();
    out.incarnation = in.le<std::uint32_t>();
    out.log = LogId(in.varint());
    const std::uint64_t last = in.varint();
    out.last_sequence = last & ~session_partial;
    out.partial = last != out.last_sequence;
    return in.ok();
}

static_assert(offset_bytes_max + varint_bytes_max + 3 + sequence_bytes_max + 1 + producer_batches_max * (sequence_bytes_max + offset_bytes_max) == producer_image_bytes_max);

// Of every batch but the first what lies between it and the one before.
void encode_producer(const ProducerImage& image, Writer& out) {
    RIVULET_CHECK(image.producer >= 0 && image.epoch >= 0 && image.first_sequence >= 0 && image.count != 0 && image.count <= producer_batches_max);
    out.varint(static_cast<std::uint64_t>(image.producer));
    out.varint(image.log.value);
    out.varint(static_cast<std::uint64_t>(image.epoch));
    out.varint(static_cast<std::uint64_t>(image.first_sequence));
    out.varint(image.count);
    Offset from{0};
    for (std::uint32_t i = 0; i < image.count; ++i) {
        out.varint(image.spans[i]);
        put(Offset(image.bases[i] - from), out);
        from = image.bases[i] + (std::int64_t{image.spans[i]} + 1);
    }
}

bool decode_producer(Reader& in, ProducerImage& out) {
    constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();
    constexpr std::uint64_t sequence_max = std::numeric_limits<std::int32_t>::max();
    out.producer = take_offset(in).value;
    out.log = LogId(in.varint());
    const std::uint64_t epoch = in.varint();
    const std::uint64_t sequence = in.varint();
    const std::uint64_t count = in.varint();
    if (!in.ok() || out.log < first_user_log || epoch > std::numeric_limits<std::int16_t>::max() || sequence > sequence_max || count == 0 || count > producer_batches_max) return false;
    out.epoch = static_cast<std::int16_t>(epoch);
    out.first_sequence = static_cast<std::int32_t>(sequence);
    out.count = static_cast<std::uint32_t>(count);
    std::uint64_t from = 0;
    for (std::uint32_t i = 0; i < out.count; ++i) {
        const std::uint64_t span = in.varint();
        const std::uint64_t between = in.varint();
        if (!in.ok() || span > sequence_max || between >= offset_max - from || span >= offset_max - from - between) return false;
        out.spans[i] = static_cast<std::uint32_t>(span);
        out.bases[i] = Offset(static_cast<std::int64_t>(from + between));
        from += between + span + 1;
    }
    return true;
}

}  // namespace rivulet::store
