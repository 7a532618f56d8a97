#include <doctest/doctest.h>

#include "unit/store/read_fixture.h"

using namespace rivulet;
using namespace rivulet::store;
using rivulet::test::Buffer;
using rivulet::test::FlashClient;
using rivulet::test::Journal;
using rivulet::test::small_store;

namespace {

// Appends to RAM, and to the model.
void append(Journal& journal, Log& log, std::size_t bytes, std::int32_t offsets = 1, std::uint16_t attributes = 0) {
    const Buffer batch = journal.make_batch(log, bytes, offsets, attributes);
    const Offset base = log.end;
    REQUIRE(journal.ring.append(log, batch));
    journal.model[log.id.value][log.end.value - 1] = {base, log.end - 1, batch, Lsn(0)};
}

// What a commit does, without one: all of the log's blocks are durable.
void flushed(Journal& journal, Log& log) {
    log.durable_end = log.closed_end;
    log.unflushed_bytes = 0;
    for (BlockIndex i = log.first_block; i != no_block; i = journal.state->blocks[i].next) journal.state->blocks.make_evictable(i);
}

std::uint32_t pins(const Journal& journal) {
    std::uint32_t n = 0;
    for (BlockIndex i = 0; i < journal.state->blocks.count() - journal.state->blocks.free(); ++i) n += journal.state->blocks[i].pins;
    return n;
}

record::BatchHeader header_of(const Buffer& batch) { return record::decode_header(batch); }

bool crc_holds(const Buffer& batch) {
    return header_of(batch).crc == crc32c(Bytes(batch).subspan(record::batch_crc_start));
}

}  // namespace

TEST_CASE("reader RAM: batches across blocks, from any offset") {
    Journal journal;
    Log& log = journal.create(16);
    for (int i = 0; i < 60; ++i) append(journal, log, 61 + journal.random.below(3000), 1 + static_cast<std::int32_t>(journal.random.below(20)));
    FlashClient client(journal);
    for (std::int64_t at = 0; at < log.end.value; at += 7) {
        REQUIRE(client.get(log, Offset(at)) == ReadOutcome::data);
        client.check_view(log, Offset(at));
        CHECK(client.view.window == -1);
    }
    CHECK(client.get(log, log.end) == ReadOutcome::end);
    CHECK(client.drain(log, Offset(0)) > 60 * 61);
    CHECK(client.drain(log, Offset(0), 5000) > 60 * 61);
    client.stop();
    CHECK(pins(journal) == 0);
    CHECK(journal.env.submitted == 0);
}

