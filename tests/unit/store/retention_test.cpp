// What goes and when: by bytes, by time once the clock is trusted, and with the ring's tail.
#include <doctest/doctest.h>

#include "support/store_harness.h"

namespace rivulet::test {
namespace {

constexpr std::int64_t day_ms = 24 * 3600 * 1000;
constexpr std::int64_t now_ms = 1'750'000'000'000;
constexpr std::size_t value_bytes = 1400;

struct Ring {
    explicit Ring(const store::StoreOptions& options = small_store()) : h(1, options) {
        REQUIRE(h.boot());
        id = create();
    }
    LogId create() {
        const LogId first = h.store().next_log_id();
        const Result<std::uint64_t> ticket = h.act([&] { return h.store().create_logs(1, false, {}); });
        REQUIRE(ticket);
        REQUIRE(h.settle(*ticket));
        return first;
    }
    store::Log& log() { return h.log(id); }
    const store::State& state() { return h.store().state(); }
    // Readings of one time, each a commit of its own now and then.
    void fill(LogId of, int readings, std::int64_t timestamp, bool untrusted = false) {
        const std::string value(value_bytes, 'x');
        for (int i = 0; i < readings; ++i) {
            record::Reading reading;
            reading.timestamp = Timestamp(timestamp);
            reading.value = as_bytes(value);
            const auto done = h.act([&] { return h.store().append(h.log(of), reading, untrusted, {}); });
            REQUIRE(done);
            if (i % 4 == 3) REQUIRE(h.settle());
        }
        REQUIRE(h.settle());
    }
    void fill(int readings, std::int64_t timestamp, bool untrusted = false) { fill(id, readings, timestamp, untrusted); }
    Offset start_after(std::int64_t now) {
        h.act([&] { h.store().apply_retention(now); });
        return log().start;
    }
    void restart() {
        h.run_for(2 * ns_per_s);
        h.cut();
        REQUIRE(h.boot());
        REQUIRE(h.run_until([&] { return state().index_loaded_from <= state().head.first_live; }));
    }

