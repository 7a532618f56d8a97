// Frozen bytes of every structure of the store's format, version 1. None of it may change.
// FORMAT.md shows the same rows, section by section; the values are those of unit/store/samples.h.
#include <doctest/doctest.h>

#include "unit/store/samples.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Buffer;
using test::StorePage;

namespace {

constexpr std::string_view super_start =
    "52564c5355504552 0100 0100 00001000"
    "0700000000000000 00112233445566778899aabbccddeeff"
    "0000800000000000 20000000 00001100"
    "0300000000000000 8877665544332211"
    "0030000100000000 0020800100000000";
constexpr std::string_view super_crc = "9375db31";

constexpr std::string_view segment_header_start =
    "52564c5345474d54 0100 0000 20000000"
    "00112233445566778899aabbccddeeff 0300000000000000"
    "0000800000000000 0300000000000000 8877665544332211"
    "00507f0100000000 00001000 00001100";
constexpr std::string_view segment_header_crc = "cce7c8d3";

constexpr std::string_view group_start =
    "52564c47 01 00 0000 8877665544332211"
    "0010800100000000 00307f0100000000"
    "0030000100000000 00507f0100000000"
    "0068e5cf8b010000 00100000"
    "40000000 15000000 03000000"
    "23d96d3a 0ec7da5b"
    "00 08 00 00 00 05 00 bc095550"
    "10 00 f403 02 03 07 0a f2df4127"
    "01 21 00 09 03 09 01 8eba1b42 02"
    "1c 02efbefecacefaedfe04030201ac02 10000000000000002000000007"
    "06 03 11e807"
    "62617463682d61 626174636865732d62";

constexpr std::string_view footer_end =
    "10 f403 f901 64 a09c01 01 80a0abfef962 c09a0c 00 00"
    "01 00 09 01 09 03 18 06 01 00"
    "52564c464f4f5452 0300000000000000 0000ff0100000000"
    "8877665544332211 02000000 1f000000 3951223f"
    "00000000000000000000000000000000 cd780dea";

constexpr std::string_view trailer_bytes =
    "02"
    "efbefecacefaedfe 04030201 ac02"
    "1000000000000000 20000000 07";

constexpr std::string_view records_bytes =
    "01 1f 03 0807060504030201 80e08008 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 02 01"
    "02 24 10 02 01 20 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 06 6d6574657273 10 02 00 01 01 80f0b252"
    "03 02 12 04"
    "04 02 10 64"
    "05 04 10 d804 03"
    "06 03 11 e807"
    "07 07 02 02 10 f403 01 00"
    "08 09 02 0068e5cf8b010000"
    "09 04 11 03 09 01"
    "0a 04 10 04 ee05"
    "0b 03 11 09 0c"
    "20 21 20 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 06 6d6574657273 10 02 00 01 01 80f0b252";

constexpr std::string_view checkpoint_start =
    "52564c43484b5054 0100 0000 b2000000"
    "00112233445566778899aabbccddeeff 0500000000000000"
    "0010800100000000 8877665544332211 0030000100000000"
    "0300000000000000 0020800100000000"
    "0100000000000000 2000000000000000"
    "0000800000000000 20000000 00001000 00001100"
    "bcc0d712 1200000000000000";
constexpr std::string_view checkpoint_crc = "eda6e236";
constexpr std::string_view checkpoint_body =
    "0100 0100 16000000 10 01 64 ee05 e405 a09c01 80a0800c e807 02 02 00 03 f403"
    "0200 0100 07000000 10 d804 80a0800c"
    "0300 0100 04000000 11 03 09 02"
    "0400 0100 1a000000 02 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 01 0068e5cf8b010000"
    "0500 0100 0f000000 efbefecacefaedfe 04030201 11 ac02"
    "0600 0100 0f000000 8180808030 10 01 ac02 02 02 e405 00 04"
    "2000 0100 21000000 20 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 06 6d6574657273 10 02 00 01 01 80f0b252";

// A page that has `start` and, in its last bytes, `crc`.
StorePage page_of(std::string_view start, std::string_view crc) {
    StorePage page{};
    copy(test::from_spaced_hex(start), page);
    copy(test::from_spaced_hex(crc), std::span(page).last<4>());
    return page;
}

bool same(Bytes a, Bytes b) { return equal(a, b); }

}  // namespace

