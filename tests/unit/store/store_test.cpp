// Ordinary life of a store, in the simulated world: everything sent is read back, byte for byte.
#include <doctest/doctest.h>

#include "support/log_model.h"

namespace rivulet::test {

namespace {

constexpr LogId first{16};
constexpr LogId second{17};

struct Life {
    explicit Life(const store::StoreOptions& options = small_store()) : h(1, options), d(h) { REQUIRE(h.boot()); }

    StoreHarness h;
    Driver d;

    std::string check() {
        History moment = d.moment();
        return verify(h, moment, FaultClass::a);
    }
    // After a restart of any kind, with all acknowledged.
    std::string check_restarted() {
        History moment = d.history;
        const std::string wrong = verify(h, moment, FaultClass::a);
        d.resume(moment);
        return wrong;
    }
    void fill(int batches, std::size_t bytes = 1500) {
        for (int i = 0; i < batches; ++i) {
            REQUIRE(d.append_patiently(LogId(16 + static_cast<std::uint64_t>(i) % 2), 3, bytes) != 0);
            if (i % 3 == 2) REQUIRE(h.settle());
        }
        REQUIRE(h.settle());
    }
};

}  // namespace

TEST_CASE("store: what is appended is served from RAM, from flash, after a kill and after a power cut") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    life.fill(10);
    REQUIRE(life.d.put_patiently(second, 40, 5) != 0);
    REQUIRE(life.h.settle());
    CHECK(life.check() == "");
    life.d.note_now();
    life.h.kill();
    REQUIRE(life.h.boot());
    CHECK(life.check_restarted() == "");
    CHECK(life.h.waits > 0);
    life.fill(5);
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: an ack comes after the sync and not before") {
    Life life;
    REQUIRE(life.d.create(1) != 0);
    REQUIRE(life.h.settle());
    const std::uint64_t ticket = life.d.append(first, 1, 100);
    const std::uint64_t syncs = life.h.disk().stats().syncs;
    CHECK(life.h.store().durable_ticket() < ticket);
    CHECK(life.h.log(first).durable_end == Offset(0));
    REQUIRE(life.h.run_until([&] { return life.h.store().durable_ticket() >= ticket; }));
    CHECK(life.h.disk().stats().syncs == syncs + 1);
    CHECK(life.h.log(first).durable_end == Offset(1));
}

TEST_CASE("store: the ring wraps, its tail goes, checkpoints follow, and a clean restart finds the rest") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    life.fill(420);
    const store::State& state = life.h.store().state();
    CHECK(state.head.first_live > 1);
    CHECK(state.checkpoint_sequence > 3);
    CHECK(life.h.log(first).start > Offset(0));
    CHECK(life.check() == "");
    life.d.note_now();
    REQUIRE(life.h.stop());
    const auto opened = life.h.boot();
    REQUIRE(opened);
    CHECK(opened->was_clean);
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: a full pool says busy, and takes more after the next commit") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    REQUIRE(life.h.settle());
    int taken = 0;
    while (life.d.append(LogId(16 + static_cast<std::uint64_t>(taken) % 2), 1, 7000) != 0) ++taken;
    CHECK(life.d.last_error == Error::busy);
    CHECK(taken >= 4);
    REQUIRE(life.h.settle());
    CHECK(life.d.append(first, 1, 7000) != 0);
    REQUIRE(life.h.settle());
    CHECK(life.check() == "");
}

