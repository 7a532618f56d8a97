// A store as a process of the simulated world: what the broker is to the store, as small as can be.
// Owns:     the arena of its store, the catalogue that it keeps through the store (topics by first log id), records of the layer above.
// Guarantee: opens the store in its constructor and serves at once; `opened` says how that went.
// Thread:   calls into store() are to be made through StoreHarness::act().
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sim/node_env.h"
#include "store/store.h"

namespace rivulet::test {

using Buffer = std::vector<std::uint8_t>;

class StoreProgram final : public sim::Program,
                           private store::StoreListener,
                           private store::CheckpointSource,
                           private store::RecoveryListener {
public:
    struct Topic {
        std::uint32_t count = 0;
        Buffer block;
    };

    StoreProgram(sim::NodeEnv& env, const store::StoreOptions& options);

    sim::NodeEnv& env() { return env_; }
    store::Store& store() { return *store_; }
    bool serving() const { return opened.ok(); }

    Result<store::OpenReport> opened = fail(Error::unknown);
    std::map<std::uint64_t, Topic> topics;      // by first log id
    std::vector<Buffer> passed;                 // bodies of records of type topic, in order; survive checkpoints
    std::uint64_t commits = 0;
    std::uint64_t readable = 0;
    std::vector<Status> stopped;
    std::vector<Failure> offline;
    std::vector<std::uint64_t> orphans;

private:
    void on_commit() override { ++commits; }
    void on_readable(store::Log&) override { ++readable; }
    void on_offline(Failure failure) override { offline.push_back(failure); }
    void on_stopped(Status status) override { stopped.push_back(status); }

    bool encode_checkpoint(store::Section section, LogId bound, std::uint64_t& cursor, Writer& out) override;
    std::span<const store::Section> checkpoint_sections() const override;

    Status on_checkpoint_chunk(store::Section section, Bytes chunk) override;
    Status on_record(store::RecordType type, LogId first, std::uint32_t count, Bytes body) override;
    Status on_orphan(store::Log& log) override;

    sim::NodeEnv& env_;
    std::unique_ptr<std::uint8_t[]> memory_;
    Arena arena_;
    store::Store* store_;
};

}  // namespace rivulet::test
