#include "wire/compact/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/push_frames.h"

using namespace rivulet;
using namespace rivulet::wire::compact;
using Buffer = std::vector<std::uint8_t>;

namespace {

// The one frame in `out`.
FrameView read(const Writer& out, Side sender) {
    FrameReader reader(sender);
    reader.set_frame_bytes_max(1 << 20);
    const auto step = reader.next(out.written());
    REQUIRE(step.outcome == FrameReader::Outcome::frame);
    REQUIRE(step.bytes == out.size());
    return step.frame;
}

template <class Decode>
void cut_and_extended_bodies_fail(Bytes body, Decode decode) {
    for (std::size_t n = 0; n < body.size(); ++n) CHECK(!decode(body.first(n)));
    Buffer longer(body.begin(), body.end());
    longer.push_back(0);
    CHECK(!decode(Bytes(longer)));
    CHECK(decode(body));
}

}  // namespace

TEST_CASE("compact frames: OPEN says what is wrong") {
    std::uint8_t bytes[400];
    const auto error = [&](const Open& open) {
        Writer out(bytes);
        RunningCrc sum;
        encode_open(out, sum, open);
        return decode_open(read(out, Side::client).body).error();
    };
    Open open;
    open.frame_bytes_max = 256;
    CHECK(error(open) == Error::none);
    open.version = 2;
    CHECK(error(open) == Error::unsupported_version);
    open.version = 1;
    open.base_sequence = 0;
    CHECK(error(open) == Error::invalid_argument);
    open.base_sequence = 1;
    open.frame_bytes_max = 255;
    CHECK(error(open) == Error::invalid_argument);
    open.frame_bytes_max = 256;
    const std::string name(65, 'n');
    open.name = name;
    CHECK(error(open) == Error::invalid_argument);
    open.name = std::string_view(name).substr(1);
    open.session = open.base_sequence = std::uint64_t{1} << 62;
    open.features = UINT64_MAX;
    open.base_time = Timestamp(INT64_MIN);
    open.frame_bytes_max = UINT64_MAX;
    Writer out(bytes);
    RunningCrc sum;
    encode_open(out, sum, open);
    CHECK(out.size() <= frame_bytes_before_open);
    CHECK(decode_open(read(out, Side::client).body)->session == open.session);
    CHECK(decode_open(as_bytes("GET / HTTP/1.1")).error() == Error::malformed);

    Opened opened;
    opened.features = opened.credit = opened.frame_bytes_max = opened.aliases_max = opened.requests_max = opened.idle_ms_max = UINT64_MAX;
    opened.last_sequence = std::uint64_t{1} << 62;
    opened.time = Timestamp(INT64_MIN);
    opened.software = open.name;
    out.rewind(0);
    encode_opened(out, sum, opened);
    CHECK(out.size() <= frame_bytes_before_open);
}

