// Batches that come in pieces: spliced into their log's chain, read from RAM and flash, dropped, refused.
#include <doctest/doctest.h>

#include "unit/store/producer_batches.h"

namespace rivulet::test {
namespace {

constexpr std::size_t block = store::block_bytes;

// What the log must have from `from` on.
void check_stored(StoreHarness& h, LogId id, const std::vector<Buffer>& expected, std::size_t from = 0) {
    const std::vector<ServedBatch> served = h.read(id, Offset(static_cast<std::int64_t>(from)));
    REQUIRE(served.size() == expected.size() - from);
    for (std::size_t i = 0; i < served.size(); ++i) CHECK(served[i].bytes == expected[from + i]);
    CHECK(h.failure().empty());
}

std::uint32_t free_blocks(StoreHarness& h) { return h.store().state().blocks.free() + h.store().state().blocks.evictable(); }

TEST_CASE("stage: a batch that ends at, before and behind every block boundary is what was sent, from RAM and from flash") {
    // `tail`: bytes that the log's last block has before.
    for (const std::size_t tail : {std::size_t{0}, std::size_t{100}, block - 62, block - 61, block - 60, block - 1, block}) {
        for (const std::size_t bytes : {std::size_t{80}, block - 100, block - 1, block, block + 1, 2 * block - 1, 2 * block}) {
            CAPTURE(tail);
            CAPTURE(bytes);
            StoreHarness h;
            REQUIRE(h.boot().ok());
            const LogId id = make_logs(h, 1);
            h.log(id).commit_interval_ns = 20 * ns_per_s;
            std::vector<Buffer> expected;
            const auto sent = [&](const Buffer& batch, const Result<store::Appended>& done) {
                REQUIRE(done);
                CHECK(done->base == Offset(static_cast<std::int64_t>(expected.size())));
                expected.push_back(stored_at(batch, done->base, h.log(id).epoch));
                return done->ticket;
            };
            if (tail != 0) {
                const Buffer first = sized_batch(tail, 'a');
                sent(first, send(h, id, first));
            }
            const Buffer staged = sized_batch(bytes, 'b');
            REQUIRE(staged.size() == bytes);
            sent(staged, send_staged(h, id, staged, 777));
            sent(staged, send_staged(h, id, staged, 777, true));
            sent(staged, send_staged(h, id, staged, block, true));
            const Buffer small = sized_batch(90, 'c');
            sent(small, send(h, id, small));
            const std::uint64_t ticket = sent(small, send_staged(h, id, small));
            CHECK(h.store().state().staged_blocks == 0);
            REQUIRE(h.settle(ticket));
            check_stored(h, id, expected);
            for (std::size_t i = 1; i < expected.size(); ++i) check_stored(h, id, expected, i);
            h.cut();
            REQUIRE(h.boot().ok());
            check_stored(h, id, expected);
            CHECK(h.store().state().damage.corrupt_extents == 0);
        }
    }
}

TEST_CASE("stage: many batches of all sizes, whole and staged, between readings, over the ring's end") {
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        StoreHarness h(seed);
        REQUIRE(h.boot().ok());
        const LogId first = make_logs(h, 2, seed % 2 == 0);
        std::vector<Buffer> sent[2];
        for (int i = 0; i < 300; ++i) {
            const std::size_t l = random.below(2);
            const Buffer batch = sized_batch(80 + random.below(random.below(3) == 0 ? 8000 : 300), static_cast<std::uint8_t>('a' + i % 26));
            for (;;) {
                const bool staged = random.below(3) != 0;
                const auto done = staged ? send_staged(h, first + l, batch, 1 + random.below(3000)) : send(h, first + l, batch);
                if (done) {
                    sent[l].push_back(stored_at(batch, done->base, h.log(first + l).epoch));
                    break;
                }
                REQUIRE(done.error() == Error::busy);
                ++refused;
                h.run_for(5 * ns_per_ms);
            }
            if (random.below(20) == 0) h.run_for(200 * ns_per_ms);
        }
        REQUIRE(h.settle());
        CHECK(h.store().state().staged_blocks == 0);
        CHECK(free_blocks(h) == h.options().blocks);
        for (std::size_t l = 0; l < 2; ++l) {
            const std::vector<ServedBatch> served = h.read(first + l);
            REQUIRE(!served.empty());
            const std::size_t gone = sent[l].size() - served.size();
            CHECK(served[0].header.base_offset == Offset(static_cast<std::int64_t>(gone)));
            for (std::size_t k = 0; k < served.size(); ++k) CHECK(served[k].bytes == sent[l][gone + k]);
        }
        CHECK(h.failure().empty());
    }
    CHECK(refused != 0);
}

TEST_CASE("stage: a truncation within, before and behind a spliced batch") {
    for (std::int64_t cut = 0; cut <= 4; ++cut) {
        CAPTURE(cut);
        StoreHarness h;
        REQUIRE(h.boot().ok());
        const LogId id = make_logs(h, 1);
        std::vector<Buffer> expected;
        for (const std::size_t bytes : {std::size_t{200}, block + 500, std::size_t{100}, block + 10}) {
            const Buffer batch = sized_batch(bytes);
            const auto done = send_staged(h, id, batch);
            REQUIRE(done);
            expected.push_back(stored_at(batch, done->base, h.log(id).epoch));
        }
        REQUIRE(h.settle());
        REQUIRE(h.act([&] { return h.store().truncate(h.log(id), Offset(cut), h.log(id).epoch); }));
        expected.resize(static_cast<std::size_t>(cut));
        const Buffer batch = sized_batch(block + 77, 'n');
        const auto done = send_staged(h, id, batch);
        REQUIRE(done);
        CHECK(done->base == Offset(cut));
        expected.push_back(stored_at(batch, done->base, h.log(id).epoch));
        REQUIRE(h.settle(done->ticket));
        check_stored(h, id, expected);
        h.cut();
        REQUIRE(h.boot().ok());
        check_stored(h, id, expected);
    }
}

TEST_CASE("stage: what is dropped gives back all of its blocks, and nobody has seen it") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    const std::uint32_t before = free_blocks(h);
    const Buffer batch = sized_batch(8000);
    store::Stage stage;
    REQUIRE(h.act([&] { return h.store().begin_stage(stage, batch.size()); }).ok());
    CHECK(free_blocks(h) == before - 2);
    CHECK(stage.room() == 8000);
    h.act([&] { stage.put(Bytes(batch).first(5000)); });
    CHECK(stage.size() == 5000);
    h.run_for(ns_per_s);
    CHECK(h.read(id).empty());
    h.act([&] { h.store().drop(stage); });
    CHECK(free_blocks(h) == before);
    CHECK(h.store().state().staged_blocks == 0);
    CHECK(!stage.active());
    h.act([&] { h.store().drop(stage); });
    const auto done = send_staged(h, id, batch);
    REQUIRE(done);
    CHECK(done->base == Offset(0));
}

