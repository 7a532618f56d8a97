// env::Disk on Linux files: pread, pwritev, fdatasync, fallocate, flock.
// Owns:     a fixed table of env::files_max descriptors, all O_CLOEXEC.
// Bounds:   no allocation. write() takes any number of buffers, in calls of at most IOV_MAX; short writes are finished.
// Errors:   those of env/disk.h; detail = errno. A full table is limit_reached. EINTR is never seen outside.
// Thread:   any; while guard_loop_thread() is on, a call from that thread is a broken invariant and aborts, as is open() from any.
#pragma once

#include <pthread.h>

#include <atomic>

#include "env/disk.h"

namespace rivulet::env {

class File {
public:
    int descriptor = -1;
};

}  // namespace rivulet::env

namespace rivulet::platform {

class LinuxDisk final : public env::Disk {
public:
    LinuxDisk() = default;
    LinuxDisk(const LinuxDisk&) = delete;
    LinuxDisk& operator=(const LinuxDisk&) = delete;
    ~LinuxDisk();

    // From now on, until it is switched off, the calling thread must not block.
    void guard_loop_thread(bool on);

    Result<env::File*> open(std::string_view path, env::OpenMode mode) override;
    void close(env::File& file) override;
    Status lock(env::File& file) override;
    Result<std::uint64_t> size(env::File& file) override;
    Status allocate(env::File& file, std::uint64_t bytes) override;
    Result<std::size_t> read(env::File& file, std::uint64_t position, MutableBytes into) override;
    // Pipes too: `-c <(generate)` is one.
    Result<std::size_t> read_file(std::string_view path, MutableBytes into) override;
    Status write(env::File& file, std::uint64_t position, std::span<const Bytes> buffers) override;
    using env::Disk::write;
    Status sync(env::File& file) override;
    void drop_cache(env::File& file) override;
    Result<bool> has_name(env::File& file) override;
    Status make_directory(std::string_view path) override;
    Status sync_directory(std::string_view path) override;
    Status remove(std::string_view path) override;
    Result<bool> exists(std::string_view path) override;

private:
    void check_may_block() const;

    env::File files_[env::files_max];
    pthread_t loop_thread_{};
    std::atomic<bool> guarded_ = false;
};

// What allocate() does where fallocate is unsupported: zeros up to `bytes` behind the end of the file.
Status fill_with_zeros(int descriptor, std::uint64_t bytes);

}  // namespace rivulet::platform
