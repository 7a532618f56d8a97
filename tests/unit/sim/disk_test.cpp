#include "sim/disk.h"

#include <algorithm>

#include <doctest/doctest.h>

using namespace rivulet;
using sim::CrashPlan;
using sim::DiskOp;
using sim::Fault;
using sim::PageFate;
using sim::page_bytes;

namespace {

using Content = std::vector<std::uint8_t>;

Content filled(std::size_t bytes, std::uint8_t value) { return Content(bytes, value); }

env::File& make_file(sim::Disk& disk, std::string_view path, std::uint64_t bytes) {
    env::File& file = **disk.open(path, env::OpenMode::create);
    REQUIRE(disk.allocate(file, bytes));
    REQUIRE(disk.sync(file));
    REQUIRE(disk.sync_directory(""));
    return file;
}

// The value that fills each page of "f", or -1 if it is not of one value.
std::vector<int> pages_of(const sim::Disk& disk) {
    const Content bytes = disk.contents("f");
    std::vector<int> values;
    for (std::size_t p = 0; p < bytes.size(); p += page_bytes) {
        int value = bytes[p];
        for (std::size_t i = p; i < p + page_bytes; ++i) {
            if (bytes[i] != bytes[p]) value = -1;
        }
        values.push_back(value);
    }
    return values;
}

}  // namespace

TEST_CASE("only sync makes data survive a power cut; a killed process loses nothing") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", 4 * page_bytes);
    REQUIRE(disk.write(file, 0, filled(page_bytes, 1)));
    REQUIRE(disk.sync(file));
    REQUIRE(disk.write(file, page_bytes, filled(page_bytes, 2)));
    CHECK(disk.pending_pages().size() == 1);
    disk.end_process();
    CHECK(pages_of(disk) == std::vector{1, 2, 0, 0});
    disk.crash_with(CrashPlan::all_lost());
    CHECK(pages_of(disk) == std::vector{1, 0, 0, 0});
    CHECK(disk.pending_pages().empty());
}

TEST_CASE("every subset of unsynced pages comes up once, from forks of one run") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", 3 * page_bytes);
    REQUIRE(disk.write(file, 0, filled(3 * page_bytes, 7)));
    const sim::DiskState state = disk.snapshot();
    std::set<std::vector<int>> seen;
    const auto plans = sim::every_plan(disk, Fault::subset, {}, sim::Random(1));
    for (const CrashPlan& plan : plans) {
        sim::Disk fork(state, 1);
        fork.crash_with(plan);
        seen.insert(pages_of(fork));
    }
    CHECK(plans.size() == 8);
    CHECK(seen.size() == 8);
    CHECK(pages_of(disk) == std::vector{7, 7, 7});
}

TEST_CASE("tears, noise, neighbours and misdirected writes") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", 8 * page_bytes);
    REQUIRE(disk.write(file, 0, filled(8 * page_bytes, 1)));
    REQUIRE(disk.sync(file));
    REQUIRE(disk.write(file, page_bytes, filled(page_bytes, 9)));
    CHECK(disk.neighbours().size() == 3);
    const sim::DiskState state = disk.snapshot();
    const auto crashed = [&](PageFate fate) {
        sim::Disk fork(state, 1);
        fork.crash_with({.pages = {fate}});
        return fork.contents("f");
    };
    const Content torn = crashed({.kind = PageFate::torn, .sectors = 0b10});
    CHECK(torn[page_bytes] == 1);
    CHECK(torn[page_bytes + 512] == 9);
    CHECK(torn[page_bytes + 1024] == 1);
    const Content noise = crashed({.kind = PageFate::garbage});
    CHECK(std::count(noise.begin() + page_bytes, noise.begin() + 2 * page_bytes, 9) < 100);
    CHECK(noise[2 * page_bytes] == 1);
    const Content astray = crashed({.kind = PageFate::misdirected, .to_page = 5});
    CHECK(astray[page_bytes] == 1);
    CHECK(astray[5 * page_bytes] == 9);

    sim::Disk fork(state, 1);
    fork.crash_with({.garbage_neighbours = {1}});  // pages 0, 2, 3 are the neighbours
    CHECK(pages_of(fork) == std::vector{1, 1, -1, 1, 1, 1, 1, 1});
    for (const Fault kind : {Fault::tear, Fault::garbage_page, Fault::garbage_neighbour, Fault::misdirected, Fault::lying_flush}) {
        CHECK_FALSE(sim::every_plan(disk, kind, {}, sim::Random(1)).empty());
    }
}

