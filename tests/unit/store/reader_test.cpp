#include "store/reader.h"

#include <doctest/doctest.h>

#include "unit/store/read_fixture.h"

using namespace rivulet;
using namespace rivulet::store;
using rivulet::test::FlashClient;
using rivulet::test::Journal;
using rivulet::test::small_store;

namespace {

// `groups` groups with one extent of every log each.
void write_groups(Journal& journal, std::uint64_t logs, int groups, std::size_t bytes = 200) {
    for (std::uint64_t id = 16; id < 16 + logs; ++id)
        if (!journal.state->logs.find(LogId(id))) journal.create(id);
    for (int i = 0; i < groups; ++i) {
        for (std::uint64_t id = 16; id < 16 + logs; ++id) journal.add(journal.log(id), bytes);
        journal.commit();
    }
}

std::size_t loads(const Journal& journal) { return journal.reader.statistics().windows_loaded; }

}  // namespace

TEST_CASE("reader: outcomes at the borders of a log") {
    Journal journal;
    Log& log = journal.create(16);
    FlashClient client(journal);
    CHECK(client.get(log, Offset(0)) == ReadOutcome::end);
    CHECK(client.get(log, Offset(1)) == ReadOutcome::out_of_range);
    for (int i = 0; i < 5; ++i) journal.write(log, 300, 10);
    CHECK(client.get(log, Offset(50)) == ReadOutcome::end);
    CHECK(client.get(log, Offset(51)) == ReadOutcome::out_of_range);
    CHECK(client.get(log, Offset(-1)) == ReadOutcome::out_of_range);
    REQUIRE(client.get(log, Offset(0)) == ReadOutcome::data);
    CHECK(client.view.batches == 5);
    CHECK(client.view.next == Offset(50));
    log.start = Offset(20);
    CHECK(client.get(log, Offset(19)) == ReadOutcome::out_of_range);
    REQUIRE(client.get(log, Offset(25)) == ReadOutcome::data);  // the batch that holds it
    CHECK(client.view.first == Offset(20));
    CHECK(client.view.batches == 3);
    client.check_view(log, Offset(25));
}

TEST_CASE("reader: limit and bytes_max end a view at a batch") {
    Journal journal;
    Log& log = journal.create(16);
    for (int i = 0; i < 5; ++i) journal.add(log, 300, 10);
    journal.commit();
    FlashClient client(journal);
    REQUIRE(client.get(log, Offset(0), Offset(30), 1 << 20) == ReadOutcome::data);
    CHECK(client.view.batches == 3);
    CHECK(client.view.piece_count == 1);  // they lie one behind the other
    REQUIRE(client.get(log, Offset(0), Offset(31), 1 << 20) == ReadOutcome::data);
    CHECK(client.view.batches == 4);
    CHECK(client.get(log, Offset(30), Offset(30), 1 << 20) == ReadOutcome::end);
    REQUIRE(client.get(log, Offset(0), 899) == ReadOutcome::data);
    CHECK(client.view.batches == 2);
    REQUIRE(client.get(log, Offset(0), 900) == ReadOutcome::data);
    CHECK(client.view.batches == 3);
    REQUIRE(client.get(log, Offset(0), 1) == ReadOutcome::data);  // KIP-74
    CHECK(client.view.batches == 1);
    CHECK(client.drain(log, Offset(0), 650) == 1500);
}

TEST_CASE("reader: all logs from the start share one scan") {
    Journal journal;
    write_groups(journal, 64, 150);
    const std::uint64_t bytes = journal.state->head.durable - journal.state->geometry.first_group(1);
    std::vector<std::unique_ptr<FlashClient>> clients;
    std::vector<Offset> positions(64, Offset(0));
    for (int i = 0; i < 64; ++i) clients.push_back(std::make_unique<FlashClient>(journal));
    std::size_t total = 0;
    for (bool busy = true; busy;) {
        busy = false;
        for (std::size_t i = 0; i < 64; ++i) {
            Log& log = journal.log(16 + i);
            if (clients[i]->linked()) { busy = true; continue; }
            const ReadOutcome outcome = clients[i]->read(log, positions[i]);
            if (outcome == ReadOutcome::pending) { busy = true; continue; }
            if (outcome == ReadOutcome::end) continue;
            REQUIRE(outcome == ReadOutcome::data);
            busy = true;
            clients[i]->check_view(log, positions[i]);
            positions[i] = clients[i]->view.next;
            total += clients[i]->view.bytes;
            clients[i]->stop();
        }
        if (busy) journal.env.run_all();
    }
    CHECK(total == 64 * 150 * 200);
    for (const Offset position : positions) CHECK(position == Offset(150));
    const store::Reader::Statistics& seen = journal.reader.statistics();
    CHECK(seen.bytes_served == total);
    // Each byte once, but for the rest of each segment and what a window's last group had too little room for.
    CHECK(seen.bytes_read < bytes * 13 / 10);
}

