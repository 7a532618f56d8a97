#include <doctest/doctest.h>

#include "unit/store/read_fixture.h"

using namespace rivulet;
using namespace rivulet::store;
using rivulet::test::FlashClient;
using rivulet::test::Journal;
using rivulet::test::small_store;

namespace {

// Ten groups with one extent of 100 offsets of log 16 and of one of log 17 each; what the logs are, and where the groups.
struct TenGroups {
    explicit TenGroups(std::uint32_t windows = 4) : journal(options(windows)) {
        Log& a = journal.create(16);
        Log& b = journal.create(17);
        for (int i = 0; i < 10; ++i) {
            journal.add(a, 5000, 100);
            journal.add(b, 300, 10);
            groups.push_back(journal.commit());
        }
    }
    static StoreOptions options(std::uint32_t windows) {
        StoreOptions options = small_store();
        options.windows = windows;
        return options;
    }
    Log& a() { return journal.log(16); }
    Log& b() { return journal.log(17); }
    const Fences& fences() const { return journal.state->fences; }
    const Damage& damage() const { return journal.state->damage; }
    // First payload byte of group i, from its start.
    std::uint64_t payload(std::size_t i) const { return journal.header_at(groups[i]).payload_position(); }

    Journal journal;
    std::vector<Lsn> groups;
};

}  // namespace

TEST_CASE("reader damage: an extent whose CRC fails is fenced to its offsets, once") {
    TenGroups t(1);
    t.journal.fill_segments(t.b(), 2);  // so that the window is loaded again in each round
    t.journal.flip(t.groups[3], t.payload(3) + 4000);
    for (auto& [last, batch] : t.journal.model[16]) batch.lost = batch.base == Offset(300);
    for (int round = 0; round < 3; ++round) {
        FlashClient client(t.journal);
        CHECK(client.drain(t.a(), Offset(0)) == 9 * 5000);
        REQUIRE(client.get(t.a(), Offset(350)) == ReadOutcome::data);  // the next readable one
        CHECK(client.view.first == Offset(400));
        CHECK(client.drain(t.b(), Offset(0)) > 10 * 300);
    }
    CHECK(t.journal.reader.statistics().windows_loaded >= 6);
    REQUIRE(t.fences().count() == 1);
    CHECK(t.fences().at(0) == FenceImage{LogId(16), Offset(300), Offset(400), FenceCause::damage});
    CHECK(t.damage().corrupt_extents == 1);
    CHECK(t.damage().corrupt_groups == 0);
    CHECK(t.damage().lost_bytes == 5000);
    CHECK(t.journal.env.lines.size() == 1);
}

TEST_CASE("reader damage: a lost group is a gap in each log that it had") {
    for (const int what : {0, 1, 2, 3}) {
        CAPTURE(what);
        TenGroups t;
        const Lsn hit = t.groups[6];
        if (what == 0) t.journal.flip(hit, 20);                       // header
        if (what == 1) t.journal.flip(hit, group_header_bytes + 3);   // table
        if (what == 2) t.journal.garble(hit, page_bytes);
        if (what == 3) t.journal.env.memory_disk.unreadable.insert(t.journal.position(hit) / page_bytes);
        t.journal.lose(hit);
        FlashClient client(t.journal);
        CHECK(client.drain(t.a(), Offset(0)) == 9 * 5000);
        CHECK(t.fences().count() == 1);
        CHECK(client.drain(t.b(), Offset(0)) == 9 * 300);
        REQUIRE(t.fences().count() == 2);
        CHECK(t.fences().at(0) == FenceImage{LogId(16), Offset(600), Offset(700), FenceCause::lost_group});
        CHECK(t.fences().at(1) == FenceImage{LogId(17), Offset(60), Offset(70), FenceCause::lost_group});
        CHECK(client.drain(t.a(), Offset(650)) == 3 * 5000);
        CHECK(t.fences().count() == 2);
        CHECK(t.damage().corrupt_groups == 1);
        CHECK(t.damage().lost_bytes == 8192);
    }
}

TEST_CASE("reader damage: the last groups are gone: what comes next is in RAM or not there yet") {
    TenGroups t;
    for (const std::size_t i : {std::size_t{8}, std::size_t{9}}) {
        t.journal.garble(t.groups[i], page_bytes);
        t.journal.lose(t.groups[i]);
    }
    FlashClient client(t.journal);
    CHECK(client.drain(t.a(), Offset(0)) == 8 * 5000);
    CHECK(client.get(t.a(), Offset(800)) == ReadOutcome::end);
    const std::size_t loads = t.journal.reader.statistics().windows_loaded;
    CHECK(client.get(t.a(), Offset(800)) == ReadOutcome::end);
    CHECK(t.journal.reader.statistics().windows_loaded == loads);
    const rivulet::test::Buffer batch = t.journal.make_batch(t.a(), 400, 5);
    REQUIRE(t.journal.ring.append(t.a(), batch));
    REQUIRE(client.get(t.a(), Offset(800)) == ReadOutcome::data);
    CHECK(client.view.first == Offset(1000));
    CHECK(client.view.next == Offset(1005));
    CHECK(t.fences().covers(LogId(16), Offset(800), Offset(1000)));
}