TEST_CASE("store: truncation drops what follows, in RAM, in flight and on flash") {
    Life life;
    REQUIRE(life.d.create(1) != 0);
    REQUIRE(life.d.append(first, 2, 100) != 0);
    REQUIRE(life.h.settle());
    REQUIRE(life.d.append(first, 2, 100) != 0);
    REQUIRE(life.h.settle());
    REQUIRE(life.d.append(first, 2, 100) != 0);
    REQUIRE(life.d.truncate(first, Offset(2)) != 0);
    CHECK(life.h.log(first).end == Offset(2));
    REQUIRE(life.d.append(first, 1, 333) != 0);
    REQUIRE(life.h.settle());
    CHECK(life.check() == "");
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: a deleted log is gone, and its successor has another id") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    life.fill(4);
    REQUIRE(life.d.remove(second) != 0);
    REQUIRE(life.d.create(1) != 0);
    CHECK(life.d.last_created() == LogId(18));
    REQUIRE(life.d.append(LogId(18), 1, 50) != 0);
    REQUIRE(life.h.settle());
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.h.store().find(second) == nullptr);
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: a session's reading is taken once, before and after a restart") {
    Life life;
    REQUIRE(life.d.create(1) != 0);
    REQUIRE(life.d.put(first, 20, 9) != 0);
    REQUIRE(life.h.settle());
    const auto again = [&] {
        record::Reading reading;
        return life.h.act([&] { return life.h.store().append(life.h.log(first), reading, false, {9, 7, 1}); });
    };
    auto done = again();
    REQUIRE(done);
    CHECK(done->base == Offset(-1));
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    done = again();
    REQUIRE(done);
    CHECK(done->base == Offset(-1));
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: a memory log goes on at its ceiling after an unclean stop, and where it was after a clean one") {
    Life life;
    REQUIRE(life.d.create(1, true) != 0);
    REQUIRE(life.h.settle());
    REQUIRE(life.d.append_patiently(first, 2, 50) != 0);
    CHECK(life.h.log(first).high_watermark() == Offset(2));
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.h.log(first).end == Offset(64 * 1024));
    CHECK(life.check_restarted() == "");
    REQUIRE(life.d.append_patiently(first, 2, 50) != 0);
    REQUIRE(life.h.stop());
    REQUIRE(life.h.boot());
    CHECK(life.h.log(first).end == Offset(64 * 1024 + 2));
}

TEST_CASE("store: after idle time a mark proves the last commit") {
    Life life;
    REQUIRE(life.d.create(1) != 0);
    REQUIRE(life.d.append(first, 1, 50) != 0);
    REQUIRE(life.h.settle());
    const Lsn end = life.h.store().state().head.previous_end;
    CHECK(life.h.store().state().head.proven < end);
    life.h.run_for(11 * ns_per_s);
    CHECK(life.h.store().commit_statistics().marks == 1);
    CHECK(life.h.store().state().head.proven >= end);
    life.h.run_for(60 * ns_per_s);
    CHECK(life.h.store().commit_statistics().marks == 1);
}

TEST_CASE("store: retention by bytes moves the start by whole segments") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    life.fill(120);
    store::Log& log = life.h.log(first);
    log.retention_bytes = 100 * 1024;
    life.h.act([&] { life.h.store().apply_retention(-1); });
    REQUIRE(life.h.settle(life.h.store().open_ticket()));
    CHECK(log.start > Offset(0));
    CHECK(log.bytes >= 100 * 1024);
    CHECK(life.check() == "");
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.h.log(first).start == life.d.history.logs[16].start);
    CHECK(life.check_restarted() == "");
}

TEST_CASE("store: a sync that fails puts it offline, reads go on, a restart serves what was acknowledged") {
    Life life;
    REQUIRE(life.d.create(2) != 0);
    life.fill(6);
    life.h.disk().fail_nth(sim::DiskOp::sync, 1, Error::io, true);
    const std::uint64_t ticket = life.d.append(first, 1, 100);
    CHECK_FALSE(life.h.settle(ticket));
    CHECK(life.h.store().offline());
    CHECK(life.d.append(first, 1, 100) == 0);
    CHECK(life.d.last_error == Error::store_offline);
    CHECK(life.h.read(second).size() == 3);
    life.d.note_now();
    life.h.cut();
    REQUIRE(life.h.boot());
    CHECK(life.check_restarted() == "");
}

}  // namespace rivulet::test
