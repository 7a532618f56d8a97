// When checkpoints are written, in what pieces, and that they never hold more than recovery has room for.
#include <doctest/doctest.h>

#include "support/store_harness.h"

namespace rivulet::test {
namespace {

using store::page_bytes;

struct Writer {
    explicit Writer(const store::StoreOptions& options = small_store()) : h(1, options) {
        REQUIRE(h.boot());
        h.disk().observer = [this](const sim::DiskCall& call, std::uint64_t) {
            const bool of_checkpoint = call.path.find("checkpoint.") != std::string_view::npos;
            if (call.op != sim::DiskOp::write && !(of_checkpoint && call.op == sim::DiskOp::sync)) return;
            calls.push_back({of_checkpoint, call.op == sim::DiskOp::sync, call.position, call.bytes});
        };
    }
    struct Call {
        bool of_checkpoint;
        bool sync;
        std::uint64_t position;
        std::uint64_t bytes;
    };
    const store::State& state() { return h.store().state(); }
    LogId create(std::uint32_t count) {
        const LogId first = h.store().next_log_id();
        const Result<std::uint64_t> ticket = h.act([&] { return h.store().create_logs(count, false, {}); });
        REQUIRE(ticket);
        REQUIRE(h.settle(*ticket));
        return first;
    }
    void append(LogId id, std::size_t bytes) {
        const std::string value(bytes, 'x');
        record::Reading reading;
        reading.timestamp = Timestamp(1000);
        reading.value = as_bytes(value);
        for (int tries = 0; tries < 100; ++tries) {
            const auto done = h.act([&] { return h.store().append(h.log(id), reading, false, {}); });
            if (done) return;
            REQUIRE(done.error() == Error::busy);
            h.run_for(20 * ns_per_ms);
        }
        FAIL("always busy");
    }
    // Records of the layer above, of 500 bytes, which its section of the checkpoint then holds.
    void add_state(int count) {
        const Buffer block(500);
        for (int i = 0; i < count; ++i) {
            const auto ticket = h.act([&] { return h.store().append_record(store::RecordType::topic, block); });
            REQUIRE(ticket);
            REQUIRE(h.settle(*ticket));
            h.program().passed.push_back(block);
        }
    }
    // Distances between the replay points of checkpoints while so many bytes are appended.
    std::vector<std::uint64_t> distances(LogId id, std::uint64_t bytes) {
        std::vector<std::uint64_t> found;
        Lsn last = state().checkpoint_lsn;
        for (const Lsn end = state().head.next + bytes; state().head.next < end;) {
            for (int i = 0; i < 3; ++i) append(id, 1200);
            REQUIRE(h.settle());
            if (state().checkpoint_lsn == last) continue;
            found.push_back(state().checkpoint_lsn - last);
            last = state().checkpoint_lsn;
        }
        return found;
    }

