// Logs of two parts: what a cleaning pass keeps, where it lies, and that it outlives the ring, the checkpoint and the power.
#include <doctest/doctest.h>

#include "unit/store/cleaned.h"

namespace rivulet::test {

TEST_CASE("store cleaning: what is kept is read with its offsets, before what came later, and the rest is gone") {
    Cleaned c;
    c.fill(first, 12);
    c.fill(LogId(17), 3);
    c.clean();
    CHECK(c.log().start == Offset(0));
    CHECK(c.log().clean_end == Offset(24));
    CHECK(c.log().own_start() == Offset(24));
    CHECK(c.check() == "");
    c.fill(first, 5);
    CHECK(c.h.read(first).size() == 4 + 5);
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    CHECK(c.h.read(first).size() == 4 + 5);
    // From within a gap it goes on with what comes next.
    CHECK(c.h.read(first, Offset(3)).front().header.base_offset == Offset(6));
    CHECK(c.h.read(first, Offset(20)).front().header.base_offset == Offset(24));
    c.clean(2);
    c.clean(2);
    CHECK(c.check() == "");
    CHECK(c.restart(true) == "");
    // One clean log for one log, whatever came before.
    CHECK(c.h.store().log_count() == 3);
}

TEST_CASE("store cleaning: what is kept outlives the ring, pass after pass, and a lost checkpoint") {
    Cleaned c;
    c.fill(first, 12);
    const auto segments = [&] { return c.h.store().state().geometry.segment_count; };
    for (std::uint64_t round = 0; round < 6; ++round) {
        c.clean(1);
        const std::uint64_t until = head_segment(c.h) + segments() - 6;
        while (head_segment(c.h) < until) c.fill(LogId(17), 4, 1500);
        if (round % 2 == 1) CHECK(c.restart(round == 3) == "");
        CHECK(c.h.read(first).size() == 12);
    }
    CHECK(c.h.store().state().head.first_live > segments());
    CHECK(c.log().start == Offset(0));
    CHECK(c.check() == "");
    c.d.note_now();
    c.h.cut();
    lose_checkpoints(c.h);
    REQUIRE(c.h.boot());
    CHECK(c.h.read(first).size() == 12);
    CHECK(c.log().clean_end == Offset(24));
    CHECK(c.log().end == Offset(24));
}

TEST_CASE("store cleaning: a pass that is not finished leaves everything as it was") {
    Cleaned c;
    c.fill(first, 9);
    const auto begin = [&] { return c.h.act([&] { return c.h.store().begin_clean(c.h.log(first)).error(); }); };
    REQUIRE(begin() == Error::none);
    CHECK(begin() == Error::none);
    const auto relocate = [&](std::size_t n) {
        const std::vector<ServedBatch> batches = c.h.read(first);
        return c.h.act([&]() -> std::uint64_t {
            store::Stage stage;
            REQUIRE(c.h.store().begin_stage(stage, batches[n].bytes.size()));
            stage.put(batches[n].bytes);
            const Result<std::uint64_t> done = c.h.store().relocate(stage);
            c.h.store().drop(stage);
            return done ? *done : 0;
        });
    };
    const std::uint64_t ticket = relocate(2);
    REQUIRE(ticket != 0);
    // Not before all of it is durable.
    REQUIRE(c.h.act([&] { return c.h.store().finish_clean(c.h.log(first), Offset(18), 0).error(); }) == Error::busy);
    REQUIRE(c.h.settle(ticket));
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    CHECK(c.h.store().log_count() == 3);
    // Given up for another's.
    c.fill(LogId(17), 3);
    REQUIRE(c.h.settle(c.d.begin_to_clean(LogId(17), [](std::size_t) { return true; }, 2)));
    CHECK(c.h.store().log_count() == 3);
    CHECK_FALSE(c.h.store().clean_begun(c.log()));
    CHECK(c.restart() == "");
    CHECK_FALSE(c.h.store().clean_begun(c.log()));
    CHECK(c.h.store().clean_begun(c.h.log(LogId(17))));
    c.clean();
    CHECK(c.restart() == "");
    // With the log its parts go.
    REQUIRE(begin() == Error::none);
    REQUIRE(c.h.settle(relocate(1)));
    REQUIRE(c.h.settle(c.d.remove(first)));
    CHECK(c.h.store().log_count() == 1);
    CHECK(c.restart() == "");
    CHECK(c.h.store().log_count() == 1);
}

TEST_CASE("store cleaning: producers, sessions and epochs are those of the log, not of what is relocated") {
    Cleaned c;
    for (int i = 0; i < 8; ++i) REQUIRE(c.d.produce_patiently(first, 5, 2, 120, i % 2 == 0) != 0);
    REQUIRE(c.h.settle());
    CHECK(c.restart() == "");
    c.fill(first, 4);
    c.clean(1);
    const store::Log& log = c.log();
    CHECK(log.epoch_count == 2);
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    CHECK(c.d.resend(first) == "");
    std::size_t known = 0;
    store::ProducerImage image;
    for (std::uint32_t i = 0; i < c.h.store().producers().capacity(); ++i) known += c.h.store().producers().image_at(i, image);
    CHECK(known == 1);
    CHECK(c.h.read(first).front().header.leader_epoch == Epoch(1));
    CHECK(c.h.read(first).back().header.leader_epoch == Epoch(2));
}

TEST_CASE("store cleaning: a start in the clean part, and one beyond it") {
    Cleaned c;
    c.fill(first, 10);
    c.clean(2);
    REQUIRE(c.h.settle(c.d.set_start(first, Offset(9))));
    CHECK(c.h.read(first).front().header.base_offset == Offset(8));
    CHECK(c.restart() == "");
    CHECK(c.h.read(first).front().header.base_offset == Offset(8));
    c.fill(first, 2);
    CHECK(c.h.store().log_count() == 3);
    REQUIRE(c.h.settle(c.d.set_start(first, Offset(22))));
    CHECK(c.h.read(first).front().header.base_offset == Offset(22));
    // Nothing is left of the clean part, and its place is free.
    CHECK(c.h.store().log_count() == 2);
    CHECK(c.restart() == "");
    CHECK(c.h.store().log_count() == 2);
    CHECK(c.restart(true) == "");
    CHECK(c.h.store().log_count() == 2);
    c.d.note_now();
    c.h.cut();
    lose_checkpoints(c.h);
    REQUIRE(c.h.boot());
    CHECK(c.h.store().log_count() == 2);
    CHECK(c.h.read(first).front().header.base_offset == Offset(22));
    c.h.read(first, Offset(3));
    CHECK(c.h.last_outcome == store::ReadOutcome::out_of_range);
}

TEST_CASE("store cleaning: where the ring takes what was kept, the log starts at what is left, also after a power cut") {
    Cleaned c;
    c.fill(first, 40, 900);
    c.clean(1);
    c.fill(first, 2);
    const Offset clean_end = c.log().clean_end;
    for (int i = 0; i < 400 && c.log().start == Offset(0); ++i) c.fill(LogId(17), 1, 1500);
    const Offset start = c.log().start;
    CHECK(start > Offset(0));
    CHECK(start < clean_end);
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    CHECK(c.log().start == start);
    for (int i = 0; i < 400 && c.log().start < clean_end; ++i) c.fill(LogId(17), 1, 1500);
    CHECK(c.log().start >= clean_end);
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    CHECK(c.log().start >= clean_end);
}

TEST_CASE("store cleaning: a start that retention moves without room for its record takes the clean part with it") {
    Cleaned c;
    c.fill(first, 10);
    c.clean(2);
    c.fill(first, 2);
    for (const std::size_t bytes : {512, 0}) {
        const Buffer block(bytes);
        Error error = Error::none;
        for (int i = 0; i < 1000 && error == Error::none; ++i)
            error = c.h.act([&] { return c.h.store().append_record(store::RecordType::topic, block); }).error();
        REQUIRE(error == Error::busy);
    }
    c.h.log(first).retention_ms = 1;
    c.h.act([&] { c.h.store().apply_retention(std::int64_t{1} << 41); });
    CHECK(c.log().start >= c.log().clean_end);
    CHECK(c.log().clean == LogId(0));
    CHECK(c.h.store().log_count() == 2);
}

TEST_CASE("store cleaning: a memory log is not cleaned") {
    Cleaned c(0);
    REQUIRE(c.h.settle(c.d.create(1, true)));
    CHECK(c.h.act([&] { return c.h.store().begin_clean(c.h.log(first)).error(); }) == Error::unsupported);
}

}  // namespace rivulet::test
