// An older `super` than the journal: a backup that was put back, or a write at a start that the disk acknowledged and lost.
#include "store/offline/verify.h"
#include "unit/store/small_store.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {

namespace {

constexpr std::string_view super = "store/super";

struct Runs {
    // So many runs of 3 records each: too few for a checkpoint; `stopped`: at their ends, else cut.
    void add(int runs, bool stopped) {
        for (int run = 0; run < runs; ++run) {
            REQUIRE(h.boot());
            if (stored == 0) id = make_logs(h, 1);
            for (int i = 0; i < 3; ++i, ++stored) store_value(h, id, std::to_string(stored));
            end(stopped);
        }
    }
    void end(bool stopped) {
        if (stopped) REQUIRE(h.stop());
        else h.cut();
    }
    void expect() {
        CHECK(h.log(id).end == Offset(stored));
        const auto batches = h.read(id);
        std::int64_t next = h.log(id).start.value;
        for (const ServedBatch& batch : batches) {
            CHECK(batch.header.base_offset == Offset(next));
            next = batch.header.last_offset().value + 1;
        }
        CHECK(next == stored);
        CHECK(h.store().state().damage.corrupt_groups == 0);
    }

    // What verify says of the store as it lies there.
    std::string verified() {
        sim::Disk copy(h.disk().snapshot(), 1);
        store::OfflineStore offline(copy);
        REQUIRE(offline.open("store").ok());
        Buffer scratch(store::verify_scratch_bytes(offline.geometry(), 16));
        Lines lines;
        const auto result = store::verify(offline, false, scratch, lines);
        REQUIRE(result.ok());
        CHECK(result->damaged());
        CHECK(result->corrupt == 1);
        std::string text;
        for (const std::string& line : lines.all) text += line + '\n';
        return text;
    }

    StoreHarness h;
    LogId id{0};
    std::int64_t stored = 0;
};

}  // namespace

TEST_CASE("an older super: the runs that began after it are found by what their starts say of the run before") {
    for (const bool stopped : {false, true})
        for (const int later : {1, 2, 5})
            for (const bool checkpoint : {false, true}) {
                CAPTURE(stopped);
                CAPTURE(later);
                CAPTURE(checkpoint);
                Runs runs;
                runs.add(2, stopped);
                const Buffer older = runs.h.disk().contents(super);
                runs.add(later, stopped);
                if (checkpoint) {
                    REQUIRE(runs.h.boot());
                    const std::uint64_t before = runs.h.store().state().checkpoint_sequence;
                    for (; runs.h.store().state().checkpoint_sequence == before; ++runs.stored) {
                        REQUIRE(runs.stored < 5'000);
                        store_value(runs.h, runs.id, std::string(1000, 'v'));
                    }
                    runs.end(stopped);
                }
                runs.h.disk().overwrite(super, 0, older);
                CHECK(runs.verified().find("it is older than the journal") != std::string::npos);
                for (int start = 0; start < 3; ++start) {
                    const auto opened = runs.h.boot();
                    REQUIRE(opened);
                    CHECK(opened->super_outdated == (start == 0));
                    runs.expect();
                    store_value(runs.h, runs.id, "more");
                    ++runs.stored;
                    runs.end(stopped);
                }
            }
}

TEST_CASE("an older super: a later run whose start lies in the next segment") {
    for (const bool stopped : {false, true}) {
        CAPTURE(stopped);
        Runs runs;
        runs.add(2, stopped);
        REQUIRE(runs.h.boot());
        const store::State& state = runs.h.store().state();
        for (; state.room(0) >= store::page_bytes; ++runs.stored) store_value(runs.h, runs.id, "small");
        const std::uint64_t segment = head_segment(runs.h);
        runs.end(stopped);
        // All but the journal: no checkpoint tells of a later run either.
        constexpr std::string_view names[] = {super, "store/checkpoint.0", "store/checkpoint.1"};
        std::vector<Buffer> older;
        for (const std::string_view name : names) older.push_back(runs.h.disk().contents(name));
        runs.add(2, stopped);
        for (std::size_t i = 0; i < std::size(names); ++i) runs.h.disk().overwrite(names[i], 0, older[i]);
        const auto opened = runs.h.boot();
        REQUIRE(opened);
        CHECK(opened->super_outdated);
        CHECK(head_segment(runs.h) == segment + 1);
        runs.expect();
        runs.end(stopped);
    }
}

TEST_CASE("an older super: one write of it that was lost at a start loses nothing") {
    Runs runs;
    runs.add(3, false);
    const Buffer before = runs.h.disk().contents(super);
    runs.add(1, false);
    const Buffer after = runs.h.disk().contents(super);
    std::size_t written = 0;
    for (std::size_t slot = 0; slot < store::super_slots; ++slot) {
        const Bytes old = Bytes(before).subspan(slot * store::page_bytes, store::page_bytes);
        if (equal(old, Bytes(after).subspan(slot * store::page_bytes, store::page_bytes))) continue;
        runs.h.disk().overwrite(super, slot * store::page_bytes, old);
        ++written;
    }
    REQUIRE(written == 1);
    REQUIRE(runs.h.boot());
    runs.expect();
}

}  // namespace rivulet::test
