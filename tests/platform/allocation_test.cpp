#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <memory>
#include <thread>

#include "platform/linux/memory.h"
#include "platform/linux/operator_new.h"
#include "platform/uv/allocator.h"
#include "platform/uv/connection.h"
#include "platform/uv/process.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

// The whole of malloc, counted, for this test program: a Pool of the product over memory of its own. Sanitizers bring their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RIVULET_TEST_COUNTS_MALLOC 1

namespace {

std::atomic<std::uint64_t> mallocs = 0;

// In place, and never destroyed: it serves before and after every constructor of the program.
platform::Pool& heap() {
    alignas(platform::Pool) static unsigned char storage[sizeof(platform::Pool)];
    static platform::Pool* const pool = ::new (static_cast<void*>(storage))
        platform::Pool(platform::map_memory(sizeof(void*) == 8 ? std::size_t{8} << 30 : std::size_t{1} << 30, false).value());
    return *pool;
}

void* aligned(std::size_t alignment, std::size_t n) {
    ++mallocs;
    // Never freed if above what the pool gives anyway: rare, and only in tests.
    if (alignment <= platform::Pool::alignment) return heap().allocate(n);
    const auto at = reinterpret_cast<std::uintptr_t>(heap().allocate(n + 2 * alignment));
    return reinterpret_cast<void*>((at + 2 * alignment - 1) & ~(alignment - 1));
}

}  // namespace
#endif

namespace {

// What a child process leaves on standard error, and how it ends.
template <class Body>
std::string fate(Body body, int& status) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL);
        ::dup2(ends[1], STDERR_FILENO);
        body();
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
    ::close(ends[0]);
    ::waitpid(child, &status, 0);
    return text;
}

}  // namespace

TEST_CASE("pool: bounded, counted, and what is freed serves again") {
    std::vector<std::uint8_t> block(4096 + 16);
    const std::size_t skip = 16 - reinterpret_cast<std::uintptr_t>(block.data()) % 16;
    platform::Pool pool(MutableBytes(block).subspan(skip, 4096));
    std::vector<void*> held;
    while (void* const at = pool.allocate(100)) {
        CHECK(reinterpret_cast<std::uintptr_t>(at) % 16 == 0);
        std::memset(at, static_cast<int>(held.size()), 100);
        held.push_back(at);
    }
    CHECK(held.size() == 4096 / platform::Pool::piece_bytes(100));
    CHECK(pool.used() == held.size() * platform::Pool::piece_bytes(100));
    CHECK(pool.refusals() == 1);
    for (std::size_t i = 0; i < held.size(); ++i) {
        CHECK(*static_cast<std::uint8_t*>(held[i]) == i);
        pool.free(held[i]);
    }
    CHECK(pool.used() == 0);
    CHECK(pool.peak() > 3500);
    for (int round = 0; round < 1000; ++round) {
        void* const a = pool.allocate(65);
        void* const b = pool.allocate(128);
        REQUIRE(a);
        REQUIRE(b);
        pool.free(a);
        pool.free(b);
    }
    pool.free(nullptr);
    CHECK(pool.allocate(std::size_t{0} - 1) == nullptr);
    CHECK(pool.allocate(std::size_t{0} - 64) == nullptr);
}

TEST_CASE("pool: reallocate keeps the bytes, and the old piece when it fails") {
    std::vector<std::uint8_t> block(4096 + 16);
    const std::size_t skip = 16 - reinterpret_cast<std::uintptr_t>(block.data()) % 16;
    platform::Pool pool(MutableBytes(block).subspan(skip, 4096));
    auto* text = static_cast<char*>(pool.reallocate(nullptr, 10));
    std::memcpy(text, "123456789", 10);
    CHECK(pool.reallocate(text, 16) == text);
    text = static_cast<char*>(pool.reallocate(text, 500));
    CHECK(std::string_view(text) == "123456789");
    CHECK(pool.reallocate(text, 5000) == nullptr);
    CHECK(std::string_view(text) == "123456789");
}

TEST_CASE("memory: a block that is touched only where it is used") {
    const MutableBytes block = platform::map_memory(std::size_t{256} << 20, false).value();
    block[block.size() - 1] = 1;
    CHECK(block[0] == 0);
    platform::unmap_memory(block);
    const MutableBytes touched = platform::map_memory(1 << 20, true).value();
    CHECK(touched[4096] == 0);
    platform::unmap_memory(touched);
    CHECK(platform::map_memory(~std::size_t{0} - (1 << 20), false).error() == Error::out_of_memory_budget);
}