TEST_CASE("stage: the log may go while a batch for it is on its way") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    const Buffer batch = sized_batch(5000);
    store::Stage stage;
    REQUIRE(h.act([&] { return h.store().begin_stage(stage, batch.size()); }).ok());
    h.act([&] { stage.put(batch); });
    const auto ticket = h.act([&] { return h.store().delete_logs(id, 1); });
    REQUIRE(ticket);
    REQUIRE(h.settle(*ticket));
    h.act([&] { h.store().drop(stage); });
    CHECK(free_blocks(h) == h.options().blocks);
}

TEST_CASE("stage: all that a batch needs is taken at once, and half of the ring is left to others") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    CHECK(!h.store().blocks_wanted());
    store::Stage stages[7];
    const auto begin = [&](store::Stage& stage, std::size_t bytes) { return h.act([&] { return h.store().begin_stage(stage, bytes); }).error(); };
    for (int i = 0; i < 6; ++i) REQUIRE(begin(stages[i], 8192) == Error::none);  // 12 of 24 blocks
    CHECK(!h.store().blocks_wanted());
    CHECK(begin(stages[6], 100) == Error::busy);
    CHECK(!stages[6].active());
    // Somebody waits for what stages hold; appends of others go on.
    CHECK(h.store().blocks_wanted());
    store_value(h, id, "a reading");
    const auto whole = send(h, id, sized_batch(8192));
    REQUIRE(whole);
    CHECK(h.store().blocks_wanted());
    h.act([&] { h.store().drop(stages[3]); });
    CHECK(!h.store().blocks_wanted());
    CHECK(begin(stages[6], 8192) == Error::none);
    for (store::Stage& stage : stages) h.act([&] { h.store().drop(stage); });
    CHECK(h.store().state().staged_blocks == 0);
}

TEST_CASE("stage: slow ones leave room to the others, and what they had is counted back whatever becomes of them") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    const auto begin = [&](store::Stage& stage, store::StageShare share) { return h.act([&] { return h.store().begin_stage(stage, 8192, share); }).error(); };
    const auto slow = store::StageShare::slow;
    const auto whole = store::StageShare::whole;
    const auto counted = [&] { return h.store().state().slowly_staged_blocks; };
    store::Stage stages[7];
    for (int i = 0; i < 4; ++i) REQUIRE(begin(stages[i], slow) == Error::none);  // 8 blocks: 12 less a quarter, in batches of two
    CHECK(begin(stages[4], slow) == Error::busy);
    // What a fast one holds would not help; what a slow one does, would.
    CHECK(h.store().blocks_wanted(slow));
    CHECK(!h.store().blocks_wanted(whole));
    CHECK(!h.store().short_of_blocks());
    REQUIRE(begin(stages[4], whole) == Error::none);
    REQUIRE(begin(stages[5], whole) == Error::none);
    CHECK(begin(stages[6], whole) == Error::busy);
    CHECK(h.store().blocks_wanted(whole));
    CHECK(counted() == 8);
    h.act([&] { h.store().drop(stages[4]); });
    CHECK(counted() == 8);
    h.act([&] { h.store().drop(stages[0]); });
    CHECK(counted() == 6);
    // Handed over, and shortened.
    stages[0].take(stages[1]);
    h.act([&] {
        stages[0].put(sized_batch(3000));
        h.store().fit(stages[0]);
    });
    CHECK(counted() == 5);
    h.act([&] { h.store().drop(stages[0]); });
    CHECK(counted() == 4);
    // Appended: by its blocks, and copied.
    const auto append = [&](store::Stage& stage, std::size_t bytes) {
        return h.act([&] {
            stage.put(sized_batch(bytes));
            h.store().fit(stage);
            return h.store().append(*h.store().find(id), stage).ok();
        });
    };
    CHECK(append(stages[2], 5000));
    CHECK(counted() == 2);
    CHECK(append(stages[3], 500));
    CHECK(counted() == 0);
    h.act([&] { h.store().drop(stages[5]); });
    CHECK(h.store().state().staged_blocks == 0);
}