TEST_CASE("compact frames: bodies that are cut or too long are malformed") {
    std::uint8_t bytes[400];
    Writer out(bytes);
    RunningCrc sum;
    const auto check = [&](Side sender, auto decode) {
        const FrameView frame = read(out, sender);
        cut_and_extended_bodies_fail(frame.body, decode);
        out.rewind(0);
        sum = RunningCrc();
    };
    Open open;
    open.frame_bytes_max = 300;
    open.name = "n";
    encode_open(out, sum, open);
    check(Side::client, [](Bytes b) { return decode_open(b).ok(); });
    Opened opened;
    opened.frame_bytes_max = 2000;
    encode_opened(out, sum, opened);
    check(Side::broker, [](Bytes b) { return decode_opened(b, 0).ok(); });
    encode_alias(out, sum, {3, Placement::partition, Acks::all, false, "t", 300, {}});
    check(Side::client, [](Bytes b) { return decode_alias(b, 0).ok(); });
    encode_aliased(out, sum, {3, Error::none, {}, -1, 100});
    check(Side::broker, [](Bytes b) { return decode_aliased(b).ok(); });
    encode_aliased(out, sum, {3, Error::invalid_topic, "x", 0, 0});
    check(Side::broker, [](Bytes b) { return decode_aliased(b).ok(); });
    encode_error(out, fail(Error::io, -5), "x");
    check(Side::broker, [](Bytes b) { return decode_error(b).ok(); });
    encode_close(out, {Error::timed_out});
    check(Side::broker, [](Bytes b) { return decode_close(b).ok(); });
    encode_fetch(out, 1, {false, 0, "t", 1, Offset(7), Epoch(-1), 1, 2, 3});
    check(Side::client, [](Bytes b) { return decode_fetch(b, 0).ok(); });
    encode_offsets(out, 1, {"t", 1, -2});
    check(Side::client, [](Bytes b) { return decode_offsets(b).ok(); });
    encode_failure(out, Kind::fetch, 1, fail(Error::busy), "x");
    check(Side::broker, [](Bytes b) { return decode_answer(b).ok(); });
    encode_topic_create(out, 1, {"t", 1, 1, {}}, {});
    check(Side::client, [](Bytes b) { return decode_topic_create(b).ok(); });
    encode_topic_list(out, 1, {"t", 1});
    check(Side::client, [](Bytes b) { return decode_topic_list(b).ok(); });
    encode_topic_describe(out, 1, {"t", 1, 2});
    check(Side::client, [](Bytes b) { return decode_topic_describe(b).ok(); });
    encode_topic_delete(out, 1, {"t"});
    check(Side::client, [](Bytes b) { return decode_topic_delete(b).ok(); });
    encode_topic_alter(out, 1, {"t", 0, {}}, {});
    check(Side::client, [](Bytes b) { return decode_topic_alter(b).ok(); });
    encode_subscribe(out, 1, {false, 0, "t", 1, Offset(7), Epoch(-1), 300});
    check(Side::client, [](Bytes b) { return decode_subscribe(b, 0).ok(); });
    encode_subscribed(out, 1, {Offset(7), Epoch(1), Offset(0), Offset(8), Offset(8), Offset(9)});
    check(Side::broker, [](Bytes b) { const auto a = decode_answer(b); return a.ok() && decode_subscribed(a->rest).ok(); });
    encode_credit(out, 1, {false, 300});
    check(Side::client, [](Bytes b) { return decode_credit(b, 0).ok(); });
    CHECK(decode_metadata(Buffer{0}).error() == Error::malformed);
    CHECK(decode_ping(Buffer(ping_bytes_max)).ok());
    CHECK(decode_ping(Buffer(ping_bytes_max + 1)).error() == Error::malformed);
}

TEST_CASE("compact frames: values out of range are malformed") {
    CHECK(decode_alias(Buffer{0, 0x03, 1, 't'}, 0).error() == Error::malformed);         // placement 3
    CHECK(decode_alias(Buffer{0, 0x0c, 1, 't'}, 0).error() == Error::malformed);         // acks 3
    CHECK(decode_alias(Buffer{0, 0x10, 1, 't'}, 0).error() == Error::malformed);
    CHECK(decode_alias(Buffer{0, 0x08, 1, 't'}, 0).ok());
    CHECK(decode_error(Buffer{0, 0, 0}).error() == Error::malformed);                    // ERROR none
    CHECK(decode_error(Buffer{0xe7, 0x07, 0, 0})->error == Error::unknown);              // a later build's
    CHECK(decode_error(Buffer{0xe7, 0x07, 0, 0})->number == 999);
    CHECK(decode_fetch(Buffer{1, 't', 0, 5, 1, 0, 0, 0}, 0).error() == Error::malformed);  // offset -3
    CHECK(decode_fetch(Buffer{1, 't', 0, 4, 3, 0, 0, 0}, 0).error() == Error::malformed);  // epoch -2
    CHECK(decode_offsets(Buffer{1, 't', 0, 5}).error() == Error::malformed);
    CHECK(decode_offsets(Buffer{1, 't', 0, 20})->at == 10);
    CHECK(decode_fetched(Buffer{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 0, 0, 0}).error() == Error::malformed);
    CHECK(decode_subscribe(Buffer{1, 't', 0, 5, 1, 0}, 0).error() == Error::malformed);  // offset -3
    CHECK(decode_data(Buffer{0, 5}).error() == Error::malformed);                         // no batches
    CHECK(decode_data(Buffer{0, 5, 'x'})->high_watermark == Offset(5));
    CHECK(decode_data(Buffer{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 'x'}).error() == Error::malformed);
    CHECK(decode_credit(Buffer{1}, flag::credit_end).error() == Error::malformed);
    CHECK(decode_topic_listed(Buffer(19, 0), 0).error() == Error::malformed);  // half an entry
    CHECK(decode_topic_listed({}, 0)->topics.empty());
}

