#include "store/journal_walk.h"

#include <doctest/doctest.h>

#include "unit/store/journal_builder.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Buffer;
using test::JournalBuilder;
using Step = JournalWalk::Step;

namespace {

constexpr std::uint64_t page = page_bytes;

std::string at(Lsn lsn) { return std::to_string(lsn.value / page); }  // in pages

struct Walked {
    std::string text;  // "g16 h17-18 t18 e19": group, hole, table lost, end, each with its LSN in pages
    Lsn end;
    std::uint64_t salt = 0;
    Lsn durable;
    std::uint64_t bytes_read = 0;
    std::uint64_t unreadable = 0;
    unsigned bad_extents = 0;
};

Walked walk(JournalBuilder& j, const WalkStart& start, const SuperRun& super = {}) {
    Buffer window(walk_window_bytes(j.geometry));
    JournalWalk w(j.disk, *j.file, j.geometry, window, start, super);
    Walked out;
    for (;;) {
        const Step step = w.next();
        if (!out.text.empty()) out.text += ' ';
        if (step == Step::hole) {
            out.text += "h" + at(w.hole_from()) + "-" + at(w.hole_to());
            CHECK(w.position() == w.hole_to());
        } else if (step == Step::table_lost) {
            out.text += "t" + at(w.header().lsn);
        } else if (step == Step::group) {
            out.text += "g" + at(w.header().lsn);
            CHECK(w.position() == w.header().end());
            TableReader table(w.header(), w.table());
            for (Extent e; table.next(e);) out.bad_extents += !*w.extent_holds(e);
            CHECK(table.error() == Error::none);
            const auto payload = w.payload();
            REQUIRE(payload.ok());
            CHECK(payload->size() == w.header().payload_bytes);
            CHECK(table_crc(w.header().salt, w.table()) == w.header().table_crc);
        } else {
            out.text += step == Step::end ? "e" + at(w.position()) : "failed " + std::to_string(static_cast<int>(w.failure().error));
            CHECK(w.next() == step);
            break;
        }
    }
    out.end = w.position();
    out.salt = w.salt();
    out.durable = w.highest_durable();
    out.bytes_read = w.bytes_read();
    out.unreadable = w.pages_unreadable();
    return out;
}

// From a checkpoint taken at the start of the journal.
WalkStart from_first(const JournalBuilder& j) { return {j.geometry.first_group(1), j.groups[0].salt, j.geometry.first_group(1), {}}; }
SuperRun super_of(const JournalBuilder& j) { return {true, j.salt, j.run_start}; }

// Segment 1 is pages 16 to 31; groups of one page at 17, 18...
struct FiveGroups : JournalBuilder {
    FiveGroups() {
        start_run(0xa);
        for (int i = 0; i < 5; ++i) append(3000);
    }
};

}  // namespace

TEST_CASE("walk: an empty journal ends where it begins") {
    JournalBuilder j;
    const Walked w = walk(j, {j.geometry.first_group(1), 0, {}, {}});
    CHECK(w.text == "e17");
    CHECK(w.bytes_read <= 3 * j.geometry.segment_bytes);
}

TEST_CASE("walk: groups in order, with or without what checkpoint and super tell") {
    FiveGroups j;
    const std::string expected = "g17 g18 g19 g20 g21 e22";
    const Walked w = walk(j, from_first(j), super_of(j));
    CHECK(w.text == expected);
    CHECK(w.durable == Lsn(21 * page));
    CHECK(w.salt == 0xa);
    CHECK(w.bad_extents == 0);
    CHECK(walk(j, from_first(j)).text == expected);
    CHECK(walk(j, {j.geometry.first_group(1), 0, {}, {}}).text == expected);
    CHECK(walk(j, {j.geometry.first_group(1), 0xa, {}, {}}).text == expected);
    // From the middle: the groups before feed the index.
    CHECK(walk(j, {Lsn(20 * page), 0xa, Lsn(17 * page), {}}).text == expected);
    CHECK(walk(j, from_first(j), {true, 0xb, Lsn(17 * page)}).text == "e17");
}

