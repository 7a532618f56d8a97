// Idempotent producers of a whole store: repeats, restarts, power cuts, truncations, damage.
#include <doctest/doctest.h>

#include "unit/store/producer_batches.h"

namespace rivulet::test {
namespace {

// A batch of `records` from there on, whole or staged.
Result<store::Appended> produce(StoreHarness& h, LogId id, const From& from, std::int32_t records = 1, bool staged = false) {
    const Buffer batch = producer_batch(from, records);
    return staged ? send_staged(h, id, batch, 50) : send(h, id, batch);
}
bool repeated(const Result<store::Appended>& done, std::int64_t base) { return done && done->duplicate && done->base == Offset(base); }
bool appended(const Result<store::Appended>& done, std::int64_t base) { return done && !done->duplicate && done->base == Offset(base); }

// One batch of 3 after the other, from sequence 0 on.
void produce_many(StoreHarness& h, LogId id, std::int64_t producer, std::int32_t first, std::int32_t batches) {
    for (std::int32_t i = 0; i < batches; ++i) {
        const auto done = produce(h, id, {producer, 0, first + 3 * i}, 3, i % 2 == 0);
        REQUIRE(done);
        REQUIRE(!done->duplicate);
    }
    REQUIRE(h.settle());
}

TEST_CASE("idempotence: a repeat gets the offsets and the ticket of what it repeats, and is not stored again") {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        StoreHarness h;
        REQUIRE(h.boot().ok());
        const LogId id = make_logs(h, 1);
        const auto first = produce(h, id, {7, 0, 0}, 3, staged);
        REQUIRE(appended(first, 0));
        CHECK(first->last == Offset(2));
        CHECK(first->log_append_time == Timestamp(-1));
        const auto again = produce(h, id, {7, 0, 0}, 3, !staged);
        REQUIRE(repeated(again, 0));
        CHECK(again->last == Offset(2));
        CHECK(again->ticket == first->ticket);
        CHECK(again->ticket > h.store().durable_ticket());
        REQUIRE(h.settle(first->ticket));
        CHECK(appended(produce(h, id, {7, 0, 3}, 1, staged), 3));
        CHECK(produce(h, id, {7, 0, 5}, 1, staged).error() == Error::out_of_order_sequence);
        CHECK(produce(h, id, {7, 1, 1}, 1, staged).error() == Error::out_of_order_sequence);
        CHECK(appended(produce(h, id, {7, 1, 0}, 1, staged), 4));
        CHECK(produce(h, id, {7, 0, 4}, 1, staged).error() == Error::invalid_producer_epoch);
        CHECK(h.log(id).end == Offset(5));
        CHECK(h.store().state().staged_blocks == 0);
    }
}

TEST_CASE("idempotence: batches without an id are not looked at") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    CHECK(appended(produce(h, id, {}), 0));
    CHECK(appended(produce(h, id, {}), 1));
    CHECK(h.store().producers().used() == 0);
}

TEST_CASE("idempotence: what is stored already is recognised under a smaller limit, too") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    REQUIRE(appended(produce(h, id, {7, 0, 0}, 20), 0));
    h.act([&] { h.store().set_batch_limit(h.log(id), 100); });
    CHECK(repeated(produce(h, id, {7, 0, 0}, 20), 0));
    CHECK(produce(h, id, {7, 0, 20}, 20).error() == Error::batch_too_large);
}

TEST_CASE("idempotence: with no pair free it waits for a commit, and then the one unused for longest goes") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 20 * ns_per_s;
    for (std::int64_t p = 0; p < 16; ++p) REQUIRE(produce(h, id, {p, 0, 0}));
    CHECK(produce(h, id, {16, 0, 0}).error() == Error::busy);
    REQUIRE(h.settle());
    CHECK(appended(produce(h, id, {16, 0, 0}), 16));
    CHECK(repeated(produce(h, id, {1, 0, 0}), 1));
    CHECK(h.store().producers().evictions() == 1);
}

TEST_CASE("idempotence: after a clean stop, a kill and a power cut all is known, with a checkpoint and without one") {
    for (const bool checkpoint : {false, true}) {
        for (int end = 0; end < 3; ++end) {
            CAPTURE(checkpoint);
            CAPTURE(end);
            StoreHarness h;
            REQUIRE(h.boot().ok());
            const LogId id = make_logs(h, 2);
            produce_many(h, id, 7, 0, 7);
            REQUIRE(appended(produce(h, id + 1, {7, 3, 1000}, 2), 0));
            if (checkpoint) {
                const std::uint64_t sequence = h.store().state().checkpoint_sequence;
                for (int i = 0; h.store().state().checkpoint_sequence < sequence + 1; ++i) {
                    REQUIRE(i < 200);
                    REQUIRE(send(h, id + 1, sized_batch(4000)));
                    REQUIRE(h.settle());
                }
            }
            REQUIRE(h.settle());
            const Offset other = h.log(id + 1).end;
            if (end == 0) REQUIRE(h.stop());
            if (end == 1) h.kill();
            if (end == 2) h.cut();
            REQUIRE(h.boot().ok());
            for (std::int32_t i = 2; i < 7; ++i) CHECK(repeated(produce(h, id, {7, 0, 3 * i}, 3), 3 * i));
            const auto again = produce(h, id, {7, 0, 18}, 3);
            REQUIRE(again);
            CHECK(again->ticket <= h.store().durable_ticket());
            CHECK(produce(h, id, {7, 0, 22}, 1).error() == Error::out_of_order_sequence);
            CHECK(appended(produce(h, id, {7, 0, 21}, 1), 21));
            CHECK(repeated(produce(h, id + 1, {7, 3, 1000}, 2), 0));
            CHECK(produce(h, id + 1, {7, 2, 1002}).error() == Error::invalid_producer_epoch);
            CHECK(appended(produce(h, id + 1, {7, 3, 1002}), other.value));
        }
    }
}

