// A simulated disk: page cache, device cache and medium, with 512 B sectors in 4 KiB pages. Works alone or inside a World.
// Owns:     the state of all files, open files of the running process, planned faults.
// Durable:  data and size after sync(); a new or removed name only after sync_directory() of its directory, which also makes that
//           directory's own name durable (as ext4 does). Stricter than ext4 on purpose: sync() of a new file keeps its bytes, not its name.
//           Name operations that are not synced survive a power cut as a prefix of their order (ext4's journal).
// Errors:   as env/disk.h; from the planned faults also io, no_space, read_only. A failed sync() drops what it should have
//           written: later ones succeed without it (fsyncgate).
// Bounds:   files_max open files; one more is a violation of the contract and ends the run.
#pragma once

#include <functional>
#include <optional>

#include "env/disk.h"
#include "sim/crash.h"
#include "sim/disk_state.h"

namespace rivulet::sim {

enum class DiskOp : std::uint8_t { open, create, close, lock, size, allocate, read, write, sync, make_directory, sync_directory, remove, exists, has_name };
std::string_view name_of(DiskOp op);
// Those that change the disk: they are counted by ops() and are where a power cut makes a difference.
constexpr bool changes_disk(DiskOp op) {
    return op == DiskOp::create || op == DiskOp::allocate || op == DiskOp::write || op == DiskOp::sync || op == DiskOp::make_directory ||
           op == DiskOp::sync_directory || op == DiskOp::remove;
}

struct DiskCall {
    DiskOp op;
    std::string_view path;
    std::uint64_t position = 0;
    std::span<const Bytes> buffers{};  // write
    std::uint64_t bytes = 0;           // read: asked; write: in all; allocate: the size
};

// Sees every call before it takes effect. World's nodes hash them and refuse those on a loop that serves.
class DiskHost {
public:
    virtual void on_disk_call(const DiskCall& call) = 0;
    virtual void on_violation(std::string_view text) = 0;
    // The call that cut_power_at() named, which fails, as all later ones do.
    virtual void on_disk_power_cut() = 0;

protected:
    ~DiskHost() = default;
};

struct DiskStats {
    std::uint64_t reads = 0, bytes_read = 0, writes = 0, bytes_written = 0, syncs = 0;
};

// Chances in a million for each call, from the disk's seed.
struct DiskRates {
    std::uint32_t read_eio = 0, write_eio = 0, sync_eio = 0, read_bit_flip = 0;
};

struct PendingPage {
    std::uint32_t inode;
    std::uint64_t page;
    std::size_t versions;  // unsynced writes of it that a crash can choose from
};

class Disk final : public env::Disk {
public:
    explicit Disk(std::uint64_t seed = 1);
    Disk(const DiskState& state, std::uint64_t seed) : Disk(seed) { state_ = state; }
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // env::Disk
    using env::Disk::write;
    Result<env::File*> open(std::string_view path, env::OpenMode mode) override;
    void close(env::File& file) override;
    Status lock(env::File& file) override;
    Result<std::uint64_t> size(env::File& file) override;
    Status allocate(env::File& file, std::uint64_t bytes) override;
    Result<std::size_t> read(env::File& file, std::uint64_t position, MutableBytes into) override;
    Status write(env::File& file, std::uint64_t position, std::span<const Bytes> buffers) override;
    Status sync(env::File& file) override;
    void drop_cache(env::File& file) override;
    Result<bool> has_name(env::File& file) override;
    Status make_directory(std::string_view path) override;
    Status sync_directory(std::string_view path) override;
    Status remove(std::string_view path) override;
    Result<bool> exists(std::string_view path) override;

    // ---- crashes ----
    // Everything but open files: Disk(disk.snapshot(), seed) is a fork.
    DiskState snapshot() const { return state_; }
    void restore(const DiskState& state) { end_process(); state_ = state; }
    // Called before each call that changes the disk, with its number: the place to take snapshots.
    std::function<void(const DiskCall&, std::uint64_t op)> observer;