TEST_CASE("memory: what an environment takes of the arena is what it says") {
    for (const std::size_t connections : {std::size_t{1}, std::size_t{16}, std::size_t{128}, std::size_t{1000}}) {
        platform::UvOptions options;
        options.connections_max = connections;
        const std::size_t bytes = platform::UvEnv::memory_bytes(options) + platform::UvProcess::memory_bytes();
        std::vector<std::uint8_t> memory(bytes);
        Arena arena(memory);
        platform::UvEnv env(options, arena);
        const platform::UvProcess process(env, arena);
        CHECK(arena.used() <= bytes);
        CHECK(arena.used() + 256 >= bytes);
        CHECK(env.library_memory().peak <= env.library_memory().bytes);
    }
}

TEST_CASE("allocation: past serving() operator new aborts with a message") {
    int status = 0;
    std::string text = fate([] {
        platform::seal_allocations();
        platform::unseal_allocations();
        ::operator delete(::operator new(77));
        platform::seal_allocations();
        {
            const platform::AllocationExemption exemption;
            ::operator delete(::operator new(77));
        }
        ::operator delete(::operator new(4711));
    }, status);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    CHECK(text.find("4711") != text.npos);
    text = fate([] {
        platform::UvOptions options = test_options();
        options.seal_allocations = true;
        World world(options);
        world.env.serving();
        ::operator delete[](::operator new[](815, std::align_val_t(64), std::nothrow));
    }, status);
    CHECK(WIFSIGNALED(status));
    CHECK(text.find("815") != text.npos);
}

TEST_CASE("disk: past serving() a call on the loop's thread aborts") {
    int status = 0;
    const std::string text = fate([] {
        World world;
        static_cast<void>(world.env.disk().exists("/"));
        world.env.serving();
        static_cast<void>(world.env.disk().exists("/"));
    }, status);
    CHECK(WIFSIGNALED(status));
    CHECK(text.find("disk_call_on_the_loop") != text.npos);
}

TEST_CASE("disk: past serving() nothing is opened, by a worker neither") {
    int status = 0;
    const std::string text = fate([] {
        World world;
        world.env.serving();
        std::thread([&] { static_cast<void>(world.env.disk().open("/dev/null", env::OpenMode::read_only)); }).join();
    }, status);
    CHECK(WIFSIGNALED(status));
    CHECK(text.find("opened_while_serving") != text.npos);
}

TEST_CASE("descriptors: libuv's table of watchers has its final size from the start") {
    platform::UvOptions options = test_options();
    options.connections_max = 100;
    World world(options);
    rlimit limit;
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const auto before = world.env.library_memory();
    // More descriptors than it takes for the last: every one that can be had.
    std::vector<int> all;
    for (int fd; (fd = ::dup(STDERR_FILENO)) != -1;) all.push_back(fd);
    CHECK(static_cast<rlim_t>(all.back()) == limit.rlim_cur - 1);
    ::close(all.back());
    all.pop_back();
    Peer peer;
    peer.connection = world.env.network().connect(loopback(1), peer).value();
    CHECK(world.until([&] { return peer.closed; }));
    for (const int fd : all) ::close(fd);
    CHECK(world.env.library_memory().allocations == before.allocations);
}

#ifdef RIVULET_TEST_COUNTS_MALLOC