TEST_CASE("compact frames: a full Writer overflows and leaves the sum alone") {
    std::uint8_t bytes[400];
    Writer whole(bytes);
    RunningCrc sum;
    const std::string key(130, 'k');
    const Alias alias{1, Placement::key, Acks::leader, false, "topic", 0, as_bytes(key)};
    encode_alias(whole, sum, alias);
    for (std::size_t room = 0; room <= whole.size(); ++room) {
        std::uint8_t small[400];
        Writer out({small, room});
        RunningCrc other;
        encode_alias(out, other, alias);
        CHECK(out.ok() == (room == whole.size()));
        CHECK(other.check() == (out.ok() ? sum.check() : 0));
    }
}

TEST_CASE("compact frames: heads of fetches are bounded") {
    std::uint8_t bytes[fetched_head_bytes_max];
    Writer out(bytes);
    const Offset last(INT64_MAX);
    encode_fetched_head(out, correlation_max, {last, Epoch(INT32_MAX), last, last, last, last}, std::size_t{100} << 20);
    CHECK(out.ok());
    std::uint8_t head[data_head_bytes_max];
    Writer data(head);
    encode_data_head(data, correlation_max, {Offset(0), last, {}}, std::size_t{100} << 20);
    CHECK(data.ok());
}

TEST_CASE("compact admin frames: pages are full, never over, and complete") {
    const Uuid id{{1, 2, 3}};
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i) names.push_back("topic-" + std::to_string(1000 + i) + std::string(static_cast<std::size_t>(i) % 7, 'x'));
    for (const std::size_t limit : {60, 127, 128, 129, 130, 131, 256, 1024, 4096}) {
        std::size_t seen = 0;
        while (seen < names.size()) {
            std::uint8_t bytes[4200];
            Writer out(bytes);
            TopicListEncoder page(out, 5, limit);
            std::size_t n = seen;
            while (n < names.size() && page.add({names[n], id, 3, 1, Durability::memory})) ++n;
            page.finish(n < names.size());
            REQUIRE(out.ok());
            CHECK(out.size() <= limit);
            const FrameView frame = read(out, Side::broker);
            const auto listed = decode_topic_listed(decode_answer(frame.body)->rest, frame.flags);
            REQUIRE(listed);
            REQUIRE(!listed->topics.empty());
            CHECK(listed->more == (n < names.size()));
            for (const TopicEntry& topic : listed->topics) {
                CHECK(topic.name == names[seen++]);
                CHECK(topic.id == id);
                CHECK(topic.durability == Durability::memory);
            }
            CHECK(seen == n);
        }
    }
}

TEST_CASE("compact admin frames: describe, page by page") {
    const std::uint64_t replicas[] = {1, 2, 300};
    const FencedRange fenced[20] = {{Offset(5), 6}};
    std::uint64_t next = 0;
    while (next < 30) {
        std::uint8_t bytes[600];
        Writer out(bytes);
        TopicDescribeEncoder page(out, 5, 500, {Uuid{}, 30, 3, Durability::disk});
        if (next == 0) {
            CHECK(page.add_config({"retention.ms", "1"}));
            CHECK(page.add_config({"segment.bytes", ""}));
            const std::string large(600, 'v');
            CHECK(!page.add_config({"k", large}));
        }
        const std::uint64_t first = next;
        while (next < 30 && page.add_partition({next, -1, Epoch(-1), Offset(1), Offset(2), Offset(3), Offset(4), 5, 20}, replicas,
                                               std::span(replicas).first(1), fenced))
            ++next;
        page.finish(next < 30);
        REQUIRE(out.ok());
        CHECK(out.size() <= 500);
        const FrameView frame = read(out, Side::broker);
        const auto described = decode_topic_described(decode_answer(frame.body)->rest, frame.flags);
        REQUIRE(described);
        CHECK(described->config.size() == (first == 0 ? 2 : 0));
        CHECK(described->more == (next < 30));
        std::uint64_t number = first;
        for (const PartitionEntry& entry : described->partitions) {
            CHECK(entry.partition == number++);
            CHECK(entry.leader == -1);
            CHECK(entry.replicas.size() == 3);
            CHECK(entry.in_sync.size() == 1);
            CHECK(entry.fenced.size() == fenced_listed_max);
            CHECK(entry.fenced_ranges == 20);
        }
        REQUIRE(number == next);
        REQUIRE(next > first);
    }
}

TEST_CASE("compact admin frames: a small Writer gives small pages, not overflow") {
    for (std::size_t room = 40; room < 200; ++room) {
        std::uint8_t bytes[200];
        Writer out({bytes, room});
        TopicListEncoder page(out, 5, 4096);
        while (page.add({"name", Uuid{}, 3, 1, Durability::disk})) {}
        page.finish(true);
        CHECK(out.ok());
    }
}
