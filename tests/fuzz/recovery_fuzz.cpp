// Recovery over a damaged store: a small real store is made once, the input says how its files are changed, and whether group headers and tables get
// matching checksums again, so that damage reaches the decoders behind them. It must start, or refuse with an error, and serve nothing that does not hold.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "sim/node_env.h"
#include "sim/world.h"
#include "store/store.h"

namespace {

using namespace rivulet;
using namespace rivulet::store;

constexpr std::uint32_t logs = 3;

StoreOptions options() {
    StoreOptions o;
    o.dir = "/store";
    o.segment_bytes = 64 * 1024;
    o.size = 8 * o.segment_bytes;
    o.checkpoint_area_bytes = 64 * 1024;
    o.batch_bytes_max = 8192;
    o.logs_max = 8;
    o.sessions_max = 16;
    o.producers_max = 16;
    o.index_samples_max = 128;
    o.blocks = 64;
    o.windows = 1;
    return o;
}

struct Waiter final : ReadWaiter {
    bool ready = false;
    void on_read_ready() override { ready = true; }
};

// A process that does nothing but hold a store.
struct Holder final : sim::Program, StoreListener, RecoveryListener, CheckpointSource {
    explicit Holder(env::Env& env) : memory(Store::memory_bytes(options()) + page_bytes), arena(memory), store(arena.make<Store>(env, arena, options(), *this)) {
        opened = store.open(*this).ok();
        if (!opened) return;
        store.serve(*this);
        if (store.log_count() == 0) (void)store.create_logs(logs, false, {}).ok();
    }
    void on_commit() override {}
    void on_readable(Log&) override {}
    void on_offline(Failure) override {}
    void on_stopped(Status) override {}
    Status on_checkpoint_chunk(Section, Bytes) override { return {}; }
    Status on_record(RecordType, LogId, std::uint32_t, Bytes) override { return {}; }
    Status on_orphan(Log&) override { return {}; }
    bool encode_checkpoint(Section, LogId, std::uint64_t&, Writer&) override { return false; }
    std::span<const Section> checkpoint_sections() const override { return {}; }

