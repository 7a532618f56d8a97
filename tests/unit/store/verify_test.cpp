// What verify says of a sound store, and of each kind of damage.
#include "store/offline/verify.h"

#include <doctest/doctest.h>

#include "unit/store/small_store.h"

using namespace rivulet;
using namespace rivulet::store;
using namespace rivulet::test;

namespace {

constexpr std::uint64_t page = page_bytes;

struct Verified {
    Lines lines;
    VerifyResult result;
    Error error = Error::none;
};

Verified check(sim::Disk& disk, bool json = false) {
    Verified out;
    OfflineStore store(disk);
    const Status opened = store.open("store");
    if (!opened) {
        out.error = opened.error();
        return out;
    }
    Buffer scratch(verify_scratch_bytes(store.geometry(), 16));
    const auto result = verify(store, json, scratch, out.lines);
    if (result) out.result = *result;
    out.error = result.error();
    return out;
}

std::string lsn_range(Lsn from, Lsn to) { return "from=" + std::to_string(from.value) + " to=" + std::to_string(to.value); }

}  // namespace

TEST_CASE("verify: a sound store") {
    SmallStore s;
    REQUIRE(s.geometry.sequence(s.next) == 3);
    const Verified v = check(s.disk);
    CHECK(v.error == Error::none);
    CHECK_FALSE(v.result.damaged());
    CHECK(v.result.notes == 0);
    CHECK(v.result.groups == 13);
    CHECK(v.result.extents == 25);
    CHECK(v.result.batches == 24);
    REQUIRE(v.lines.all.size() == 1);
    CHECK(v.lines.all[0].starts_with("summary damaged=no corrupt=0 unproved=0 settled=0 notes=0 groups=13 extents=25 batches=24"));
    CHECK(check(s.disk, true).lines.all[0].starts_with("{\"kind\":\"summary\",\"damaged\":false,\"corrupt\":0,"));
    // The files are closed and the lock is gone.
    env::File& super = **s.disk.open("store/super", env::OpenMode::read_only);
    CHECK(s.disk.lock(super).ok());
    CHECK(check(s.disk).error == Error::store_in_use);
}

TEST_CASE("verify: a lost group below D") {
    SmallStore s;
    s.flip(s.group(7).lsn, 20);
    const Verified v = check(s.disk);
    CHECK(v.result.corrupt == 3);  // the hole and what each log misses in it
    CHECK(v.result.unproved == 0);
    const std::string range = lsn_range(s.group(7).lsn, s.group(7).end());
    CHECK(v.lines.has("damage class=corruption what=group " + range + " records_at_most=12582912"));
    const std::string gap = lsn_range(s.group(7).lsn, s.group(8).end());
    CHECK(v.lines.has("damage class=corruption what=gap " + gap + " log=16 first=120 last=139"));
    CHECK(v.lines.has("damage class=corruption what=gap " + gap + " log=17 first=30 last=34"));
}

TEST_CASE("verify: a lost table, a rotten extent, rotten records") {
    SmallStore s;
    s.flip(s.group(5).lsn, 85);
    const Verified table = check(s.disk);
    CHECK(table.lines.has("damage class=corruption what=table " + lsn_range(s.group(5).lsn, s.group(5).end()) + " extents=2"));
    CHECK(table.result.corrupt == 4);

    SmallStore t;
    t.flip(t.group(5).lsn, 3000);
    t.flip(t.group(0).lsn, 115);
    const Verified extent = check(t.disk);
    CHECK(extent.result.corrupt == 2);
    CHECK(extent.lines.has("damage class=corruption what=extent " + lsn_range(t.group(5).lsn, t.group(5).end()) + " log=16 first=80 last=99"));
    CHECK(extent.lines.has("damage class=corruption what=extent " + lsn_range(t.group(0).lsn, t.group(0).end()) + " log=0"));
}

TEST_CASE("verify: damage at the end is unproved until something proves it") {
    SmallStore s;
    s.flip(s.group(12).lsn, 3000);
    CHECK(check(s.disk).result.unproved == 1);
    CHECK(check(s.disk).result.corrupt == 0);
    s.write_checkpoint(1, 2, s.next);
    CHECK(check(s.disk).result.corrupt == 1);

    SmallStore t;
    t.flip(t.group(12).lsn, 3000);
    t.write_super(3, true);
    CHECK(check(t.disk).result.corrupt == 1);

    SmallStore u;
    u.flip(u.group(12).lsn, 3000);
    u.add_round();
    CHECK(check(u.disk).result.corrupt == 1);

    // Gone without trace: the journal ends before it. With its header, it is said.
    SmallStore w;
    w.flip(w.group(12).lsn, 20);
    CHECK_FALSE(check(w.disk).result.damaged());
    SmallStore x;
    x.flip(x.group(12).lsn, 85);
    CHECK(check(x.disk).lines.has("damage class=unproved what=table"));
    // The checkpoint says that it was synced.
    w.write_checkpoint(1, 2, w.next);
    CHECK(check(w.disk).lines.has("damage class=corruption what=group " + lsn_range(w.group(12).lsn, w.group(12).end())));
}