TEST_CASE("idempotence: what no commit has stored is not known after a cut, and is taken again") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    produce_many(h, id, 7, 0, 2);
    REQUIRE(appended(produce(h, id, {7, 0, 6}), 6));
    h.cut();
    REQUIRE(h.boot().ok());
    CHECK(appended(produce(h, id, {7, 0, 6}), 6));
    CHECK(repeated(produce(h, id, {7, 0, 3}, 3), 3));
}

TEST_CASE("idempotence: a checkpoint that was captured while producers went on, and were forgotten, misses nothing") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        StoreHarness h(seed);
        REQUIRE(h.boot().ok());
        const LogId first = make_logs(h, 3);
        std::map<std::pair<std::int64_t, std::uint64_t>, std::pair<std::int32_t, Offset>> last;  // durable or not: sequence and base of the last batch
        for (int round = 0; round < 8; ++round) {
            for (int i = 0; i < 60; ++i) {
                const auto producer = static_cast<std::int64_t>(random.below(round % 2 == 0 ? 4 : 12));
                const LogId id = first + random.below(3);
                const auto known = last.find({producer, id.value});
                const std::int32_t next = known == last.end() ? 0 : known->second.first + 1;
                const auto done = produce(h, id, {producer, 0, next}, 1, random.below(2) == 0);
                if (done.error() == Error::busy) {
                    h.run_for(20 * ns_per_ms);
                    continue;
                }
                REQUIRE(done);
                REQUIRE(!done->duplicate);
                last[{producer, id.value}] = {next, done->base};
                if (random.below(4) == 0) (void)send(h, id, sized_batch(3000));
            }
            REQUIRE(h.settle());
            if (random.below(2) == 0) h.cut();
            else h.kill();
            REQUIRE(h.boot().ok());
            // None is refused; who was used last is recognised.
            for (auto& [key, state] : last) {
                auto done = produce(h, LogId(key.second), {key.first, 0, state.first});
                if (done.error() == Error::busy) {  // too many at once
                    REQUIRE(h.settle());
                    done = produce(h, LogId(key.second), {key.first, 0, state.first});
                }
                CAPTURE(static_cast<int>(done.error()));
                REQUIRE(done);
                if (!done->duplicate) last[key].second = done->base;
                else CHECK(done->base == state.second);
            }
            REQUIRE(h.settle());
        }
        CHECK(h.store().state().checkpoint_sequence > 2);
    }
}

TEST_CASE("idempotence: a truncation takes what was cut off, at once and after restarts") {
    for (const bool settled : {false, true}) {
        CAPTURE(settled);
        StoreHarness h;
        REQUIRE(h.boot().ok());
        const LogId id = make_logs(h, 1);
        produce_many(h, id, 7, 0, 4);
        REQUIRE(h.act([&] { return h.store().truncate(h.log(id), Offset(6), h.log(id).epoch); }));
        if (settled) REQUIRE(h.settle());
        CHECK(repeated(produce(h, id, {7, 0, 3}, 3), 3));
        CHECK(appended(produce(h, id, {7, 0, 6}, 2), 6));
        REQUIRE(h.settle());
        for (int i = 0; i < 2; ++i) {
            h.cut();
            REQUIRE(h.boot().ok());
            CHECK(repeated(produce(h, id, {7, 0, 3}, 3), 3));
            CHECK(repeated(produce(h, id, {7, 0, 6}, 2), 6));
            CHECK(produce(h, id, {7, 0, 9}, 3).error() == Error::out_of_order_sequence);
        }
        CHECK(appended(produce(h, id, {7, 0, 8}), 8));
    }
}

TEST_CASE("idempotence: a deleted log takes its producers along") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 2);
    produce_many(h, id, 7, 0, 2);
    produce_many(h, id + 1, 7, 0, 2);
    const auto ticket = h.act([&] { return h.store().delete_logs(id, 1); });
    REQUIRE(ticket);
    REQUIRE(h.settle(*ticket));
    CHECK(h.store().producers().used() == 1);
    h.cut();
    REQUIRE(h.boot().ok());
    CHECK(h.store().producers().used() == 1);
    CHECK(repeated(produce(h, id + 1, {7, 0, 3}, 3), 3));
}

