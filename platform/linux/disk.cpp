#include "platform/linux/disk.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/linux/errors.h"

namespace rivulet::platform {

static_assert(sizeof(off_t) == 8, "journals exceed 2 GiB: build with -D_FILE_OFFSET_BITS=64");

namespace {

constexpr mode_t file_mode = 0640;
constexpr mode_t directory_mode = 0750;
constexpr std::size_t zeros_bytes = 16 * 1024;
constexpr std::size_t vectors_max = IOV_MAX;

// A path with its terminating zero. A name that does not fit cannot exist either.
class Path {
public:
    explicit Path(std::string_view path) : fits_(path.size() < sizeof text_ && path.find('\0') == path.npos) {
        if (!fits_) path = {};
        if (!path.empty()) std::memcpy(text_, path.data(), path.size());
        text_[path.size()] = '\0';
    }
    bool fits() const { return fits_; }
    char* text() { return text_; }

private:
    char text_[PATH_MAX];
    bool fits_;
};

template <class Call>
auto retried(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

Status status_of(int result) {
    if (result == -1) return file_failure(errno);
    return {};
}

Status write_all(int descriptor, std::uint64_t position, iovec* vectors, std::size_t count) {
    while (count != 0) {
        const auto n = retried([&] { return ::pwritev(descriptor, vectors, static_cast<int>(count), static_cast<off_t>(position)); });
        if (n == -1) return file_failure(errno);
        if (n == 0) return file_failure(EIO);
        position += static_cast<std::uint64_t>(n);
        auto written = static_cast<std::size_t>(n);
        while (count != 0 && written >= vectors->iov_len) {
            written -= vectors->iov_len;
            ++vectors;
            --count;
        }
        if (count != 0) {
            vectors->iov_base = static_cast<char*>(vectors->iov_base) + written;
            vectors->iov_len -= written;
        }
    }
    return {};
}

}  // namespace

LinuxDisk::~LinuxDisk() {
    for (env::File& file : files_)
        if (file.descriptor != -1) ::close(file.descriptor);
}

void LinuxDisk::guard_loop_thread(bool on) {
    loop_thread_ = pthread_self();
    guarded_ = on;
}

void LinuxDisk::check_may_block() const {
    const bool disk_call_on_the_loop = guarded_ && pthread_equal(loop_thread_, pthread_self());
    RIVULET_CHECK(!disk_call_on_the_loop);
}

Result<env::File*> LinuxDisk::open(std::string_view path, env::OpenMode mode) {
    check_may_block();
    const bool opened_while_serving = guarded_;
    RIVULET_CHECK(!opened_while_serving);
    Path name(path);
    if (!name.fits()) return file_failure(ENOENT);
    env::File* free = nullptr;
    for (env::File& file : files_)
        if (file.descriptor == -1) free = &file;
    if (!free) return fail(Error::limit_reached, EMFILE);
    int flags = O_CLOEXEC;
    switch (mode) {
        case env::OpenMode::read_only: flags |= O_RDONLY; break;
        case env::OpenMode::read_write: flags |= O_RDWR; break;
        case env::OpenMode::create: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    const int descriptor = retried([&] { return ::open(name.text(), flags, file_mode); });
    if (descriptor == -1) return file_failure(errno);
    free->descriptor = descriptor;
    return free;
}

void LinuxDisk::close(env::File& file) {
    check_may_block();
    RIVULET_CHECK(file.descriptor != -1);
    // Not retried: Linux frees the descriptor even when it reports EINTR.
    ::close(file.descriptor);
    file.descriptor = -1;
}

Status LinuxDisk::lock(env::File& file) {
    check_may_block();
    if (retried([&] { return ::flock(file.descriptor, LOCK_EX | LOCK_NB); }) == 0) return {};
    if (errno == EWOULDBLOCK) return fail(Error::store_in_use, errno);
    return file_failure(errno);
}

Result<std::uint64_t> LinuxDisk::size(env::File& file) {
    check_may_block();
    // By seeking, because that also gives the size of a block device. Nothing here uses the file's own position.
    const off_t end = ::lseek(file.descriptor, 0, SEEK_END);
    if (end == -1) return file_failure(errno);
    return static_cast<std::uint64_t>(end);
}

Status LinuxDisk::allocate(env::File& file, std::uint64_t bytes) {
    check_may_block();
    if (bytes == 0) return {};
    // Not posix_fallocate: where the file system cannot, glibc writes one byte per block.
    if (retried([&] { return ::fallocate(file.descriptor, 0, 0, static_cast<off_t>(bytes)); }) == 0) return {};
    if (errno != EOPNOTSUPP && errno != ENOSYS) return file_failure(errno);
    return fill_with_zeros(file.descriptor, bytes);
}

Status fill_with_zeros(int descriptor, std::uint64_t bytes) {
    static const char zeros[zeros_bytes] = {};
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    if (end == -1) return file_failure(errno);
    for (auto position = static_cast<std::uint64_t>(end); position < bytes;) {
        const std::uint64_t left = bytes - position;
        iovec chunk{const_cast<char*>(zeros), left < zeros_bytes ? static_cast<std::size_t>(left) : zeros_bytes};
        const std::size_t n = chunk.iov_len;
        RIVULET_TRY(write_all(descriptor, position, &chunk, 1));
        position += n;
    }
    return {};
}

Result<std::size_t> LinuxDisk::read(env::File& file, std::uint64_t position, MutableBytes into) {
    check_may_block();
    std::size_t done = 0;
    while (done < into.size()) {
        const auto n = retried([&] {
            return ::pread(file.descriptor, into.data() + done, into.size() - done, static_cast<off_t>(position + done));
        });
        if (n == -1) return file_failure(errno);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

// The file table is the loop's, this may run beside it: so the descriptor is in no table.
Result<std::size_t> LinuxDisk::read_file(std::string_view path, MutableBytes into) {
    check_may_block();
    Path name(path);
    if (!name.fits()) return file_failure(ENOENT);
    const int descriptor = retried([&] { return ::open(name.text(), O_RDONLY | O_CLOEXEC); });
    if (descriptor == -1) return file_failure(errno);
    Result<std::size_t> done = std::size_t{0};
    while (done && *done < into.size()) {
        const auto n = retried([&] { return ::read(descriptor, into.data() + *done, into.size() - *done); });
        if (n == -1) done = file_failure(errno);
        if (n <= 0) break;
        *done += static_cast<std::size_t>(n);
    }
    ::close(descriptor);
    return done;
}

Status LinuxDisk::write(env::File& file, std::uint64_t position, std::span<const Bytes> buffers) {
    check_may_block();
    iovec vectors[vectors_max];
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        if (!buffers[i].empty()) {
            vectors[count++] = {const_cast<std::uint8_t*>(buffers[i].data()), buffers[i].size()};
            bytes += buffers[i].size();
        }
        if (count == vectors_max || i + 1 == buffers.size()) {
            RIVULET_TRY(write_all(file.descriptor, position, vectors, count));
            position += bytes;
            count = 0;
            bytes = 0;
        }
    }
    return {};
}

Status LinuxDisk::sync(env::File& file) {
    check_may_block();
    // EINTR says that nothing was attempted, so that this retry is not the forbidden one.
    return status_of(retried([&] { return ::fdatasync(file.descriptor); }));
}

void LinuxDisk::drop_cache(env::File& file) {
    check_may_block();
    // Pages that a failed fdatasync marked clean go like all clean ones.
    (void)::posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED);
}

Result<bool> LinuxDisk::has_name(env::File& file) {
    check_may_block();
    struct stat status;
    if (::fstat(file.descriptor, &status) != 0) return file_failure(errno);
    return status.st_nlink != 0;
}

Status LinuxDisk::make_directory(std::string_view path) {
    check_may_block();
    Path name(path);
    if (!name.fits()) return file_failure(ENOENT);
    char* const text = name.text();
    for (char* end = text;; ++end) {
        if (*end != '/' && *end != '\0') continue;
        const char separator = *end;
        *end = '\0';
        if (end != text && ::mkdir(text, directory_mode) == -1 && errno != EEXIST) {
            // An ancestor on a read-only or foreign file system may well exist.
            struct stat found;
            const int error_number = errno;
            if (::stat(text, &found) == -1 || !S_ISDIR(found.st_mode)) return file_failure(error_number);
        }
        *end = separator;
        if (separator == '\0') break;
    }
    struct stat found;
    if (::stat(text, &found) == -1) return file_failure(errno);
    if (!S_ISDIR(found.st_mode)) return file_failure(ENOTDIR);
    return {};
}

Status LinuxDisk::sync_directory(std::string_view path) {
    check_may_block();
    Path name(path);
    if (!name.fits()) return file_failure(ENOENT);
    const int descriptor = retried([&] { return ::open(name.text(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (descriptor == -1) return file_failure(errno);
    const Status status = status_of(retried([&] { return ::fsync(descriptor); }));
    ::close(descriptor);
    // Some file systems (vfat of old, FUSE) cannot sync a directory and say so; they keep no promise that we could wait for.
    if (!status && status.failure().detail == EINVAL) return {};
    return status;
}

Status LinuxDisk::remove(std::string_view path) {
    check_may_block();
    Path name(path);
    if (!name.fits()) return file_failure(ENOENT);
    return status_of(::unlink(name.text()));
}

Result<bool> LinuxDisk::exists(std::string_view path) {
    check_may_block();
    Path name(path);
    if (!name.fits()) return false;
    struct stat found;
    if (::stat(name.text(), &found) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return file_failure(errno);
}

}  // namespace rivulet::platform