TEST_CASE("an older version of a page that was written twice may be what stays") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", page_bytes);
    REQUIRE(disk.write(file, 0, filled(page_bytes, 1)));
    REQUIRE(disk.write(file, 0, filled(page_bytes, 2)));
    CHECK(disk.pending_pages().at(0).versions == 2);
    disk.crash_with({.pages = {{.kind = PageFate::kept, .versions_back = 1}}});
    CHECK(pages_of(disk) == std::vector{1});
}

TEST_CASE("syncs that lied are undone, and their pages are pending again") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", 2 * page_bytes);
    for (std::uint8_t v = 1; v <= 3; ++v) {
        REQUIRE(disk.write(file, 0, filled(page_bytes, v)));
        REQUIRE(disk.sync(file));
    }
    const sim::DiskState state = disk.snapshot();
    disk.crash_with({.lying_syncs = 2});
    CHECK(pages_of(disk) == std::vector{1, 0});
    disk.restore(state);
    disk.crash_with({.lying_syncs = 1, .pages = {{.kind = PageFate::kept}}});
    CHECK(pages_of(disk) == std::vector{3, 0});
}

TEST_CASE("names: a file outlives a crash only once its directory is synced") {
    sim::Disk disk;
    REQUIRE(disk.make_directory("/data/store"));
    env::File& file = **disk.open("data/store/f", env::OpenMode::create);
    REQUIRE(disk.write(file, 0, filled(10, 1)));
    REQUIRE(disk.sync(file));
    CHECK(disk.pending_name_ops().size() == 3);
    const sim::DiskState state = disk.snapshot();
    disk.crash_with(CrashPlan::all_lost());
    CHECK_FALSE(disk.has("data"));
    disk.restore(state);
    REQUIRE(disk.sync_directory("data/store"));
    CHECK(disk.pending_name_ops().empty());
    REQUIRE(disk.remove("data/store/f"));
    CHECK_FALSE(*disk.exists("data/store/f"));
    disk.crash_with(CrashPlan::all_lost());
    CHECK(disk.contents("data/store/f") == filled(10, 1));
    REQUIRE(disk.remove("data/store/f"));
    disk.crash_with(CrashPlan::all_kept(disk));
    CHECK_FALSE(disk.has("data/store/f"));
    CHECK(disk.has("data/store"));
    CHECK(disk.open("nowhere/f", env::OpenMode::create).error() == Error::not_found);
    CHECK(disk.open("data/store", env::OpenMode::read_only).error() == Error::io);
}

TEST_CASE("a failed sync drops what it should have written, and the next one succeeds without it") {
    for (const bool evicted : {false, true}) {
        sim::Disk disk;
        env::File& file = make_file(disk, "f", 2 * page_bytes);
        REQUIRE(disk.write(file, 0, filled(page_bytes, 1)));
        disk.fail_nth(DiskOp::sync, 1, Error::io, evicted);
        CHECK(disk.sync(file).error() == Error::io);
        CHECK(disk.sync(file).ok());
        CHECK(pages_of(disk)[0] == (evicted ? 0 : 1));
        const sim::DiskState state = disk.snapshot();
        disk.crash_with(CrashPlan::all_lost());
        CHECK(pages_of(disk)[0] == 0);
        disk.restore(state);
        disk.crash_with(CrashPlan::all_kept(disk));  // the device may have had it all the same
        CHECK(pages_of(disk)[0] == 1);
    }
}