TEST_CASE("idempotence: a memory log that lost what it had acknowledged calls nothing a gap") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1, true);
    produce_many(h, id, 7, 0, 2);
    REQUIRE(produce(h, id, {7, 0, 6}));
    REQUIRE(produce(h, id, {7, 0, 7}));
    h.cut();
    REQUIRE(h.boot().ok());
    const Offset end = h.log(id).end;
    CHECK(end > Offset(8));
    CHECK(appended(produce(h, id, {7, 0, 8}), end.value));
    REQUIRE(h.settle());
    h.cut();
    REQUIRE(h.boot().ok());
    CHECK(h.store().producers().used() <= 1);
    CHECK(produce(h, id, {7, 0, 9}));
}

TEST_CASE("idempotence: damage to a stored batch forgets the producers of its log, which are refused nothing") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    produce_many(h, id, 7, 0, 3);
    const Lsn group = h.log(id).last_extent;
    produce_many(h, id, 7, 9, 1);
    // Proved by the groups behind it, and then a page of its payload goes bad.
    const std::uint64_t position = h.store().state().geometry.file_position(group);
    h.kill();
    const std::uint64_t at = position + store::group_header_bytes + 200;
    const std::uint8_t bad = h.disk().contents("store/journal")[at] ^ 1;
    h.disk().overwrite("store/journal", at, Bytes(&bad, 1));
    REQUIRE(h.boot().ok());
    // The batch behind the damage is known; those before are not.
    CHECK(repeated(produce(h, id, {7, 0, 9}, 3), 9));
    CHECK(produce(h, id, {7, 0, 6}, 3).error() == Error::out_of_order_sequence);
    CHECK(appended(produce(h, id, {7, 0, 12}), 12));
}

TEST_CASE("idempotence: fewer pairs than before are no reason to refuse a start") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    for (std::int64_t p = 0; p < 16; ++p) REQUIRE(produce(h, id, {p, 0, 0}));
    REQUIRE(h.settle());
    REQUIRE(h.stop());
    store::StoreOptions fewer = h.options();
    fewer.producers_max = 3;
    h.node.program = [fewer](sim::NodeEnv& env) { return std::make_unique<StoreProgram>(env, fewer); };
    REQUIRE(h.boot().ok());
    CHECK(h.store().producers().used() == 3);
    CHECK(repeated(produce(h, id, {15, 0, 0}), 15));
    CHECK(produce(h, id, {1, 0, 77}));
}

TEST_CASE("producer ids: never given out twice, over stops and cuts") {
    StoreHarness h;
    std::vector<std::int64_t> ids;
    for (int run = 0; run < 6; ++run) {
        REQUIRE(h.boot().ok());
        for (int i = 0; i < 3; ++i) {
            const Result<std::int64_t> id = h.act([&] { return h.store().new_producer_id(); });
            REQUIRE(id);
            CHECK(*id >= 0);
            CHECK(std::find(ids.begin(), ids.end(), *id) == ids.end());
            ids.push_back(*id);
        }
        if (run % 3 == 0) REQUIRE(h.stop());
        if (run % 3 == 1) h.kill();
        if (run % 3 == 2) h.cut();
    }
}

TEST_CASE("the time of arrival: in the stored header, with its CRC right, and nothing else is changed") {
    for (const bool untrusted : {false, true}) {
        for (const bool staged : {false, true}) {
            CAPTURE(untrusted);
            CAPTURE(staged);
            StoreHarness h;
            REQUIRE(h.boot().ok());
            const LogId id = make_logs(h, 1);
            const Buffer batch = producer_batch({7, 0, 0}, 3);
            const store::AppendTime time{Timestamp(1'700'000'000'123), untrusted};
            const auto done = h.act([&]() -> Result<store::Appended> {
                if (!staged) return h.store().append(h.log(id), batch, time);
                store::Stage stage;
                RIVULET_TRY(h.store().begin_stage(stage, batch.size()));
                stage.put(batch);
                return h.store().append(h.log(id), stage, time);
            });
            REQUIRE(done);
            CHECK(done->log_append_time == time.time);
            Buffer expected = stored_at(batch, Offset(0), h.log(id).epoch);
            record::stamp_log_append_time(expected, time.time);
            for (const bool restarted : {false, true}) {
                REQUIRE(h.settle());
                if (restarted) h.cut();
                if (restarted) REQUIRE(h.boot().ok());
                const std::vector<ServedBatch> served = h.read(id);
                REQUIRE(served.size() == 1);
                CHECK(served[0].bytes == expected);
                CHECK(validate(served[0].bytes, options_for(served[0].bytes, record::Origin::stored)).ok());
            }
        }
    }
}

}  // namespace
}  // namespace rivulet::test