extern "C" {
void* malloc(std::size_t n) { return aligned(16, n); }
void* calloc(std::size_t count, std::size_t size) {
    std::size_t n = 0;
    if (__builtin_mul_overflow(count, size, &n)) return nullptr;
    void* const at = aligned(16, n);
    if (at) std::memset(at, 0, n);
    return at;
}
void* realloc(void* at, std::size_t n) {
    ++mallocs;
    return heap().reallocate(at, n);
}
void free(void* at) { heap().free(at); }
void* memalign(std::size_t alignment, std::size_t n) { return aligned(alignment, n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) { return aligned(alignment, n); }
int posix_memalign(void** at, std::size_t alignment, std::size_t n) {
    *at = aligned(alignment, n);
    return *at ? 0 : ENOMEM;
}
}

namespace {

// Ends that keep nothing, so that only what is below them can allocate.
struct Bouncer final : env::ConnectionHandler {
    env::Connection* connection = nullptr;
    std::uint8_t buffer[2048];
    std::uint64_t bytes = 0;
    bool closed = false;
    MutableBytes receive_buffer() override { return connection->sending() ? MutableBytes() : MutableBytes(buffer); }
    void on_connected() override { bounce(sizeof buffer); }
    void on_received(std::size_t n) override {
        bytes += n;
        if (n != 0) bounce(n);
    }
    void on_sent() override { connection->resume_reading(); }
    void on_closed(Error) override { closed = true; }
    void bounce(std::size_t n) {
        if (connection->sending()) return;
        const Bytes parts[] = {{buffer, n / 2}, {buffer + n / 2, n - n / 2}};
        connection->send(parts);
    }
};

struct Bounce final : env::Acceptor {
    Bouncer ends[4];
    std::size_t next = 0;
    env::ConnectionHandler* on_accept(env::Connection& connection) override {
        Bouncer& end = ends[next++ % 4];
        end.connection = &connection;
        end.closed = false;
        return &end;
    }
};

struct Ticker final : env::Timer {
    explicit Ticker(platform::UvEnv& e) : env(e) {}
    void on_timer() override {
        ++ticks;
        env.arm(*this, env.now() + ns_per_ms);
    }
    platform::UvEnv& env;
    int ticks = 0;
};

struct Repeat final : env::Job {
    Repeat(env::JobKind kind, platform::UvEnv& e, env::File& f) : Job(kind), env(e), file(f) {}
    void run(env::Disk& disk) override {
        static const std::uint8_t data[4096] = {};
        const Bytes parts[] = {{data, 4096}, {data, 4096}};
        if (kind() == env::JobKind::commit) static_cast<void>(disk.write(file, 0, parts));
        if (kind() == env::JobKind::commit) static_cast<void>(disk.sync(file));
        if (kind() == env::JobKind::read) static_cast<void>(disk.read(file, 0, buffer));
    }
    void done() override {
        ++rounds;
        if (!ending) env.submit(*this);
    }
    platform::UvEnv& env;
    env::File& file;
    std::uint8_t buffer[4096];
    int rounds = 0;
    bool ending = false;
};

struct OnSignal final : env::SignalHandler {
    int seen = 0;
    void on_signal(env::Signal) override { ++seen; }
};

}  // namespace

TEST_CASE("allocation: past serving() neither malloc nor libuv's pool is touched") {
    const TemporaryDirectory directory;
    platform::UvOptions options = test_options();
    options.seal_allocations = true;
    auto world = std::make_unique<World>(options);
    platform::UvEnv& env = world->env;
    {
        platform::UvProcess process(env, world->arena);
        OnSignal on_signal;
        env::File& file = *env.disk().open(directory / "f", env::OpenMode::create).value();
        Bounce bounce;
        env::Listener* const listener = env.network().listen(loopback(), {}, bounce).value();
        const env::Address address = listener->local();
        Ticker ticker(env);
        Repeat commit(env::JobKind::commit, env, file), read(env::JobKind::read, env, file), compute(env::JobKind::compute, env, file);
        Bouncer clients[3];
        process.handle_signals(&on_signal);
        env.serving();
        env.arm(ticker, env.now());
        const std::uint64_t mallocs_before = mallocs;
        const auto library_before = env.library_memory();
        for (Repeat* job : {&commit, &read, &compute}) env.submit(*job);
        // Several rounds of connecting, so that slots are used again.
        const auto count = [&] {
            for (int round = 0; round < 5; ++round) {
                for (Bouncer& client : clients) {
                    client.closed = false;
                    client.bytes = 0;
                    client.connection = env.network().connect(address, client).value();
                }
                const auto all = [&](auto condition) { return condition(clients[0]) && condition(clients[1]) && condition(clients[2]); };
                if (!world->until([&] { return all([](Bouncer& c) { return c.bytes > 100'000; }); })) return false;
                ::raise(SIGHUP);
                for (Bouncer& client : clients) client.connection->close();
                if (!world->until([&] { return all([](Bouncer& c) { return c.closed; }); })) return false;
            }
            env.log(env::LogLevel::debug, "unseen");
            return world->until([&] { return commit.rounds > 20 && read.rounds > 20 && compute.rounds > 20 && ticker.ticks > 20; });
        };
        const bool finished = count();
        for (Repeat* job : {&commit, &read, &compute}) job->ending = true;
        const bool idle = world->until([&] { return !commit.linked() && on_signal.seen > 0; });
        const std::uint64_t mallocs_after = mallocs;
        const auto library_after = env.library_memory();
        env.disarm(ticker);
        listener->close();
        env.stop();
        env.run();  // unseals
        CHECK(finished);
        CHECK(idle);
        CHECK(mallocs_after == mallocs_before);
        CHECK(library_after.allocations == library_before.allocations);
        CHECK(library_after.used == library_before.used);
        // The counter does count.
        std::free(std::malloc(1));
        CHECK(mallocs > mallocs_after);
    }
    world.reset();
}

#endif