TEST_CASE("super") {
    const StorePage golden = page_of(super_start, super_crc);
    const auto super = decode_super(golden);
    REQUIRE(super.ok());
    CHECK(*super == test::sample::super());
    StorePage page;
    encode_super(test::sample::super(), page);
    CHECK(same(page, golden));
}

TEST_CASE("segment header") {
    const StorePage golden = page_of(segment_header_start, segment_header_crc);
    const auto header = decode_segment_header(golden);
    REQUIRE(header.ok());
    CHECK(*header == test::sample::segment_header());
    StorePage page;
    encode_segment_header(test::sample::segment_header(), page);
    CHECK(same(page, golden));
}

TEST_CASE("commit group") {
    StorePage golden{};
    copy(test::from_spaced_hex(group_start), golden);
    const test::sample::Group group = test::sample::group();
    CHECK(same(group.bytes(), golden));

    const auto header = decode_group_header(golden, Lsn(0x1801000), test::sample::geometry());
    REQUIRE(header.ok());
    CHECK(*header == group.header);
    const Bytes table = Bytes(golden).subspan(group_header_bytes, header->table_bytes);
    CHECK(table_crc(header->salt, table) == header->table_crc);
    TableReader reader(*header, table);
    Extent extent;
    for (const Extent& expected : group.extents) {
        REQUIRE(reader.next(extent));
        CHECK(extent == expected);
        CHECK(crc32c(Bytes(golden).subspan(header->payload_position() + extent.position, extent.bytes)) == extent.crc);
    }
    CHECK_FALSE(reader.next(extent));
    CHECK(reader.error() == Error::none);
}

TEST_CASE("an extent with batches of idempotent producers") {
    const Buffer golden = test::from_spaced_hex("10 40 f403 02 03 07 0a f2df4127");
    Extent extent = test::sample::group().extents[1];
    extent.flags = extent_producers;
    extent.position = 0;
    Buffer bytes(64);
    TableWriter table(bytes, Timestamp(1'700'000'000'000));
    std::uint32_t crc_at = 0;
    REQUIRE(table.add(extent, crc_at));
    CHECK(same(Bytes(bytes).first(table.bytes()), golden));
    GroupHeader header = test::sample::group().header;
    header.extent_count = 1;
    header.payload_bytes = extent.bytes;
    TableReader reader(header, golden);
    Extent read;
    REQUIRE(reader.next(read));
    CHECK(read == extent);
    CHECK_FALSE(reader.next(read));
    CHECK(reader.error() == Error::none);
}

TEST_CASE("footer") {
    const Buffer end = test::from_spaced_hex(footer_end);
    Buffer golden(page_bytes);
    copy(end, std::span(golden).last(end.size()));
    CHECK(same(test::sample::footer(), golden));

    const auto tail = decode_footer_tail(Bytes(golden).last(footer_tail_bytes), 3, test::sample::geometry());
    REQUIRE(tail.ok());
    CHECK(tail->end == Lsn(0x1ff0000));
    CHECK(tail->salt == test::sample::salt);
    FooterReader reader(*tail, Bytes(golden).last(footer_tail_bytes + tail->body_bytes).first(tail->body_bytes));
    FooterEntry entry;
    for (const FooterEntry& expected : test::sample::footer_entries()) {
        REQUIRE(reader.next(entry));
        CHECK(entry == expected);
    }
    CHECK_FALSE(reader.next(entry));
    CHECK(reader.error() == Error::none);
}

