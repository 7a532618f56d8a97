#include <doctest/doctest.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "platform/uv/process.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

// Another descriptor in the place of a standard one, for as long as this lives.
struct Replaced {
    Replaced(int s, int with) : standard(s), before(::dup(s)) { ::dup2(with, standard); }
    ~Replaced() {
        ::dup2(before, standard);
        ::close(before);
    }
    int standard;
    int before;
};

struct Pipe {
    Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    void close_end(int i) {
        if (ends[i] != -1) ::close(ends[i]);
        ends[i] = -1;
    }
    int ends[2];
};

std::string numbered_lines(int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += std::to_string(i) + "\n";
    return text;
}

struct ProcessWorld : World {
    platform::UvProcess process{env, arena};
};

}  // namespace

TEST_CASE("process: standard input from a file, read at the reader's pace") {
    const TemporaryDirectory directory;
    const std::string text = numbered_lines(200'000);
    const int fd = ::open((directory / "f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::lseek(fd, 0, SEEK_SET);
    const Replaced replaced(STDIN_FILENO, fd);
    ::close(fd);
    ProcessWorld world;
    Peer peer;
    peer.connection = &world.process.read_standard_input(peer);
    CHECK(peer.received.empty());
    REQUIRE(world.until([&] { return peer.received.size() > 100'000; }));
    peer.lend = false;
    REQUIRE(world.until([&] { return peer.refusals == 1; }));
    const std::size_t so_far = peer.received.size();
    world.linger(20);
    CHECK(peer.received.size() == so_far);
    CHECK(so_far < text.size());
    peer.lend = true;
    peer.connection->resume_reading();
    REQUIRE(world.until([&] { return peer.closed; }));
    CHECK(peer.reason == Error::end_of_file);
    CHECK(peer.received == text);
}

TEST_CASE("process: standard input from a pipe, whose flags are given back") {
    Pipe pipe;
    const Replaced replaced(STDIN_FILENO, pipe.ends[0]);
    {
        ProcessWorld world;
        Peer peer;
        peer.connection = &world.process.read_standard_input(peer);
        world.linger(5);
        CHECK((::fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK) != 0);
        REQUIRE(::write(pipe.ends[1], "one\n", 4) == 4);
        REQUIRE(world.until([&] { return peer.received == "one\n"; }));
        peer.connection->pause_reading();
        REQUIRE(::write(pipe.ends[1], "two\n", 4) == 4);
        pipe.close_end(1);
        world.linger(20);
        CHECK(peer.received == "one\n");
        peer.connection->resume_reading();
        REQUIRE(world.until([&] { return peer.closed; }));
        CHECK(peer.reason == Error::end_of_file);
        CHECK(peer.received == "one\ntwo\n");
        CHECK((::fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK) == 0);
    }
}

TEST_CASE("process: standard input closed by us, and left open at the end") {
    Pipe pipe;
    const Replaced replaced(STDIN_FILENO, pipe.ends[0]);
    ProcessWorld world;
    Peer first;
    first.connection = &world.process.read_standard_input(first);
    first.connection->close();
    CHECK_FALSE(first.closed);
    REQUIRE(world.until([&] { return first.closed; }));
    CHECK(first.reason == Error::canceled);
    Peer second;
    second.connection = &world.process.read_standard_input(second);
    REQUIRE(::write(pipe.ends[1], "x", 1) == 1);
    CHECK(world.until([&] { return second.received == "x"; }));
}

TEST_CASE("process: standard input that is /dev/null, a directory, or closed") {
    for (const char* const path : {"/dev/null", "/", ""}) {
        const int fd = *path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
        const Replaced replaced(STDIN_FILENO, fd == -1 ? STDIN_FILENO : fd);
        if (fd == -1) ::close(STDIN_FILENO);
        else ::close(fd);
        ProcessWorld world;
        Peer peer;
        peer.connection = &world.process.read_standard_input(peer);
        REQUIRE(world.until([&] { return peer.closed; }));
        CHECK(peer.reason == (std::string_view(path) == "/" ? Error::is_a_directory : Error::end_of_file));
    }
}

TEST_CASE("process: standard input from a terminal") {
    const int controller = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (controller == -1 || ::grantpt(controller) != 0 || ::unlockpt(controller) != 0) {
        MESSAGE("skipped: no pseudo terminals here");
        return;
    }
    char name[64];
    REQUIRE(::ptsname_r(controller, name, sizeof name) == 0);
    const int terminal = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(terminal != -1);
    const Replaced replaced(STDIN_FILENO, terminal);
    ::close(terminal);
    ProcessWorld world;
    CHECK(world.process.standard_input_is_terminal());
    Peer peer;
    peer.connection = &world.process.read_standard_input(peer);
    REQUIRE(::write(controller, "typed\n", 6) == 6);
    REQUIRE(world.until([&] { return peer.received == "typed\n"; }));
    REQUIRE(::write(controller, "\x04", 1) == 1);  // ^D
    REQUIRE(world.until([&] { return peer.closed; }));
    CHECK(peer.reason == Error::end_of_file);
    ::close(controller);
}

TEST_CASE("process: output is complete even where it may not block") {
    Pipe pipe;
    ::fcntl(pipe.ends[1], F_SETFL, O_NONBLOCK);
    const Replaced replaced(STDOUT_FILENO, pipe.ends[1]);
    struct Drain {
        int fd;
        std::string text;
    } drain{pipe.ends[0], {}};
    pthread_t thread;
    REQUIRE(::pthread_create(&thread, nullptr, [](void* argument) -> void* {
        Drain& d = *static_cast<Drain*>(argument);
        char buffer[10'000];
        for (ssize_t n; (n = ::read(d.fd, buffer, sizeof buffer)) > 0;) d.text.append(buffer, static_cast<std::size_t>(n));
        return nullptr;
    }, &drain) == 0);
    ProcessWorld world;
    CHECK_FALSE(world.process.standard_output_is_terminal());
    const std::string text = numbered_lines(300'000);
    CHECK(world.process.write_standard_output(as_bytes(text)).ok());
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    pipe.close_end(1);
    ::pthread_join(thread, nullptr);
    CHECK(drain.text == text);
}

TEST_CASE("process: output to a reader that is gone") {
    Pipe pipe;
    const Replaced replaced(STDOUT_FILENO, pipe.ends[1]);
    ProcessWorld world;
    pipe.close_end(0);
    const Status status = world.process.write_standard_output(as_bytes("x"));
    CHECK(status.error() == Error::io);
    CHECK(status.failure().detail == EPIPE);
}

TEST_CASE("process: signals") {
    struct Handler final : env::SignalHandler {
        std::vector<env::Signal> seen;
        void on_signal(env::Signal signal) override { seen.push_back(signal); }
    } handler;
    {
        ProcessWorld world;
        world.process.handle_signals(&handler);
        CHECK_FALSE(world.env.run_once());  // signals alone keep nothing alive
        ::raise(SIGHUP);
        CHECK(handler.seen.empty());
        REQUIRE(world.until([&] { return handler.seen.size() == 1; }));
        ::raise(SIGTERM);
        REQUIRE(world.until([&] { return handler.seen.size() == 2; }));
        ::kill(::getpid(), SIGINT);
        REQUIRE(world.until([&] { return handler.seen.size() == 3; }));
        CHECK(handler.seen == std::vector<env::Signal>{env::Signal::reload, env::Signal::terminate, env::Signal::interrupt});
        world.process.handle_signals(nullptr);
        struct sigaction action;
        REQUIRE(::sigaction(SIGTERM, nullptr, &action) == 0);
        CHECK((action.sa_handler == SIG_DFL));
        world.process.handle_signals(&handler);
    }
    struct sigaction action;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        REQUIRE(::sigaction(number, nullptr, &action) == 0);
        CHECK((action.sa_handler == SIG_DFL));
    }
    REQUIRE(::sigaction(SIGPIPE, nullptr, &action) == 0);
    CHECK((action.sa_handler == SIG_IGN));
}