TEST_CASE("verify: what a recovery cut off is settled; what went bad since is not") {
    const auto restarted = [](const std::vector<Part>& first_group) {
        SmallStore s;
        s.flip(s.group(12).lsn, 3000);
        s.restart_at(s.next, 0xb);
        s.append(first_group);
        s.ends[16] = Offset(220);
        s.write_super(3, false);
        s.add_round();
        s.add_round();
        return check(s.disk);
    };
    const Verified cut = restarted({both(run_start_part(2), records_part(TruncateRecord{LogId(16), Offset(220), Epoch(2)}))});
    CHECK(cut.result.settled == 1);
    CHECK_FALSE(cut.result.damaged());
    CHECK(cut.lines.has("settled what=extent"));
    CHECK(cut.lines.has("log=16 first=220 last=239"));
    const Verified clean = restarted({both(run_start_part(2, true), records_part(TruncateRecord{LogId(16), Offset(220), Epoch(2)}))});
    CHECK(clean.result.corrupt == 1);
    const Verified uncut = restarted({both(run_start_part(2), records_part(TruncateRecord{LogId(17), Offset(55), Epoch(2)}))});
    CHECK(uncut.lines.has("damage class=corruption what=extent"));
    CHECK(uncut.lines.has("damage class=corruption what=overlap"));  // and the log went back without a record that says so
}

TEST_CASE("verify: a hole before a restart") {
    // The group right before RUN_START was good when that was written.
    SmallStore s;
    s.restart_at(s.next, 0xb);
    s.append({run_start_part(2)});
    s.write_super(3, false);
    s.add_round();
    s.flip(s.group(12).lsn, 20);
    CHECK(check(s.disk).lines.has("damage class=corruption what=group " + lsn_range(s.group(12).lsn, s.group(12).end())));
    // One further back, in a commit of several groups, may never have been written.
    SmallStore t;
    t.sync_each = false;
    t.add_round();
    t.add_round();
    t.sync_each = true;
    t.zero(t.group(13).lsn, t.group(13).end());
    t.restart_at(t.next, 0xb);
    t.append({both(both(run_start_part(2), records_part(TruncateRecord{LogId(16), Offset(240), Epoch(2)})),
                   records_part(TruncateRecord{LogId(17), Offset(60), Epoch(2)}))});
    t.write_super(3, false);
    t.ends[16] = Offset(240);
    t.ends[17] = Offset(60);
    t.add_round();
    const Verified v = check(t.disk);
    CHECK(v.result.settled == 3);
    CHECK_FALSE(v.result.damaged());
}

TEST_CASE("verify: gaps that records explain are none") {
    SmallStore s;
    s.append({both(records_part(FenceImage{LogId(16), Offset(240), Offset(300), FenceCause::damage}),
                   records_part(TruncateRecord{LogId(17), Offset(50), Epoch(1)})),
              extent(16, 300, 20), extent(17, 50, 5)});
    s.append({records_part(LogStartRecord{LogId(16), Offset(500)})});
    s.append({records_part(LogDeleteRecord{LogId(17), 1}), extent(16, 500, 2)});
    s.append({records_part(CeilingRecord{LogId(16), Offset(700)})});
    s.append({extent(16, 700, 2), extent(18, 9, 1)});
    const Verified v = check(s.disk);
    CHECK_FALSE(v.result.damaged());
    s.append({extent(16, 703, 2)});
    CHECK(check(s.disk).lines.has("what=gap"));
}

TEST_CASE("verify: batches are checked within sound extents") {
    const auto with = [](const Part& part) {
        SmallStore s;
        s.append({part});
        s.add_round();
        return check(s.disk);
    };
    Part two = extent(16, 240, 20);
    const Buffer second = batch(Offset(260), 3);
    two.bytes.insert(two.bytes.end(), second.begin(), second.end());
    two.span = 22;
    const Verified good = with(two);
    CHECK_FALSE(good.result.damaged());
    CHECK(good.result.batches == 24 + 2 + 2);
    Part bad = two;
    bad.bytes[bad.bytes.size() - 5] ^= 1;
    CHECK(with(bad).lines.has("what=batch"));
    CHECK(with(bad).lines.has("log=16 first=260 last=262"));
    bad = two;
    bad.span = 23;  // promises one more than there is
    CHECK(with(bad).lines.has("what=batch"));
    bad = two;
    record::patch_base_offset(bad.bytes.data(), Offset(239));
    CHECK(with(bad).lines.has("what=batch"));
    bad = two;
    bad.bytes.resize(bad.bytes.size() - 1);
    CHECK(with(bad).lines.has("what=batch"));
    bad = two;
    bad.epoch = Epoch(2);
    CHECK(with(bad).lines.has("what=batch"));
    bad = two;
    bad.flags = extent_packed;
    bad.trailer = {1};
    CHECK(with(bad).lines.has("what=trailer"));
}

