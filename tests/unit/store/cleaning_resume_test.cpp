// A clean log that is not finished: starts go on with what was synced of it, in whatever state the power has left the rest, and give it up where some of it may be missing.
#include <doctest/doctest.h>

#include "unit/store/cleaned.h"

namespace rivulet::test {

namespace {

bool all(std::size_t) { return true; }
bool every_second(std::size_t n) { return n % 2 == 0; }

const store::Log* made(Cleaned& c) { return c.h.store().find(c.h.store().state().making); }

void begin(Cleaned& c, std::size_t batches, bool (*keep)(std::size_t) = all) {
    const std::uint64_t ticket = c.d.begin_to_clean(first, keep, batches);
    REQUIRE(ticket != 0);
    REQUIRE(c.h.settle(ticket));
}

void finish(Cleaned& c, bool (*keep)(std::size_t) = all) {
    const std::uint64_t ticket = c.d.clean(first, keep);
    REQUIRE(ticket != 0);
    REQUIRE(c.h.settle(ticket));
    CHECK_FALSE(made(c));
    CHECK(c.log().clean.value != 0);
}

// Starts that a checkpoint before the last one, or none, leads to.
void check_starts(Cleaned& c) {
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
    c.h.cut();
    lose_checkpoints(c.h);
    REQUIRE(c.h.boot());
    CHECK(c.check() == "");
    CHECK(c.h.store().state().fences.count(first) == 0);
}

}  // namespace

TEST_CASE("store cleaning: a pass goes on, start after start, with what was synced") {
    for (const bool checkpoints : {true, false}) {
        Cleaned c;
        c.fill(first, 12);
        for (int start = 0; start < 3; ++start) {
            begin(c, 2, every_second);
            REQUIRE(made(c));
            CHECK(made(c)->end == Offset(8 * start + 6));
            c.h.cut();
            if (!checkpoints) lose_checkpoints(c.h);
            REQUIRE(c.h.boot());
            REQUIRE(made(c));
            CHECK(made(c)->clean_of == first);
            CHECK(made(c)->start == Offset(0));
        }
        finish(c, every_second);
        CHECK(c.h.read(first).size() == 6);
        check_starts(c);
    }
}

TEST_CASE("store cleaning: where a commit has left a part, the pass goes on before what is missing") {
    std::size_t cut_short = 0;
    for (std::size_t page = 0; page < 12; ++page) {
        CAPTURE(page);
        Cleaned c;
        c.fill(first, 18, 2500);
        begin(c, 3);
        const Offset synced = made(c)->end;
        const std::uint64_t groups = c.h.store().commit_statistics().groups;
        REQUIRE(c.d.begin_to_clean(first, all, 12) != 0);
        const Offset sent = made(c)->end;
        // Several groups are written and not synced, and one of their pages does not arrive.
        REQUIRE(c.h.run_until([&] { return c.h.store().commit_statistics().groups >= groups + 3 || made(c)->durable_end == sent; }));
        REQUIRE(made(c)->durable_end == synced);
        c.h.cut(sim::CrashPlan::subset(~(std::uint64_t{1} << page), c.h.disk().pending_pages().size()));
        REQUIRE(c.h.boot());
        REQUIRE(made(c));
        CHECK(made(c)->end >= synced);
        cut_short += made(c)->end < sent;
        finish(c);
        check_starts(c);
    }
    CHECK(cut_short > 4);
}

TEST_CASE("store cleaning: what may miss some of its records to damage is given up, and stays so") {
    Cleaned c;
    c.fill(first, 12);
    begin(c, 2);
    const Lsn there = made(c)->last_extent;
    c.fill(LogId(17), 1);
    begin(c, 2);
    const LogId given_up = made(c)->id;
    const std::uint64_t size = c.h.store().state().geometry.journal_bytes();
    c.h.cut();
    lose_checkpoints(c.h);
    const Buffer before = c.h.disk().contents("store/journal");
    const std::uint64_t at = there.value % size;
    const Buffer noise(store::page_bytes, 0x5a);
    c.h.disk().overwrite("store/journal", at, noise);
    REQUIRE(c.h.boot());
    CHECK_FALSE(made(c));
    CHECK(c.h.read(first).size() == 12);
    c.h.cut();
    // Not even where it can be read again.
    c.h.disk().overwrite("store/journal", at, Bytes(before).subspan(at, store::page_bytes));
    REQUIRE(c.h.boot());
    CHECK_FALSE(made(c));
    CHECK_FALSE(c.h.store().find(given_up));
    finish(c);
    CHECK(c.h.read(first).size() == 12);
}

TEST_CASE("store cleaning: a log that is cut below what was written gives it up, and so does a start where the log starts behind it") {
    for (const bool cut : {true, false}) {
        Cleaned c;
        c.fill(first, 12);
        begin(c, 4);
        REQUIRE(made(c)->end == Offset(8));
        if (cut) REQUIRE(c.h.settle(c.d.truncate(first, Offset(10))));
        else REQUIRE(c.h.settle(c.d.set_start(first, Offset(7))));
        CHECK(made(c));
        if (cut) REQUIRE(c.h.settle(c.d.truncate(first, Offset(6), Epoch(2))));
        else REQUIRE(c.h.settle(c.d.set_start(first, Offset(8))));
        CHECK(!made(c) == cut);
        c.fill(first, 3);
        for (int start = 0; start < 2; ++start) {
            c.h.cut();
            if (start == 1) lose_checkpoints(c.h);
            REQUIRE(c.h.boot());
            CHECK_FALSE(made(c));
        }
        CHECK(c.check() == "");
        finish(c);
        CHECK(c.check() == "");
    }
}

TEST_CASE("store cleaning: a start of the log that moves while what is written is not durable takes none of it") {
    for (const bool checkpoint : {true, false}) {
        Cleaned c;
        c.fill(first, 12);
        begin(c, 3);
        if (checkpoint) {
            // Which has what is written so far.
            REQUIRE(c.h.stop());
            REQUIRE(c.h.boot());
            REQUIRE(made(c));
        }
        // In one commit: the record stands before the records that were appended before it.
        REQUIRE(c.d.begin_to_clean(first, all, 4) != 0);
        REQUIRE(c.h.settle(c.d.set_start(first, Offset(8))));
        finish(c);
        CHECK(c.check() == "");
        const LogId clean = c.log().clean;
        c.h.cut();
        if (!checkpoint) lose_checkpoints(c.h);
        REQUIRE(c.h.boot());
        CHECK(c.log().clean == clean);
        CHECK(c.h.read(first).size() == 8);
        CHECK(c.check() == "");
    }
}

TEST_CASE("store cleaning: the ring takes what an unfinished pass has written, and a start knows") {
    Cleaned c;
    c.fill(first, 6);
    begin(c, 3);
    // The log itself and what was written of it leave the ring.
    c.fill(LogId(17), 400, 2000);
    REQUIRE(made(c));
    CHECK(made(c)->start == made(c)->end);
    c.h.cut();
    REQUIRE(c.h.boot());
    CHECK_FALSE(made(c));
    c.fill(first, 4);
    finish(c);
    CHECK(c.log().start == Offset(12));
    CHECK(c.h.read(first).size() == 4);
    CHECK(c.check() == "");
    CHECK(c.restart() == "");
}

TEST_CASE("store: what the power has left out of a commit is no damage to later starts and readers, though what came behind it is there") {
    Cleaned c;
    c.fill(first, 3);
    std::size_t holes = 0;
    for (std::uint64_t mask = 0; mask < 32; ++mask) {
        // Of the groups of a commit some arrive.
        c.h.log(LogId(17)).commit_interval_ns = 200 * ns_per_ms;
        for (int i = 0; i < 5; ++i) REQUIRE(c.d.append_patiently(LogId(17), 1, 6000) != 0);
        REQUIRE(c.h.run_until([&] { return c.h.disk().pending_pages().size() > 4; }));
        c.h.cut(sim::CrashPlan::subset(mask * 0x9e3779b9, c.h.disk().pending_pages().size()));
        REQUIRE(c.h.boot());
        holes += c.h.store().state().fences.count(store::control_log) != 0;
        // Proved by what comes behind it, and beyond the checkpoint from which the next start goes on.
        c.fill(first, 2, 3000);
        CHECK(c.h.store().state().damage.corrupt_groups == 0);
        (void)c.h.read(LogId(17));
        CHECK(c.h.store().state().damage.corrupt_groups == 0);
        CHECK(c.h.store().state().fences.count(first) == 0);
        if (mask % 4 != 0) continue;
        c.h.cut();
        if (mask % 8 == 0) lose_checkpoints(c.h);
        REQUIRE(c.h.boot());
        CHECK(c.h.store().state().damage.corrupt_groups == 0);
        (void)c.h.read(LogId(17));
        CHECK(c.h.store().state().damage.corrupt_groups == 0);
    }
    CHECK(holes > 5);
    // None of those that the ring has taken.
    CHECK(c.h.store().state().fences.count(store::control_log) < 40);
    c.fill(LogId(17), 600, 2000);
    CHECK(c.h.store().state().fences.count(store::control_log) == 0);
}

}  // namespace rivulet::test
