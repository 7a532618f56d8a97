#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "platform/linux/disk.h"
#include "platform/linux/errors.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;
using env::OpenMode;

namespace {

std::string content(platform::LinuxDisk& disk, env::File& file, std::uint64_t position, std::size_t n) {
    std::string text(n, '?');
    text.resize(disk.read(file, position, {reinterpret_cast<std::uint8_t*>(text.data()), n}).value());
    return text;
}

}  // namespace

TEST_CASE("disk: open tells what is there") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    const auto missing = disk.open(directory / "f", OpenMode::read_write);
    CHECK(missing.error() == Error::not_found);
    CHECK(missing.failure().detail == ENOENT);
    CHECK(disk.exists(directory / "f").value() == false);
    env::File* const file = disk.open(directory / "f", OpenMode::create).value();
    CHECK((::fcntl(file->descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(disk.exists(directory / "f").value() == true);
    CHECK(disk.open(directory / "f", OpenMode::create).error() == Error::exists);
    CHECK(disk.open(directory / "f/g", OpenMode::read_only).error() == Error::not_a_directory);
    CHECK(disk.open(directory.path(), OpenMode::read_write).error() == Error::is_a_directory);
    CHECK(disk.open(std::string(5000, 'x'), OpenMode::read_only).error() == Error::not_found);
    CHECK(disk.remove(directory / "g").error() == Error::not_found);
    disk.close(*file);
    env::File* const again = disk.open(directory / "f", OpenMode::read_only).value();
    CHECK(disk.write(*again, 0, as_bytes("x")).error() == Error::io);  // not opened for writing
    disk.close(*again);
    CHECK(disk.remove(directory / "f").ok());
    CHECK(disk.exists(directory / "f").value() == false);
}

TEST_CASE("disk: a file that is removed while it is open has no name") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File* const file = disk.open(directory / "f", OpenMode::create).value();
    CHECK(disk.has_name(*file).value());
    REQUIRE(::rename((directory / "f").c_str(), (directory / "g").c_str()) == 0);
    CHECK(disk.has_name(*file).value());
    CHECK(disk.remove(directory / "g").ok());
    CHECK_FALSE(disk.has_name(*file).value());
}

TEST_CASE("disk: no more files than the table holds") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    std::vector<env::File*> files;
    for (std::size_t i = 0; i < env::files_max; ++i) files.push_back(disk.open(directory / std::to_string(i), OpenMode::create).value());
    CHECK(disk.open(directory / "more", OpenMode::create).error() == Error::limit_reached);
    disk.close(*files[5]);
    CHECK(disk.open(directory / "more", OpenMode::create).ok());
}

TEST_CASE("disk: writes of any number of buffers, reads up to the end") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    std::string expected;
    std::vector<std::string> parts;
    for (int i = 0; i < 5000; ++i) {
        parts.push_back(i % 7 == 0 ? std::string() : std::to_string(i));
        expected += parts.back();
    }
    std::vector<Bytes> buffers;
    for (const std::string& part : parts) buffers.push_back(as_bytes(part));
    CHECK(disk.write(file, 10, buffers).ok());
    CHECK(disk.write(file, 0, std::span<const Bytes>()).ok());
    CHECK(disk.size(file).value() == 10 + expected.size());
    CHECK(content(disk, file, 10, expected.size()) == expected);
    CHECK(content(disk, file, 10 + expected.size() - 3, 100) == expected.substr(expected.size() - 3));
    CHECK(content(disk, file, 0, 12) == std::string(10, '\0') + expected.substr(0, 2));
    CHECK(content(disk, file, 1 << 20, 100).empty());
    CHECK(disk.sync(file).ok());
    CHECK(disk.sync_directory(directory.path()).ok());
    CHECK(disk.sync_directory(directory / "none").error() == Error::not_found);
}

TEST_CASE("disk: positions beyond 4 GiB") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    const std::uint64_t far = 5ULL << 30;
    CHECK(disk.write(file, far, as_bytes("far")).ok());
    CHECK(disk.size(file).value() == far + 3);
    CHECK(content(disk, file, far, 10) == "far");
}