    StoreHarness h;
    std::vector<Call> calls;
};

// The largest commit and what one checkpoint takes to be written lie between what is due and what is taken.
constexpr std::uint64_t slack = 48 * 1024;

}  // namespace

TEST_CASE("checkpointer: one after a segment, while it is small") {
    Writer w;
    const LogId id = w.create(1);
    const std::vector<std::uint64_t> distances = w.distances(id, 8 * w.state().geometry.segment_bytes);
    REQUIRE(distances.size() >= 3);
    for (std::size_t i = 1; i < distances.size(); ++i) {
        // Page 0 and some entries: 16 times that is a little more than a segment.
        CHECK(distances[i] >= w.state().geometry.segment_bytes);
        CHECK(distances[i] <= 16 * (page_bytes + 1024) + slack);
    }
}

TEST_CASE("checkpointer: 16 times its size, and so at most a sixteenth of all that is written") {
    store::StoreOptions options = small_store();
    options.size = 64 * options.segment_bytes;
    Writer w(options);
    const LogId id = w.create(1);
    w.add_state(20);
    (void)w.distances(id, 3 * w.state().geometry.segment_bytes);  // one with all that has been written
    const std::uint64_t before = w.h.store().checkpoint_bytes();
    const Lsn from = w.state().head.next;
    const std::vector<std::uint64_t> distances = w.distances(id, 24 * w.state().geometry.segment_bytes);
    const std::uint64_t size = page_bytes + 20 * 500;
    REQUIRE(distances.size() >= 4);
    for (std::size_t i = 1; i < distances.size(); ++i) {
        CHECK(distances[i] >= 16 * size);
        CHECK(distances[i] <= 16 * (size + 1024) + slack);
    }
    CHECK((w.h.store().checkpoint_bytes() - before) * 16 <= (w.state().head.next - from) + 16 * size);
}

TEST_CASE("checkpointer: never later than a quarter of the ring") {
    Writer w;
    const LogId id = w.create(1);
    w.add_state(40);
    (void)w.distances(id, 6 * w.state().geometry.segment_bytes);
    const std::vector<std::uint64_t> distances = w.distances(id, 16 * w.state().geometry.segment_bytes);
    REQUIRE(distances.size() >= 3);
    for (const std::uint64_t distance : distances) CHECK(distance <= w.state().geometry.journal_bytes() / 4 + slack);
    w.h.cut();
    REQUIRE(w.h.boot());
    CHECK(w.h.program().passed.size() == 40);
}

TEST_CASE("checkpointer: slices, with commits between them, then page 0, then a sync") {
    Writer w;
    const LogId id = w.create(4);
    w.add_state(40);
    const std::uint64_t sequence = w.state().checkpoint_sequence;
    w.calls.clear();
    while (w.state().checkpoint_sequence == sequence) {
        for (int i = 0; i < 3; ++i) w.append(id, 1200);
        w.h.run_for(30 * ns_per_ms);
    }
    std::vector<std::size_t> of_checkpoint;
    for (std::size_t i = 0; i < w.calls.size(); ++i)
        if (w.calls[i].of_checkpoint) of_checkpoint.push_back(i);
    REQUIRE(of_checkpoint.size() >= 5);
    const auto& calls = w.calls;
    const std::size_t last = of_checkpoint.size() - 1;
    CHECK(calls[of_checkpoint[last]].sync);
    CHECK(calls[of_checkpoint[last - 1]].position == 0);
    CHECK(calls[of_checkpoint[last - 1]].bytes == page_bytes);
    std::uint64_t expected = page_bytes;
    for (std::size_t i = 0; i + 1 < last; ++i) {
        CHECK(calls[of_checkpoint[i]].position == expected);
        expected += calls[of_checkpoint[i]].bytes;
    }
    CHECK(expected > page_bytes + 40 * 500);
    // Page 0 waits for a commit at least.
    CHECK(of_checkpoint[last - 1] > of_checkpoint[last - 2] + 1);
}

TEST_CASE("checkpointer: tables of many places without an entry take no slices of their own, which commits would wait for") {
    store::StoreOptions options = small_store();
    options.sessions_max = 4096;
    options.producers_max = 1024;
    options.checkpoint_area_bytes = 1U << 20;
    options.size = 64 * options.segment_bytes;
    Writer w(options);
    const LogId id = w.create(1);
    const std::uint64_t finished = w.state().checkpoint_sequence;
    w.calls.clear();
    for (int i = 0; i < 1000 && w.state().checkpoint_sequence == finished; ++i) {
        w.append(id, 1200);
        w.h.run_for(30 * ns_per_ms);
    }
    REQUIRE(w.state().checkpoint_sequence == finished + 1);
    for (const auto& call : w.calls)
        if (call.of_checkpoint && !call.sync) CHECK(call.bytes > store::chunk_header_bytes);
}

TEST_CASE("checkpointer: logs that come and go while it is written do not make it more than there is room for") {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = 1U << 20;
    options.size = 8 * options.segment_bytes;
    options.batch_bytes_max = 256U << 10;
    options.logs_max = 300;
    options.sessions_max = 64;
    options.index_samples_max = 2400;
    options.blocks = 512;
    options.windows = 1;
    Writer w(options);
    const LogId first = w.create(300);
    w.append(first + 299, 100);
    REQUIRE(w.h.settle());
    // Until the first of its slices is on its way.
    w.calls.clear();
    const auto slice = [&] { return std::any_of(w.calls.begin(), w.calls.end(), [](const Writer::Call& c) { return c.of_checkpoint; }); };
    while (!slice()) {
        for (int i = 0; i < 20; ++i) w.append(first + 299, 10'000);
        w.h.run_until(slice, 200 * ns_per_ms);
    }
    const std::uint64_t sequence = w.state().checkpoint_sequence;
    REQUIRE(w.h.act([&] { return w.h.store().delete_logs(first, 100); }));
    const LogId late = w.h.store().next_log_id();
    REQUIRE(w.h.act([&] { return w.h.store().create_logs(100, false, {}); }));
    w.append(late, 100);
    REQUIRE(w.h.settle());
    REQUIRE(w.h.run_until([&] { return w.state().checkpoint_sequence > sequence; }));
    w.h.cut();
    REQUIRE(w.h.boot());
    CHECK(w.h.store().log_count() == 300);
    CHECK(w.h.store().find(first) == nullptr);
    CHECK(w.h.log(late).end == Offset(1));
    CHECK(w.h.log(first + 299).end > Offset(100));
    CHECK(w.h.store().next_log_id() == late + 100);
}

}  // namespace rivulet::test
