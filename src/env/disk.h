// Files as the store sees them. All calls block, so they are allowed before serving (start-up, the offline commands) and inside
// Job::run(), never on the loop: an Env aborts on such a call after Env::serving().
// Owns:     open files, at most files_max at once, all from before serving: an Env aborts on open() after Env::serving(), in a job too. The one
//           file that is looked at later, the configuration, is read by read_file(), which keeps none open.
// Errors:   no_space, read_only, permission, not_found, not_a_directory, is_a_directory, exists, io (detail = errno), store_in_use (lock). An
//           error of sync() or write() is final: what was written since the last good sync is unknown, the caller must not retry (fsyncgate).
// Guarantee: write() reaches the cache; only sync() makes it survive a power cut.
// Thread:   read, write and sync of different ranges may run at once.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::env {

class File;  // opaque; lives until close()

enum class OpenMode : std::uint8_t { read_only, read_write, create };  // create: fails with exists

constexpr std::size_t files_max = 16;

class Disk {
public:
    virtual Result<File*> open(std::string_view path, OpenMode mode) = 0;
    virtual void close(File& file) = 0;
    // An advisory exclusive lock, gone with the process.
    virtual Status lock(File& file) = 0;
    virtual Result<std::uint64_t> size(File& file) = 0;
    // Makes the file at least `bytes` long with blocks reserved for it (fallocate; zeros written where that is unsupported).
    virtual Status allocate(File& file, std::uint64_t bytes) = 0;
    // Reads what is there: fewer bytes than asked at the end of the file, 0 beyond it.
    virtual Result<std::size_t> read(File& file, std::uint64_t position, MutableBytes into) = 0;
    // The front of a small file, as much as `into` takes: opened, read and closed within the call. Allowed in a job while serving.
    virtual Result<std::size_t> read_file(std::string_view path, MutableBytes into) {
        RIVULET_TRY_ASSIGN(File* const file, open(path, OpenMode::read_only));
        const Result<std::size_t> n = read(*file, 0, into);
        close(*file);
        return n;
    }
    // Writes all buffers one after the other, any number of them.
    virtual Status write(File& file, std::uint64_t position, std::span<const Bytes> buffers) = 0;
    // Data and size (fdatasync).
    virtual Status sync(File& file) = 0;
    // After a sync: reads show what is stored, not what a sync that failed (in a process before this one) has left in the system's cache as if it were.
    virtual void drop_cache(File&) {}

    // Whether any name leads to the file still: without one it is gone when it is closed. An error tells nothing.
    virtual Result<bool> has_name(File&) { return true; }

    virtual Status make_directory(std::string_view path) = 0;  // and its parents; fine if it exists
    virtual Status sync_directory(std::string_view path) = 0;
    virtual Status remove(std::string_view path) = 0;
    virtual Result<bool> exists(std::string_view path) = 0;

    Status write(File& file, std::uint64_t position, Bytes bytes) { return write(file, position, std::span<const Bytes>(&bytes, 1)); }

protected:
    ~Disk() = default;
};

}  // namespace rivulet::env