    StoreHarness h;
    LogId id{0};
};

}  // namespace

TEST_CASE("retention: by bytes, whole segments go, and never more than is too much") {
    Ring ring;
    ring.fill(200, now_ms);  // some 280 KiB, more than four segments
    CHECK(ring.start_after(now_ms) == Offset(0));
    ring.log().retention_bytes = 1 << 30;
    CHECK(ring.start_after(now_ms) == Offset(0));
    ring.log().retention_bytes = 128 * 1024;
    const Offset start = ring.start_after(now_ms);
    CHECK(start > Offset(0));
    CHECK(ring.log().bytes >= 128 * 1024);
    CHECK(ring.log().bytes < 128 * 1024 + 64 * 1024);
    CHECK(ring.start_after(now_ms) == start);
    CHECK(ring.h.read(ring.id)[0].header.base_offset <= start);
    // It is kept through a power cut, and what was dropped is not served again.
    ring.restart();
    CHECK(ring.log().start == start);
    ring.log().retention_bytes = 0;
    CHECK(ring.start_after(now_ms) < ring.log().end);  // the segment that is written stays
}

TEST_CASE("retention: what a commit that is under way takes into the next segment stays found") {
    store::StoreOptions options = small_store();
    options.commit_bytes = 256 * 1024;
    options.blocks = 48;
    Ring ring(options);
    ring.fill(20, now_ms);
    const std::string value(value_bytes, 'x');
    for (int i = 0; i < 40; ++i) {
        record::Reading reading;
        reading.timestamp = Timestamp(now_ms + i);
        reading.value = as_bytes(value);
        REQUIRE(ring.h.act([&] { return ring.h.store().append(ring.log(), reading, false, {}); }));
    }
    const auto second = [&] { return ring.state().index.next(*ring.state().index.first(ring.log())); };
    REQUIRE(ring.h.run_until([&] { return second() && second()->first() > ring.log().durable_end; }));
    REQUIRE(ring.log().durable_end == Offset(20));
    ring.log().retention_bytes = 0;
    const Offset start = ring.start_after(now_ms);
    CHECK(ring.state().index.first(ring.log())->first() <= start);
    CHECK(ring.h.store().time_hint(ring.log(), Timestamp(now_ms)) <= start);
    REQUIRE(ring.h.settle());
    CHECK(ring.start_after(now_ms) > Offset(20));
}

TEST_CASE("retention: by time, only with a clock that is trusted") {
    Ring ring;
    ring.fill(100, now_ms - 3 * day_ms);
    ring.fill(100, now_ms);
    ring.log().retention_ms = day_ms;
    CHECK(ring.start_after(-1) == Offset(0));
    const Offset start = ring.start_after(now_ms);
    CHECK(start > Offset(0));
    CHECK(start <= Offset(100));
    // The segment with the newest of the old is shared with what is to stay.
    CHECK(start >= Offset(100 - 64 * 1024 / static_cast<std::int64_t>(value_bytes)));
    // All is old in the end, the head segment too.
    CHECK(ring.start_after(now_ms + 2 * day_ms) == Offset(200));
    CHECK(ring.h.read(ring.id).empty());
    ring.restart();
    CHECK(ring.log().start == Offset(200));
}

TEST_CASE("retention: times of a clock that is not trusted expire only once it is known when they were") {
    Ring ring;
    ring.log().retention_ms = day_ms;
    ring.fill(100, 5'000, true);  // five seconds after boot
    CHECK(ring.start_after(now_ms) == Offset(0));
    const auto trust = [&](std::int64_t at) { ring.h.act([&] { ring.h.store().trust_clock(at, now_ms - 3'600'000); }); };
    SUBCASE("they count from the moment that the clock was trusted") {
        trust(now_ms);
        CHECK(ring.start_after(now_ms) == Offset(0));
        CHECK(ring.start_after(now_ms + day_ms - 2000) == Offset(0));
        CHECK(ring.start_after(now_ms + day_ms + 2000) == Offset(100));
    }
    SUBCASE("what is stamped in the same boot afterwards is rebased at once") {
        trust(now_ms);
        const LogId other = ring.create();
        ring.h.log(other).retention_ms = day_ms;
        ring.fill(other, 4, 5'000, true);
        ring.h.act([&] { ring.h.store().apply_retention(now_ms - 3'600'000 + 5'000 + day_ms - 2000); });
        CHECK(ring.h.log(other).start == Offset(0));
        ring.h.act([&] { ring.h.store().apply_retention(now_ms - 3'600'000 + 5'000 + day_ms + 2000); });
        CHECK(ring.h.log(other).start == Offset(4));
    }
    SUBCASE("the offset of the boot survives restarts, and the first one rules") {
        trust(now_ms);
        ring.h.run_for(5 * ns_per_s);
        trust(now_ms + 5 * day_ms);
        const std::uint32_t boot = ring.state().boot;
        ring.restart();
        REQUIRE(ring.state().boots.find(boot));
        CHECK(ring.state().boots.find(boot)->fixed);
        CHECK(ring.state().boots.find(boot)->offset_ms == now_ms - 3'600'000);
        CHECK(ring.state().boot != boot);
        CHECK_FALSE(ring.state().boots.find(ring.state().boot)->fixed);
        for (const ServedBatch& batch : ring.h.read(ring.id)) CHECK(batch.header.max_timestamp == Timestamp(now_ms - 3'600'000 + 5'000));
    }
    SUBCASE("with no room for its record, the offset is written later") {
        for (const std::size_t bytes : {512, 0}) {
            const Buffer block(bytes);
            Error error = Error::none;
            for (int i = 0; i < 1000 && error == Error::none; ++i)
                error = ring.h.act([&] { return ring.h.store().append_record(store::RecordType::topic, block); }).error();
            CHECK(error == Error::busy);
        }
        const std::uint32_t boot = ring.state().boot;
        trust(now_ms);
        ring.h.run_for(10 * ns_per_s);
        ring.restart();
        CHECK(ring.state().boots.find(boot)->fixed);
    }
}

TEST_CASE("retention: a clock that is trusted before the index is loaded bounds the times that come with it") {
    Ring ring;
    ring.fill(300, 5'000, true);
    REQUIRE(ring.h.settle());
    ring.h.cut();
    REQUIRE(ring.h.boot());
    // Not one footer has been read.
    REQUIRE(ring.state().index_loaded_from > ring.state().head.first_live);
    ring.h.act([&] { ring.h.store().trust_clock(now_ms, now_ms); });
    REQUIRE(ring.h.run_until([&] { return ring.state().index_loaded_from <= ring.state().head.first_live; }));
    ring.log().retention_ms = day_ms;
    CHECK(ring.start_after(now_ms + day_ms - 2000) == Offset(0));
    CHECK(ring.start_after(now_ms + day_ms + 2000) == Offset(300));
}

TEST_CASE("retention: the ring's tail takes what was first, and a RETIRE record says so") {
    Ring ring;
    const LogId quiet = ring.create();
    ring.fill(quiet, 2, now_ms);
    ring.fill(1000, now_ms);
    const store::Head& head = ring.state().head;
    const std::uint64_t segments = small_store().segment_count();
    CHECK(head.first_live == ring.state().geometry.sequence(head.previous_end - 1) - segments + 2);
    const Offset start = ring.log().start;
    CHECK(start > Offset(0));
    CHECK(ring.h.log(quiet).start == Offset(2));
    CHECK(ring.h.log(quiet).end == Offset(2));
    CHECK(ring.h.read(ring.id)[0].header.base_offset <= start);
    ring.restart();
    CHECK(ring.log().start == start);
    CHECK(ring.h.log(quiet).start == Offset(2));
    CHECK(ring.h.log(quiet).end == Offset(2));
    std::size_t records = 0;
    for (const ServedBatch& batch : ring.h.read(ring.id)) records += static_cast<std::size_t>(batch.header.record_count);
    CHECK(records >= static_cast<std::size_t>(1000 - start.value));
}

TEST_CASE("retention: with fewer samples than segments times logs nothing is lost, and starts move as before") {
    store::StoreOptions options = small_store();
    options.index_samples_max = 16;
    Ring ring(options);
    std::vector<LogId> ids{ring.id};
    for (int i = 0; i < 7; ++i) ids.push_back(ring.create());
    for (int round = 0; round < 60; ++round)
        for (const LogId id : ids) ring.fill(id, 3, now_ms);
    CHECK(ring.state().index.used() <= 16);
    CHECK(ring.state().head.first_live > 1);
    for (int start = 0; start < 2; ++start) {
        for (const LogId id : ids) {
            const store::Log& log = ring.h.log(id);
            CHECK(log.end == Offset(180));
            const std::vector<ServedBatch> served = ring.h.read(id);
            REQUIRE(!served.empty());
            // From the first that the ring still has, without a gap.
            Offset next = served[0].header.base_offset;
            for (const ServedBatch& batch : served) {
                CHECK(batch.header.base_offset == next);
                next = batch.header.last_offset() + 1;
            }
            CHECK(next == log.end);
            CHECK(ring.state().fences.count(id) == 0);
        }
        ring.restart();
    }
}

}  // namespace rivulet::test