TEST_CASE("stage: with as few blocks as a store may have the largest batch goes, again and again, beside readings") {
    store::StoreOptions options = small_store();
    options.blocks = 4;  // two of the largest batches
    StoreHarness h(1, options);
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 2);
    std::size_t stored = 0;
    for (int i = 0; i < 200 && stored < 20; ++i) {
        const auto reading = try_put(h, id + 1, "reading");
        CHECK((reading || reading.error() == Error::busy));
        const auto done = send_staged(h, id, sized_batch(8192));
        if (done) ++stored;
        else REQUIRE(done.error() == Error::busy);
        h.run_for(20 * ns_per_ms);
    }
    CHECK(stored == 20);
}

TEST_CASE("stage: what cannot be a batch of this store is refused at its beginning") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    store::Stage stage;
    const auto begin = [&](std::size_t bytes) { return h.act([&] { return h.store().begin_stage(stage, bytes); }).error(); };
    CHECK(begin(0) == Error::invalid_record);
    CHECK(begin(60) == Error::invalid_record);
    CHECK(begin(8193) == Error::batch_too_large);
    CHECK(begin(SIZE_MAX) == Error::batch_too_large);
    CHECK(!stage.active());
    h.log(id).batch_bytes_max = 1000;
    CHECK(send_staged(h, id, sized_batch(1001)).error() == Error::batch_too_large);
    CHECK(send_staged(h, id, sized_batch(1000)));
}

TEST_CASE("stage: what waits for a commit is kept for the next try") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 20 * ns_per_s;
    const Buffer batch = sized_batch(8192);
    store::Stage stage;
    REQUIRE(h.act([&] { return h.store().begin_stage(stage, batch.size()); }).ok());
    h.act([&] { stage.put(batch); });
    // All that one commit may have waits already.
    while (send(h, id, sized_batch(4000))) {}
    const auto append = [&] { return h.act([&] { return h.store().append(h.log(id), stage); }); };
    REQUIRE(append().error() == Error::busy);
    CHECK(stage.active());
    REQUIRE(h.settle());
    const auto done = append();
    REQUIRE(done);
    REQUIRE(h.settle(done->ticket));
    const std::vector<ServedBatch> served = h.read(id, done->base);
    REQUIRE(served.size() == 1);
    CHECK(served[0].bytes == stored_at(batch, done->base, h.log(id).epoch));
}

TEST_CASE("batches of very many offsets: no more of them wait for one commit than an extent's span can say") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 20 * ns_per_s;
    Buffer batch = sized_batch(200);
    record::BatchHeader header = record::decode_header(batch);
    header.attributes = 4;
    header.last_offset_delta = INT32_MAX;
    record::encode_header(header, MutableBytes(batch).first(record::batch_header_bytes));
    REQUIRE(send(h, id, batch));
    REQUIRE(send(h, id, batch));
    CHECK(send(h, id, batch).error() == Error::busy);
    CHECK(send_staged(h, id, batch).error() == Error::busy);
    REQUIRE(h.settle());
    REQUIRE(send(h, id, batch));
    REQUIRE(h.settle());
    const Offset end = h.log(id).end;
    CHECK(end.value == 3 * (std::int64_t{1} << 31));
    CHECK(h.log(id).durable_end == end);
}

TEST_CASE("stage: a log with readings of sessions takes no more than one group bears") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 20 * ns_per_s;
    put_value(h, id, "reading", {5, 1, 1});
    REQUIRE(send_staged(h, id, sized_batch(7000)));
    CHECK(send_staged(h, id, sized_batch(7000)).error() == Error::busy);
    REQUIRE(h.settle());
    CHECK(send_staged(h, id, sized_batch(7000)));
    REQUIRE(h.settle());
    CHECK(h.read(id).size() == 3);
}

}  // namespace
}  // namespace rivulet::test