TEST_CASE("session trailer") {
    const Buffer golden = test::from_spaced_hex(trailer_bytes);
    CHECK(same(test::sample::trailer(), golden));
    TrailerReader reader(golden);
    TrailerEntry entry;
    REQUIRE(reader.next(entry));
    CHECK(entry == TrailerEntry{0xfeedfacecafebeef, 0x01020304, 300});
    REQUIRE(reader.next(entry));
    CHECK(entry == TrailerEntry{0x10, 0x20, 7});
    CHECK_FALSE(reader.next(entry));
    CHECK(reader.ok());
}

TEST_CASE("journal records") {
    const Buffer golden = test::from_spaced_hex(records_bytes);
    CHECK(same(test::sample::journal_records(), golden));

    RecordsReader reader(golden);
    JournalRecord record;
    const auto next = [&](RecordType type) {
        REQUIRE(reader.next(record));
        REQUIRE(record.type == type);
    };
    next(RecordType::run_start);
    CHECK(record.run_start.run == 3);
    CHECK(record.run_start.previous_salt == 0x0102030405060708);
    CHECK(record.run_start.previous_end == Lsn(0x1003000));
    CHECK(record.run_start.boot_id == test::sample::boot_id());
    CHECK(record.run_start.boot == 2);
    CHECK(record.run_start.previous_clean);
    next(RecordType::log_create);
    CHECK(record.log_create.first == LogId(16));
    CHECK(record.log_create.count == 2);
    CHECK(record.log_create.memory);
    CHECK(same(record.log_create.catalogue, test::sample::catalogue_entry()));
    next(RecordType::log_delete);
    CHECK(record.log_delete.first == LogId(18));
    CHECK(record.log_delete.count == 4);
    next(RecordType::log_start);
    CHECK(record.log_start.log == LogId(16));
    CHECK(record.log_start.start == Offset(100));
    next(RecordType::truncate);
    CHECK(record.truncate.log == LogId(16));
    CHECK(record.truncate.end == Offset(600));
    CHECK(record.truncate.epoch == Epoch(3));
    next(RecordType::ceiling);
    CHECK(record.ceiling.log == LogId(17));
    CHECK(record.ceiling.ceiling == Offset(1000));
    next(RecordType::retire);
    CHECK(record.retire.first_live == 2);
    RetireReader retired(record.retire);
    LogStartRecord start;
    REQUIRE(retired.next(start));
    CHECK((start.log == LogId(16) && start.start == Offset(500)));
    REQUIRE(retired.next(start));
    CHECK((start.log == LogId(17) && start.start == Offset(0)));
    CHECK_FALSE(retired.next(start));
    CHECK(retired.ok());
    next(RecordType::clock);
    CHECK(record.clock.boot == 2);
    CHECK(record.clock.offset_ms == 1'700'000'000'000);
    next(RecordType::fence);
    CHECK(record.fence == FenceImage{LogId(17), Offset(3), Offset(9), FenceCause::damage});
    next(RecordType::epoch);
    CHECK(record.epoch.log == LogId(16));
    CHECK(record.epoch.epoch == Epoch(4));
    CHECK(record.epoch.start == Offset(750));
    next(RecordType::jump);
    CHECK((record.jump.log == LogId(17) && record.jump.from == Offset(9) && record.jump.to == Offset(12)));
    next(RecordType::topic);
    Reader block(record.passed);
    CHECK(same(block.block(), test::sample::catalogue_entry()));
    CHECK_FALSE(reader.next(record));
    CHECK(reader.error() == Error::none);
}

