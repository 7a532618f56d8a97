// Compressed batches on their way to a compacted topic: what is appended, what is refused, and that nothing stays behind.
#include "unit/broker/compacted.h"
#include "unit/record/packed.h"

namespace rivulet::test {

namespace {

broker::BrokerOptions opening_broker(std::size_t decode_bytes = 96 * 1024) {
    broker::BrokerOptions options = small_broker(64);
    options.decode_bytes = decode_bytes;
    return options;
}

// As a connection does it.
struct Sender final : broker::UnpackWaiter {
    explicit Sender(Compacted& compacted) : c(compacted) {}
    ~Sender() { drop(); }
    bool begin(std::string_view topic, const Buffer& batch) {
        done = false;
        return c.act([&] {
            if (!stage.active()) {
                if (!c.broker().begin_stage(stage, batch.size())) return false;
                stage.put(batch);
            }
            return c.broker().unpack(*this, c.log(topic).id, stage);
        });
    }
    Error wait() {
        REQUIRE(c.world.run_until([&] { return done; }, c.world.now() + 30 * ns_per_s));
        return error;
    }
    Error append(std::string_view topic, const Buffer& batch) {
        for (int tries = 0; tries < 2000; ++tries) {
            if (begin(topic, batch) && wait() != Error::busy) break;
            c.run(5 * ns_per_ms);
        }
        if (done && error == Error::none) CHECK_FALSE(stage.active());
        drop();
        return done ? error : Error::busy;
    }
    void drop() {
        c.act([&] {
            c.broker().cancel(static_cast<broker::UnpackWaiter&>(*this));
            c.broker().drop(stage);
            return 0;
        });
    }
    void on_unpacked(const Result<store::Appended>& outcome) override {
        done = true;
        error = outcome ? Error::none : outcome.error();
        base = outcome ? outcome->base.value : -1;
    }
    Compacted& c;
    store::Stage stage;
    bool done = false;
    Error error = Error::unknown;
    std::int64_t base = -1;
};

// With new values of these keys, and that many equal bytes in each.
Buffer batch_of(Compacted& c, const std::vector<std::string>& keys, std::size_t value_bytes) {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < keys.size(); ++i) values.push_back(std::to_string(++c.values) + std::string(value_bytes, 'v'));
    std::vector<record::Reading> readings;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        c.latest[keys[i]] = {c.log("state").end.value + static_cast<std::int64_t>(i), keys[i], values[i], false, 0};
        readings.push_back(reading(1'700'000'000'000 + static_cast<std::int64_t>(i), keys[i], values[i]));
    }
    return packed(pack(readings));
}

// With others that take all room that a commit makes.
struct Crowded : Compacted {
    Crowded() : Compacted(64, opening_broker()) {
        REQUIRE(create("state", "compact") == Error::none);
        REQUIRE(create("other", "delete") == Error::none);
    }
    std::uint32_t staged() { return broker().store().state().staged_blocks; }
    bool until(const std::function<bool()>& condition) {
        const auto there = [&] {
            if (condition()) return true;
            // Not the room for what is opened.
            if (staged() == 2) while (act([&] { return broker().append(log("other"), filler).error(); }) == Error::none) {}
            return condition();
        };
        return world.run_until(there, world.now() + 30 * ns_per_s);
    }
    const Buffer batch = packed(pack({reading(1, "k", std::string(3000, 'v'))}));
    const Buffer filler = pack({reading(1, "k", std::string(1000, 'o'))});
};

}  // namespace

TEST_CASE("unpacking: compressed batches give up old values, over many revolutions of the ring and power cuts") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact", "delete.retention.ms", "0") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    std::uint64_t dropped = 0;
    for (int round = 0; round < 9; ++round) {
        {
            Sender sender(c);
            for (int i = 0; i < 20; ++i) {
                const std::string key = "key-" + std::to_string(c.random.below(30));
                REQUIRE(sender.append("state", batch_of(c, {key, key + "b", key + "d"}, i % 2 == 0 ? 10 : 300)) == Error::none);
            }
            record::Reading gone = reading(1'700'000'000'000, c.latest.begin()->first, "");
            gone.has_value = false;
            const std::string key = c.latest.begin()->first;
            REQUIRE(sender.append("state", packed(pack({gone, gone, gone}))) == Error::none);
            c.latest.erase(key);
        }
        c.run(300 * ns_per_ms);
        c.others(300);
        CHECK(c.check() == "");
        dropped += c.statistics().records_dropped;
        if (round % 3 != 2) continue;
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(2 * ns_per_s);
        CHECK(c.check() == "");
    }
    CHECK(dropped > 100);
    CHECK(c.statistics().batches_closed == 0);
    CHECK(c.log("state").start == Offset(0));
}

