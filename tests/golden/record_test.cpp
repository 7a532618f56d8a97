// Frozen bytes: batches as Kafka clients write them, and the hashes by which they choose partitions. None of it may change.
// kafka_python_*: kafka-python 3.0.12, DefaultRecordBatchBuilder(magic=2), with python-snappy 0.7.3, lz4 4.4.5, zstandard 0.25.0.
// librdkafka_*:   confluent-kafka 2.16.1 with librdkafka 2.16.0, from its Produce request of version 10 to its mock broker.
#include <doctest/doctest.h>

#include <fstream>
#include <initializer_list>
#include <string>

#include "record/partitioner.h"
#include "unit/record/batches.h"

using namespace rivulet;
using namespace rivulet::record;
using test::Buffer;

namespace {

// 4 records: headers with and without value, no key, tombstone, all empty; times out of order.
constexpr std::string_view kafka_python_plain =
    "0000000000000000000000840000000002992e29070000000000030000018bcfe5687b0000018bcfe56ddcffffffffffffffffffffffff"
    "ffff00000004560000001073656e736f722d31147b2274223a32312e357d0408756e69740e63656c7369757308736974650116002d0201"
    "0a706c61696e002000c2150412746f6d6273746f6e6501001200c215060000020000";
// 3 records without key, producer 4711, epoch 3, sequence 2^31 - 2.
constexpr std::string_view kafka_python_idempotent =
    "00000000000000000000004c000000000296d8d4940000000000020000018bcfe568000000018bcfe56802000000000000126700037fff"
    "fffe00000003100000000104763000100002020104763100100004040104763200";
// 5 compressible records.
constexpr std::string_view kafka_python_gzip =
    "0000000000000000000000800000000002741126cb0001000000040000018bcfe568000000018bcfe56828ffffffffffffffffffffffff"
    "ffff000000051f8b0800e515016b02ff6b6062606010284ecd2bce2fd2353cc16864a867aa40638289a3342fb3842f3935a738b3b4b881"
    "89418469a05da0c132d02eb0611b681704700ca80b00ddf9384e8a020000";
constexpr std::string_view kafka_python_snappy =
    "000000000000000000000098000000000271170ad50002000000040000018bcfe568000000018bcfe56828ffffffffffffffffffffffff"
    "ffff0000000582534e41505059000000000100000001000000538a055080020000001073656e736f722d31c80132312e3520fe05007a05"
    "00480208756e69740e63656c736975738002001402fe8200fe8200042804fe8200fe8200043c06fe8200fe8200045008fe8200f28200";
constexpr std::string_view kafka_python_lz4 =
    "000000000000000000000092000000000282633c900003000000040000018bcfe568000000018bcfe56828ffffffffffffffffffffffff"
    "ffff0000000504224d1868408a02000000000000df4a000000ff0680020000001073656e736f722d31c80132312e352005004cff040208"
    "756e69740e63656c73697573800200140282006d2f280482006d2f3c0682006d2f5008820065506c7369757300000000";
constexpr std::string_view kafka_python_zstd =
    "00000000000000000000007c0000000002777dba8a0004000000040000018bcfe568000000018bcfe56828ffffffffffffffffffffffff"
    "ffff0000000528b52ffd608a010d0200e40280020000001073656e736f722d31c80132312e35200208756e69740e63656c736975738002"
    "00140228043c06500805001aa4b883147748f15e3069c898ca1d";
// 4 records of an idempotent producer: headers with and without value, no key, tombstone.
constexpr std::string_view librdkafka_plain =
    "00000000000000000000008100000000028ee6f8d30000000000030000018bcfe568000000018bcfe5681e000000002e4aa1b800000000"
    "000000000004440000001073656e736f722d310832312e350408756e69740e63656c73697573026e0114001402010832312e3500240028"
    "041073656e736f722d310832312e35001c003c061073656e736f722d310100";
// 4 compressible records.
constexpr std::string_view librdkafka_gzip =
    "0000000000000000000000880000000002f83ffec40001000000030000018bcfe568000000018bcfe5681effffffffffffffffffffffff"
    "ffff000000041f8b08000000000000036b6362606010284ecd2bce2fd2353cc16864a867aa40638285a3342fb3842f3935a738b3b49829"
    "8ff11a23830813237d2c6778c6c8a0c142671f33c830d8b0c1ed646400007b1f125e76010000";
constexpr std::string_view librdkafka_snappy =
    "00000000000000000000008b00000000023f6d0c760002000000030000018bcfe568000000018bcfe5681effffffffffffffffffffffff"
    "ffff00000004f6025086020000001073656e736f722d31c80132312e3520fe05007a0500580408756e69740e63656c73697573026e01d6"
    "0100140201fe7d00967d001400e601002804fef200baf2003c001c003c061073656e736f722d310100";
constexpr std::string_view librdkafka_lz4 =
    "000000000000000000000092000000000226daf89a0003000000030000018bcfe568000000018bcfe5681effffffffffffffffffffffff"
    "ffff0000000404224d1860408252000000ff0686020000001073656e736f722d31c80132312e352005004cff080408756e69740e63656c"
    "73697573026e01d601001402017d00536f00e601002804f2005cf001001c003c061073656e736f722d31010000000000";
constexpr std::string_view librdkafka_zstd =
    "000000000000000000000084000000000298a1aa3a0004000000030000018bcfe568000000018bcfe5681effffffffffffffffffffffff"
    "ffff0000000428b52ffd0058550200940386020000001073656e736f722d31c80132312e35200408756e69740e63656c73697573026e01"
    "d6010014020100e601002804001c003c060100040077149ad52d2d07c0a42d632a4c";

struct Wanted {
    std::int64_t time;
    const char* key;    // nullptr = null
    const char* value;
    std::initializer_list<std::pair<const char*, const char*>> headers;
};

void check_text(bool has, Bytes bytes, const char* want) {
    CHECK(has == (want != nullptr));
    if (want) CHECK(as_text(bytes) == want);
}

// Arrives valid, however it is cut, holds what was sent, and our own encoder gives the same body.
void check_records(const Buffer& batch, std::initializer_list<Wanted> wanted) {
    for (const std::size_t piece : {0, 1, 10}) CHECK(test::validate(batch, test::options_for(batch), piece).ok());
    const BatchHeader h = decode_header(batch);
    CHECK(h.total_bytes() == batch.size());
    REQUIRE(h.record_count == static_cast<std::int32_t>(wanted.size()));
    RecordReader reader(test::body_of(batch), h.record_count);
    std::vector<Reading> readings;
    for (const Wanted& w : wanted) {
        const std::optional<Record> r = reader.next();
        REQUIRE(r);
        CHECK(h.timestamp_of(r->timestamp_delta) == Timestamp(w.time));
        CHECK(r->offset_delta == static_cast<std::int32_t>(readings.size()));
        check_text(r->has_key, r->key, w.key);
        check_text(r->has_value, r->value, w.value);
        CHECK(r->header_count == static_cast<std::int32_t>(w.headers.size()));
        HeaderReader headers(*r);
        for (const auto& [key, value] : w.headers) {
            const std::optional<Header> got = headers.next();
            REQUIRE(got);
            CHECK(as_text(got->key) == key);
            check_text(got->has_value, got->value, value);
        }
        CHECK_FALSE(headers.next());
        readings.push_back({Timestamp(w.time), r->has_key, r->has_value, r->key, r->value, r->headers_raw, r->header_count});
    }
    CHECK_FALSE(reader.next());
    CHECK(reader.error() == Error::none);

    const Buffer ours = test::pack(readings);
    CHECK(equal(test::body_of(ours), test::body_of(batch)));
    BatchHeader again = decode_header(ours);
    again.leader_epoch = h.leader_epoch;
    again.producer_id = h.producer_id;
    again.producer_epoch = h.producer_epoch;
    again.base_sequence = h.base_sequence;
    CHECK(test::seal(again, test::body_of(ours)) == batch);
}

void check_compressed(std::string_view hex, Compression codec, std::int32_t count) {
    const Buffer batch = test::from_hex(hex);
    for (const std::size_t piece : {0, 1, 10}) CHECK(test::validate(batch, test::options_for(batch), piece).ok());
    const BatchHeader h = decode_header(batch);
    CHECK(h.compression() == codec);
    CHECK(h.record_count == count);
    CHECK(h.last_offset_delta == count - 1);
    CHECK(h.base_timestamp == Timestamp(1'700'000'000'000));
    CHECK(h.max_timestamp == Timestamp(1'700'000'000'000 + 10 * (count - 1)));
}

}  // namespace

