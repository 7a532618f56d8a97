// Pages and commit groups: every flipped bit and every bound. Their bytes are frozen in tests/golden/store_test.cpp.
#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "unit/store/samples.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Buffer;
using test::StorePage;
namespace sample = test::sample;

namespace {

void seal(StorePage& page) { store_le(page.data() + page_bytes - 4, crc32c(Bytes(page).first(page_bytes - 4))); }

// No bit of `bytes` may change unnoticed: `decode` must say corrupt, never store_newer.
template <class Decode>
void check_every_bit(Buffer bytes, const Decode& decode) {
    unsigned wrong = 0;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        if (decode(Bytes(bytes)) != Error::corrupt) ++wrong;
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
    CHECK(wrong == 0);
    CHECK(decode(Bytes(bytes)) == Error::none);
}

Error decode_group(const GroupHeader& header) {
    std::uint8_t bytes[group_header_bytes];
    encode_group_header(header, bytes);
    return decode_group_header(bytes, header.lsn, sample::geometry()).error();
}

// A table of hand-made entries under a header that promises `count` of them and `payload` bytes.
struct HandMade {
    Buffer bytes = Buffer(512);
    Writer out{bytes};
    std::uint32_t count = 1;
    std::uint32_t payload = 10;

    HandMade& entry(std::uint64_t log, std::uint8_t flags, std::uint64_t base, std::uint64_t span, std::uint64_t epoch, std::uint64_t size) {
        out.varint(log);
        out.u8(flags);
        for (const std::uint64_t v : {base, span, epoch, size}) out.varint(v);
        out.zigzag_varint(0);
        out.le<std::uint32_t>(0);
        return *this;
    }
    Error read(std::size_t cut = 0) const {
        GroupHeader header;
        header.extent_count = count;
        header.payload_bytes = payload;
        header.table_bytes = static_cast<std::uint32_t>(out.size() - cut);
        TableReader reader(header, out.written().first(header.table_bytes));
        Extent extent;
        std::uint32_t seen = 0;
        while (reader.next(extent)) ++seen;
        CHECK_FALSE(reader.next(extent));  // stays ended
        if (reader.error() == Error::none) CHECK(seen == count);
        return reader.error();
    }
};

constexpr std::uint64_t i64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t i32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();

}  // namespace

TEST_CASE("pages: every flipped bit is corrupt, another version is newer, another magic is not ours") {
    StorePage page;
    const auto check = [&page](const auto& decode) {
        check_every_bit(Buffer(page.begin(), page.end()), [&](Bytes bytes) { return decode(bytes.first<page_bytes>()).error(); });
        page[8] = 2;
        seal(page);
        CHECK(decode(Bytes(page).first<page_bytes>()).error() == Error::store_newer);
        page[8] = 1;
        page[0] = 'X';
        seal(page);
        CHECK(decode(Bytes(page).first<page_bytes>()).error() == Error::corrupt);
    };
    encode_super(sample::super(), page);
    check(decode_super);
    encode_segment_header(sample::segment_header(), page);
    check(decode_segment_header);
    encode_checkpoint_header(sample::checkpoint_header(), page);
    check(decode_checkpoint_header);
    page.fill(0);
    CHECK(decode_super(page).error() == Error::corrupt);
    CHECK(decode_segment_header(page).error() == Error::corrupt);
    CHECK(decode_checkpoint_header(page).error() == Error::corrupt);
}

TEST_CASE("geometry: bounds") {
    const auto with = [](const std::function<void(Geometry&)>& change) {
        Geometry g = sample::geometry();
        change(g);
        return g.check().ok();
    };
    CHECK(with([](Geometry&) {}));
    CHECK(with([](Geometry& g) { g.segment_count = segment_count_min; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_count = segment_count_min - 1; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_bytes = 0; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_bytes += 4096; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_bytes = segment_bytes_max * 2; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_bytes = segment_bytes_min / 2; g.group_bytes_max = 8192; }));
    CHECK(with([](Geometry& g) { g.segment_bytes = segment_bytes_min; g.group_bytes_max = segment_bytes_min - 2 * page_bytes; }));
    CHECK_FALSE(with([](Geometry& g) { g.segment_bytes = segment_bytes_min; g.group_bytes_max = segment_bytes_min - 2 * page_bytes + 1; }));
    CHECK_FALSE(with([](Geometry& g) { g.group_bytes_max = page_bytes - 1; }));
    CHECK_FALSE(with([](Geometry& g) { g.checkpoint_area_bytes = page_bytes; }));
}