TEST_CASE("walk: large and small groups across segments and around the ring") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 40; ++i) j.append(static_cast<std::size_t>(1 + i * 7919 % 28000));
    REQUIRE(j.geometry.sequence(j.next) == 12);
    REQUIRE(j.geometry.first_live(12) == 8);
    std::string expected;
    for (const GroupHeader& g : j.groups)
        if (j.geometry.sequence(g.lsn) >= 8) expected += "g" + at(g.lsn) + " ";
    const Walked w = walk(j, {j.geometry.first_group(8), 0xa, j.run_start, {}});
    CHECK(w.text == expected + "e" + at(j.next));
    CHECK(w.bad_extents == 0);
    // What was skipped to find the end comes on top.
    CHECK(w.bytes_read <= 5 * j.geometry.segment_bytes + 3 * j.geometry.segment_bytes + 5 * 64 * 1024);
}

TEST_CASE("walk: a hole, by a flipped bit in header or table; none by one in payload or segment header") {
    for (const std::uint64_t position : {0, 4, 5, 8, 16, 30, 40, 60, 75, 79}) {
        FiveGroups j;
        j.flip(Lsn(19 * page), position, 3);
        CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g18 h19-20 g20 g21 e22");
    }
    for (const std::uint64_t position : {80, 85, 90}) {
        FiveGroups j;
        j.flip(Lsn(19 * page), position, 3);
        CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g18 t19 h19-20 g20 g21 e22");
    }
    FiveGroups j;
    j.flip(Lsn(19 * page), 1000);
    j.flip(Lsn(16 * page), 20);
    j.zero(Lsn(16 * page), Lsn(17 * page));
    const Walked w = walk(j, from_first(j), super_of(j));
    CHECK(w.text == "g17 g18 g19 g20 g21 e22");
    CHECK(w.bad_extents == 1);
}

TEST_CASE("walk: holes at the start, over several groups, and more than one") {
    FiveGroups j;
    j.zero(Lsn(17 * page), Lsn(18 * page));
    j.zero(Lsn(19 * page), Lsn(21 * page));
    CHECK(walk(j, from_first(j), super_of(j)).text == "h17-18 g18 h19-21 g21 e22");
    CHECK(walk(j, {Lsn(17 * page), 0, {}, {}}).text == "h17-18 g18 h19-21 g21 e22");
    CHECK(walk(j, {Lsn(20 * page), 0xa, Lsn(17 * page), {}}).text == "h17-18 g18 h19-21 g21 e22");
}

TEST_CASE("walk: a segment switch and a hole over it") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 4; ++i) j.append(16000);  // 17, 21, 25 and, as 29 leaves no room for a footer, 33
    j.append(100);
    j.append(100);
    CHECK(walk(j, from_first(j)).text == "g17 g21 g25 g33 g37 g38 e39");
    CHECK(walk(j, {Lsn(33 * page), 0xb, {}, {}}).text == "e33");  // not the run that the segment header names
    CHECK(walk(j, {Lsn(33 * page), 0xa, {}, {}}).text == "g33 g37 g38 e39");
    j.zero(Lsn(33 * page), Lsn(34 * page));
    CHECK(walk(j, from_first(j)).text == "g17 g21 g25 h29-37 g37 g38 e39");
    j.zero(Lsn(25 * page), Lsn(33 * page));
    CHECK(walk(j, from_first(j)).text == "g17 g21 h25-37 g37 g38 e39");
}

TEST_CASE("walk: the last group of a segment is lost") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 4; ++i) j.append(16000);
    j.zero(Lsn(25 * page), Lsn(26 * page));
    CHECK(walk(j, from_first(j)).text == "g17 g21 h25-29 g33 e37");
}