TEST_CASE("golden: uncompressed batch of kafka-python") {
    const Buffer batch = test::from_hex(kafka_python_plain);
    check_records(batch, {{1700000000123, "sensor-1", R"({"t":21.5})", {{"unit", "celsius"}, {"site", nullptr}}},
                          {1700000000100, nullptr, "plain", {}},
                          {1700000001500, "tombstone", nullptr, {}},
                          {1700000001500, "", "", {{"", ""}}}});
    const BatchHeader h = decode_header(batch);
    CHECK(h.crc == 0x992e2907U);
    CHECK(h.leader_epoch == Epoch(0));
    CHECK(h.base_timestamp == Timestamp(1700000000123));
    CHECK(h.max_timestamp == Timestamp(1700000001500));
    CHECK(h.attributes == 0);
    CHECK(h.producer_id == -1);
    CHECK(h.producer_epoch == -1);
    CHECK(h.base_sequence == -1);
}

TEST_CASE("golden: the page of the compact framing shows the same batch") {
    std::ifstream page("src/wire/compact/PROTOCOL.md");
    REQUIRE_MESSAGE(page.is_open(), "run from the top of the tree");
    std::string line, shown;
    while (std::getline(page, line) && line != "```batch") {}
    while (std::getline(page, line) && line != "```")
        for (const char c : line.substr(0, line.find('|')))
            if (c != ' ') shown += c;
    CHECK(shown == kafka_python_plain);
}