TEST_CASE("geometry: positions") {
    const Geometry g = sample::geometry();
    CHECK(g.sequence(Lsn(0x1801000)) == 3);
    CHECK(g.first_group(3) == Lsn(0x1801000));
    CHECK(g.file_position(Lsn(33 * 0x800000ULL + 5)) == 0x800000 + 5);
    CHECK(g.first_live(1) == 1);
    CHECK(g.first_live(31) == 1);
    CHECK(g.first_live(32) == 2);  // segments 2 to 32 live, slot 1 is overwritten next
}

TEST_CASE("super: bounds") {
    StorePage page;
    encode_super(sample::super(), page);
    auto with = [page](std::size_t at, std::uint8_t value) mutable {
        const StorePage before = page;
        page[at] = value;
        seal(page);
        const Error error = decode_super(page).error();
        page = before;
        return error;
    };
    CHECK(with(10, 2) == Error::store_newer);  // a flag without a meaning
    CHECK(with(40, 1) == Error::corrupt);      // segment_bytes
    CHECK(with(48, 1) == Error::corrupt);      // segment_count
    CHECK(with(200, 1) == Error::none);        // reserved: not read
}

TEST_CASE("segment header: bounds") {
    SegmentHeader h = sample::segment_header();
    StorePage page;
    const auto decoded = [&] {
        encode_segment_header(h, page);
        return decode_segment_header(page).error();
    };
    h.previous_end = h.geometry.first_group(3);
    CHECK(decoded() == Error::none);
    h.previous_end += page_bytes;
    CHECK(decoded() == Error::corrupt);
    h = sample::segment_header();
    h.sequence = std::numeric_limits<std::uint64_t>::max() / h.geometry.segment_bytes;
    CHECK(decoded() == Error::corrupt);
    h.sequence -= 1;
    CHECK(decoded() == Error::none);
}

