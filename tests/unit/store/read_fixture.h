// A journal in memory, written by the store's own GroupWriter, a Reader over it, and a model of what it holds.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/timer_queue.h"
#include "store/group_writer.h"
#include "store/reader.h"
#include "unit/record/batches.h"

namespace rivulet::test {

// One file of bytes. Pages can be made unreadable, and reads can have a bit flipped on their way.
class MemoryDisk final : public env::Disk {
public:
    Result<env::File*> open(std::string_view, env::OpenMode) override { return fail(Error::not_found); }
    void close(env::File&) override {}
    Status lock(env::File&) override { return {}; }
    Result<std::uint64_t> size(env::File&) override { return bytes.size(); }
    Status allocate(env::File&, std::uint64_t n) override { bytes.resize(std::max<std::size_t>(bytes.size(), n)); return {}; }
    Result<std::size_t> read(env::File&, std::uint64_t position, MutableBytes into) override {
        ++reads;
        if (position >= bytes.size()) return std::size_t{0};
        const std::size_t n = std::min<std::size_t>(into.size(), bytes.size() - position);
        for (std::uint64_t page = position / store::page_bytes; page * store::page_bytes < position + n; ++page)
            if (unreadable.contains(page)) return fail(Error::io, 5);
        copy(Bytes(bytes).subspan(position, n), into);
        if (flip_reads > 0 && n > 5000) {
            --flip_reads;
            into[n / 2] ^= 4;
        }
        return n;
    }
    Status write(env::File&, std::uint64_t position, std::span<const Bytes> buffers) override {
        for (const Bytes buffer : buffers) {
            bytes.resize(std::max<std::size_t>(bytes.size(), position + buffer.size()));
            copy(buffer, MutableBytes(bytes).subspan(position, buffer.size()));
            position += buffer.size();
        }
        return {};
    }
    Status sync(env::File&) override { return {}; }
    Status make_directory(std::string_view) override { return {}; }
    Status sync_directory(std::string_view) override { return {}; }
    Status remove(std::string_view) override { return {}; }
    Result<bool> exists(std::string_view) override { return false; }

    env::File* file() { return reinterpret_cast<env::File*>(this); }

    Buffer bytes;
    std::set<std::uint64_t> unreadable;
    int flip_reads = 0;
    std::size_t reads = 0;
};

// Jobs wait until they are told to run.
class JobEnv final : public env::Env {
public:
    Instant now() const override { return time; }
    Timestamp wall() const override { return Timestamp(0); }
    bool wall_synchronised() const override { return false; }
    Uuid boot_id() const override { return {}; }
    void arm(env::Timer& timer, Instant at) override { timers.arm(timer, at); }
    void disarm(env::Timer& timer) override { timers.disarm(timer); }
    void submit(env::Job& job) override { jobs.push_back(&job); ++submitted; }
    env::Disk& disk() override { return memory_disk; }
    env::Network& network() override { std::abort(); }
    void entropy(MutableBytes) override {}
    void log(env::LogLevel, std::string_view line) override { lines.emplace_back(line); }
    env::LogLevel log_level() const override { return env::LogLevel::info; }
    void charge(std::uint64_t n) override { charged += n; }
    void serving() override {}
    void stop() override {}

    // One job, from first to last; false if none waits.
    bool run_one(std::size_t which = 0) {
        if (jobs.empty()) return false;
        env::Job* const job = jobs[which % jobs.size()];
        jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(which % jobs.size()));
        job->run(memory_disk);
        job->done();
        return true;
    }
    void run_all() { while (run_one()) {} }
    void pass(std::int64_t ns) {
        time += ns;
        const std::uint64_t order = timers.order();
        while (env::Timer* const timer = timers.pop_due(time, order)) timer->on_timer();
    }

    Instant time;
    env::Timer* timer_slots[8];
    env::TimerQueue timers{timer_slots};

    MemoryDisk memory_disk;
    std::deque<env::Job*> jobs;
    std::size_t submitted = 0;
    std::uint64_t charged = 0;
    std::vector<std::string> lines;
};