TEST_CASE("golden: idempotent batch of kafka-python") {
    const Buffer batch = test::from_hex(kafka_python_idempotent);
    check_records(batch, {{1700000000000, nullptr, "v0", {}},
                          {1700000000001, nullptr, "v1", {}},
                          {1700000000002, nullptr, "v2", {}}});
    const BatchHeader h = decode_header(batch);
    CHECK(h.producer_id == 4711);
    CHECK(h.producer_epoch == 3);
    CHECK(h.base_sequence == 2147483646);
}

TEST_CASE("golden: uncompressed batch of librdkafka") {
    const Buffer batch = test::from_hex(librdkafka_plain);
    check_records(batch, {{1700000000000, "sensor-1", "21.5", {{"unit", "celsius"}, {"n", nullptr}}},
                          {1700000000010, nullptr, "21.5", {}},
                          {1700000000020, "sensor-1", "21.5", {}},
                          {1700000000030, "sensor-1", nullptr, {}}});
    const BatchHeader h = decode_header(batch);
    CHECK(h.producer_id == 0x2e4aa1b8);
    CHECK(h.producer_epoch == 0);
    CHECK(h.base_sequence == 0);
}

TEST_CASE("golden: compressed batches") {
    check_compressed(kafka_python_gzip, Compression::gzip, 5);
    check_compressed(kafka_python_snappy, Compression::snappy, 5);
    check_compressed(kafka_python_lz4, Compression::lz4, 5);
    check_compressed(kafka_python_zstd, Compression::zstd, 5);
    check_compressed(librdkafka_gzip, Compression::gzip, 4);
    check_compressed(librdkafka_snappy, Compression::snappy, 4);
    check_compressed(librdkafka_lz4, Compression::lz4, 4);
    check_compressed(librdkafka_zstd, Compression::zstd, 4);
}

TEST_CASE("golden: murmur2") {
    // From the tests of Kafka's own Utils.murmur2.
    CHECK(murmur2(as_bytes("21")) == -973932308);
    CHECK(murmur2(as_bytes("foobar")) == -790332482);
    CHECK(murmur2(as_bytes("a-little-bit-long-string")) == -985981536);
    CHECK(murmur2(as_bytes("a-little-bit-longer-string")) == -1486304829);
    CHECK(murmur2(as_bytes("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")) == -58897971);
    CHECK(murmur2(as_bytes("abc")) == 479470107);
    // From kafka-python.
    CHECK(murmur2({}) == 275646681);
    CHECK(murmur2(as_bytes("2")) == 648968168);
    CHECK(murmur2(as_bytes("\xff\xfe\xfd")) == 998637092);
    CHECK(murmur2(as_bytes("\x80")) == 857690492);
    CHECK(murmur2(test::from_hex("000102030405060708090a0b0c0d0e0f")) == -1038035159);
}

TEST_CASE("golden: partitions of keys, out of 12, as kafka-python's default partitioner has them") {
    const std::pair<const char*, std::int32_t> want[] = {
        {"", 9}, {"2", 8}, {"21", 0}, {"foobar", 6}, {"a-little-bit-long-string", 8}, {"a-little-bit-longer-string", 11},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5}, {"abc", 3}, {"sensor-17", 7}};
    for (const auto& [key, partition] : want) CHECK_MESSAGE(partition_for_key(as_bytes(key), 12) == partition, key);
}
