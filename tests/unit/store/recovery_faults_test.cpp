// A start on a card whose reads fail, or with files that are gone.
#include "store/super_block.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {

namespace {

constexpr std::string_view files[] = {"store/super", "store/checkpoint.0", "store/checkpoint.1", "store/journal"};
constexpr std::int64_t stored = 200;

// A store with both checkpoints and `stored` records in one of its two logs; the power is gone.
LogId fill_and_cut(StoreHarness& h) {
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 2);
    for (std::int64_t i = 0; i < stored; ++i) store_value(h, id, std::string(1500, 'z'));
    h.run_for(30 * ns_per_s);
    REQUIRE(h.store().state().checkpoint_sequence >= 2);
    h.cut();
    return id;
}

// It takes records, and keeps them.
void goes_on(StoreHarness& h) {
    const LogId id = h.store().log_count() != 0 ? h.store().log_at(0).id : make_logs(h, 1);
    const Offset end = h.log(id).end;
    store_value(h, id, "more");
    h.cut();
    REQUIRE(h.boot());
    CHECK(h.log(id).end == end + 1);
    CHECK(h.read(id, end).size() == 1);
}

}  // namespace

TEST_CASE("recovery: a card whose reads all fail at one start is not taken for an empty one") {
    for (const bool writes_too : {false, true}) {
        StoreHarness h;
        const LogId id = fill_and_cut(h);
        std::vector<Buffer> before;
        for (const std::string_view file : files) before.push_back(h.disk().contents(file));
        h.disk().rates.read_eio = 1'000'000;
        if (writes_too) h.disk().rates.write_eio = 1'000'000;
        CHECK(h.boot().error() == Error::io);
        h.kill();
        h.disk().rates = {};
        for (std::size_t i = 0; i < before.size(); ++i) CHECK(h.disk().contents(files[i]) == before[i]);
        const auto opened = h.boot();
        REQUIRE(opened);
        CHECK_FALSE(opened->created);
        CHECK(h.log(id).end == Offset(stored));
        CHECK(h.read(id).size() == static_cast<std::size_t>(stored - h.log(id).start.value));
    }
}

TEST_CASE("recovery: a super that cannot be read at one start does not rule later ones") {
    StoreHarness h;
    LogId id = fill_and_cut(h);
    REQUIRE(h.boot());
    h.cut();
    const Buffer before = h.disk().contents("store/super");
    for (std::uint64_t page = 0; page < store::super_slots; ++page) h.disk().set_unreadable("store/super", page);
    REQUIRE(h.boot());
    store_value(h, id, "after");
    h.cut();
    // Readable again, where it has not been written anew.
    const Buffer after = h.disk().contents("store/super");
    for (std::uint64_t page = 0; page < store::super_slots; ++page) {
        const Bytes slot = Bytes(before).subspan(page * store::page_bytes, store::page_bytes);
        if (equal(slot, Bytes(after).subspan(page * store::page_bytes, store::page_bytes))) h.disk().overwrite("store/super", page * store::page_bytes, slot);
    }
    REQUIRE(h.boot());
    CHECK(h.log(id).end == Offset(stored + 1));
}

TEST_CASE("recovery: what a session had in a log that has lost a group is not known, so that what was lost can come again") {
    for (const bool later : {false, true}) {
        CAPTURE(later);
        StoreHarness h;
        REQUIRE(h.boot());
        const LogId id = make_logs(h, 2);
        const store::Geometry geometry = h.store().state().geometry;
        // The checkpoint comes before the last five groups.
        std::vector<Lsn> groups;
        std::uint64_t last = 0;
        while (last < 5 || h.store().state().checkpoint_lsn > groups[last - 5]) {
            REQUIRE(last < 100);
            store_value(h, id, "value", {7, 1, ++last});
            groups.push_back(h.log(id).last_extent);
        }
        store_value(h, id + 1, "another", {8, 1, 1});
        h.cut();
        const Buffer nothing(store::page_bytes);
        h.disk().overwrite("store/journal", geometry.file_position(groups[last - 3]), nothing);
        REQUIRE(h.boot());
        CHECK(h.store().state().damage.corrupt_groups == 1);
        if (later) {
            store_value(h, id, "later", {7, 1, last + 1});
            h.cut();
            REQUIRE(h.boot());
        }
        CHECK_FALSE(h.store().sessions().known(7, 1).whole);
        CHECK(h.store().sessions().known(8, 1).whole);
        const Result<store::Appended> again = try_put(h, id, "again", {7, 1, last - 2});
        REQUIRE(again);
        CHECK(again->base == h.log(id).end - 1);
        h.cut();
    }
}