TEST_CASE("unpacking: header and records are what they were") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact") == Error::none);
    Buffer batch = batch_of(c, {"a", "b"}, 900);
    record::BatchHeader header = record::decode_header(batch);
    header.producer_id = 77;
    header.producer_epoch = 1;
    header.base_sequence = 0;
    batch = seal(header, body_of(batch));
    Sender sender(c);
    REQUIRE(sender.append("state", batch) == Error::none);
    CHECK(sender.base == 0);
    // What comes again is not appended again.
    REQUIRE(sender.append("state", batch) == Error::none);
    CHECK(sender.base == 0);
    CHECK(c.log("state").end == Offset(2));
    c.run(ns_per_s);
    CHECK(c.check() == "");
    const std::vector<Seen> seen = c.read("state");
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].time == 1'700'000'000'000);
    CHECK(seen[1].time == 1'700'000'000'001);
    CHECK(c.log("state").bytes > 1800);
}

TEST_CASE("unpacking: what is refused, and that nothing of it stays") {
    Compacted c(64, opening_broker(8 * 1024));
    REQUIRE(c.create("state", "compact", "max.message.bytes", "4096") == Error::none);
    Sender sender(c);
    record::Reading nameless = reading(1, "", "x");
    nameless.has_key = false;
    CHECK(sender.append("state", packed(pack({reading(1, "k", "x"), nameless}))) == Error::invalid_record);
    const Buffer sound = packed(pack({reading(1, "k", std::string(200, 'v'))}));
    CHECK(sender.append("state", seal(record::decode_header(sound), Bytes(body_of(sound)).first(body_of(sound).size() - 1))) == Error::invalid_record);
    CHECK(sender.append("state", seal(record::decode_header(sound), as_bytes("\xff\xff\xff\xff\xff"))) == Error::invalid_record);
    CHECK(sender.append("state", packed(pack({reading(1, "k", std::string(5000, 'v'))}))) == Error::batch_too_large);
    CHECK(sender.append("state", packed(pack({reading(1, "k", std::string(9000, 'v'))}))) == Error::unsupported_compression);
    CHECK(c.log("state").end == Offset(0));
    CHECK(c.broker().store().state().staged_blocks == 0);
    CHECK(sender.append("state", packed(pack({reading(1, "k", std::string(3000, 'v'))}))) == Error::none);
    CHECK(c.log("state").end == Offset(1));
    Compacted without(64, opening_broker(0));
    REQUIRE(without.create("state", "compact") == Error::none);
    Sender closed(without);
    CHECK_FALSE(closed.begin("state", sound));
}

TEST_CASE("unpacking: one that goes, or whose topic goes, leaves the line, and those behind it come") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("b", "compact") == Error::none);
    const Buffer batch = packed(pack({reading(1, "k", std::string(3000, 'v'))}));
    for (const std::int64_t after : {std::int64_t{0}, ns_per_ms, 2 * ns_per_ms, 3 * ns_per_ms, 4 * ns_per_ms, 6 * ns_per_ms}) {
        CAPTURE(after);
        const Offset end = c.log("state").end;
        Sender first(c), second(c), third(c);
        REQUIRE(first.begin("state", batch));
        REQUIRE(second.begin("state", batch));
        REQUIRE(third.begin("state", batch));
        c.run(after);
        first.drop();
        second.drop();
        CHECK(third.wait() == Error::none);
        CHECK(c.log("state").end >= end + 1);
        c.run(ns_per_s);
        CHECK(c.broker().store().state().staged_blocks == 0);
    }
    Sender last(c);
    REQUIRE(last.begin("b", batch));
    REQUIRE(c.act([&] { return c.broker().delete_topic("b").error(); }) == Error::none);
    CHECK(last.wait() == Error::unknown_topic_or_partition);
    last.drop();
    CHECK(c.broker().store().state().staged_blocks == 0);
}