TEST_CASE("walk: a torn last group ends the journal before it") {
    FiveGroups j;
    j.sync_each = false;
    j.append(9000);  // pages 22 to 24
    j.zero(Lsn(22 * page), Lsn(23 * page));
    CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g18 g19 g20 g21 e22");

    FiveGroups k;
    k.append(9000);
    k.flip(Lsn(22 * page), 82);
    CHECK(walk(k, from_first(k), super_of(k)).text == "g17 g18 g19 g20 g21 t22 e22");

    FiveGroups l;
    l.append(9000);
    l.zero(Lsn(24 * page), Lsn(25 * page));
    const Walked w = walk(l, from_first(l), super_of(l));
    CHECK(w.text == "g17 g18 g19 g20 g21 g22 e25");
    CHECK(w.bad_extents == 1);
}

TEST_CASE("walk: groups of a discarded run beyond the end do not come back") {
    FiveGroups j;
    const Buffer at_20 = j.page_at(Lsn(20 * page)), at_21 = j.page_at(Lsn(21 * page));
    // 19 was torn; run b begins there and writes one group.
    j.restart_at(Lsn(19 * page), 0xb);
    j.append(10);
    REQUIRE(j.page_at(Lsn(20 * page)) == at_20);
    const WalkStart start{Lsn(17 * page), 0xa, Lsn(17 * page), {}};
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 g19 e20");
    CHECK(walk(j, start).text == "g17 g18 g19 e20");
    // Not even if b's RUN_START is lost: the super knows its salt.
    Buffer run_start = j.page_at(Lsn(19 * page));
    j.zero(Lsn(19 * page), Lsn(20 * page));
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 e19");
    // With a later group of b the RUN_START's loss is a hole, whoever knows of it.
    j.put(Lsn(19 * page), run_start);
    j.append(10);
    j.append(10);
    j.put(Lsn(22 * page), {});
    j.zero(Lsn(19 * page), Lsn(20 * page));
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 h19-20 g20 g21 e22");
    CHECK(walk(j, start).text == "g17 g18 h19-20 g20 g21 e22");
}

TEST_CASE("walk: what a discarded run left between the last group and the footer is not taken") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 3; ++i) j.append(12000);  // 17, 20, 23
    j.append(12000);                              // 26 to 28
    const Buffer stale = j.page_at(Lsn(26 * page));
    j.restart_at(Lsn(23 * page), 0xb);
    j.append(10);                                 // 23
    j.append(30000);                              // does not fit behind it: 33
    REQUIRE(j.page_at(Lsn(26 * page)) == stale);
    CHECK(walk(j, from_first(j)).text == "g17 g20 g23 g33 e41");
    CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g20 g23 g33 e41");
    // From a checkpoint of run b in segment 2, and in segment 1.
    CHECK(walk(j, {Lsn(33 * page), 0xb, Lsn(23 * page), {}}).text == "g33 e41");
    CHECK(walk(j, {Lsn(24 * page), 0xb, Lsn(23 * page), {}}).text == "g17 g20 g23 g33 e41");
    // Group 23 damaged: the stale one is of an older run, and beyond b's RUN_START.
    j.zero(Lsn(23 * page), Lsn(24 * page));
    CHECK(walk(j, {Lsn(24 * page), 0xb, Lsn(23 * page), {}}).text == "g17 g20 h23-24 g33 e41");
}

TEST_CASE("walk: a run that begins in the next segment, for lack of room") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 3; ++i) j.append(16000);  // 17, 21, 25; 29 is next
    j.restart_at(Lsn(29 * page), 0xb);
    j.append(10000);                              // 33
    j.append(10);                                 // 36
    REQUIRE(j.run_start == Lsn(29 * page));
    CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g21 g25 g33 g36 e37");
    CHECK(walk(j, from_first(j)).text == "g17 g21 g25 g33 g36 e37");
    CHECK(walk(j, {Lsn(33 * page), 0xb, Lsn(29 * page), {}}, super_of(j)).text == "g33 g36 e37");
    j.zero(Lsn(33 * page), Lsn(34 * page));
    CHECK(walk(j, from_first(j), super_of(j)).text == "g17 g21 g25 h29-36 g36 e37");
    CHECK(walk(j, from_first(j)).text == "g17 g21 g25 h29-36 g36 e37");
}

