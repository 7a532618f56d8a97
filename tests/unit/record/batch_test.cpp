#include "record/batch.h"

#include <doctest/doctest.h>

#include <limits>

#include "unit/record/batches.h"

using namespace rivulet;
using namespace rivulet::record;
using test::Buffer;

namespace {

BatchHeader some_header() {
    BatchHeader h;
    h.batch_length = 49 + 100;
    h.last_offset_delta = 2;
    h.base_timestamp = Timestamp(1000);
    h.max_timestamp = Timestamp(2000);
    h.record_count = 3;
    return h;
}

template <class Change>
Error after(Change change, Origin origin = Origin::producer, std::size_t available = 161, std::size_t largest = 1000) {
    BatchHeader h = some_header();
    change(h);
    return check_header(h, available, largest, origin).error();
}

bool crc_holds(Bytes batch) {
    const BatchHeader h = decode_header(batch);
    BatchCrc crc;
    crc.update(batch.subspan(batch_crc_start));
    return crc.value() == h.crc;
}

constexpr std::int64_t largest_time = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("batch: any 61 bytes decode and encode to themselves") {
    test::Random random(21);
    for (int round = 0; round < 500; ++round) {
        std::uint8_t bytes[batch_header_bytes];
        for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
        const BatchHeader h = decode_header(bytes);
        std::uint8_t again[batch_header_bytes];
        encode_header(h, again);
        REQUIRE(equal(bytes, again));
        REQUIRE(decode_header(again) == h);
        (void)h.last_offset();  // whatever they hold, without undefined behaviour
        (void)h.total_bytes();
        (void)h.timestamp_of(static_cast<std::int64_t>(random()));
        (void)check_header(h, 1000, 1000);
    }
}

TEST_CASE("batch: what a header says") {
    BatchHeader h = some_header();
    h.base_offset = Offset(100);
    CHECK(h.total_bytes() == 161);
    CHECK(h.body_bytes() == 100);
    CHECK(h.last_offset() == Offset(102));
    CHECK(h.compression() == Compression::none);
    h.attributes = 0x8000 | 0x38 | 4;
    CHECK(h.compression() == Compression::zstd);
    CHECK(h.log_append_time());
    CHECK(h.transactional());
    CHECK(h.control());
    CHECK(h.clock_untrusted());
    CHECK(h.timestamp_of(5) == Timestamp(2000));
    h.attributes = 0;
    CHECK_FALSE(h.clock_untrusted());
    CHECK(h.timestamp_of(-5) == Timestamp(995));
    h.batch_length = 48;
    CHECK(h.body_bytes() == 0);
    h.batch_length = 0xffffffff;
    CHECK(h.total_bytes() >= 0xffffffff);  // does not wrap where std::size_t has 32 bits
}

TEST_CASE("batch: a producer's header") {
    CHECK(after([](BatchHeader&) {}) == Error::none);
    CHECK(after([](BatchHeader& h) { h.leader_epoch = Epoch(77); }) == Error::none);
    CHECK(after([](BatchHeader& h) { h.base_offset = Offset(1); }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.batch_length = 48; }) == Error::corrupt_batch);
    CHECK(after([](BatchHeader& h) { h.batch_length = 0x80000000; }) == Error::corrupt_batch);
    CHECK(after([](BatchHeader& h) { h.batch_length = 0xffffffff; }) == Error::corrupt_batch);
    CHECK(after([](BatchHeader& h) { h.batch_length = 989; }) == Error::batch_too_large);
    CHECK(after([](BatchHeader& h) { h.batch_length = 988; }) == Error::invalid_record);  // more than there is
    CHECK(after([](BatchHeader&) {}, Origin::producer, 160) == Error::invalid_record);
    CHECK(after([](BatchHeader&) {}, Origin::producer, 200) == Error::none);
    CHECK(after([](BatchHeader& h) { h.magic = 1; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.magic = 0; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.magic = 3; }) == Error::corrupt_batch);
    CHECK(after([](BatchHeader& h) { h.magic = -1; }) == Error::corrupt_batch);
    for (std::uint16_t codec = 1; codec < 8; ++codec)
        CHECK(after([&](BatchHeader& h) { h.attributes = codec; }) == (codec > 4 ? Error::unsupported_compression : Error::none));
    CHECK(after([](BatchHeader& h) { h.attributes = attribute_control; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.attributes = attribute_clock_untrusted; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.attributes = attribute_log_append_time; }) == Error::invalid_timestamp);
    CHECK(after([](BatchHeader& h) { h.attributes = attribute_transactional; }) == Error::none);  // the broker's to refuse
    CHECK(after([](BatchHeader& h) { h.record_count = 2; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.record_count = 4; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.record_count = 0; h.last_offset_delta = -1; }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) {
        h.record_count = std::numeric_limits<std::int32_t>::min();
        h.last_offset_delta = 0x7fffffff;
    }) == Error::invalid_record);
    CHECK(after([](BatchHeader& h) { h.producer_id = 1; }) == Error::invalid_record);  // without a sequence
    CHECK(after([](BatchHeader& h) { h.producer_id = 1; h.base_sequence = 0; }) == Error::invalid_record);  // without an epoch
    CHECK(after([](BatchHeader& h) { h.producer_id = 1; h.producer_epoch = 0; h.base_sequence = 0; }) == Error::none);
}