TEST_CASE("unpacking: while appends are held, the batch is the waiter's again and no second stage is kept") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact") == Error::none);
    const Buffer batch = packed(pack({reading(1, "k", std::string(3000, 'v'))}));
    Sender sender(c);
    c.act([&] { return c.log("state").intake = store::Log::Intake::held, 0; });
    REQUIRE(sender.begin("state", batch));
    CHECK(sender.wait() == Error::busy);
    CHECK(sender.stage.active());
    CHECK(sender.stage.size() == batch.size());
    CHECK(c.broker().store().state().staged_blocks == 1);
    c.act([&] { return c.log("state").intake = store::Log::Intake::open, 0; });
    CHECK(sender.append("state", batch) == Error::none);
    CHECK(c.log("state").end == Offset(1));
}

TEST_CASE("unpacking: what is opened waits for room as it is, behind none that come later") {
    Crowded c;
    for (int i = 0; i < 5; ++i) {
        Sender sender(c);
        REQUIRE(sender.begin("state", c.batch));
        REQUIRE(c.until([&] { return c.broker().room_wanted() || sender.done; }));
        CHECK_FALSE(sender.done);
        REQUIRE(c.until([&] { return sender.done; }));
        CHECK(sender.error == Error::none);
        CHECK(c.log("state").end == Offset(i + 1));
    }
    CHECK(c.staged() == 0);
}

TEST_CASE("unpacking: what waits for room is given up when appends are held, when its sender goes, and when the store goes offline") {
    Crowded c;
    Sender sender(c), second(c);
    REQUIRE(sender.begin("state", c.batch));
    REQUIRE(c.until([&] { return c.broker().room_wanted(); }));
    c.act([&] { return c.broker().hold_appends(broker::Broker::Holder::cleaner, true), 0; });
    CHECK(sender.wait() == Error::busy);
    CHECK(c.staged() == 1);
    CHECK_FALSE(c.broker().room_wanted());
    c.act([&] { return c.broker().hold_appends(broker::Broker::Holder::cleaner, false), 0; });
    REQUIRE(sender.begin("state", c.batch));
    REQUIRE(c.until([&] { return c.broker().room_wanted(); }));
    REQUIRE(second.begin("state", c.batch));
    sender.drop();
    CHECK_FALSE(c.broker().room_wanted());
    CHECK(second.wait() == Error::none);
    CHECK(c.log("state").end == Offset(1));
    REQUIRE(sender.begin("state", c.batch));
    REQUIRE(c.until([&] { return c.broker().room_wanted(); }));
    c.node.disk().fail_nth(sim::DiskOp::sync, 1);
    CHECK(sender.wait() == Error::store_offline);
    sender.drop();
    CHECK(c.staged() == 0);
}

TEST_CASE("unpacking: one that is more than its topic takes is refused as soon as that is certain") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact", "max.message.bytes", "4096") == Error::none);
    const Buffer sound = packed(pack(std::vector<record::Reading>(60, reading(1, "k", std::string(1000, 'v')))));
    REQUIRE(sound.size() < 4096);
    // The end is not looked at.
    const Buffer cut = seal(record::decode_header(sound), Bytes(body_of(sound)).first(body_of(sound).size() - 1));
    Sender sender(c);
    CHECK(sender.append("state", cut) == Error::batch_too_large);
    CHECK(sender.append("state", sound) == Error::batch_too_large);
    CHECK(c.log("state").end == Offset(0));
    CHECK(c.broker().store().state().staged_blocks == 0);
}

TEST_CASE("unpacking: what was stored under a larger limit stays stored") {
    Compacted c(64, opening_broker());
    REQUIRE(c.create("state", "compact") == Error::none);
    record::BatchHeader header = record::decode_header(packed(pack({reading(1, "k", std::string(3000, 'v'))})));
    const auto of = [&](std::int32_t sequence) {
        header.producer_id = 77;
        header.producer_epoch = 1;
        header.base_sequence = sequence;
        return seal(header, body_of(packed(pack({reading(1, "k", std::string(3000, 'v'))}))));
    };
    Sender sender(c);
    REQUIRE(sender.append("state", of(0)) == Error::none);
    REQUIRE(c.alter("state", {{"max.message.bytes", "1024"}}) == Error::none);
    CHECK(sender.append("state", of(0)) == Error::none);
    CHECK(sender.base == 0);
    CHECK(sender.append("state", of(1)) == Error::batch_too_large);
    CHECK(c.log("state").end == Offset(1));
}

}  // namespace rivulet::test