struct StoredBatch {
    Offset base, last;
    Buffer bytes;
    Lsn lsn{0};       // of its group
    bool lost = false;
};

inline store::StoreOptions small_store(std::uint32_t segments = 16) {
    store::StoreOptions options;
    options.segment_bytes = 256 * 1024;
    options.size = segments * options.segment_bytes;
    options.batch_bytes_max = 64 * 1024;
    options.logs_max = 80;
    options.sessions_max = 1;
    options.producers_max = 1;
    options.index_samples_max = 4096;
    options.blocks = 64;
    options.windows = 4;
    return options;
}

class Journal final : public store::IndexListener {
public:
    explicit Journal(const store::StoreOptions& given = small_store())
        : options(given),
          memory(store::State::memory_bytes(given) + store::GroupWriter::memory_bytes(given) + store::Reader::memory_bytes(given) + 256),
          arena(memory),
          state(std::make_unique<store::State>(arena, given)),
          writer(arena, *state),
          arena_used_before_reader(arena.used()),
          reader(env, arena, *state),
          ring(*state),
          records(store::GroupWriter::retire_bytes_max(given.logs_max)) {
        CHECK(arena.used() - arena_used_before_reader <= store::Reader::memory_bytes(given));
        store::Geometry& g = state->geometry;
        g.segment_bytes = given.segment_bytes;
        g.segment_count = given.segment_count();
        g.checkpoint_area_bytes = given.checkpoint_area_bytes;
        g.group_bytes_max = given.group_bytes_max();
        RIVULET_CHECK(g.check().ok());
        state->journal = env.memory_disk.file();
        env.memory_disk.bytes.resize(g.journal_bytes());
        state->head.next = state->head.previous_end = state->head.durable = g.first_group(1);
        start_run();
        arena.seal();
    }

    store::Log& create(std::uint64_t id, bool memory_log = false) {
        const Result<store::Log*> log = state->logs.create(LogId(id), memory_log);
        REQUIRE(log);
        (*log)->epoch = Epoch(1);
        return **log;
    }
    store::Log& log(std::uint64_t id) { return *state->logs.find(LogId(id)); }

    void start_run() {
        state->head.salt = 0x1000 + ++state->head.run;
        state->head.run_start = state->head.next;
        run_start_due = true;
    }

    Buffer make_batch(store::Log& log, std::size_t bytes, std::int32_t offsets = 1, std::uint16_t attributes = 0) {
        record::BatchHeader header;
        header.base_offset = log.end;
        header.leader_epoch = log.epoch;
        header.attributes = attributes;
        header.last_offset_delta = offsets - 1;
        header.record_count = offsets;
        header.base_timestamp = Timestamp(1000);
        header.max_timestamp = Timestamp(2000);
        Buffer body(bytes > record::batch_header_bytes ? bytes - record::batch_header_bytes : 0);
        for (std::uint8_t& b : body) b = static_cast<std::uint8_t>(random());
        return seal(header, body);
    }