    std::vector<std::uint8_t> memory;
    Arena arena;
    Store& store;
    bool opened = false;
};

struct Machine {
    Machine() : world({.seed = 1}), node(world.add_node("board")) {
        node.program = [this](sim::NodeEnv& env) {
            auto program = std::make_unique<Holder>(env);
            holder = program.get();
            return program;
        };
    }
    sim::World world;
    sim::Node& node;
    Holder* holder = nullptr;
};

// The next batch of an idempotent producer, in place of a reading.
Result<Appended> produce(Store& store, Log& log, const record::Reading& reading, std::int32_t sequence) {
    std::uint8_t bytes[2048];
    Writer out(bytes);
    out.zeros(record::batch_header_bytes);
    record::Pack pack;
    if (!pack.add(reading, out)) std::abort();
    record::BatchHeader header = pack.close();
    header.producer_id = 5;
    header.producer_epoch = 0;
    header.base_sequence = sequence;
    header.crc = record::batch_crc(header, crc32c(out.written().subspan(record::batch_header_bytes)), header.body_bytes());
    record::encode_header(header, bytes);
    Stage stage;
    RIVULET_TRY(store.begin_stage(stage, out.size()));
    stage.put(out.written());
    const Result<Appended> done = store.append(log, stage);
    store.drop(stage);
    return done;
}

// Segment switches, a checkpoint, sessions, an idempotent producer, a truncation and a restart.
sim::DiskState make_store() {
    Machine machine;
    machine.node.boot();
    std::uint64_t sequence = 0;
    std::int32_t produced[logs] = {};
    for (int round = 0; round < 60; ++round) {
        if (round == 30) {
            machine.node.power_cut(sim::CrashPlan::all_lost());
            machine.node.boot();
        }
        for (std::uint32_t i = 0; i < logs; ++i) {
            const std::string value(400 + sequence % 300, static_cast<char>('a' + sequence % 26));
            record::Reading reading;
            reading.timestamp = Timestamp(static_cast<std::int64_t>(sequence));
            reading.value = as_bytes(value);
            Log* const log = machine.holder->store.find(first_user_log + i);
            if (log && round % 4 == 1) {
                if (produce(machine.holder->store, *log, reading, produced[i])) ++produced[i];
                continue;
            }
            if (log && machine.holder->store.append(*log, reading, false, {7, 1, sequence + 1})) ++sequence;
        }
        machine.world.run_for(200 * ns_per_ms);
    }
    machine.node.kill();
    return machine.node.disk().snapshot();
}

void reseal(std::vector<std::uint8_t>& journal, std::uint64_t at) {
    const std::size_t page = static_cast<std::size_t>(at / page_bytes * page_bytes);
    if (page + group_header_bytes > journal.size() || load_le<std::uint32_t>(&journal[page]) != load_le<std::uint32_t>(reinterpret_cast<const std::uint8_t*>("RVLG"))) return;
    const std::uint64_t salt = load_le<std::uint64_t>(&journal[page + 8]);
    const std::size_t table_bytes = load_le<std::uint32_t>(&journal[page + 60]);
    if (page + group_header_bytes + table_bytes > journal.size()) return;
    store_le(&journal[page + 72], table_crc(salt, Bytes(&journal[page + group_header_bytes], table_bytes)));
    std::uint8_t salted[8 + 76];
    store_le(salted, salt);
    std::copy_n(&journal[page], 76, salted + 8);
    store_le(&journal[page + 76], crc32c(salted));
}

// Edits: u8 file and flags, u24 position, u8 length, bytes.
void damage(sim::Disk& disk, rivulet::Reader in) {
    const std::vector<std::string> paths = disk.paths();
    for (int edits = 0; edits < 16 && in.remaining() >= 5; ++edits) {
        const std::uint8_t what = in.u8();
        const std::uint64_t raw = in.u8() | std::uint64_t{in.u8()} << 8 | std::uint64_t{in.u8()} << 16;
        const Bytes bytes = in.bytes(std::min<std::uint64_t>(in.u8() % 64, in.remaining()));
        const std::string& path = paths[what % paths.size()];
        const std::uint64_t size = disk.size_of(path);
        if (size == 0) continue;
        if (what & 0x40) {
            disk.truncate(path, raw % size);
            continue;
        }
        const std::uint64_t position = raw % size;
        if (position + bytes.size() > size || bytes.empty()) continue;
        disk.overwrite(path, position, bytes);
        if ((what & 0x80) == 0 || !path.ends_with("journal")) continue;
        std::vector<std::uint8_t> journal = disk.contents(path);
        reseal(journal, position);
        const std::uint64_t page = position / page_bytes * page_bytes;
        disk.overwrite(path, page, Bytes(journal).subspan(page).first(std::min<std::size_t>(page_bytes, journal.size() - page)));  // it may be cut
    }
}

void read_all(Machine& machine) {
    Store& store = machine.holder->store;
    for (std::uint32_t rank = 0; rank < store.log_count(); ++rank) {
        Log& log = store.log_at(rank);
        Offset at = log.start;
        for (int steps = 0; steps < 200; ++steps) {
            ReadView view;
            Waiter waiter;
            const ReadOutcome outcome = store.read(log, at, 32 * 1024, view, waiter);
            if (outcome == ReadOutcome::pending) {
                if (!machine.world.run_until([&] { return waiter.ready; }, machine.world.now() + 60 * ns_per_s)) std::abort();
            } else if (outcome == ReadOutcome::data) {
                if (view.next <= at || view.bytes == 0) std::abort();
                at = view.next;
                store.release(view);
            } else {
                break;
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const sim::DiskState* const image = new sim::DiskState(make_store());
    Machine machine;
    machine.node.disk().restore(*image);
    damage(machine.node.disk(), rivulet::Reader(Bytes(data, size)));
    machine.node.boot();
    machine.world.run_for(ns_per_s);
    if (machine.holder->opened) read_all(machine);
    return machine.world.failed() ? (std::abort(), 0) : 0;
}