TEST_CASE("reader damage: a bit that flipped on the way is read again") {
    TenGroups t;
    t.journal.env.memory_disk.flip_reads = 1;
    FlashClient client(t.journal);
    CHECK(client.drain(t.a(), Offset(0)) == 50'000);
    CHECK(t.journal.env.memory_disk.flip_reads == 0);
    CHECK(t.fences().count() == 0);
    CHECK(t.damage().corrupt_extents + t.damage().corrupt_groups == 0);
}

TEST_CASE("reader damage: what a truncation voids is never served, whatever footers and windows say") {
    TenGroups t;
    FlashClient client(t.journal);
    CHECK(client.drain(t.a(), Offset(0)) == 50'000);  // all is in a window now
    t.journal.truncate(t.a(), Offset(500));
    CHECK(client.get(t.a(), Offset(500)) == ReadOutcome::end);
    CHECK(client.get(t.a(), Offset(501)) == ReadOutcome::out_of_range);
    for (int i = 0; i < 3; ++i) t.journal.write(t.a(), 700, 70);
    CHECK(client.drain(t.a(), Offset(0)) == 5 * 5000 + 3 * 700);
    CHECK(client.drain(t.a(), Offset(560)) == 3 * 700);
    FlashClient fresh(t.journal);
    CHECK(fresh.drain(t.a(), Offset(640)) == 700);
    // Damage in what is void is none.
    t.journal.flip(t.groups[7], t.payload(7) + 100);
    t.journal.flip(t.groups[2], t.payload(2) + 100);
    for (auto& [last, batch] : t.journal.model[16]) batch.lost = batch.base == Offset(200);
    t.journal.fill_segments(t.b(), 8);
    CHECK(client.drain(t.b(), Offset(0)) > 0);  // other windows take the place
    CHECK(client.drain(t.a(), Offset(0)) == 4 * 5000 + 3 * 700);
    CHECK(t.fences().count() == 1);
    CHECK(t.damage().corrupt_extents == 1);
}

// Run 1 writes three groups, then two that are lost in a crash; run 2 writes its own in their place, but the flash shows some of run 1's again.
TEST_CASE("reader damage: discarded groups in the place of lost writes are not believed") {
    // Which of run 2's groups show run 1's; whether a run 3 follows, so that the reader does not know run 2's salt; groups of run 2.
    struct Case { std::vector<std::size_t> shown; bool run_3; int groups; bool same_start; };
    const Case cases[] = {{{1}, false, 5, false}, {{1}, true, 5, false},    {{0, 1}, false, 5, false}, {{0, 1}, true, 5, false},
                          {{0, 1}, false, 2, false}, {{1}, false, 5, true}, {{1}, true, 5, true}};
    for (const Case& c : cases) {
        CAPTURE(&c - cases);
        Journal journal;
        Log& log = journal.create(16);
        for (int i = 0; i < 3; ++i) journal.write(log, 1000, 10);
        const Head head = journal.state->head;
        const Offset end = log.end;
        if (c.same_start) journal.start_run();  // run 1's very first group is among what is discarded
        const Lsn places[] = {journal.write(log, 1500, 10), journal.write(log, 1500, 10)};
        std::vector<std::vector<std::uint8_t>> discarded;
        for (const Lsn lsn : places) discarded.push_back(test::to_buffer(Bytes(journal.env.memory_disk.bytes).subspan(journal.position(lsn), page_bytes)));
        auto& model = journal.model[16];
        while (model.rbegin()->second.base >= end) model.erase(std::prev(model.end()));
        const std::uint64_t run = journal.state->head.run;
        journal.state->head = head;
        journal.state->head.run = run;
        log.end = log.durable_end = log.closed_end = log.ram_start = end;
        journal.start_run();
        for (int i = 0; i < c.groups; ++i) journal.write(log, 2000, 3);
        for (const std::size_t i : c.shown) {
            copy(discarded[i], MutableBytes(journal.env.memory_disk.bytes).subspan(journal.position(places[i])));
            REQUIRE(journal.header_at(places[i]).salt != journal.state->head.salt);
            journal.lose(places[i]);
        }
        if (c.run_3) {
            journal.start_run();
            journal.write(log, 100, 1);
        }
        FlashClient client(journal);
        CHECK(client.drain(log, Offset(0)) == 3 * 1000 + (c.groups - c.shown.size()) * 2000 + (c.run_3 ? 100 : 0));
        const Offset lost = end + (c.shown[0] == 0 ? 0 : 3);
        CHECK(journal.state->fences.covers(LogId(16), lost, lost + static_cast<std::int64_t>(3 * c.shown.size())));
        CHECK(journal.state->fences.count() == 1);
    }
}

// As above, with nothing behind it in its segment that would tell: a log's epochs do, since each run has its own.
TEST_CASE("reader damage: a discarded group that is the last of its segment is not believed") {
    Journal journal;
    Log& log = journal.create(16);
    const auto epoch = [&](std::int32_t of) {
        log.epoch = Epoch(of);
        log.note_epoch(log.epoch, log.end);
    };
    epoch(1);
    const std::uint64_t segment_end = journal.state->geometry.segment_start(2).value - 2 * page_bytes;
    while (journal.state->head.next.value + 5 * page_bytes < segment_end) journal.write(log, 4 * page_bytes - 2000, 10);
    const Head head = journal.state->head;
    const Offset end = log.end;
    // Run 1's last group fills what is left of the segment; run 2's takes its place, and the flash shows the other.
    const Lsn place = journal.write(log, 3 * page_bytes, 20);
    REQUIRE(journal.state->geometry.sequence(place) == 1);
    const auto from = static_cast<std::size_t>(journal.position(place));
    const auto discarded = test::to_buffer(Bytes(journal.env.memory_disk.bytes).subspan(from, 4 * page_bytes));
    journal.model[16].erase(std::prev(journal.model[16].end()));
    journal.state->head = head;
    log.end = log.durable_end = log.closed_end = log.ram_start = end;
    journal.start_run();
    epoch(2);
    REQUIRE(journal.write(log, 3 * page_bytes, 3) == place);
    while (journal.state->geometry.sequence(journal.state->head.next) < 3) journal.write(log, 4 * page_bytes, 3);
    journal.start_run();  // the reader knows the salt of the newest run alone
    epoch(3);
    journal.write(log, 100, 3);
    copy(discarded, MutableBytes(journal.env.memory_disk.bytes).subspan(from));
    journal.lose(place);
    FlashClient client(journal);
    client.drain(log, Offset(0));
    CHECK(journal.state->fences.covers(LogId(16), end, end + 3));
    CHECK(journal.state->fences.count() == 1);
}

TEST_CASE("reader damage: the end of a segment is found by its footer or by the group that follows") {
    for (const bool footer : {false, true}) {
        for (const bool next_group : {false, true}) {
            CAPTURE(footer);
            CAPTURE(next_group);
            Journal journal;
            Log& log = journal.create(16);
            journal.fill_segments(log, 4);
            const Geometry& g = journal.state->geometry;
            if (!footer) journal.garble(g.segment_start(3) - footer_room(16), footer_room(16));
            if (!next_group) {
                journal.garble(g.first_group(3), page_bytes);
                journal.lose(g.first_group(3));
            }
            FlashClient client(journal);
            client.drain(log, Offset(0));
            // Without either, the rest of the segment might have held something.
            CHECK(journal.state->damage.corrupt_groups == (next_group ? 0 : footer ? 1 : 2));
            CHECK(journal.state->fences.count() == (next_group ? 0 : 1));
        }
    }
}

TEST_CASE("reader damage: whole segments of garbage are passed") {
    store::StoreOptions options = small_store();
    options.windows = 1;  // what is damaged now is not served from an earlier load
    Journal journal(options);
    Log& log = journal.create(16);
    journal.fill_segments(log, 7);
    const Geometry& g = journal.state->geometry;
    journal.garble(g.segment_start(3), 2 * g.segment_bytes);
    for (auto& [last, batch] : journal.model[16]) batch.lost = g.sequence(batch.lsn) == 3 || g.sequence(batch.lsn) == 4;
    FlashClient client(journal);
    client.drain(log, Offset(0));
    CHECK(journal.state->fences.count() == 1);
    journal.garble(g.segment_start(1), 7 * g.segment_bytes);
    for (auto& [last, batch] : journal.model[16]) batch.lost = true;
    FlashClient other(journal);
    for (const std::int64_t at : {0, 17, 100}) other.drain(log, Offset(at));
}

TEST_CASE("reader damage: what recovery has walked and reported is not reported again") {
    TenGroups t;
    t.journal.garble(t.groups[4], page_bytes);
    t.journal.lose(t.groups[4]);
    t.journal.state->fences.add(LogId(16), Offset(400), Offset(500), FenceCause::lost_group);
    t.journal.state->fences.add(LogId(17), Offset(40), Offset(50), FenceCause::lost_group);
    t.journal.start_run();
    t.journal.write(t.b(), 100);
    t.journal.state->checkpoint_lsn = t.groups[1];
    t.journal.reader.load_index(t.journal);
    FlashClient client(t.journal);
    CHECK(client.drain(t.a(), Offset(0)) == 9 * 5000);
    CHECK(t.damage().corrupt_groups == 0);
    CHECK(t.journal.env.lines.empty());
}