    // Adds one more batch of a log to the group to come. Consecutive ones of a log are one extent.
    void add(store::Log& log, std::size_t bytes, std::int32_t offsets = 1, std::uint16_t attributes = 0) {
        Buffer batch = make_batch(log, bytes, offsets, attributes);
        StoredBatch stored{log.end, log.end + (offsets - 1), batch, Lsn(0)};
        log.end = log.end + offsets;
        pending[log.id.value].push_back(std::move(stored));
    }
    // Writes what was added and makes it durable. Returns the LSN of the last group.
    Lsn commit() {
        begin_group();
        for (auto& [id, batches] : pending) {
            store::Log& l = log(id);
            std::size_t from = 0;
            while (from < batches.size()) {
                std::size_t to = from;
                std::vector<Bytes> pieces;
                std::uint64_t bytes = 0;
                const std::uint16_t attributes = record::decode_header(batches[from].bytes).attributes;
                const std::uint64_t room = writer.payload_room(l);
                while (to < batches.size() && bytes + batches[to].bytes.size() <= room &&
                       record::decode_header(batches[to].bytes).attributes == attributes) {
                    bytes += batches[to].bytes.size();
                    pieces.push_back(batches[to++].bytes);
                }
                if (pieces.empty()) {
                    end_group();
                    begin_group(true);
                    continue;
                }
                store::Extent extent;
                extent.log = l.id;
                extent.flags = (attributes & record::attribute_clock_untrusted) != 0 ? store::extent_clock_untrusted : 0;
                extent.boot = boot;
                extent.base = batches[from].base;
                extent.offset_span = static_cast<std::uint32_t>(batches[to - 1].last - extent.base);
                extent.epoch = l.epoch;
                extent.bytes = static_cast<std::uint32_t>(bytes);
                extent.max_timestamp = Timestamp(2000);
                RIVULET_CHECK(writer.add(l, extent, pieces));
                for (; from < to; ++from) {
                    batches[from].lsn = state->head.next;
                    model[id][batches[from].last.value] = batches[from];
                }
            }
        }
        const Lsn lsn = end_group();
        pending.clear();
        return lsn;
    }
    Lsn write(store::Log& log, std::size_t bytes, std::int32_t offsets = 1) {
        add(log, bytes, offsets);
        return commit();
    }
    void fill_segments(store::Log& log, std::uint64_t until_sequence, std::size_t bytes = 4000) {
        while (state->geometry.sequence(state->head.next) < until_sequence) write(log, bytes);
    }

    void truncate(store::Log& log, Offset end) {
        REQUIRE(state->truncations.add(log.id, end, state->head.next));
        reader.forget(log);
        state->fences.truncate(log.id, end);
        log.end = log.closed_end = log.durable_end = log.ram_start = end;
        auto& batches = model[log.id.value];
        while (!batches.empty() && batches.rbegin()->second.base >= end) batches.erase(std::prev(batches.end()));
    }

    // ---- damage ----
    std::uint64_t position(Lsn lsn) const { return state->geometry.file_position(lsn); }
    void flip(Lsn lsn, std::uint64_t at) { env.memory_disk.bytes[position(lsn) + at] ^= 0x10; }
    void garble(Lsn from, std::uint64_t n) {
        for (std::uint64_t i = 0; i < n; ++i) env.memory_disk.bytes[position(from) + i] = static_cast<std::uint8_t>(random());
    }
    // What the group at `lsn` had is gone for the model.
    void lose(Lsn lsn) {
        for (auto& [id, batches] : model)
            for (auto& [last, batch] : batches) batch.lost |= batch.lsn == lsn;
    }
    store::GroupHeader header_at(Lsn lsn) const {
        return *store::decode_group_header(Bytes(env.memory_disk.bytes).subspan(position(lsn), store::group_header_bytes), lsn, state->geometry);
    }
    void on_index_loaded() override { ++index_events; }

    store::StoreOptions options;
    Buffer memory;
    Arena arena;
    JobEnv env;
    std::unique_ptr<store::State> state;
    store::GroupWriter writer;
    std::size_t arena_used_before_reader;
    store::Reader reader;
    store::Ring ring;
    Buffer records;
    Random random{7};
    std::uint32_t boot = 0;
    bool run_start_due = false;
    std::size_t index_events = 0;
    std::map<std::uint64_t, std::vector<StoredBatch>> pending;
    std::map<std::uint64_t, std::map<std::int64_t, StoredBatch>> model;  // log -> last offset -> batch

private:
    void begin_group(bool full = false) {
        if (!full && writer.begin(Timestamp(1500), {}, run_start_due, false) && state->room(options.logs_max) > 16 * 1024) return;
        Writer out(records);
        if (full && state->room(options.logs_max) > options.group_bytes_max()) {
            RIVULET_CHECK(writer.begin(Timestamp(1500), {}, run_start_due, false));
            return;
        }
        writer.enter_next_segment(out);
        if (run_start_due) state->head.run_start = state->head.next;
        RIVULET_CHECK(writer.begin(Timestamp(1500), out.written(), run_start_due, false));
    }
    Lsn end_group() {
        const store::GroupHeader header = writer.finish();
        run_start_due = false;
        RIVULET_CHECK(writer.seal_and_write(env.memory_disk).ok());
        state->head.durable = state->head.previous_end;
        for (std::uint32_t rank = 0; rank < state->logs.count(); ++rank) {
            store::Log& l = state->logs.at(rank);
            const auto& batches = model[l.id.value];
            if (!batches.empty() && l.first_block == store::no_block)
                l.durable_end = l.closed_end = l.ram_start = std::max(l.durable_end, batches.rbegin()->second.last + 1);
        }
        return header.lsn;
    }
};