TEST_CASE("batch: a stored header may have gaps, any offset, broker's marks") {
    const auto stored = [](auto change) { return after(change, Origin::stored); };
    CHECK(stored([](BatchHeader& h) { h.base_offset = Offset(1'000'000); }) == Error::none);
    CHECK(stored([](BatchHeader& h) { h.base_offset = Offset(-1); }) == Error::corrupt_batch);
    CHECK(stored([](BatchHeader& h) { h.base_offset = Offset(largest_time - 1); }) == Error::invalid_record);
    CHECK(stored([](BatchHeader& h) { h.record_count = 1; }) == Error::none);
    CHECK(stored([](BatchHeader& h) { h.record_count = 0; }) == Error::none);
    CHECK(stored([](BatchHeader& h) { h.record_count = 4; }) == Error::invalid_record);
    CHECK(stored([](BatchHeader& h) { h.record_count = -1; }) == Error::invalid_record);
    CHECK(stored([](BatchHeader& h) { h.last_offset_delta = -1; h.record_count = 0; }) == Error::invalid_record);
    CHECK(stored([](BatchHeader& h) { h.attributes = 0x8038; }) == Error::none);
    CHECK(stored([](BatchHeader& h) { h.magic = 1; }) == Error::corrupt_batch);
    CHECK(after([](BatchHeader&) {}, Origin::stored, 160) == Error::corrupt_batch);
}

TEST_CASE("batch: the CRC of batches one after the other, from those that they have") {
    test::Random random(5);
    Buffer all;
    std::uint32_t crc = 0;
    for (int i = 0; i < 40; ++i) {
        Buffer batch = test::pack({test::reading(1000, "k", std::string(random.below(9000), static_cast<char>('a' + i % 26)))});
        patch_base_offset(batch.data(), Offset(i));
        patch_leader_epoch(batch.data(), Epoch(7));
        if (i % 3 == 0) stamp_log_append_time(MutableBytes(batch).first(batch_header_bytes), Timestamp(5000 + i), i % 2 == 0);
        all.insert(all.end(), batch.begin(), batch.end());
        crc = crc_with_batch(crc, Bytes(batch).first(batch_header_bytes));
        REQUIRE(crc == crc32c(all));
    }
}

