// Batches of producers: the time of arrival, stages, and who is woken when one ends.
#include <doctest/doctest.h>

#include "unit/broker/broker_harness.h"
#include "unit/record/batches.h"

namespace rivulet::test {
namespace {

const std::string arrivals = "[topic.arrivals]\npartitions = 1\nmessage.timestamp.type = LogAppendTime\n";

struct Waiter final : broker::RoomWaiter {
    void on_room() override { ++calls; }
    int calls = 0;
};
struct Reading final : store::ReadWaiter {
    void on_read_ready() override {}
};

struct Appending : ServedBroker {
    using ServedBroker::ServedBroker;

    Result<store::Appended> append(store::Log& log, const Buffer& batch, bool staged) {
        return act([&]() -> Result<store::Appended> {
            if (!staged) return broker().append(log, Bytes(batch));
            store::Stage stage;
            RIVULET_TRY(broker().begin_stage(stage, batch.size()));
            stage.put(batch);
            const Result<store::Appended> done = broker().append(log, stage);
            broker().drop(stage);
            return done;
        });
    }
    // The last batch of the log, as a fetch would get it.
    Buffer last(store::Log& log) {
        store::ReadView view;
        Reading waiter;
        REQUIRE(act([&] { return broker().store().read(log, log.high_watermark() - 1, 1 << 20, view, waiter); }) == store::ReadOutcome::data);
        Buffer bytes;
        for (std::size_t i = 0; i < view.piece_count; ++i) bytes.insert(bytes.end(), view.pieces[i].begin(), view.pieces[i].end());
        act([&] { return broker().release(view), 0; });
        return bytes;
    }
};

TEST_CASE("appends: the sender's times stay, or that of the arrival is stamped and told") {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        Appending served(small_config + arrivals + "[clock]\ntrust = always\n");
        served.run(2 * ns_per_s);
        const Buffer batch = pack({reading(1000, "k", "v"), reading(3000, "k", "v")});
        const auto kept = served.append(served.partition("temps"), batch, staged);
        REQUIRE(kept);
        CHECK(kept->log_append_time == Timestamp(-1));
        const auto stamped = served.append(served.partition("arrivals"), batch, staged);
        REQUIRE(stamped);
        CHECK(stamped->log_append_time.value > 3000);
        served.run(ns_per_s);
        const record::BatchHeader temps = record::decode_header(served.last(served.partition("temps")));
        CHECK((!temps.log_append_time() && temps.max_timestamp == Timestamp(3000)));
        const Buffer arrived = served.last(served.partition("arrivals"));
        const record::BatchHeader header = record::decode_header(arrived);
        CHECK((header.log_append_time() && header.max_timestamp == stamped->log_append_time));
        CHECK(validate(arrived, options_for(arrived, record::Origin::stored)).ok());
        // What was sent is as it was.
        CHECK(validate(batch, options_for(batch)).ok());
    }
}

TEST_CASE("appends: a time of arrival by a clock that is not trusted is set right once it is") {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        Appending served(small_config + arrivals);
        served.run(2 * ns_per_s);
        REQUIRE(!served.broker().clock_trusted());
        store::Log& log = served.partition("arrivals");
        const auto stamped = served.append(log, pack({reading(1000, "k", "v")}), staged);
        REQUIRE(stamped);
        served.run(ns_per_s);
        const Buffer before = served.last(log);
        CHECK(record::decode_header(before).max_timestamp == stamped->log_append_time);
        served.server_node->set_wall(served.world.true_wall());
        served.server_node->set_wall_synchronised(true);
        REQUIRE(served.until([&] { return served.broker().clock_trusted(); }));
        const Buffer after = served.last(log);
        CHECK(record::decode_header(after).log_append_time());
        CHECK(record::decode_header(after).max_timestamp.value > record::decode_header(before).max_timestamp.value + 1'000'000'000'000);
        CHECK(validate(after, options_for(after, record::Origin::stored)).ok());
        const auto trusted = served.append(log, pack({reading(1000, "k", "v")}), staged);
        REQUIRE(trusted);
        served.run(ns_per_s);
        CHECK(record::decode_header(served.last(log)).max_timestamp == trusted->log_append_time);
    }
}

TEST_CASE("appends: no producer may send the mark of an untrusted clock, or a producer id without epoch") {
    for (const std::uint16_t attributes : {record::attribute_clock_untrusted, record::attribute_log_append_time}) {
        const Buffer batch = pack({reading(1000, "k", "v")}, attributes);
        CHECK(verdict(batch) != Error::none);
    }
    record::BatchHeader header = record::decode_header(pack({reading(1000, "k", "v")}));
    const Buffer body = to_buffer(body_of(pack({reading(1000, "k", "v")})));
    header.producer_id = 7;
    header.base_sequence = 0;
    CHECK(verdict(seal(header, body)) == Error::invalid_record);
    header.producer_epoch = 0;
    CHECK(verdict(seal(header, body)) == Error::none);
}

TEST_CASE("stages: who waits for what others hold is woken when one is appended or dropped") {
    for (const bool dropped : {false, true}) {
        CAPTURE(dropped);
        Appending served;
        served.run(60 * ns_per_s);  // nothing is left to be written, not even a mark
        store::Log& log = served.partition("temps");
        const Buffer batch = pack({reading(1000, "k", std::string(60'000, 'v'))});
        store::Stage stages[64];
        const auto begin = [&](store::Stage& stage) { return served.act([&] { return served.broker().begin_stage(stage, batch.size()); }).error(); };
        std::size_t held = 0;
        while (begin(stages[held]) == Error::none) ++held;
        REQUIRE(held > 0);
        REQUIRE(begin(stages[held]) == Error::busy);
        CHECK(!served.broker().blocks_wanted());
        Waiter waiter;
        served.act([&] { return served.broker().wait_for_room(waiter), 0; });
        CHECK(served.broker().blocks_wanted());
        served.run(60 * ns_per_s);
        CHECK(waiter.calls == 0);
        const auto end = [&](store::Stage& stage) {
            if (!dropped) stage.put(batch);
            if (!dropped) REQUIRE(served.broker().append(log, stage));
            served.broker().drop(stage);
            return 0;
        };
        served.act([&] { return end(stages[0]); });
        served.run(ns_per_s);
        CHECK(waiter.calls == 1);
        CHECK(begin(stages[held]) == Error::none);
        for (std::size_t i = 1; i <= held; ++i) served.act([&] { return served.broker().drop(stages[i]), 0; });
        CHECK(served.broker().store().state().staged_blocks == 0);
    }
}

}  // namespace
}  // namespace rivulet::test