TEST_CASE("reader RAM: what has no room in a view waits for the next read") {
    StoreOptions options = small_store();
    options.segment_bytes = 2 << 20;
    options.size = 4 * options.segment_bytes;
    options.blocks = 900;
    Journal journal(options);
    Log& log = journal.create(16);
    Log& other = journal.create(17);
    // Their blocks alternate, so that pieces do not join.
    for (int i = 0; i < 400; ++i) {
        append(journal, log, 61 + journal.random.below(7000), 1 + static_cast<std::int32_t>(journal.random.below(5)));
        if (i % 2 == 0) append(journal, other, 4000);
    }
    FlashClient client(journal);
    const std::size_t total = client.drain(log, Offset(0));
    CHECK(total > 1'000'000);
    for (std::int64_t at = 0; at < log.end.value; at += 11) {
        REQUIRE(client.get(log, Offset(at)) == ReadOutcome::data);
        client.check_view(log, Offset(at));
        CHECK(client.view.pinned_count <= ReadView::pieces_max);
        CHECK(client.view.bytes > 100'000 * (at < 800 ? 1 : 0));
    }
    client.stop();
    CHECK(pins(journal) == 0);
}

TEST_CASE("reader RAM: an open pack is not served") {
    Journal journal;
    Log& log = journal.create(16);
    append(journal, log, 300, 3);
    const record::Reading reading = test::reading(1000, "k", "v");
    REQUIRE(journal.ring.add_reading(log, reading, 0, 1 << 20));
    FlashClient client(journal);
    REQUIRE(client.get(log, Offset(0), Offset(1000), 1 << 20) == ReadOutcome::data);
    CHECK(client.view.batches == 1);
    CHECK(client.get(log, Offset(3), Offset(1000), 1 << 20) == ReadOutcome::end);
    journal.ring.close_pack(log);
    REQUIRE(client.get(log, Offset(3), Offset(1000), 1 << 20) == ReadOutcome::data);
    CHECK(crc_holds(client.batches().at(0)));
}

TEST_CASE("reader RAM: a view keeps its blocks through eviction, truncation and deletion") {
    Journal journal;
    Log& log = journal.create(16);
    Log& hungry = journal.create(17);
    for (int i = 0; i < 20; ++i) append(journal, log, 3000);
    flushed(journal, log);
    FlashClient client(journal);
    REQUIRE(client.get(log, Offset(0), 20'000) == ReadOutcome::data);
    const Buffer before = client.bytes();
    while (journal.ring.append(hungry, journal.make_batch(hungry, 3000))) {}
    CHECK(log.ram_start == Offset(0));  // what is pinned at the front keeps all that is behind it
    CHECK(client.bytes() == before);
    journal.reader.forget(log);
    journal.ring.truncate(log, Offset(2));
    for (int i = 0; i < 3; ++i) REQUIRE(journal.ring.append(log, journal.make_batch(log, 900)));
    CHECK(client.bytes() == before);
    client.stop();
    REQUIRE(client.get(log, Offset(0)) == ReadOutcome::data);
    CHECK(client.view.batches == 5);
    const Buffer again = client.bytes();
    journal.reader.forget(log);
    journal.ring.drop(log);
    CHECK(client.bytes() == again);
    client.stop();
    journal.ring.drop(hungry);
    CHECK(journal.state->blocks.free() == journal.state->blocks.count());
}

TEST_CASE("reader RAM: a batch with more blocks than a view has pieces comes in parts") {
    StoreOptions options = small_store();
    options.segment_bytes = 2 << 20;
    options.size = 4 * options.segment_bytes;
    options.batch_bytes_max = 1 << 20;
    options.blocks = 600;
    Journal journal(options);
    Log& log = journal.create(16);
    append(journal, log, 500);
    append(journal, log, 1 << 20, 100);
    append(journal, log, 400);
    flushed(journal, log);
    FlashClient client(journal);
    REQUIRE(client.get(log, Offset(0)) == ReadOutcome::data);
    CHECK(client.view.batches == 1);
    CHECK_FALSE(client.view.more());
    REQUIRE(client.get(log, Offset(1), 1) == ReadOutcome::data);
    CHECK(client.view.more());
    CHECK(client.view.bytes == 1 << 20);
    CHECK(client.view.pinned_count == ReadView::pieces_max);
    Log& hungry = journal.create(17);
    while (journal.ring.append(hungry, journal.make_batch(hungry, 3000))) {}
    CHECK(client.batches().at(0) == journal.model[16][100].bytes);
    CHECK_FALSE(client.view.more());
    CHECK_FALSE(journal.reader.refill(client.view));
    client.stop();
    // The end of the log in the middle of it.
    REQUIRE(client.get(log, Offset(1)) == ReadOutcome::data);
    REQUIRE(journal.reader.refill(client.view));
    journal.reader.forget(log);
    journal.ring.drop(log);
    CHECK(client.view.more());
    CHECK_FALSE(journal.reader.refill(client.view));
    client.stop();
    journal.ring.drop(hungry);
    CHECK(journal.state->blocks.free() == journal.state->blocks.count());
}

TEST_CASE("reader RAM: from flash on into RAM") {
    Journal journal;
    Log& log = journal.create(16);
    for (int i = 0; i < 30; ++i) journal.write(log, 2000, 4);
    for (int i = 0; i < 10; ++i) append(journal, log, 1000, 2);
    CHECK(log.ram_start == Offset(120));
    FlashClient client(journal);
    CHECK(client.drain(log, Offset(0)) == 30 * 2000 + 10 * 1000);
    CHECK(client.get(log, Offset(120), Offset(120), 1000) == ReadOutcome::end);  // the high watermark of a log that is not synced yet
    Offset at(100);
    while (client.get(log, at, Offset(120), 1 << 20) == ReadOutcome::data) at = client.view.next;
    CHECK(at == Offset(120));
}

TEST_CASE("reader: batches stamped under an untrusted clock are served with their times set right") {
    Journal journal;
    Log& log = journal.create(16);
    State& state = *journal.state;
    const std::uint16_t untrusted = record::attribute_clock_untrusted;
    journal.boot = state.boots.index_of(Uuid{{1}});
    for (int i = 0; i < 20; ++i) journal.add(log, 200, 1, untrusted);
    journal.add(log, 200);
    journal.commit();
    state.boot = state.boots.index_of(Uuid{{2}});
    for (int i = 0; i < 3; ++i) append(journal, log, 5000, 1, untrusted);
    append(journal, log, 100);
    REQUIRE(state.boots.fix(journal.boot, 1'000'000));
    FlashClient client(journal);
    const auto read_all = [&](std::int64_t old_boot, std::int64_t this_boot) {
        Offset at(0);
        while (client.get(log, at) == ReadOutcome::data) {
            CHECK(client.view.header_count <= ReadView::patched_headers_max);
            for (const Buffer& batch : client.batches()) {
                const record::BatchHeader header = header_of(batch);
                const Offset base = header.base_offset;
                CHECK(crc_holds(batch));
                CHECK_FALSE(header.clock_untrusted());
                const std::int64_t moved = base < Offset(20) ? old_boot : base > Offset(20) && base < Offset(24) ? this_boot : 0;
                CHECK(header.base_timestamp == Timestamp(1000 + moved));
                CHECK(header.max_timestamp == Timestamp(2000 + moved));
                const Buffer& stored = journal.model[16][base.value].bytes;
                CHECK(std::equal(batch.begin() + record::batch_header_bytes, batch.end(), stored.begin() + record::batch_header_bytes, stored.end()));
            }
            at = client.view.next;
        }
        CHECK(at == Offset(25));
    };
    read_all(1'000'000, 0);
    REQUIRE(state.boots.fix(state.boot, 5'000));
    read_all(1'000'000, 5'000);
    CHECK(pins(journal) == 0);
}

TEST_CASE("reader RAM: patched headers, when a view has no room for the batch behind them") {
    StoreOptions options = small_store();
    options.segment_bytes = 2 << 20;
    options.size = 4 * options.segment_bytes;
    options.blocks = 300;
    Journal journal(options);
    Log& log = journal.create(16);
    for (int i = 0; i < 30; ++i) append(journal, log, 35'000, 1, record::attribute_clock_untrusted);
    for (int i = 0; i < 30; ++i) append(journal, log, 100, 1, i < 20 ? record::attribute_clock_untrusted : std::uint16_t{0});
    FlashClient client(journal);
    Offset at(0);
    while (client.get(log, at) == ReadOutcome::data) {
        CHECK(client.view.header_count <= ReadView::patched_headers_max);
        std::size_t patched = 0;
        for (const Buffer& batch : client.batches()) {
            CHECK(crc_holds(batch));
            CHECK(header_of(batch).base_offset == at);
            patched += header_of(journal.model[16][at.value].bytes).clock_untrusted() ? 1 : 0;
            at = at + 1;
        }
        CHECK(client.view.header_count == patched);
    }
    CHECK(at == log.end);
    client.stop();
    CHECK(pins(journal) == 0);
}