TEST_CASE("a cleaned log: its record and its entry in a checkpoint") {
    const Buffer record_golden = test::from_spaced_hex("0c 04 10 13 e405");
    std::uint8_t bytes[clean_log_image_bytes_max];
    Writer out(bytes);
    encode(LogCleanedRecord{LogId(16), LogId(19), Offset(740)}, out);
    CHECK(same(out.written(), record_golden));
    RecordsReader records(record_golden);
    JournalRecord record;
    REQUIRE(records.next(record));
    CHECK((record.type == RecordType::log_cleaned && record.log_cleaned.log == LogId(16) && record.log_cleaned.clean == LogId(19) && record.log_cleaned.end == Offset(740)));
    CHECK_FALSE(records.next(record));
    CHECK(records.error() == Error::none);
    // It begins to be written.
    const Buffer begun_golden = test::from_spaced_hex("0c 03 10 13 00");
    Writer begun(bytes);
    encode(LogCleanedRecord{LogId(16), LogId(19), Offset(0)}, begun);
    CHECK(same(begun.written(), begun_golden));
    RecordsReader begins(begun_golden);
    REQUIRE(begins.next(record));
    CHECK((record.type == RecordType::log_cleaned && record.log_cleaned.clean == LogId(19) && record.log_cleaned.end == Offset(0)));

    const auto check = [&](bool making, std::string_view hex) {
        const Buffer golden = test::from_spaced_hex(hex);
        CleanLogImage image;
        image.of = LogId(16);
        image.making = making;
        image.clean_end = making ? Offset(0) : Offset(740);
        image.log.log = LogId(19);
        image.log.start = Offset(120);
        image.log.end = image.log.last_stable = Offset(738);
        image.log.bytes = 300;
        image.log.last_extent = Lsn(0x1801000);
        image.log.epoch_count = 1;
        image.log.epochs[0] = {Epoch(2), Offset(120)};
        Writer entry(bytes);
        encode_clean_log(image, entry);
        CHECK(same(entry.written(), golden));
        Reader in(golden);
        CleanLogImage read;
        REQUIRE(decode_clean_log(in, read));
        CHECK(in.at_end());
        CHECK((read.of == image.of && read.making == making && read.clean_end == image.clean_end && read.log.log == LogId(19) && read.log.end == Offset(738)));
    };
    check(false, "10 e505 13 00 78 e205 e205 ac02 80a0800c 00 01 02 78");
    check(true, "10 00 13 00 78 e205 e205 ac02 80a0800c 00 01 02 78");
    const auto chunk = decode_chunk_header(test::from_spaced_hex("0700 0100 11000000"));
    REQUIRE(chunk.ok());
    CHECK((chunk->section == Section::clean_logs && chunk->length == 17));
}

TEST_CASE("a fence of the journal itself: what a commit has left out, and no other cause and no other log with it") {
    const Buffer golden = test::from_spaced_hex("09 0a 00 80a08008 80e08008 04");
    std::uint8_t bytes[16];
    Writer out(bytes);
    encode(FenceImage{control_log, Offset(0x1001000), Offset(0x1003000), FenceCause::unproved}, out);
    CHECK(same(out.written(), golden));
    const auto read = [](std::string_view hex, JournalRecord& record) {
        const Buffer body = test::from_spaced_hex(hex);
        RecordsReader records(body);
        return records.next(record) && records.error() == Error::none;
    };
    JournalRecord record;
    REQUIRE(read("09 0a 00 80a08008 80e08008 04", record));
    CHECK(record.fence == FenceImage{control_log, Offset(0x1001000), Offset(0x1003000), FenceCause::unproved});
    CHECK_FALSE(read("09 0a 00 80a08008 80e08008 02", record));
    CHECK_FALSE(read("09 0a 11 80a08008 80e08008 04", record));
    CHECK_FALSE(read("09 0a 00 80a08008 80e08008 05", record));
}

