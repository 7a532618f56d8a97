// Journal records, footer, session trailer and the entries of a checkpoint: bounds, truncation, flipped bits.
#include <doctest/doctest.h>

#include <limits>

#include "unit/store/samples.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Buffer;
namespace sample = test::sample;

namespace {

constexpr std::uint64_t i64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t i32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t u64_max = std::numeric_limits<std::uint64_t>::max();

// Bytes written by hand: numbers as varints.
struct Hand {
    Buffer bytes = Buffer(256);
    Writer out{bytes};
    Hand(std::initializer_list<std::uint64_t> varints) {
        for (const std::uint64_t v : varints) out.varint(v);
    }
    Hand& byte(std::uint8_t v) { out.u8(v); return *this; }
    Hand& zeros(std::size_t n) { out.zeros(n); return *this; }
    Hand& more(std::initializer_list<std::uint64_t> varints) {
        for (const std::uint64_t v : varints) out.varint(v);
        return *this;
    }
    Reader reader() const { return Reader(out.written()); }
};

Error read_records(Bytes payload, unsigned* seen = nullptr) {
    RecordsReader reader(payload);
    JournalRecord record;
    unsigned n = 0;
    while (reader.next(record)) ++n;
    CHECK_FALSE(reader.next(record));
    if (seen) *seen = n;
    return reader.error();
}

Error one_record(std::uint64_t type, const Hand& body) {
    Buffer bytes(300);
    Writer out(bytes);
    out.varint(type);
    out.block(body.out.written());
    return read_records(out.written());
}

Error read_footer(Bytes footer, std::uint64_t sequence = 3) {
    const auto tail = decode_footer_tail(footer.last(footer_tail_bytes), sequence, sample::geometry());
    if (!tail) return tail.error();
    FooterReader reader(*tail, footer.last(footer_tail_bytes + tail->body_bytes).first(tail->body_bytes));
    FooterEntry entry;
    while (reader.next(entry)) {}
    CHECK_FALSE(reader.next(entry));
    return reader.error();
}

// The tail's fields under a right CRC.
Error footer_with(std::size_t at, std::uint64_t value, std::size_t size) {
    Buffer footer = sample::footer();
    std::uint8_t* const tail = footer.data() + footer.size() - footer_tail_bytes;
    for (std::size_t i = 0; i < size; ++i) tail[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
    store_le(tail + 60, crc32c({tail, 60}));
    return decode_footer_tail(Bytes(footer).last(footer_tail_bytes), 3, sample::geometry()).error();
}

Error footer_of(const Hand& body, std::uint32_t logs = 1) {
    FooterTail tail;
    tail.log_count = logs;
    tail.body_bytes = static_cast<std::uint32_t>(body.out.size());
    tail.body_crc = crc32c(body.out.written());
    tail.end_page = 100;
    FooterReader reader(tail, body.out.written());
    FooterEntry entry;
    while (reader.next(entry)) {}
    return reader.error();
}

}  // namespace

TEST_CASE("records: a cut payload is corrupt unless cut between records") {
    const Buffer records = sample::journal_records();
    unsigned whole = 0;
    for (std::size_t n = 0; n <= records.size(); ++n) {
        unsigned seen = 0;
        const Error error = read_records(Bytes(records).first(n), &seen);
        if (error == Error::none) ++whole;
        else CHECK(error == Error::corrupt);
        CHECK(seen <= 12);
    }
    CHECK(whole == 13);  // 0 to 12 records
}

TEST_CASE("records: types") {
    CHECK(one_record(0, {}) == Error::corrupt);
    for (const std::uint64_t type : {13, 31}) CHECK(one_record(type, {}) == Error::store_newer);
    for (const std::uint64_t type : {32, 33, 63}) CHECK(one_record(type, {1, 2, 3}) == Error::none);
    CHECK(one_record(64, {}) == Error::store_newer);
    CHECK(one_record(u64_max, {}) == Error::store_newer);
}

TEST_CASE("records: bounds of their fields") {
    const auto type = [](RecordType t) { return static_cast<std::uint64_t>(t); };
    const auto start = [&](std::uint64_t boot, std::uint8_t flags) {
        Hand body{1};
        body.zeros(8).more({4096}).zeros(16).more({boot}).byte(flags);
        return one_record(type(RecordType::run_start), body);
    };
    CHECK(start(u32_max, 1) == Error::none);
    CHECK(start(u32_max + 1, 1) == Error::corrupt);
    CHECK(start(1, 2) == Error::corrupt);

    const auto create = [&](std::uint64_t first, std::uint64_t count, std::uint8_t flags, std::uint64_t length) {
        Hand body{first, count};
        body.byte(flags).more({length}).zeros(3);
        return one_record(type(RecordType::log_create), body);
    };
    CHECK(create(16, 1, 1, 3) == Error::none);
    CHECK(create(0, 1, 0, 3) == Error::corrupt);
    CHECK(create(16, 0, 0, 3) == Error::corrupt);
    CHECK(create(u64_max, 1, 0, 3) == Error::corrupt);
    CHECK(create(16, u32_max + 1, 0, 3) == Error::corrupt);
    CHECK(create(16, 1, 2, 3) == Error::corrupt);
    CHECK(create(16, 1, 0, 4) == Error::corrupt);
    CHECK(create(16, 1, 0, 2) == Error::corrupt);  // a byte left over

    CHECK(one_record(type(RecordType::log_delete), {16, 3}) == Error::none);
    CHECK(one_record(type(RecordType::log_delete), {0, 3}) == Error::corrupt);
    CHECK(one_record(type(RecordType::log_start), {16, i64_max}) == Error::none);
    CHECK(one_record(type(RecordType::log_start), {16, i64_max + 1}) == Error::corrupt);
    CHECK(one_record(type(RecordType::log_start), {16, 1, 1}) == Error::corrupt);
    CHECK(one_record(type(RecordType::truncate), {16, 1, i32_max}) == Error::none);
    CHECK(one_record(type(RecordType::truncate), {16, 1, i32_max + 1}) == Error::corrupt);
    CHECK(one_record(type(RecordType::ceiling), {0, 1}) == Error::corrupt);
    CHECK(one_record(type(RecordType::epoch), {16, i32_max + 1, 1}) == Error::corrupt);
    CHECK(one_record(type(RecordType::jump), {16, 1, 2}) == Error::none);
    CHECK(one_record(type(RecordType::jump), {16, 2, 2}) == Error::corrupt);
    CHECK(one_record(type(RecordType::jump), {0, 1, 2}) == Error::corrupt);
    const auto fence = [&](std::uint64_t log, std::uint64_t from, std::uint64_t to, std::uint8_t cause) {
        Hand body{log, from, to};
        body.byte(cause);
        return one_record(type(RecordType::fence), body);
    };
    CHECK(fence(16, 1, 2, 3) == Error::none);
    CHECK(fence(16, 2, 2, 1) == Error::corrupt);
    CHECK(fence(16, 1, 2, 0) == Error::corrupt);
    CHECK(fence(16, 1, 2, 4) == Error::corrupt);
    CHECK(fence(0, 1, 2, 1) == Error::corrupt);
}

TEST_CASE("records: RETIRE") {
    const auto retire = [](std::initializer_list<std::uint64_t> body) { return one_record(static_cast<std::uint64_t>(RecordType::retire), body); };
    CHECK(retire({2, 0}) == Error::none);
    CHECK(retire({2, 2, 16, 5, 1, 0}) == Error::none);
    CHECK(retire({2, 2, 16, 5, 0, 0}) == Error::corrupt);           // the same log again
    CHECK(retire({2, 2, 16, 5, u64_max, 0}) == Error::corrupt);     // wraps
    CHECK(retire({2, 1, 16, i64_max + 1}) == Error::corrupt);
    CHECK(retire({2, 1, 16, 5, 1, 0}) == Error::corrupt);           // more than it says
    CHECK(retire({2, 3, 16, 5, 1, 0}) == Error::corrupt);           // fewer
    CHECK(retire({2, u32_max, 16, 5}) == Error::corrupt);
}

TEST_CASE("records: a full writer can be rewound") {
    Buffer bytes(20);
    Writer out(bytes);
    encode(LogStartRecord{LogId(16), Offset(1)}, out);
    const std::size_t before = out.size();
    encode(LogCreateRecord{LogId(16), 1, false, sample::catalogue_entry()}, out);
    CHECK_FALSE(out.ok());
    out.rewind(before);
    encode(LogStartRecord{LogId(17), Offset(2)}, out);
    unsigned seen = 0;
    CHECK(read_records(out.written(), &seen) == Error::none);
    CHECK(seen == 2);
}

TEST_CASE("footer: every flipped bit, truncation") {
    Buffer footer = sample::footer();
    CHECK(read_footer(footer) == Error::none);
    unsigned wrong = 0;
    const std::size_t body_and_tail = footer_tail_bytes + 31;
    for (std::size_t bit = (footer.size() - body_and_tail) * 8; bit < footer.size() * 8; ++bit) {
        footer[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        if (read_footer(footer) != Error::corrupt) ++wrong;
        footer[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
    CHECK(wrong == 0);
    for (std::size_t n = 0; n < footer_tail_bytes; ++n)
        CHECK(decode_footer_tail(Bytes(footer).last(n), 3, sample::geometry()).error() == Error::corrupt);
    const auto tail = decode_footer_tail(Bytes(footer).last(footer_tail_bytes), 3, sample::geometry());
    CHECK(FooterReader(*tail, Bytes(footer).last(footer_tail_bytes + 30).first(30)).error() == Error::corrupt);
}

TEST_CASE("footer: bounds of the tail") {
    CHECK(read_footer(sample::footer(), 4) == Error::corrupt);
    CHECK(footer_with(16, 0x1ff0000, 8) == Error::none);
    CHECK(footer_with(16, 0x1fff000, 8) == Error::none);     // up to the last page
    CHECK(footer_with(16, 0x1fff100, 8) == Error::corrupt);
    CHECK(footer_with(16, 0x2000000, 8) == Error::corrupt);  // the next segment
    CHECK(footer_with(16, 0x1800000, 8) == Error::corrupt);  // the segment header
    CHECK(footer_with(36, 0x10000 - 64, 4) == Error::none);  // from the end of the last group
    CHECK(footer_with(36, 0x10000 - 63, 4) == Error::corrupt);
    CHECK(footer_with(36, 0xffffffff, 4) == Error::corrupt);
    CHECK(footer_with(32, 3, 4) == Error::none);
    CHECK(footer_with(32, 4, 4) == Error::corrupt);          // 31 bytes hold 3 entries at most
}

TEST_CASE("footer: bounds of an entry") {
    const auto entry = [](std::uint64_t log, std::uint64_t first, std::uint64_t span, std::uint64_t extents, std::uint64_t bytes,
                          std::uint64_t page, std::uint8_t flags, std::initializer_list<std::uint64_t> aborted) {
        Hand body{log, first, span, extents, bytes, page, 0, 0};
        body.byte(flags).more(aborted);
        return footer_of(body);
    };
    CHECK(entry(16, 0, 0, 1, 1, 1, 0, {0}) == Error::none);
    CHECK(entry(0, 0, 0, 1, 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, i64_max, 0, 1, 1, 1, 0, {0}) == Error::none);
    CHECK(entry(16, i64_max, 1, 1, 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, i64_max + 1, 0, 1, 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 0, 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, 0, 0, u32_max + 1, 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 1, u32_max + 1, 1, 0, {0}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 1, 1, 0, 0, {0}) == Error::corrupt);    // the segment header's page
    CHECK(entry(16, 0, 0, 1, 1, 99, 0, {0}) == Error::none);
    CHECK(entry(16, 0, 0, 1, 1, 100, 0, {0}) == Error::corrupt);  // beyond the last group
    CHECK(entry(16, 0, 0, 1, 1, 1, 2, {0}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 1, 1, 1, 1, {1, 7, 5, 2}) == Error::none);  // an aborted range is skipped
    CHECK(entry(16, 0, 0, 1, 1, 1, 1, {2, 7, 5, 2}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 1, 1, 1, 1, {u64_max, 7, 5, 2}) == Error::corrupt);
    CHECK(entry(16, 0, 0, 1, 1, 1, 0, {0, 0}) == Error::corrupt);  // a byte left over
    CHECK(footer_of({}, 0) == Error::none);
    CHECK(footer_of({}, 1) == Error::corrupt);
}

TEST_CASE("footer: what does not fit is refused, what fits is moved to the end") {
    Buffer buffer(page_bytes, 0xee);
    FooterWriter writer(buffer);
    FooterEntry entry;
    entry.extents = 1;
    entry.page = 1;
    unsigned added = 0;
    for (entry.log = LogId(16); writer.add(entry); ++entry.log) ++added;
    CHECK(added == (page_bytes - footer_tail_bytes) / 10);
    const Bytes footer = writer.finish(3, Lsn(0x1ff0000), 1, true);
    CHECK(footer.size() == page_bytes);
    CHECK(read_footer(footer) == Error::none);
    CHECK(decode_footer_tail(footer.last(footer_tail_bytes), 3, sample::geometry())->partial);
    CHECK(footer_room(0) == page_bytes);
    CHECK(footer_room(50) == page_bytes);
    CHECK(footer_room(51) == 2 * page_bytes);
}

TEST_CASE("session trailer: bounds") {
    const auto read = [](Bytes bytes) {
        TrailerReader reader(bytes);
        TrailerEntry entry;
        while (reader.next(entry)) {}
        return reader.ok();
    };
    const Buffer good = sample::trailer();
    CHECK(read(good));
    for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(read(Bytes(good).first(n)));
    Buffer longer = good;
    longer.push_back(0);
    CHECK_FALSE(read(longer));
    CHECK(read(Hand({0}).out.written()));
    CHECK_FALSE(read(Hand({u64_max, 1, 2}).out.written()));
}

TEST_CASE("checkpoint: chunk header") {
    std::uint8_t bytes[chunk_header_bytes];
    const auto decode = [&](std::uint16_t section, std::uint16_t version) {
        encode_chunk_header({static_cast<Section>(section), 77}, bytes);
        store_le(bytes + 2, version);
        return decode_chunk_header(bytes);
    };
    for (const unsigned section : {1U, 7U, 32U, 33U, 65535U}) {
        const auto chunk = decode(static_cast<std::uint16_t>(section), 1);
        REQUIRE(chunk.ok());
        CHECK(static_cast<std::uint16_t>(chunk->section) == section);
        CHECK(chunk->length == 77);
    }
    CHECK(decode(0, 1).error() == Error::corrupt);
    CHECK(decode(8, 1).error() == Error::store_newer);
    CHECK(decode(31, 1).error() == Error::store_newer);
    CHECK(decode(1, 2).error() == Error::store_newer);
    CHECK(decode_chunk_header(Bytes(bytes).first(7)).error() == Error::corrupt);
}

TEST_CASE("checkpoint: log entries") {
    const auto read = [](Bytes bytes) {
        Reader in(bytes);
        LogImage image;
        return decode_log_image(in, image) && in.at_end();
    };
    const Buffer good = sample::log_image(log_epochs_max);
    CHECK(read(good));
    CHECK(read(sample::log_image(0)));
    for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(read(Bytes(good).first(n)));

    const auto with = [&](std::uint8_t flags, std::uint64_t start, std::uint64_t end, std::uint64_t ceiling,
                          std::initializer_list<std::uint64_t> epochs) {
        Hand image{16};
        image.byte(flags).more({start, end, 0, 0, 0, ceiling}).more(epochs);
        return read(image.out.written());
    };
    CHECK(with(1, 5, 5, 0, {0}));
    CHECK_FALSE(with(2, 5, 5, 0, {0}));
    CHECK_FALSE(with(0, 6, 5, 0, {0}));
    CHECK(with(0, 0, i64_max, i64_max, {0}));
    CHECK_FALSE(with(0, 0, i64_max + 1, 0, {0}));
    CHECK_FALSE(with(0, 0, 5, i64_max + 1, {0}));
    CHECK(with(0, 0, 5, 0, {2, 1, 3, 2, 3}));
    CHECK_FALSE(with(0, 0, 5, 0, {2, 2, 3, 2, 3}));  // epochs rise
    CHECK_FALSE(with(0, 0, 5, 0, {2, 1, 3, 2, 2}));  // and their starts do not fall
    CHECK_FALSE(with(0, 0, 5, 0, {1, i32_max + 1, 3}));
    CHECK_FALSE(with(0, 0, 5, 0, {log_epochs_max + 1}));
}

TEST_CASE("checkpoint: other entries, cut anywhere") {
    Buffer bytes(64);
    const auto cut_anywhere = [&](const auto& image, const auto& encode, const auto& decode) {
        Writer out(bytes);
        encode(image, out);
        auto copy = image;
        for (std::size_t n = 0; n < out.size(); ++n) {
            Reader in(out.written().first(n));
            CHECK_FALSE(decode(in, copy));
        }
        Reader in(out.written());
        CHECK(decode(in, copy));
        CHECK(in.at_end());
    };
    cut_anywhere(TruncationImage{LogId(16), Offset(1000), Lsn(1 << 30)}, encode_truncation, decode_truncation);
    cut_anywhere(FenceImage{LogId(16), Offset(1), Offset(2), FenceCause::restart}, encode_fence, decode_fence);
    cut_anywhere(BootImage{300, sample::boot_id(), true, -5}, encode_boot, decode_boot);
    cut_anywhere(SessionImage{1, 2, LogId(16), 3}, encode_session, decode_session);

    BootImage boot;
    Hand bad_flag{1};
    bad_flag.zeros(16).byte(2).zeros(8);
    Reader in = bad_flag.reader();
    CHECK_FALSE(decode_boot(in, boot));
    Hand bad_index{u32_max + 1};
    bad_index.zeros(25);
    in = bad_index.reader();
    CHECK_FALSE(decode_boot(in, boot));
}