TEST_CASE("batch: offset and epoch lie outside the CRC") {
    Buffer batch = test::pack({test::reading(1000, "k", "v"), test::reading(2000, "k", "w")});
    patch_base_offset(batch.data(), Offset(0x0102030405060708));
    patch_leader_epoch(batch.data(), Epoch(9));
    CHECK(crc_holds(batch));
    const BatchHeader h = decode_header(batch);
    CHECK(h.base_offset == Offset(0x0102030405060708));
    CHECK(h.leader_epoch == Epoch(9));
    CHECK(h.batch_length == batch.size() - 12);
    CHECK(h.magic == 2);
}

TEST_CASE("batch: header changes repair the CRC without the body") {
    test::Random random(22);
    for (int round = 0; round < 200; ++round) {
        const std::string value(random.below(5000), 'x');
        Buffer batch = test::pack({test::reading(1000, "k", value)}, attribute_clock_untrusted);
        MutableBytes header = MutableBytes(batch).first(batch_header_bytes);
        const auto delta = static_cast<std::int64_t>(random() % 2'000'000'000'000);
        rebase_timestamps(header, delta);
        REQUIRE(crc_holds(batch));
        BatchHeader h = decode_header(batch);
        REQUIRE_FALSE(h.clock_untrusted());
        REQUIRE(h.base_timestamp == Timestamp(1000 + delta));
        REQUIRE(h.max_timestamp == Timestamp(1000 + delta));
        stamp_log_append_time(header, Timestamp(delta));
        REQUIRE(crc_holds(batch));
        h = decode_header(batch);
        REQUIRE(h.log_append_time());
        REQUIRE(h.max_timestamp == Timestamp(delta));
        REQUIRE(h.base_timestamp == Timestamp(1000 + delta));
        patch_attributes(header, attribute_clock_untrusted);
        REQUIRE(crc_holds(batch));
        REQUIRE(decode_header(batch).attributes == attribute_clock_untrusted);
    }
}

TEST_CASE("batch: a wrong CRC stays wrong") {
    Buffer batch = test::pack({test::reading(1000, "k", "value")});
    batch.back() ^= 1;
    rebase_timestamps(batch, 1000);
    stamp_log_append_time(batch, Timestamp(5));
    CHECK_FALSE(crc_holds(batch));
    batch.back() ^= 1;
    CHECK(crc_holds(batch));
}

TEST_CASE("batch: rebasing leaves 'none' alone and saturates") {
    const auto rebased = [](std::int64_t base, std::int64_t max, std::int64_t delta) {
        BatchHeader h = some_header();
        h.base_timestamp = Timestamp(base);
        h.max_timestamp = Timestamp(max);
        Buffer batch = test::seal(h, as_bytes("body"));
        rebase_timestamps(batch, delta);
        CHECK(crc_holds(batch));
        h = decode_header(batch);
        return std::pair(h.base_timestamp.value, h.max_timestamp.value);
    };
    using Times = std::pair<std::int64_t, std::int64_t>;
    CHECK(rebased(-1, -1, 500) == Times(-1, -1));
    CHECK(rebased(-1, 7, 500) == Times(-1, 507));
    CHECK(rebased(10, 20, -15) == Times(0, 5));
    CHECK(rebased(0, largest_time, largest_time) == Times(largest_time, largest_time));
    CHECK(rebased(0, largest_time, std::numeric_limits<std::int64_t>::min()) == Times(0, 0));
}

TEST_CASE("batch: the CRC comes out the same whatever the pieces") {
    const Buffer batch = test::pack({test::reading(1, "key", std::string(3000, 'v'))});
    const std::uint32_t want = decode_header(batch).crc;
    test::Random random(23);
    for (int round = 0; round < 50; ++round) {
        BatchCrc crc;
        for (std::size_t at = batch_crc_start; at < batch.size();) {
            const std::size_t n = std::min<std::size_t>(batch.size() - at, random.below(700));
            crc.update(Bytes(batch).subspan(at, n));
            at += n;
        }
        REQUIRE(crc.value() == want);
    }
    const Bytes body = test::body_of(batch);
    CHECK(batch_crc(decode_header(batch), crc32c(body), body.size()) == want);
}