TEST_CASE("images of sessions that are known in part") {
    const auto check = [](const SessionImage& image, std::string_view hex) {
        const Buffer golden = test::from_spaced_hex(hex);
        std::uint8_t bytes[32];
        Writer out(bytes);
        encode_session(image, out);
        CHECK(same(Bytes(bytes, out.size()), golden));
        Reader in(golden);
        SessionImage read;
        REQUIRE(decode_session(in, read));
        CHECK(in.at_end());
        CHECK((read.session == image.session && read.incarnation == image.incarnation && read.log == image.log && read.last_sequence == image.last_sequence && read.partial));
    };
    check({0xfeedfacecafebeef, 0x01020304, LogId(17), 300, true}, "efbefecacefaedfe 04030201 11 ac828080808080808001");
    check({0, 0, LogId(0), 0, true}, "0000000000000000 00000000 00 80808080808080808001");
}

TEST_CASE("checkpoint") {
    const StorePage golden = page_of(checkpoint_start, checkpoint_crc);
    const auto header = decode_checkpoint_header(golden);
    REQUIRE(header.ok());
    CHECK(*header == test::sample::checkpoint_header());
    StorePage page;
    encode_checkpoint_header(test::sample::checkpoint_header(), page);
    CHECK(same(page, golden));

    const Buffer body = test::from_spaced_hex(checkpoint_body);
    CHECK(same(test::sample::checkpoint_body(), body));
    CHECK(crc32c(body) == header->body_crc);
    Reader in(body);
    const auto chunk = [&](Section section) {
        const auto chunk_header = decode_chunk_header(in.bytes(chunk_header_bytes));
        REQUIRE(chunk_header.ok());
        CHECK(chunk_header->section == section);
        return Reader(in.bytes(chunk_header->length));
    };

    Reader logs = chunk(Section::logs);
    LogImage log;
    REQUIRE(decode_log_image(logs, log));
    CHECK((log.log == LogId(16) && log.memory && log.start == Offset(100) && log.end == Offset(750) && log.last_stable == Offset(740)));
    CHECK((log.bytes == 20000 && log.last_extent == Lsn(0x1801000) && log.ceiling == Offset(1000) && log.epoch_count == 2));
    CHECK((log.epochs[0] == EpochStart{Epoch(2), Offset(0)} && log.epochs[1] == EpochStart{Epoch(3), Offset(500)}));
    Reader truncations = chunk(Section::truncations);
    TruncationImage truncation;
    REQUIRE(decode_truncation(truncations, truncation));
    CHECK((truncation.log == LogId(16) && truncation.offset == Offset(600) && truncation.lsn == Lsn(0x1801000)));
    Reader fences = chunk(Section::fences);
    FenceImage fence;
    REQUIRE(decode_fence(fences, fence));
    CHECK(fence == FenceImage{LogId(17), Offset(3), Offset(9), FenceCause::lost_group});
    Reader boots = chunk(Section::boots);
    BootImage boot;
    REQUIRE(decode_boot(boots, boot));
    CHECK((boot.index == 2 && boot.boot_id == test::sample::boot_id() && boot.fixed && boot.offset_ms == 1'700'000'000'000));
    Reader sessions = chunk(Section::sessions);
    SessionImage session;
    REQUIRE(decode_session(sessions, session));
    CHECK((session.session == 0xfeedfacecafebeef && session.incarnation == 0x01020304 && session.log == LogId(17) && session.last_sequence == 300));
    Reader producers = chunk(Section::producers);
    ProducerImage producer;
    REQUIRE(decode_producer(producers, producer));
    CHECK((producer.producer == 0x300000001 && producer.log == LogId(16) && producer.epoch == 1 && producer.first_sequence == 300 && producer.count == 2));
    CHECK((producer.spans[0] == 2 && producer.bases[0] == Offset(740) && producer.spans[1] == 0 && producer.bases[1] == Offset(747)));
    Reader catalogue = chunk(Section::catalogue);
    CHECK(same(catalogue.block(), test::sample::catalogue_entry()));
    CHECK((logs.at_end() && truncations.at_end() && fences.at_end() && boots.at_end() && sessions.at_end() && producers.at_end() && catalogue.at_end() && in.at_end()));
}
