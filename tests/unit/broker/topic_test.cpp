#include "broker/topic.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace rivulet::broker {
namespace {

Topic topic_of(std::string_view name, std::initializer_list<store::LogRange> ranges) {
    Topic topic;
    for (std::size_t i = 0; i < sizeof topic.id.bytes; ++i) topic.id.bytes[i] = static_cast<std::uint8_t>(0xa0 + i);
    REQUIRE(topic.name.assign(name));
    for (const store::LogRange& range : ranges) REQUIRE(topic.add_range(range));
    return topic;
}

std::vector<std::uint8_t> encoded(const Topic& topic) {
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer out(buffer);
    encode_catalogue_entry(topic, out);
    REQUIRE(out.ok());
    return {out.written().begin(), out.written().end()};
}

Error decoded(Bytes bytes, Topic& topic) {
    Reader in(bytes);
    return decode_catalogue_entry(in, config::TopicConfig(), topic).error();
}

// An entry with these fields between name and configuration.
Error decoded(std::initializer_list<std::uint64_t> fields) {
    std::uint8_t buffer[512];
    Writer out(buffer);
    out.bytes(Uuid().bytes);
    out.text("t");
    for (const std::uint64_t field : fields) out.varint(field);
    out.varint(0);
    Topic topic;
    return decoded(out.written(), topic);
}

TEST_CASE("topic: partitions are numbered over its ranges") {
    const Topic topic = topic_of("t", {{LogId(16), 2}, {LogId(20), 1}, {LogId(30), 3}});
    CHECK(topic.partitions == 6);
    const std::uint64_t logs[] = {16, 17, 20, 30, 31, 32};
    for (std::uint32_t p = 0; p < 6; ++p) CHECK(topic.log_of(p) == LogId(logs[p]));
    for (const std::uint64_t log : logs) CHECK(topic.has(LogId(log)));
    for (const std::uint64_t log : {15, 18, 19, 21, 29, 33}) CHECK_FALSE(topic.has(LogId(log)));
}

TEST_CASE("topic: a range that follows the last joins it, others have room for eight") {
    Topic topic = topic_of("t", {{LogId(16), 2}, {LogId(18), 5}});
    CHECK(topic.range_count == 1);
    CHECK(topic.partitions == 7);
    for (std::uint64_t i = 1; i < topic_ranges_max; ++i) CHECK(topic.add_range({LogId(100 * i), 1}));
    CHECK_FALSE(topic.add_range({LogId(1000), 1}));
    CHECK(topic.partitions == 14);
    CHECK(topic.add_range({LogId(701), 2}));
    CHECK(topic.partitions == 16);
}

TEST_CASE("topic: cut at a log id") {
    const Topic whole = topic_of("t", {{LogId(16), 4}, {LogId(30), 3}});
    const auto cut = [&](std::uint64_t bound) {
        Topic topic = whole;
        topic.cut_ranges(LogId(bound));
        return topic;
    };
    CHECK(cut(33).partitions == 7);
    CHECK(cut(32).partitions == 6);
    CHECK(cut(30).partitions == 4);
    CHECK(cut(30).range_count == 1);
    CHECK(cut(25).partitions == 4);
    CHECK(cut(17).partitions == 1);
    CHECK(cut(17).log_of(0) == LogId(16));
    CHECK(cut(16).partitions == 0);
}

TEST_CASE("catalogue entry: one range as before topics could grow, further ones behind it") {
    const std::vector<std::uint8_t> id = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
    const auto with_id = [&](std::vector<std::uint8_t> rest) {
        rest.insert(rest.begin(), id.begin(), id.end());
        return rest;
    };
    const std::vector<std::uint8_t> one = with_id({6, 'm', 'e', 't', 'e', 'r', 's', 0x10, 2, 0, 0});
    const std::vector<std::uint8_t> three = with_id({6, 'm', 'e', 't', 'e', 'r', 's', 0x10, 2, 2, 0x14, 1, 0x80, 0x02, 3, 0});
    CHECK(encoded(topic_of("meters", {{LogId(16), 2}})) == one);
    CHECK(encoded(topic_of("meters", {{LogId(16), 2}, {LogId(20), 1}, {LogId(256), 3}})) == three);
    Topic topic;
    REQUIRE(decoded(one, topic) == Error::none);
    CHECK(topic.partitions == 2);
    CHECK(topic.first_log() == LogId(16));
    REQUIRE(decoded(three, topic) == Error::none);
    CHECK(topic.partitions == 6);
    CHECK(topic.range_count == 3);
    CHECK(topic.log_of(5) == LogId(258));
}

TEST_CASE("catalogue entry: the largest fits a record") {
    Topic topic = topic_of(std::string(config::topic_name_bytes_max, 'x'), {});
    for (std::uint64_t i = 0; i < topic_ranges_max; ++i) REQUIRE(topic.add_range({LogId(UINT64_MAX - (topic_ranges_max - i) * 0x20000000), 0x1fff'fffe}));
    topic.config.overrides = (1U << config::topic_keys_count) - 1;
    const std::vector<std::uint8_t> entry = encoded(topic);
    CHECK(entry.size() <= catalogue_entry_bytes_max);
    Topic back;
    REQUIRE(decoded(entry, back) == Error::none);
    CHECK(back.partitions == topic.partitions);
    CHECK(std::equal(back.ranges().begin(), back.ranges().end(), topic.ranges().begin(), topic.ranges().end()));
}

TEST_CASE("catalogue entry: what cannot be") {
    CHECK(decoded({16, 2, 0}) == Error::none);
    CHECK(decoded({16, 0, 0}) == Error::malformed);
    CHECK(decoded({16, 0x1'0000'0000, 0}) == Error::malformed);
    CHECK(decoded({UINT64_MAX, 2, 0}) == Error::malformed);
    CHECK(decoded({16, 2, 1, 20, 0}) == Error::malformed);
    CHECK(decoded({16, 2, 1, 17, 1}) == Error::malformed);                    // overlaps
    CHECK(decoded({16, 2, 1, 10, 1}) == Error::malformed);                    // comes before
    CHECK(decoded({16, 0xffff'ffff, 1, 0x1'0000'0010, 1}) == Error::malformed);  // more partitions than can be counted
    CHECK(decoded({16, 2, 1, 18, 1}) == Error::none);                         // joined
    CHECK(decoded({16, 2, topic_ranges_max}) == Error::store_newer);
}

}  // namespace
}  // namespace rivulet::broker