TEST_CASE("reader: a forward scan reads ahead") {
    Journal journal;
    Log& log = journal.create(16);
    journal.fill_segments(log, 6);
    FlashClient client(journal);
    Offset at(0);
    int waits = 0;
    for (;;) {
        const ReadOutcome outcome = client.read(log, at);
        if (outcome == ReadOutcome::end) break;
        if (outcome == ReadOutcome::pending) ++waits;
        else at = client.view.next;
        journal.env.run_all();
    }
    CHECK(at == log.end);
    CHECK(waits <= 3);
    CHECK(loads(journal) >= 5);
    // What was read ahead in vain, and a reader that went elsewhere, hold nobody up for long.
    for (const std::int64_t far : {0, 60, 120, 30}) REQUIRE(client.get(log, Offset(far)) == ReadOutcome::data);
    CHECK(journal.env.time <= Instant(4 * WindowSet::holding_ns));
}

TEST_CASE("reader: a log that rests for some segments is found again where it goes on") {
    Journal journal;
    Log& log = journal.create(16);
    Log& other = journal.create(17);
    while (journal.state->geometry.sequence(journal.state->head.next) < 2) {
        journal.write(log, 500);
        journal.write(other, 500);
    }
    const Offset rest = log.end;
    journal.fill_segments(other, 4);
    FlashClient client(journal);
    CHECK(client.drain(log, Offset(0)) > 10'000);
    journal.write(log, 600);
    journal.fill_segments(other, 5);
    CHECK(client.drain(log, rest) == 600);
}

TEST_CASE("reader: one log of many is found without reading what lies between") {
    Journal journal(small_store(64));
    Log& sparse = journal.create(16);
    Log& dense = journal.create(17);
    for (std::uint64_t segment = 2; segment < 40; segment += 9) {
        journal.write(sparse, 500);
        journal.fill_segments(dense, segment, 30'000);
    }
    journal.write(sparse, 500);
    FlashClient client(journal);
    CHECK(client.drain(sparse, Offset(0)) == 500 * 6);
    CHECK(loads(journal) < 20);
}

TEST_CASE("reader: a group larger than a load, and the largest batch") {
    store::StoreOptions options = small_store(8);
    options.segment_bytes = 2 << 20;
    options.size = 8 * options.segment_bytes;
    options.batch_bytes_max = 1'048'588;
    Journal journal(options);
    Log& log = journal.create(16);
    Log& other = journal.create(17);
    for (int i = 0; i < 3; ++i) {
        journal.add(log, 1'048'588, 1000);
        journal.add(other, 100);
        journal.commit();
        journal.write(other, 100);
    }
    FlashClient client(journal);
    CHECK(client.drain(log, Offset(0), 1) == 3 * 1'048'588);
    CHECK(client.drain(log, Offset(1500), 1) == 2 * 1'048'588);
    CHECK(client.drain(other, Offset(0)) == 600);
}

TEST_CASE("reader: with one window readers far apart all get on") {
    store::StoreOptions options = small_store();
    options.windows = 1;
    Journal journal(options);
    write_groups(journal, 8, 120, 2000);
    std::vector<std::unique_ptr<FlashClient>> clients;
    std::vector<Offset> positions;
    for (std::size_t i = 0; i < 24; ++i) {
        clients.push_back(std::make_unique<FlashClient>(journal));
        positions.push_back(Offset(static_cast<std::int64_t>(i * 5)));
    }
    std::size_t left = 24;
    for (int turn = 0; left != 0; ++turn) {
        REQUIRE(turn < 3000);
        left = 0;
        for (std::size_t i = 0; i < 24; ++i) {
            Log& log = journal.log(16 + i % 8);
            if (positions[i] == log.end) { clients[i]->stop(); continue; }
            ++left;
            if (clients[i]->linked()) continue;
            if (clients[i]->read(log, positions[i], 6000) != ReadOutcome::data) continue;
            clients[i]->check_view(log, positions[i]);
            positions[i] = clients[i]->view.next;
            if (turn % 3 == 0) clients[i]->stop();  // else the window stays pinned until the next read
        }
        journal.env.run_one();
    }
}

TEST_CASE("reader: waiters called for one window all read from it, whatever the first then wants") {
    store::StoreOptions options = small_store();
    options.windows = 1;
    Journal journal(options);
    write_groups(journal, 2, 200, 2000);
    struct Eager final : ReadWaiter {
        void on_read_ready() override { read(); }
        void read() {
            while (!linked()) {
                const ReadOutcome outcome = journal->reader.read(*log, at, log->closed_end, 1 << 20, view, *this);
                waits += outcome == ReadOutcome::pending ? 1 : 0;
                if (outcome != ReadOutcome::data) return;
                at = view.next;
                journal->reader.release(view);
            }
        }
        Journal* journal = nullptr;
        Log* log = nullptr;
        Offset at{0};
        int waits = 0;
        ReadView view;
    };
    Eager a, b;
    a.journal = b.journal = &journal;
    a.log = &journal.log(16);
    b.log = &journal.log(17);
    a.read();
    b.read();
    journal.env.run_all();
    CHECK(a.at == Offset(200));
    CHECK(b.at == Offset(200));
    CHECK(static_cast<std::size_t>(a.waits) == loads(journal));
    CHECK(static_cast<std::size_t>(b.waits) == loads(journal));
}

TEST_CASE("reader: a window that was loaded in vain is given up after a while") {
    store::StoreOptions options = small_store();
    options.windows = 1;
    Journal journal(options);
    Log& log = journal.create(16);
    journal.fill_segments(log, 4);
    FlashClient lazy(journal), other(journal);
    CHECK(lazy.read(log, Offset(0)) == ReadOutcome::pending);
    CHECK(other.read(log, Offset(150)) == ReadOutcome::pending);
    journal.env.run_all();
    CHECK(lazy.calls == 1);
    CHECK(other.linked());
    journal.env.pass(WindowSet::patience_ns);
    journal.env.run_all();
    CHECK(other.calls == 1);
    CHECK(other.get(log, Offset(150)) == ReadOutcome::data);
}

TEST_CASE("reader: a pinned window stays, and loads wait until one is free") {
    store::StoreOptions options = small_store();
    options.windows = 2;
    Journal journal(options);
    Log& log = journal.create(16);
    journal.fill_segments(log, 8);
    FlashClient a(journal), b(journal), c(journal);
    REQUIRE(a.get(log, Offset(0)) == ReadOutcome::data);
    REQUIRE(b.get(log, Offset(200)) == ReadOutcome::data);
    const rivulet::test::Buffer before = a.bytes();
    CHECK(c.read(log, Offset(350)) == ReadOutcome::pending);
    journal.env.run_all();
    CHECK(c.linked());
    CHECK(a.bytes() == before);
    b.stop();
    journal.env.pass(WindowSet::patience_ns);
    journal.env.run_all();
    CHECK_FALSE(c.linked());
    CHECK(c.calls == 1);
    REQUIRE(c.read(log, Offset(350)) == ReadOutcome::data);
    c.check_view(log, Offset(350));
    CHECK(a.bytes() == before);
}

TEST_CASE("reader: a cancelled waiter is not called, a deleted log disturbs nobody") {
    Journal journal;
    write_groups(journal, 3, 20);
    FlashClient a(journal), b(journal);
    CHECK(a.read(journal.log(16), Offset(0)) == ReadOutcome::pending);
    CHECK(b.read(journal.log(17), Offset(0)) == ReadOutcome::pending);
    CHECK(journal.env.submitted == 1);  // one load for both
    a.stop();
    Log& gone = journal.log(17);
    journal.flip(journal.state->geometry.first_group(1), 2000);
    journal.reader.forget(gone);
    journal.ring.drop(gone);
    journal.state->remove_log(gone);
    journal.env.run_all();
    CHECK(a.calls == 0);
    CHECK(b.calls == 1);
    FlashClient c(journal);
    c.get(journal.log(18), Offset(0));
    CHECK(journal.state->fences.count(LogId(17)) == 0);
}

TEST_CASE("reader: a segment that is recycled meanwhile is no damage") {
    Journal journal(small_store(4));
    Log& log = journal.create(16);
    journal.fill_segments(log, 3);
    FlashClient client(journal);
    CHECK(client.read(log, Offset(0)) == ReadOutcome::pending);
    CHECK(log.start == Offset(0));
    journal.fill_segments(log, 7);  // the load has not begun, and its slot is another segment's now
    CHECK(log.start > Offset(0));
    journal.env.run_all();
    CHECK(client.calls == 1);
    CHECK(client.read(log, Offset(0)) == ReadOutcome::out_of_range);
    CHECK(client.drain(log, log.start) > 0);
    CHECK(journal.state->damage.corrupt_groups == 0);
    CHECK(journal.state->fences.count() == 0);
}

TEST_CASE("reader: a window of a recycled segment is not read from") {
    Journal journal(small_store(4));
    Log& log = journal.create(16);
    journal.fill_segments(log, 3);
    FlashClient client(journal);
    REQUIRE(client.get(log, Offset(0)) == ReadOutcome::data);
    client.stop();
    journal.truncate(log, Offset(5));
    journal.fill_segments(log, 9);
    CHECK(journal.state->truncations.count() == 0);
    log.start = Offset(6);  // as if the index had kept it low
    REQUIRE(client.get(log, Offset(6)) == ReadOutcome::data);
    CHECK(client.view.first > Offset(6));
}

TEST_CASE("reader: older samples come from footers, and reads that need them wait") {
    Journal journal(small_store(32));
    Log& log = journal.create(16);
    Log& other = journal.create(17);
    journal.write(journal.create(18), 100);
    for (std::uint64_t segment = 2; segment < 12; ++segment) {
        journal.write(other, 100);
        journal.fill_segments(log, segment, 10'000);
    }
    // As recovery leaves it: the last segments alone are known.
    SegmentIndex& index = journal.state->index;
    index.drop_all(log);
    index.drop_all(other);
    Log& cut = journal.log(18);
    index.drop_all(cut);
    cut.start = Offset(1);
    const std::uint64_t known = 9;
    for (auto& [id, batches] : journal.model)
        for (auto& [last, batch] : batches)
            if (journal.state->geometry.sequence(batch.lsn) >= known)
                index.note(journal.state->logs, journal.log(id), journal.state->geometry, batch.lsn, batch.base, 1, 1);
    journal.state->index_loaded_from = known;
    // The footer of segment 5 is damaged.
    journal.garble(journal.state->geometry.segment_start(6) - 64, 64);
    journal.reader.load_index(journal);
    FlashClient early(journal), late(journal);
    CHECK(early.read(log, Offset(0)) == ReadOutcome::pending);
    CHECK(late.get(log, log.end - 1) == ReadOutcome::data);
    const std::size_t loads_of_late = loads(journal);
    CHECK(early.linked());
    while (early.linked()) REQUIRE(journal.env.run_one());
    CHECK(loads(journal) == loads_of_late);
    journal.env.run_all();
    CHECK(journal.state->index_loaded_from == 1);
    CHECK(journal.index_events == 8);
    CHECK(journal.reader.statistics().footers_rebuilt == 1);
    CHECK(index.find(log, Offset(0), journal.state->geometry, 12) == journal.state->geometry.first_group(1) + 2 * page_bytes);
    CHECK(index.first(cut) == nullptr);
    CHECK(early.drain(log, Offset(0)) > 1'000'000);
    CHECK(early.drain(other, Offset(0)) == 1000);
    // Five and the rest as if nothing had happened.
    std::uint64_t sequence = 1;
    for (const Sample* s = index.first(other); s; s = index.next(*s)) CHECK(SegmentIndex::sequence_of(*s, 12) == sequence++);
    CHECK(sequence == 11);
    CHECK(journal.state->damage.corrupt_groups == 0);
}

TEST_CASE("reader: a rebuilt footer of more logs than are taken at once") {
    store::StoreOptions options = small_store();
    options.logs_max = 600;
    Journal journal(options);
    for (std::uint64_t id = 16; id < 16 + 550; ++id) journal.create(id);
    for (int i = 0; i < 3; ++i) {
        for (std::uint64_t id = 16; id < 16 + 550; ++id)
            if (id % 3 == static_cast<std::uint64_t>(i)) journal.add(journal.log(id), 100);
        journal.commit();
    }
    journal.fill_segments(journal.log(16), 2, 20'000);
    SegmentIndex& index = journal.state->index;
    for (std::uint64_t id = 16; id < 16 + 550; ++id) index.drop_all(journal.log(id));
    journal.state->index_loaded_from = 2;
    journal.garble(journal.state->geometry.segment_start(2) - 4096, 4096);
    journal.reader.load_index(journal);
    journal.env.run_all();
    CHECK(journal.reader.statistics().footers_rebuilt == 1);
    for (std::uint64_t id = 16; id < 16 + 550; ++id) {
        REQUIRE(index.first(journal.log(id)));
        CHECK(index.find(journal.log(id), Offset(0), journal.state->geometry, 3) == journal.model[id].begin()->second.lsn);
    }
}

TEST_CASE("reader: one that is ahead waits for those behind it, but not for long") {
    store::StoreOptions options = small_store();
    options.windows = 2;
    Journal journal(options);
    Log& log = journal.create(16);
    journal.fill_segments(log, 8);
    FlashClient ahead(journal), behind(journal), again(journal);
    CHECK(ahead.read(log, Offset(300)) == ReadOutcome::pending);
    CHECK(behind.read(log, Offset(0)) == ReadOutcome::pending);
    journal.env.run_all();
    CHECK(ahead.calls == 1);
    CHECK(behind.calls == 1);
    REQUIRE(behind.read(log, Offset(0)) == ReadOutcome::data);
    const Offset next = behind.view.next;
    behind.stop();
    REQUIRE(ahead.read(log, Offset(300)) == ReadOutcome::data);
    const Offset far = ahead.view.next;
    ahead.stop();
    // The one behind is expected to go on: nothing is loaded for the one ahead.
    CHECK(ahead.read(log, far) == ReadOutcome::pending);
    CHECK(journal.env.jobs.empty());
    // It comes, and is loaded for first.
    CHECK(behind.read(log, next) == ReadOutcome::pending);
    REQUIRE(journal.env.jobs.size() == 1);
    journal.env.run_one();
    CHECK(behind.calls == 2);
    CHECK(ahead.calls == 1);
    // It does not come any more.
    journal.env.pass(WindowSet::holding_ns);
    journal.env.pass(WindowSet::patience_ns);
    journal.env.run_all();
    CHECK(ahead.calls == 2);
}

TEST_CASE("reader: a log whose deletion is undone by a power cut is found in segments that were sealed without it") {
    Journal journal;
    Log& log = journal.create(16);
    journal.write(journal.create(17), 100);
    journal.fill_segments(log, 2);
    for (int i = 0; i < 3; ++i) journal.write(journal.log(17), 100);
    journal.write(log, 100);
    // Deleted, and segment 2 is sealed; the record of it never becomes durable.
    journal.state->remove_log(journal.log(17));
    CHECK(journal.state->deleted_in_head);
    journal.fill_segments(log, 4);
    CHECK_FALSE(journal.state->deleted_in_head);
    Log& back = journal.create(17);
    back.end = back.closed_end = back.durable_end = back.ram_start = Offset(4);
    journal.state->index.drop_all(log);
    for (auto& [last, batch] : journal.model[16])
        if (journal.state->geometry.sequence(batch.lsn) >= 4) journal.state->index.note(journal.state->logs, log, journal.state->geometry, batch.lsn, batch.base, 1, 1);
    journal.state->index_loaded_from = 4;
    journal.reader.load_index(journal);
    journal.env.run_all();
    CHECK(journal.reader.statistics().footers_rebuilt == 0);
    CHECK(journal.env.lines.empty());
    FlashClient client(journal);
    CHECK(client.drain(back, Offset(0)) == 4 * 100);
    CHECK(client.drain(log, Offset(0)) > 0);
    CHECK(journal.state->fences.count() == 0);
}