    // Unsynced pages and operations on names: what a plan chooses from. O(pending).
    std::vector<PendingPage> pending_pages() const;
    const std::vector<NameOp>& pending_name_ops() const { return state_.name_ops; }
    // Synced pages next to pending ones in their 16 KiB flash page.
    std::vector<PendingPage> neighbours() const;
    std::size_t syncs_revocable() const { return state_.syncs.size(); }
    // Makes the last n syncs undone; crash_with() does it by itself for CrashPlan::lying_syncs.
    void revoke_syncs(std::size_t n);

    // Power goes and comes back: applies the plan, drops caches and open files; calls work again.
    void crash_with(const CrashPlan& plan);
    // kill -9: drops open files and locks, the page cache stays.
    void end_process();

    // From change number `op` on (as ops() counts, the first is 0) every call fails with io and does nothing.
    void cut_power_at(std::uint64_t op) { cut_at_ = op; }
    bool power_is_cut() const { return cut_; }
    void cut_power_now() { cut_ = true; }
    std::uint64_t ops() const { return ops_; }  // changes since construction

    // ---- other faults ----
    // The nth call from now of this kind (1 = the next) fails. sync: what it should have written is dropped; `evicted`: and
    // already gone from the page cache, so that reads show the old bytes. write: a prefix may have been taken.
    void fail_nth(DiskOp op, std::uint64_t nth, Error error = Error::io, bool evicted = false);
    void flip_nth_read(std::uint64_t nth);  // one bit of the nth read from now, this once
    DiskRates rates;
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }  // of all files together
    void set_read_only(bool on) { read_only_ = on; }

    // ---- the image, behind the store's back: medium and cache alike, durable at once ----
    bool has(std::string_view path) const;
    std::uint64_t size_of(std::string_view path) const;
    std::vector<std::uint8_t> contents(std::string_view path) const;  // as a read would see it
    void overwrite(std::string_view path, std::uint64_t position, Bytes bytes);
    void flip_bit(std::string_view path, std::uint64_t position, unsigned bit);
    void truncate(std::string_view path, std::uint64_t bytes);
    void set_unreadable(std::string_view path, std::uint64_t page);  // reads of it fail with io until rewritten
    void erase(std::string_view path);
    std::vector<std::string> paths() const;  // of files

    const DiskStats& stats() const { return stats_; }
    void set_host(DiskHost* host) { host_ = host; }

private:
    struct OpenFile {
        std::uint32_t inode;
        std::string path;
        bool writable;
        bool locked;
    };
    struct Planned {
        DiskOp op;
        std::uint64_t calls_left;
        Failure failure;
        bool evicted;
        bool flip;
    };

    // Everything that a call has in common: host, observer, power, planned faults. Fails if the call is to fail.
    Status begin(const DiskCall& call);
    OpenFile& handle(env::File& file);
    Inode& inode_of(const OpenFile& file) { return state_.inodes.at(file.inode); }
    Inode& inode_at(std::string_view path);
    void violation(std::string_view text);
    void put(std::uint32_t number, std::uint64_t position, Bytes bytes);
    void resize(std::uint32_t number, std::uint64_t bytes);
    void drop_unsynced(Inode& inode, bool evicted);
    void add_name(NameOp op);
    void remember(SyncRecord record);
    void forget_unnamed();
    bool is_directory(const std::string& path) const;
    std::uint64_t bytes_used() const;

    DiskState state_;
    Random random_;
    std::vector<std::unique_ptr<OpenFile>> open_;
    std::vector<Planned> planned_;
    std::optional<Planned> fault_now_;
    DiskHost* host_ = nullptr;
    DiskStats stats_;
    std::uint64_t ops_ = 0;
    std::uint64_t cut_at_ = UINT64_MAX;
    bool cut_ = false;
    bool read_only_ = false;
    std::uint64_t capacity_ = UINT64_MAX;
};

}  // namespace rivulet::sim