TEST_CASE("create: what fails leaves the files that were there before") {
    StoreHarness h;
    REQUIRE(h.disk().make_directory("store"));
    REQUIRE(h.disk().open("store/journal", env::OpenMode::create));
    REQUIRE(h.disk().sync_directory("store"));
    h.disk().end_process();
    h.disk().set_capacity(300 * 1024);
    CHECK(h.boot().error() == Error::no_space);
    CHECK(h.disk().paths() == std::vector<std::string>{"store/journal"});
    h.kill();
    h.disk().set_capacity(UINT64_MAX);
    const auto opened = h.boot();
    REQUIRE(opened);
    CHECK(opened->created);
}

TEST_CASE("recovery: whatever files are missing it starts, and makes a new store only without any") {
    StoreHarness whole;
    const LogId id = fill_and_cut(whole);
    const sim::DiskState image = whole.disk().snapshot();
    for (unsigned missing = 1; missing < 16; ++missing) {
        CAPTURE(missing);
        StoreHarness h(missing);
        h.disk().restore(image);
        for (unsigned i = 0; i < 4; ++i)
            if (missing >> i & 1U) h.disk().erase(files[i]);
        const auto opened = h.boot();
        REQUIRE(opened);
        CHECK(opened->created == (missing == 15));
        const bool journal = (missing & 8U) == 0;
        const bool checkpoint = (missing & 6U) != 6;
        if (journal) {
            REQUIRE(h.store().find(id));
            CHECK(h.log(id).end == Offset(stored));
            CHECK(h.read(id).size() == static_cast<std::size_t>(stored - h.log(id).start.value));
        } else if (checkpoint) {
            // No offset is given out twice, however much was stored after the checkpoint.
            CHECK(h.log(id).end >= Offset(stored));
        } else {
            CHECK(h.store().log_count() == 0);
        }
        goes_on(h);
        if (checkpoint) CHECK(h.store().find(id));
    }
}

TEST_CASE("recovery: without checkpoints, segments that are gone from the middle do not end the journal") {
    for (std::uint64_t gone = 1; gone <= 4; ++gone) {
        CAPTURE(gone);
        StoreHarness h;
        REQUIRE(h.boot());
        const LogId id = make_logs(h, 2);
        while (head_segment(h) < 12) store_value(h, id, std::string(7000, 'z'));
        h.run_for(30 * ns_per_s);
        const Offset end = h.log(id).end;
        const store::Geometry geometry = h.store().state().geometry;
        h.cut();
        lose_checkpoints(h);
        h.disk().overwrite("store/journal", geometry.file_position(geometry.segment_start(5)), Buffer(gone * geometry.segment_bytes));
        REQUIRE(h.boot());
        CHECK(h.log(id).end == end);
        CHECK(h.store().state().damage.corrupt_groups == 1);
        // Segments 1 to 12 have seven batches each.
        CHECK(h.read(id).size() > 6 * (11 - gone));
        goes_on(h);
    }
}

TEST_CASE("recovery: a journal that cannot be read to its end gives no offset out twice") {
    for (const std::uint64_t segments : {1, 2, 3}) {
        CAPTURE(segments);
        StoreHarness h;
        REQUIRE(h.boot());
        const LogId id = make_logs(h, 2);
        for (int i = 0; i < 5; ++i) store_value(h, id, std::string(100, 'z'));
        const store::Geometry geometry = h.store().state().geometry;
        const Lsn from = h.store().state().head.next;
        const Lsn to = geometry.segment_start(geometry.sequence(from) + segments);
        while (head_segment(h) + 1 < geometry.sequence(to)) store_value(h, id, std::string(7000, 'z'));
        for (int i = 0; i < 5; ++i) store_value(h, id, std::string(100, 'z'));
        h.run_for(30 * ns_per_s);
        const Offset end = h.log(id).end;
        h.cut();
        const Buffer before = h.disk().contents("store/journal");
        for (Lsn page = from; page < to; page += store::page_bytes) h.disk().set_unreadable("store/journal", geometry.file_position(page) / store::page_bytes);
        Offset resumed;
        for (int start = 0; start < 3; ++start) {
            REQUIRE(h.boot());
            CHECK(h.log(id).end >= end);
            CHECK(h.store().state().head.run_start >= (start == 0 ? to - store::page_bytes : to));
            CHECK(h.store().state().damage.corrupt_groups == 1);
            // Later starts find what the first has decided.
            if (start != 0) CHECK(h.log(id).end == resumed);
            resumed = h.log(id).end;
            CHECK(h.read(id).size() == 5);
            h.cut();
        }
        REQUIRE(h.boot());
        goes_on(h);
        CHECK(h.failure() == "");
    }
}

}  // namespace rivulet::test