TEST_CASE("disk: allocate reserves blocks and keeps what is there") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    CHECK(disk.write(file, 0, as_bytes("head")).ok());
    CHECK(disk.allocate(file, 300'000).ok());
    CHECK(disk.size(file).value() == 300'000);
    struct stat found;
    REQUIRE(::fstat(file.descriptor, &found) == 0);
    CHECK(found.st_blocks * 512 >= 300'000);
    CHECK(content(disk, file, 0, 5) == std::string("head\0", 5));
    CHECK(disk.allocate(file, 1000).ok());
    CHECK(disk.size(file).value() == 300'000);
}

TEST_CASE("disk: without fallocate, zeros are written behind the end") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    CHECK(disk.write(file, 0, as_bytes("head")).ok());
    CHECK(platform::fill_with_zeros(file.descriptor, 200'001).ok());
    CHECK(disk.size(file).value() == 200'001);
    CHECK(content(disk, file, 0, 300'000) == "head" + std::string(200'001 - 4, '\0'));
}

TEST_CASE("disk: a small file is read whole, without a place in the table, by a worker while serving") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    std::vector<env::File*> files;
    for (std::size_t i = 0; i < env::files_max; ++i) files.push_back(disk.open(directory / std::to_string(i), OpenMode::create).value());
    REQUIRE(disk.write(*files[3], 0, as_bytes("[memory]\n")).ok());
    disk.guard_loop_thread(true);
    std::vector<std::uint8_t> room(100);
    std::thread([&] {
        CHECK(disk.read_file(directory / "3", room).value() == 9);
        CHECK(disk.read_file(directory / "3", std::span(room).first(4)).value() == 4);
        CHECK(disk.read_file(directory / "none", room).error() == Error::not_found);
        CHECK(disk.read_file(directory / "3/x", room).error() == Error::not_a_directory);
        CHECK(disk.read_file(directory.path(), room).error() == Error::is_a_directory);
    }).join();
    disk.guard_loop_thread(false);
    CHECK(std::string(room.begin(), room.begin() + 9) == "[memory]\n");
    REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
    std::thread writer([&] {
        const int pipe = ::open((directory / "pipe").c_str(), O_WRONLY | O_CLOEXEC);
        CHECK(::write(pipe, "[clock]\n", 8) == 8);
        ::close(pipe);
    });
    CHECK(disk.read_file(directory / "pipe", room).value() == 8);
    writer.join();
}

TEST_CASE("disk: a second lock says that the store is in use") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    platform::LinuxDisk other;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    env::File& same = *other.open(directory / "f", OpenMode::read_write).value();
    CHECK(disk.lock(file).ok());
    CHECK(disk.lock(file).ok());
    CHECK(other.lock(same).error() == Error::store_in_use);
    disk.close(file);
    CHECK(other.lock(same).ok());
}

TEST_CASE("disk: directories with their parents") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    CHECK(disk.make_directory(directory / "a/b//c/").ok());
    CHECK(disk.make_directory(directory / "a/b/c").ok());
    CHECK(disk.exists(directory / "a/b/c").value());
    env::File& file = *disk.open(directory / "a/f", OpenMode::create).value();
    disk.close(file);
    CHECK(disk.make_directory(directory / "a/f").error() == Error::not_a_directory);
    CHECK(disk.make_directory(directory / "a/f/g").error() == Error::not_a_directory);
    CHECK(disk.make_directory("").error() == Error::not_found);
    CHECK(disk.make_directory("/").ok());
}

TEST_CASE("disk: relative paths") {
    const TemporaryDirectory directory;
    char before[4096];
    REQUIRE(::getcwd(before, sizeof before) != nullptr);
    REQUIRE(::chdir(directory.path().c_str()) == 0);
    platform::LinuxDisk disk;
    CHECK(disk.make_directory("./data/x").ok());
    CHECK(disk.open("data/x/f", OpenMode::create).ok());
    REQUIRE(::chdir(before) == 0);
}

TEST_CASE("disk: a full file system is no_space, a read-only one says so") {
    const TemporaryDirectory directory;
    if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=128k") != 0) {
        MESSAGE("skipped: cannot mount a tmpfs here (not root?)");
        return;
    }
    {
        platform::LinuxDisk disk;
        env::File& file = *disk.open(directory / "f", OpenMode::create).value();
        const auto full = disk.allocate(file, 1 << 20);
        CHECK(full.error() == Error::no_space);
        CHECK(full.failure().detail == ENOSPC);
        CHECK(platform::fill_with_zeros(file.descriptor, 1 << 20).error() == Error::no_space);
        const std::string text(256 * 1024, 'x');
        CHECK(disk.write(file, 0, as_bytes(text)).error() == Error::no_space);
    }
    if (::mount("tmpfs", directory.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=128k") == 0) {
        platform::LinuxDisk disk;
        CHECK(disk.open(directory / "g", OpenMode::create).error() == Error::read_only);
        CHECK(disk.open(directory / "f", OpenMode::read_write).error() == Error::read_only);
        CHECK(disk.make_directory(directory / "d").error() == Error::read_only);
        CHECK(disk.open(directory / "f", OpenMode::read_only).ok());
    }
    CHECK(::umount(directory.path().c_str()) == 0);
}

TEST_CASE("disk: no permission") {
    const TemporaryDirectory directory;
    platform::LinuxDisk disk;
    env::File& file = *disk.open(directory / "f", OpenMode::create).value();
    REQUIRE(::fchmod(file.descriptor, 0400) == 0);
    const bool root = ::geteuid() == 0;  // may everything: be nobody for a moment
    if (root) REQUIRE(::seteuid(65534) == 0);
    const Error error = disk.open(directory / "f", OpenMode::read_write).error();
    if (root) REQUIRE(::seteuid(0) == 0);
    CHECK(error == Error::permission);
}

TEST_CASE("errors: of files and of sockets") {
    CHECK(platform::file_failure(EDQUOT).error == Error::no_space);
    CHECK(platform::file_failure(EFBIG).error == Error::file_too_large);
    CHECK(platform::file_failure(EROFS).error == Error::read_only);
    CHECK(platform::file_failure(EIO).error == Error::io);
    CHECK(platform::file_failure(EIO).detail == EIO);
    CHECK(platform::network_error(-ECONNREFUSED) == Error::connection_refused);
    CHECK(platform::network_error(EPIPE) == Error::connection_reset);
    CHECK(platform::network_error(-ENETUNREACH) == Error::unreachable);
    CHECK(platform::network_error(-ETIMEDOUT) == Error::timed_out);
}
