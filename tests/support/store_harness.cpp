#include "support/store_harness.h"

#include <algorithm>

namespace rivulet::test {

namespace {

sim::WorldOptions world_options(std::uint64_t seed) {
    sim::WorldOptions options;
    options.seed = seed;
    options.latency.fixed_ns = {2 * ns_per_ms, 2 * ns_per_ms, 2 * ns_per_ms};
    options.timer_late_ns_max = 0;
    return options;
}

sim::NodeOptions node_options() {
    sim::NodeOptions options;
    options.timers_max = 64;
    options.connections_max = 1;
    options.listeners_max = 1;
    return options;
}

}  // namespace

store::StoreOptions small_store() {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = 64 * 1024;
    options.size = 16 * options.segment_bytes;
    options.checkpoint_area_bytes = 40 * 1024;
    options.commit_bytes = 12 * 1024;
    options.batch_bytes_max = 8 * 1024;
    options.logs_max = 8;
    options.sessions_max = 64;
    options.producers_max = 16;
    options.index_samples_max = 160;
    options.blocks = 24;
    options.windows = 2;
    return options;
}

StoreHarness::StoreHarness(std::uint64_t seed, const store::StoreOptions& options)
    : world(world_options(seed)), node(world.add_node("a", node_options())), options_(options) {
    node.program = [this](sim::NodeEnv& env) { return std::make_unique<StoreProgram>(env, options_); };
}

Result<store::OpenReport> StoreHarness::boot() {
    node.boot();
    return program().opened;
}

store::Log& StoreHarness::log(LogId id) {
    store::Log* const found = store().find(id);
    RIVULET_CHECK(found);
    return *found;
}

bool StoreHarness::nothing_waits() {
    for (std::uint32_t rank = 0; rank < store().log_count(); ++rank) {
        if (store().log_at(rank).has_unflushed()) return false;
    }
    return true;
}

bool StoreHarness::settle(std::uint64_t ticket) {
    run_until([&] { return store().durable_ticket() >= ticket || store().offline(); });
    return store().durable_ticket() >= ticket && !world.failed();
}

bool StoreHarness::stop() {
    act([&] { store().stop(); });
    run_until([&] { return !program().stopped.empty(); });
    const bool clean = !program().stopped.empty() && program().stopped[0].ok() && !world.failed();
    node.kill();
    return clean;
}

std::vector<ServedBatch> StoreHarness::read(LogId id, Offset from, std::size_t bytes_max) {
    std::vector<ServedBatch> served;
    store::ReadView view;
    Waiter waiter;
    read_failure_.clear();
    waits = 0;
    for (Offset next = from; !world.failed();) {
        waiter.ready = false;
        last_outcome = act([&] { return store().read(log(id), next, bytes_max, view, waiter); });
        if (last_outcome == store::ReadOutcome::pending) {
            ++waits;
            if (run_until([&] { return waiter.ready; })) {
                // The index may have told meanwhile where the log starts.
                next = std::max(next, log(id).start);
                continue;
            }
            act([&] { store().cancel(waiter); });
            read_failure_ = "a read of log " + std::to_string(id.value) + " at offset " + std::to_string(next.value) + " never ends";
            break;
        }
        if (last_outcome != store::ReadOutcome::data) break;
        Buffer bytes;
        bytes.reserve(view.bytes);
        for (const Bytes piece : view.views()) bytes.insert(bytes.end(), piece.begin(), piece.end());
        if (view.more()) {
            read_failure_ = "a view has more pieces than a test's batch can have";
            break;
        }
        if (view.next <= next || view.bytes != bytes.size()) {
            read_failure_ = "a read makes no progress, or counts wrong";
            break;
        }
        next = view.next;
        for (std::size_t at = 0; at < bytes.size();) {
            ServedBatch batch;
            if (bytes.size() - at < record::batch_header_bytes) {
                read_failure_ = "half a batch was served";
                break;
            }
            batch.header = record::decode_header(Bytes(bytes).subspan(at));
            const std::size_t n = batch.header.total_bytes();
            if (n > bytes.size() - at) {
                read_failure_ = "half a batch was served";
                break;
            }
            batch.bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + n));
            at += n;
            served.push_back(std::move(batch));
        }
        act([&] { store().release(view); });
        if (!read_failure_.empty()) break;
    }
    if (view.window >= 0 || view.pinned_count != 0) act([&] { store().release(view); });
    return served;
}

std::string StoreHarness::failure() const { return world.failed() ? world.failure() : read_failure_; }

}  // namespace rivulet::test