TEST_CASE("power can go at every operation; from there on nothing works and nothing stays") {
    const auto run = [](sim::Disk& disk) -> Status {
        RIVULET_TRY_ASSIGN(env::File * file, disk.open("f", env::OpenMode::create));
        RIVULET_TRY(disk.allocate(*file, 2 * page_bytes));
        RIVULET_TRY(disk.sync(*file));
        RIVULET_TRY(disk.sync_directory("/"));
        RIVULET_TRY(disk.write(*file, 0, filled(page_bytes, 1)));
        RIVULET_TRY(disk.sync(*file));
        return {};
    };
    sim::Disk whole;
    REQUIRE(run(whole));
    CHECK(whole.ops() == 6);
    for (std::uint64_t op = 0; op < whole.ops(); ++op) {
        sim::Disk disk;
        disk.cut_power_at(op);
        CHECK(run(disk).error() == Error::io);
        CHECK(disk.power_is_cut());
        CHECK(disk.exists("f").error() == Error::io);
        CHECK(disk.ops() == op);
        disk.crash_with(CrashPlan::all_lost());
        CHECK(disk.has("f") == (op >= 4));
        if (op >= 4) CHECK(pages_of(disk) == std::vector{0, 0});
    }
}

TEST_CASE("space, read-only, bad pages, flipped bits, truncation, locks") {
    sim::Disk disk;
    env::File& file = make_file(disk, "f", 2 * page_bytes);
    disk.set_capacity(3 * page_bytes);
    CHECK(disk.allocate(file, 4 * page_bytes).error() == Error::no_space);
    CHECK(*disk.size(file) == 2 * page_bytes);
    REQUIRE(disk.allocate(file, 3 * page_bytes));
    CHECK(disk.write(file, 3 * page_bytes, filled(1, 1)).error() == Error::no_space);

    std::uint8_t byte = 0;
    disk.flip_bit("f", 100, 3);
    REQUIRE(disk.read(file, 100, {&byte, 1}));
    CHECK(byte == 8);
    disk.flip_nth_read(2);
    REQUIRE(disk.read(file, 0, {&byte, 1}));
    CHECK(byte == 0);
    REQUIRE(disk.read(file, 0, {&byte, 1}));
    CHECK(byte != 0);
    disk.set_unreadable("f", 1);
    CHECK(disk.read(file, page_bytes + 5, {&byte, 1}).error() == Error::io);
    REQUIRE(disk.write(file, page_bytes, filled(page_bytes, 1)));
    CHECK(*disk.read(file, page_bytes + 5, {&byte, 1}) == 1);
    CHECK(*disk.read(file, 3 * page_bytes, {&byte, 1}) == 0);

    env::File& other = **disk.open("f", env::OpenMode::read_only);
    REQUIRE(disk.lock(file));
    CHECK(disk.lock(other).error() == Error::store_in_use);
    disk.close(file);
    CHECK(disk.lock(other).ok());
    CHECK(disk.write(other, 0, filled(1, 1)).error() == Error::io);
    disk.truncate("f", 10);
    CHECK(*disk.size(other) == 10);
    disk.set_read_only(true);
    CHECK(disk.remove("f").error() == Error::read_only);
    CHECK(disk.open("f", env::OpenMode::read_write).error() == Error::read_only);
}

TEST_CASE("random plans: nothing synced is ever lost in class A") {
    sim::Random random(7);
    for (int round = 0; round < 200; ++round) {
        sim::Disk disk(static_cast<std::uint64_t>(round));
        env::File& file = make_file(disk, "f", 16 * page_bytes);
        std::set<std::uint64_t> synced;
        std::set<std::uint64_t> unsynced;
        for (int i = 0; i < 20; ++i) {
            if (random.chance(1, 4)) {
                REQUIRE(disk.sync(file));
                synced.insert(unsynced.begin(), unsynced.end());
                unsynced.clear();
            } else {
                const std::uint64_t page = random.below(16);
                REQUIRE(disk.write(file, page * page_bytes, filled(page_bytes, static_cast<std::uint8_t>(page + 1))));
                unsynced.insert(page);
            }
        }
        const CrashPlan plan = sim::random_plan(disk, random, {.tears = true, .garbage_pages = true});
        disk.crash_with(plan);
        const std::vector<int> values = pages_of(disk);
        for (const std::uint64_t page : synced) {
            if (!unsynced.contains(page)) CHECK(values[static_cast<std::size_t>(page)] == static_cast<int>(page + 1));
        }
    }
}