TEST_CASE("walk: three runs in one segment, from a checkpoint in the last") {
    FiveGroups j;
    j.restart_at(Lsn(20 * page), 0xb);
    j.append(10);
    j.restart_at(Lsn(21 * page), 0xc);
    j.append(10);
    j.append(10);
    const WalkStart start{Lsn(22 * page), 0xc, Lsn(21 * page), {}};
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 g19 g20 g21 g22 e23");
    // All of the checkpoint's run up to its LSN is lost.
    j.zero(Lsn(20 * page), Lsn(22 * page));
    const Walked w = walk(j, start, super_of(j));
    CHECK(w.text == "g17 g18 g19 h20-22 g22 e23");
    CHECK(w.salt == 0xc);
}

TEST_CASE("walk: known to be durable but not there is a hole at the end") {
    FiveGroups j;
    j.zero(Lsn(20 * page), Lsn(22 * page));
    WalkStart start = from_first(j);
    CHECK(walk(j, start).text == "g17 g18 g19 e20");
    start.durable = Lsn(22 * page);
    CHECK(walk(j, start).text == "g17 g18 g19 h20-22 e22");
    start.durable = Lsn(20 * page);
    CHECK(walk(j, start).text == "g17 g18 g19 e20");

    // Three segments missing: found again because the checkpoint's durable LSN is beyond them.
    JournalBuilder k;
    k.start_run(0xa);
    for (int i = 0; i < 15; ++i) k.append(16000);  // segments 1 to 5
    k.zero(k.geometry.first_group(2), k.geometry.segment_start(5));
    CHECK(walk(k, from_first(k)).text == "g17 g21 g25 e29");
    CHECK(walk(k, {Lsn(17 * page), 0xa, Lsn(17 * page), Lsn(85 * page)}).text == "g17 g21 g25 h29-77 g81 g85 g89 e93");
}

TEST_CASE("walk: beyond a known end nothing is looked for") {
    FiveGroups j;
    WalkStart start = from_first(j);
    const Walked far = walk(j, start, super_of(j));
    start.known_end = far.end;
    const Walked near = walk(j, start, super_of(j));
    CHECK(near.text == far.text);
    CHECK(near.bytes_read < far.bytes_read);
    // What is missing before it is a hole all the same.
    start.durable = start.known_end;
    j.zero(Lsn(20 * page), Lsn(21 * page));
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 g19 h20-21 g21 e22");
    j.zero(Lsn(21 * page), Lsn(22 * page));
    CHECK(walk(j, start, super_of(j)).text == "g17 g18 g19 h20-22 e22");
}

TEST_CASE("walk: a header that survives proves what it says of durability") {
    FiveGroups j;
    j.zero(Lsn(20 * page), Lsn(21 * page));
    j.flip(Lsn(21 * page), 85);
    // 20 was synced when 21 was written, so it is missing; 21 itself is discarded.
    const Walked w = walk(j, from_first(j), super_of(j));
    CHECK(w.text == "g17 g18 g19 t21 h20-21 e21");
    CHECK(w.durable == Lsn(21 * page));
}

TEST_CASE("walk: pages that cannot be read are damage of these pages") {
    FiveGroups j;
    j.append(20000);  // 22 to 26
    j.append(10);     // 27
    j.disk.set_unreadable(JournalBuilder::path, j.geometry.file_position(Lsn(19 * page)) / page);
    j.disk.set_unreadable(JournalBuilder::path, j.geometry.file_position(Lsn(24 * page)) / page);
    const Walked w = walk(j, from_first(j), super_of(j));
    CHECK(w.text == "g17 g18 h19-20 g20 g21 g22 g27 e28");
    CHECK(w.unreadable >= 2);
    CHECK(w.bad_extents == 1);
}

