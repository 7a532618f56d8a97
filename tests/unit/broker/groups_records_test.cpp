// Keys and values of __consumer_offsets against bytes written by hand from Kafka's message definitions.
#include "broker/groups/records.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "broker/groups/journal.h"
#include "broker/groups/subscription.h"

namespace rivulet::test {
namespace {

std::vector<std::uint8_t> from_hex(std::string_view hex) {
    std::vector<std::uint8_t> out;
    std::string digits;
    for (const char c : hex)
        if (c != ' ') digits += c;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return out;
}

template <class Encode>
std::vector<std::uint8_t> encoded(Encode encode) {
    std::uint8_t buffer[512];
    Writer out(buffer);
    encode(out);
    REQUIRE(out.ok());
    return {out.written().begin(), out.written().end()};
}

constexpr std::string_view offset_key = "0001 0001 67 0002 7431 00000003";
constexpr std::string_view group_key = "0002 0001 67";
constexpr std::string_view offset_value = "0003 000000000000002a 00000005 0004 6e6f7465 0000018bcfe56800";
constexpr std::string_view group_value = "0003 0008 636f6e73756d6572 00000007 0005 72616e6765 0003 632d31 0000018bcfe56800 00000002"
                                         "0003 632d31 ffff 0001 63 0009 2f31302e302e302e31 0000ea60 00002710 00000001 6d 00000002 6161"
                                         "0003 692d32 0001 69 0001 64 0000 0000ea60 00002710 00000000 00000000";

TEST_CASE("group records: keys are Kafka's") {
    CHECK(encoded([](Writer& out) { broker::encode_record_key({true, "g", "t1", 3}, out); }) == from_hex(offset_key));
    CHECK(encoded([](Writer& out) { broker::encode_record_key({false, "g", {}, 0}, out); }) == from_hex(group_key));
    broker::RecordKey key;
    const auto of_offset = from_hex(offset_key);
    REQUIRE(broker::decode_record_key(of_offset, key).ok());
    CHECK(key.of_offset);
    CHECK(key.group == "g");
    CHECK(key.topic == "t1");
    CHECK(key.partition == 3);
    REQUIRE(broker::decode_record_key(from_hex("0000 0001 67 0002 7431 00000003"), key).ok());
    CHECK(key.of_offset);
    const auto of_group = from_hex(group_key);
    REQUIRE(broker::decode_record_key(of_group, key).ok());
    CHECK(!key.of_offset);
    CHECK(key.group == "g");
    const Status later = broker::decode_record_key(from_hex("0003 0001 67"), key);
    CHECK(later.error() == Error::unsupported_version);
    CHECK(later.failure().detail == 3);
}

TEST_CASE("group records: offsets are Kafka's, of all versions") {
    CHECK(encoded([](Writer& out) { broker::encode_offset_record({Offset(42), Epoch(5), "note", Timestamp(1'700'000'000'000)}, out); }) == from_hex(offset_value));
    struct Case {
        std::string_view hex;
        std::int32_t epoch;
    };
    for (const Case& c : {Case{offset_value, 5}, Case{"0000 000000000000002a 0004 6e6f7465 0000018bcfe56800", -1}, Case{"0001 000000000000002a 0004 6e6f7465 0000018bcfe56800 ffffffffffffffff", -1},
                          Case{"0002 000000000000002a 0004 6e6f7465 0000018bcfe56800", -1}}) {
        const auto bytes = from_hex(c.hex);
        broker::OffsetRecord record;
        REQUIRE(broker::decode_offset_record(bytes, record).ok());
        CHECK(record.offset == Offset(42));
        CHECK(record.epoch == Epoch(c.epoch));
        CHECK(record.metadata == "note");
        CHECK(record.commit_time == Timestamp(1'700'000'000'000));
    }
    broker::OffsetRecord record;
    CHECK(broker::decode_offset_record(from_hex("0004 00"), record).error() == Error::unsupported_version);
}

TEST_CASE("group records: a group's is Kafka's") {
    const auto bytes = encoded([](Writer& out) {
        broker::encode_group_record({"consumer", 7, true, "range", true, "c-1", Timestamp(1'700'000'000'000), 2}, out);
        broker::encode_member_record({"c-1", {}, "c", "/10.0.0.1", 60'000, 10'000, as_bytes("m"), as_bytes("aa")}, out);
        broker::encode_member_record({"i-2", "i", "d", {}, 60'000, 10'000, {}, {}}, out);
    });
    CHECK(bytes == from_hex(group_value));
    broker::GroupRecordReader in{Bytes(bytes)};
    broker::GroupRecord head;
    REQUIRE(in.head(head).ok());
    CHECK(head.protocol_type == "consumer");
    CHECK(head.generation == 7);
    CHECK(head.protocol == "range");
    CHECK(head.leader == "c-1");
    CHECK(head.state_time == Timestamp(1'700'000'000'000));
    REQUIRE(head.member_count == 2);
    broker::MemberRecord member;
    REQUIRE(in.next(member).ok());
    CHECK(member.id == "c-1");
    CHECK(member.instance.empty());
    CHECK(member.client_host == "/10.0.0.1");
    CHECK(member.rebalance_timeout_ms == 60'000);
    CHECK(member.session_timeout_ms == 10'000);
    CHECK(as_text(member.metadata) == "m");
    CHECK(as_text(member.assignment) == "aa");
    REQUIRE(in.next(member).ok());
    CHECK(member.instance == "i");
    CHECK(in.next(member).error() == Error::malformed);
    // One without members, of the first version.
    const auto first_version = from_hex("0000 0000 00000001 ffff ffff 00000000");
    broker::GroupRecordReader old{Bytes(first_version)};
    REQUIRE(old.head(head).ok());
    CHECK(!head.has_protocol);
    CHECK(!head.has_leader);
    CHECK(head.member_count == 0);
}

TEST_CASE("group records: bytes that end early are refused, wherever they end") {
    for (const std::string_view hex : {offset_key, group_key}) {
        const auto whole = from_hex(hex);
        for (std::size_t n = 0; n < whole.size(); ++n) {
            broker::RecordKey key;
            CHECK(broker::decode_record_key(Bytes(whole).first(n), key).error() == Error::malformed);
        }
    }
    const auto whole = from_hex(offset_value);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        broker::OffsetRecord record;
        CHECK(broker::decode_offset_record(Bytes(whole).first(n), record).error() == Error::malformed);
    }
    const auto group = from_hex(group_value);
    for (std::size_t n = 0; n < group.size(); ++n) {
        broker::GroupRecordReader in(Bytes(group).first(n));
        broker::GroupRecord head;
        Status status = in.head(head);
        broker::MemberRecord member;
        for (std::uint32_t i = 0; status && i < head.member_count; ++i) status = in.next(member);
        CHECK(status.error() == Error::malformed);
    }
}

TEST_CASE("group records: a group's partition is the one of Java's String.hashCode") {
    struct Case {
        std::string_view group;
        std::uint32_t hash_modulo_50;
    };
    // s[0] * 31^(n-1) + ... over UTF-16, in 32 bits: U+1F600 is 0xd83d * 31 + 0xde00.
    for (const Case& c : {Case{"g", 103 % 50}, Case{"group", 98'629'247 % 50}, Case{"\xc3\xa4", 228 % 50}, Case{"\xf0\x9f\x98\x80", 1'772'899 % 50}}) {
        CAPTURE(c.group);
        CHECK(broker::offsets_partition(c.group, 50) == c.hash_modulo_50);
    }
    // "polygenelubricants" is the classic with the smallest hash of all, whose absolute value Kafka takes for 0.
    CHECK(broker::offsets_partition("polygenelubricants", 50) == 0);
    CHECK(broker::offsets_partition("\xff\xc3", 50) < 50);  // no UTF-8
}

TEST_CASE("subscriptions: topics are found, what cannot be read is told") {
    const auto two = from_hex("0003 00000002 0001 61 0002 6262 ffffffff");
    CHECK(*broker::subscribes(two, "a"));
    CHECK(*broker::subscribes(two, "bb"));
    CHECK(!*broker::subscribes(two, "b"));
    CHECK(!*broker::subscribes(from_hex("0000 00000000"), "a"));
    for (const std::string_view hex : {"", "00", "0000", "ffff 00000000", "0000 ffffffff", "0000 00000001", "0000 00000001 0005 61", "0000 00000001 ffff"}) {
        CAPTURE(hex);
        CHECK(broker::subscribes(from_hex(hex), "a").error() == Error::malformed);
    }
}

}  // namespace
}  // namespace rivulet::test