// One consumer: reads, waits, checks what it gets.
class FlashClient final : public store::ReadWaiter {
public:
    explicit FlashClient(Journal& of) : journal(of) {}
    ~FlashClient() { stop(); }
    void on_read_ready() override { ++calls; }

    store::ReadOutcome read(store::Log& l, Offset at, std::size_t bytes_max = 1 << 20) { return read(l, at, l.closed_end, bytes_max); }
    store::ReadOutcome read(store::Log& l, Offset at, Offset limit, std::size_t bytes_max) {
        journal.reader.release(view);
        return journal.reader.read(l, at, limit, bytes_max, view, *this);
    }
    // Jobs run until there is an outcome.
    store::ReadOutcome get(store::Log& l, Offset at, std::size_t bytes_max = 1 << 20) { return get(l, at, l.closed_end, bytes_max); }
    store::ReadOutcome get(store::Log& l, Offset at, Offset limit, std::size_t bytes_max) {
        for (int steps = 0; steps < 5000; ++steps) {
            const store::ReadOutcome outcome = read(l, at, limit, bytes_max);
            if (outcome != store::ReadOutcome::pending) return outcome;
            while (linked()) {
                if (journal.env.run_one()) continue;
                journal.env.pass(store::WindowSet::holding_ns);
                if (journal.env.jobs.empty()) journal.env.pass(store::WindowSet::patience_ns);
                REQUIRE(!journal.env.jobs.empty());
            }
        }
        FAIL("never ends");
        return store::ReadOutcome::pending;
    }
    void stop() {
        journal.reader.cancel(*this);
        journal.reader.release(view);
    }

    Buffer bytes() {
        Buffer all;
        for (;;) {
            for (const Bytes piece : view.views()) all.insert(all.end(), piece.begin(), piece.end());
            if (!view.more()) return all;
            REQUIRE(journal.reader.refill(view));
        }
    }
    std::vector<Buffer> batches() {
        std::vector<Buffer> out;
        const Buffer all = bytes();
        CHECK(all.size() == view.bytes);
        Bytes left(all);
        while (!left.empty()) {
            const std::size_t n = record::decode_header(left).total_bytes();
            REQUIRE(n <= left.size());
            out.push_back(to_buffer(left.first(n)));
            left = left.subspan(n);
        }
        CHECK(out.size() == view.batches);
        return out;
    }
    // The view against the model: the readable batches from `at` on, without a gap, as many as there are in the view.
    void check_view(store::Log& l, Offset at) {
        const auto& stored = journal.model[l.id.value];
        auto expected = stored.lower_bound(at.value);
        const auto skip_lost = [&] { while (expected != stored.end() && expected->second.lost) ++expected; };
        skip_lost();
        REQUIRE(expected != stored.end());
        CHECK(view.first == expected->second.base);
        Offset next = at;
        for (const Buffer& batch : batches()) {
            skip_lost();
            REQUIRE(expected != stored.end());
            REQUIRE(batch == expected->second.bytes);
            next = expected->second.last + 1;
            ++expected;
        }
        CHECK(view.next == next);
    }
    // Reads all of a log from `at` on; returns the bytes.
    std::size_t drain(store::Log& l, Offset at, std::size_t bytes_max = 1 << 20) {
        std::size_t total = 0;
        while (get(l, at, bytes_max) == store::ReadOutcome::data) {
            check_view(l, at);
            total += view.bytes;
            at = view.next;
        }
        const auto& stored = journal.model[l.id.value];
        for (auto left = stored.lower_bound(at.value); left != stored.end(); ++left) CHECK(left->second.lost);
        return total;
    }

    Journal& journal;
    store::ReadView view;
    int calls = 0;
};

}  // namespace rivulet::test