TEST_CASE("walk: a journal that was cut reads as zeros and may have been longer; other errors end the walk") {
    JournalBuilder j;
    j.start_run(0xa);
    for (int i = 0; i < 9; ++i) j.append(16000);
    j.disk.truncate(JournalBuilder::path, j.geometry.file_position(Lsn(53 * page)) + 512);
    const Walked w = walk(j, from_first(j));
    CHECK(w.text == "g17 g21 g25 g33 g37 g41 g49 g53 h57-95 e95");
    CHECK(w.bad_extents == 1);
    // Segment 6 lies at slot 0, before the cut.
    for (int i = 0; i < 9; ++i) j.append(16000);
    j.disk.truncate(JournalBuilder::path, j.geometry.file_position(Lsn(41 * page)));
    CHECK(walk(j, {Lsn(33 * page), 0xa, Lsn(17 * page), Lsn(105 * page)}).text == "g33 g37 h41-93 g97 g101 g105 e109");

    FiveGroups k;
    k.disk.fail_nth(sim::DiskOp::read, 1, Error::permission);
    CHECK(walk(k, from_first(k)).text == "failed " + std::to_string(static_cast<int>(Error::permission)));
}

TEST_CASE("walk: a group of a newer version under a known salt ends the walk, under another it is noise") {
    for (const std::uint64_t salt : {std::uint64_t{0xa}, std::uint64_t{0xb}}) {
        FiveGroups j;
        Buffer newer = j.page_at(Lsn(21 * page));
        newer[4] = 2;
        store_le(newer.data() + 8, salt);
        store_le(newer.data() + 16, std::uint64_t{22 * page});
        store_le(newer.data() + 76, crc32c(Bytes(newer).first(76), crc32c(Bytes(newer).subspan(8, 8))));
        j.put(Lsn(22 * page), newer);
        const std::string end = salt == 0xa ? "failed " + std::to_string(static_cast<int>(Error::store_newer)) : "e22";
        CHECK(walk(j, from_first(j)).text == "g17 g18 g19 g20 g21 " + end);
    }
}

TEST_CASE("walk: any one page zeroed or garbage: no group but those on it goes, none is invented") {
    JournalBuilder base;
    base.start_run(0xa);
    for (int i = 0; i < 14; ++i) base.append(static_cast<std::size_t>(1 + i * 6007 % 17000), LogId(16 + static_cast<std::uint64_t>(i % 3)));
    REQUIRE(base.geometry.sequence(base.next) >= 3);
    const std::string whole = walk(base, from_first(base)).text;
    const sim::DiskState image = base.disk.snapshot();
    for (Lsn lsn = base.geometry.first_group(1); lsn < base.next; lsn += page) {
        for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{0x52}}) {
            base.disk.restore(image);
            base.file = *base.disk.open(JournalBuilder::path, env::OpenMode::read_only);
            base.disk.overwrite(JournalBuilder::path, base.geometry.file_position(lsn), Buffer(page, fill));
            unsigned damaged = 0, last = 0;
            for (const GroupHeader& g : base.groups) {
                last = g.end() == base.next;
                damaged += lsn >= g.lsn && lsn < g.end();
            }
            const Walked w = walk(base, from_first(base), super_of(base));
            const bool header_hit = std::any_of(base.groups.begin(), base.groups.end(), [&](const GroupHeader& g) { return g.lsn == lsn; });
            const bool last_hit = header_hit && lsn == base.groups.back().lsn;
            CHECK(last == 1);
            CHECK(w.end == (last_hit ? lsn : base.next));
            CHECK((w.text.find('h') != std::string::npos) == (header_hit && !last_hit));
            CHECK((w.text == whole) == !header_hit);
            CHECK(w.bad_extents <= damaged);
        }
    }
}