TEST_CASE("checkpoint header: bounds") {
    const auto with = [](std::size_t at, std::uint64_t value, std::size_t size) {
        StorePage page;
        encode_checkpoint_header(sample::checkpoint_header(), page);
        for (std::size_t i = 0; i < size; ++i) page[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
        seal(page);
        return decode_checkpoint_header(page).error();
    };
    CHECK(with(12, (1 << 20) - page_bytes, 4) == Error::none);
    CHECK(with(12, (1 << 20) - page_bytes + 1, 4) == Error::corrupt);
    CHECK(with(40, 0x1000, 8) == Error::corrupt);  // replay from segment 0
    CHECK(with(80, 3, 8) == Error::none);
    CHECK(with(80, 4, 8) == Error::corrupt);  // first live beyond it
    CHECK(with(120, 15, 8) == Error::corrupt);
    CHECK(with(104, 0, 4) == Error::corrupt);
}

TEST_CASE("group header: every flipped bit, truncation, versions") {
    const sample::Group group = sample::group();
    const Buffer bytes = group.bytes();
    const auto decode = [](Bytes b) { return decode_group_header(b, Lsn(0x1801000), sample::geometry()).error(); };
    check_every_bit(Buffer(bytes.begin(), bytes.begin() + group_header_bytes), decode);
    for (std::size_t n = 0; n < group_header_bytes; ++n) CHECK(decode(Bytes(bytes).first(n)) == Error::corrupt);
    CHECK(decode_group_header(bytes, Lsn(0x1801000 + page_bytes), sample::geometry()).error() == Error::corrupt);

    Buffer other = bytes;
    const auto resealed = [&](std::size_t at, std::uint8_t value) {
        other = bytes;
        other[at] = value;
        store_le(other.data() + 76, crc32c(Bytes(other).first(76), crc32c(Bytes(other).subspan(8, 8))));
        return decode(other);
    };
    CHECK(resealed(4, 2) == Error::store_newer);
    CHECK(resealed(5, 4) == Error::store_newer);
    CHECK(resealed(5, 2) == Error::none);
    CHECK(resealed(6, 9) == Error::none);  // reserved: not read
}

TEST_CASE("group header: bounds") {
    const GroupHeader good = sample::group().header;
    CHECK(decode_group(good) == Error::none);
    const auto with = [&](const std::function<void(GroupHeader&)>& change) {
        GroupHeader h = good;
        change(h);
        return decode_group(h);
    };
    const Lsn mid = good.lsn + 16 * page_bytes;
    // A group that is not the first of its segment follows without a gap.
    CHECK(with([&](GroupHeader& h) { h.lsn = h.previous_end = mid; }) == Error::none);
    CHECK(with([&](GroupHeader& h) { h.lsn = mid; }) == Error::corrupt);
    CHECK(with([&](GroupHeader& h) { h.previous_end = h.lsn + page_bytes; }) == Error::corrupt);
    CHECK(with([&](GroupHeader& h) { h.lsn = h.previous_end = mid + 512; }) == Error::corrupt);
    CHECK(with([&](GroupHeader& h) { h.lsn = h.previous_end = Lsn(0x1800000); }) == Error::corrupt);  // where the segment header lies
    CHECK(with([](GroupHeader& h) { h.total_bytes += page_bytes; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.total_bytes = 0; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.payload_bytes += page_bytes; h.total_bytes += page_bytes; }) == Error::none);
    CHECK(with([](GroupHeader& h) { h.payload_bytes = 0xffffffff; h.total_bytes = 0; }) == Error::corrupt);  // no sum of 32 bits
    CHECK(with([](GroupHeader& h) { h.extent_count = h.table_bytes / 11 + 1; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.extent_count = 0; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.extent_count = h.table_bytes = h.payload_bytes = 0; }) == Error::none);
    CHECK(with([](GroupHeader& h) { h.durable = h.lsn; }) == Error::none);
    CHECK(with([](GroupHeader& h) { h.durable = h.lsn + 1; }) == Error::corrupt);
    // A run begins at the end of the group before, wherever its RUN_START lies.
    CHECK(with([](GroupHeader& h) { h.run_start = true; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.run_start = true; h.run_start_lsn = h.lsn; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.run_start = true; h.run_start_lsn = h.previous_end; }) == Error::none);
    CHECK(with([](GroupHeader& h) { h.run_start_lsn = h.previous_end; }) == Error::corrupt);
    CHECK(with([](GroupHeader& h) { h.run_start_lsn = h.previous_end - page_bytes; }) == Error::none);
    CHECK(with([](GroupHeader& h) { h.run_start_lsn = h.lsn + page_bytes; }) == Error::corrupt);

    const auto of_size = [&](std::uint32_t bytes, std::uint64_t position) {
        return with([&](GroupHeader& h) {
            h.total_bytes = bytes;
            h.payload_bytes = bytes - static_cast<std::uint32_t>(group_header_bytes) - h.table_bytes;
            h.lsn = h.previous_end = Lsn(0x1800000 + position);
        });
    };
    const std::uint32_t largest = sample::geometry().group_bytes_max;
    CHECK(of_size(largest, page_bytes) == Error::none);
    CHECK(of_size(largest + page_bytes, page_bytes) == Error::corrupt);
    // The last page of a segment is the footer's.
    CHECK(of_size(2 * page_bytes, 0x800000 - 3 * page_bytes) == Error::none);
    CHECK(of_size(2 * page_bytes, 0x800000 - 2 * page_bytes) == Error::corrupt);
}

TEST_CASE("table: round trip, every flipped bit against its CRC") {
    const sample::Group group = sample::group();
    TableReader reader(group.header, group.table);
    Extent extent;
    for (const Extent& expected : group.extents) {
        REQUIRE(reader.next(extent));
        CHECK(extent == expected);
    }
    CHECK_FALSE(reader.next(extent));
    CHECK(reader.error() == Error::none);
    check_every_bit(group.table, [&](Bytes table) {
        // Without the CRC every entry is bounded all the same.
        TableReader damaged(group.header, table);
        Extent e;
        while (damaged.next(e)) CHECK(std::uint64_t{e.position} + e.bytes <= group.header.payload_bytes);
        return table_crc(group.header.salt, table) == group.header.table_crc ? Error::none : Error::corrupt;
    });
    CHECK(table_crc(group.header.salt + 1, group.table) != group.header.table_crc);
    for (std::size_t n = 0; n < group.table.size(); ++n) {
        TableReader cut(group.header, Bytes(group.table).first(n));
        while (cut.next(extent)) {}
        CHECK(cut.error() == Error::corrupt);
    }
}

TEST_CASE("table: extremes fit") {
    Extent e;
    e.log = LogId(std::numeric_limits<std::uint64_t>::max());
    e.flags = extent_packed | extent_relocated | extent_compacted | extent_control | extent_transactional | extent_clock_untrusted;
    e.offset_span = static_cast<std::uint32_t>(u32_max);
    e.base = Offset(static_cast<std::int64_t>(i64_max - 1 - u32_max));
    e.epoch = Epoch(static_cast<std::int32_t>(i32_max));
    e.bytes = static_cast<std::uint32_t>(u32_max);
    e.max_timestamp = Timestamp(std::numeric_limits<std::int64_t>::min());
    e.crc = e.boot = static_cast<std::uint32_t>(u32_max);
    const Buffer trailer(200, 7);
    e.trailer = trailer;
    GroupHeader header;
    header.base_timestamp = Timestamp(1);  // the difference wraps
    header.extent_count = 1;
    header.payload_bytes = e.bytes;
    Buffer buffer(300);
    TableWriter writer(buffer, header.base_timestamp);
    std::uint32_t crc_at = 0;
    REQUIRE(writer.add(e, crc_at));
    CHECK(load_le<std::uint32_t>(buffer.data() + crc_at) == e.crc);
    TableReader reader(header, Bytes(buffer).first(writer.bytes()));
    Extent out;
    REQUIRE(reader.next(out));
    CHECK(out == e);
    CHECK_FALSE(reader.next(out));
    CHECK(reader.error() == Error::none);
}

TEST_CASE("table: a full buffer takes nothing of an entry") {
    Extent e;
    e.log = LogId(16);
    e.bytes = 1;
    Buffer buffer(25);
    TableWriter writer(buffer, Timestamp(0));
    std::uint32_t crc_at = 0;
    CHECK(writer.add(e, crc_at));
    CHECK(crc_at == 7);
    e.base = Offset(1);
    CHECK(writer.add(e, crc_at));
    CHECK(crc_at == 18);
    CHECK_FALSE(writer.add(e, crc_at));
    CHECK(writer.bytes() == 22);
    CHECK(writer.count() == 2);
}

TEST_CASE("table: bounds of an entry") {
    CHECK(HandMade().entry(16, 0, 5, 2, 1, 10).read() == Error::none);
    CHECK(HandMade().entry(16, 128, 5, 2, 1, 10).read() == Error::store_newer);
    CHECK(HandMade().entry(16, 128, 5, 2, 1, 10).read() == Error::store_newer);
    // The offset behind the last is one too.
    CHECK(HandMade().entry(16, 0, i64_max - 1, 0, 1, 10).read() == Error::none);
    CHECK(HandMade().entry(16, 0, i64_max - 1, 1, 1, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, i64_max, 0, 1, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, i64_max + 1, 0, 1, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, 0, u32_max, 1, 10).read() == Error::none);
    CHECK(HandMade().entry(16, 0, 0, u32_max + 1, 1, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, 0, 0, i32_max, 10).read() == Error::none);
    CHECK(HandMade().entry(16, 0, 0, 0, i32_max + 1, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, 0, 0, 1, 0).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, 0, 0, 1, 9).read() == Error::corrupt);   // less than the header says
    CHECK(HandMade().entry(16, 0, 0, 0, 1, 11).read() == Error::corrupt);  // more
    CHECK(HandMade().entry(16, 0, 0, 0, 1, u32_max + 11).read() == Error::corrupt);
    CHECK(HandMade().entry(16, 0, 0, 0, 1, 10).read(1) == Error::corrupt);
    // The store's own log.
    CHECK(HandMade().entry(0, extent_control, 0, 0, 0, 10).read() == Error::none);
    CHECK(HandMade().entry(0, 0, 0, 0, 0, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(0, extent_control, 1, 0, 0, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(0, extent_control, 0, 1, 0, 10).read() == Error::corrupt);
    CHECK(HandMade().entry(0, extent_control, 0, 0, 1, 10).read() == Error::corrupt);
}

TEST_CASE("table: order and number of entries") {
    const auto two = [](std::uint64_t log, std::uint64_t base) {
        HandMade table;
        table.count = 2;
        table.entry(16, 0, 5, 2, 1, 4).entry(log, 0, base, 0, 1, 6);
        return table;
    };
    CHECK(two(1, 0).read() == Error::none);
    CHECK(two(0, 8).read() == Error::none);
    CHECK(two(0, 7).read() == Error::corrupt);  // overlaps
    CHECK(two(0, 0).read() == Error::corrupt);
    CHECK(two(std::numeric_limits<std::uint64_t>::max() - 16, 0).read() == Error::none);
    CHECK(two(std::numeric_limits<std::uint64_t>::max() - 15, 0).read() == Error::corrupt);  // wraps
    HandMade fewer = two(1, 0);
    fewer.count = 1;
    CHECK(fewer.read() == Error::corrupt);
    fewer.count = 3;
    CHECK(fewer.read() == Error::corrupt);

    HandMade packed;
    packed.entry(16, extent_packed, 0, 0, 1, 10).out.varint(4);
    packed.out.zeros(3);
    CHECK(packed.read() == Error::corrupt);
    packed.out.zeros(1);
    CHECK(packed.read() == Error::none);
    HandMade untrusted;
    untrusted.entry(16, extent_clock_untrusted, 0, 0, 1, 10);
    CHECK(untrusted.read() == Error::corrupt);
    untrusted.out.varint(u32_max + 1);
    CHECK(untrusted.read() == Error::corrupt);
}