TEST_CASE("verify: super, checkpoints, segment headers and footers") {
    SmallStore s;
    s.disk.flip_bit("store/super", 100, 1);
    s.disk.flip_bit("store/checkpoint.1", 0, 1);
    s.flip(s.geometry.segment_start(2), 30);
    s.flip(s.geometry.segment_start(2) - page, page - 10);
    const Verified notes = check(s.disk);
    CHECK_FALSE(notes.result.damaged());
    CHECK(notes.lines.of("note").size() == 4);
    CHECK(notes.lines.has("note what=super number=0"));
    CHECK(notes.lines.has("note what=footer number=1"));

    SmallStore zeroed;
    zeroed.zero(zeroed.geometry.segment_start(2), zeroed.geometry.segment_start(2) + page);
    CHECK(check(zeroed.disk).lines.has("note what=segment_header number=2 state=blank"));

    SmallStore t;
    t.disk.flip_bit("store/super", 100, 1);
    t.disk.flip_bit("store/super", 5000, 1);
    const Verified no_super = check(t.disk);
    CHECK(no_super.result.corrupt == 1);
    CHECK(no_super.result.groups == 13);
    t.disk.flip_bit("store/checkpoint.0", page + 5, 1);
    t.disk.flip_bit("store/checkpoint.1", 0, 1);
    const Verified nothing = check(t.disk);
    CHECK(nothing.result.corrupt == 2);
    CHECK(nothing.result.groups == 13);  // by the segment headers
    t.disk.overwrite(JournalBuilder::path, 0, Buffer(static_cast<std::size_t>(t.geometry.journal_bytes())));
    CHECK(check(t.disk).error == Error::not_a_store);

    SmallStore newer;
    StorePage p;
    encode_super({newer.geometry, 3, false, 1, 0xa, newer.run_start, Lsn(0)}, p);
    p[8] = 2;
    store_le(p.data() + page - 4, crc32c(Bytes(p).first(page - 4)));
    newer.disk.overwrite("store/super", page, p);
    CHECK(check(newer.disk).error == Error::store_newer);
}

TEST_CASE("verify: a cut journal and pages that cannot be read") {
    SmallStore s;
    s.write_checkpoint(1, 2, s.next);
    s.disk.truncate(JournalBuilder::path, s.geometry.file_position(s.group(8).lsn));
    const Verified cut = check(s.disk);
    // How far it went in what is missing, nobody knows.
    CHECK(cut.lines.has("damage class=corruption what=group " + lsn_range(s.group(8).lsn, s.geometry.segment_start(s.geometry.segment_count) - page)));

    SmallStore t;
    t.disk.set_unreadable(JournalBuilder::path, t.geometry.file_position(t.group(8).lsn) / page + 1);
    const Verified unreadable = check(t.disk);
    CHECK(unreadable.result.corrupt >= 1);
    CHECK(unreadable.lines.has("pages_unreadable="));
}

TEST_CASE("verify: no flipped bit in anything synced goes unnoticed, and each is told where it is") {
    SmallStore s;
    s.write_checkpoint(1, 2, s.next);  // all is durable
    for (const GroupHeader& g : s.groups) {
        const std::uint64_t used = g.payload_position() + g.payload_bytes;
        for (std::uint64_t at = 0; at < used; at += at < 200 ? 7 : 523) {
            s.flip(g.lsn, at, static_cast<unsigned>(at % 8));
            const Verified v = check(s.disk);
            CHECK(v.result.corrupt >= 1);
            CHECK(v.result.unproved == 0);
            // A hole at a segment's begin starts at the end of the group before.
            CHECK((v.lines.has("from=" + std::to_string(g.lsn.value)) || v.lines.has("from=" + std::to_string(g.previous_end.value))));
            s.flip(g.lsn, at, static_cast<unsigned>(at % 8));
        }
    }
    CHECK_FALSE(check(s.disk).result.damaged());
}

TEST_CASE("verify: missing files") {
    SmallStore s;
    s.disk.erase("store/super");
    CHECK(check(s.disk).result.corrupt == 1);
    s.disk.erase("store/checkpoint.0");
    CHECK(check(s.disk).result.groups == 13);
    s.disk.close(*s.file);
    s.disk.erase(JournalBuilder::path);
    CHECK(check(s.disk).error == Error::not_a_store);
    sim::Disk nothing;
    CHECK(check(nothing).error == Error::not_a_store);
}
