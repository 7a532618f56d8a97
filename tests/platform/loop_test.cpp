#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/log.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

struct Recorder final : env::Timer {
    Recorder(platform::UvEnv& e, std::vector<int>& o, int n) : env(e), order(o), name(n) {}
    void on_timer() override {
        order.push_back(name);
        early = early || env.now() < due();
        same_turn = same_turn || env.now() == ran_at;
        ran_at = env.now();
        if (again != 0) {
            --again;
            env.arm(*this, env.now());
            CHECK(armed());
        }
        if (stop) env.stop();
    }
    platform::UvEnv& env;
    std::vector<int>& order;
    int name;
    int again = 0;
    Instant ran_at;
    bool same_turn = false;
    bool early = false;
    bool stop = false;
};

}  // namespace

TEST_CASE("loop: timers run in the order of their instants, ties in the order of arming") {
    World world;
    std::vector<int> order;
    Recorder a(world.env, order, 1), b(world.env, order, 2), c(world.env, order, 3), d(world.env, order, 4), past(world.env, order, 0);
    const Instant now = world.env.now();
    world.env.arm(c, now + 5 * ns_per_ms + 1);
    world.env.arm(a, now + 1);
    world.env.arm(d, now + 5 * ns_per_ms + 1);
    world.env.arm(b, now + 3 * ns_per_ms);
    world.env.arm(past, now + -5);
    CHECK(order.empty());
    CHECK(world.until([&] { return order.size() == 5; }));
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
    for (const Recorder* t : {&a, &b, &c, &d, &past}) CHECK_FALSE(t->early);
}

TEST_CASE("loop: a timer moved, disarmed, and armed again from its own callback") {
    World world;
    std::vector<int> order;
    Recorder a(world.env, order, 1), b(world.env, order, 2);
    world.env.arm(a, world.env.now() + 60 * ns_per_s);
    world.env.arm(b, world.env.now() + 2 * ns_per_ms);
    world.env.arm(a, world.env.now());
    world.env.disarm(b);
    a.again = 3;
    CHECK(world.until([&] { return order.size() == 4; }));
    world.linger(10);
    CHECK(order == std::vector<int>{1, 1, 1, 1});
    CHECK_FALSE(a.same_turn);
}

TEST_CASE("loop: a timer that is due at once waits for no millisecond, and holds up no input") {
    World world;
    std::vector<int> order;
    Recorder a(world.env, order, 1);
    a.again = 20'000;
    Door door;
    Peer server, client;
    door.peers = {&server};
    const auto listener = world.env.network().listen(loopback(), {}, door);
    REQUIRE(listener.ok());
    const Instant begin = world.env.now();
    world.env.arm(a, begin);
    const auto connection = world.env.network().connect((*listener)->local(), client);
    REQUIRE(connection.ok());
    client.connection = *connection;
    CHECK(world.until([&] { return client.connected; }));
    CHECK(a.again > 0);  // it went on all the while
    CHECK(world.until([&] { return order.size() == 20'001; }));
    CHECK_FALSE(a.same_turn);
    // A millisecond each would be 20 s.
    CHECK(world.env.now() - begin < 10 * ns_per_s);
}

TEST_CASE("loop: now() stands still within a turn and never goes back") {
    struct Still final : env::Timer {
        explicit Still(platform::UvEnv& e) : env(e) {}
        void on_timer() override {
            const Instant first = env.now();
            CHECK(first >= last);
            last = first;
            ::usleep(50);
            CHECK(env.now() == first);
            if (++turns < 20) env.arm(*this, first + ns_per_ms);
        }
        platform::UvEnv& env;
        Instant last;
        int turns = 0;
    };
    World world;
    Still still(world.env);
    world.env.arm(still, world.env.now());
    CHECK(world.until([&] { return still.turns == 20; }));
    // Between runs each call reads the clock: start-up measures with it.
    const Instant before = world.env.now();
    while (world.env.now() == before) {}
    CHECK(world.env.now() > before);
}

TEST_CASE("loop: run() until stop(), again and again; run_once() until nothing is left") {
    World world;
    std::vector<int> order;
    Recorder a(world.env, order, 1);
    a.stop = true;
    for (std::size_t i = 1; i <= 3; ++i) {
        world.env.arm(a, world.env.now() + ns_per_ms);
        world.env.run();
        CHECK(order.size() == i);
    }
    world.env.stop();
    world.env.run();  // a stop() asked for beforehand counts
    CHECK_FALSE(world.env.run_once());
    a.stop = false;
    world.env.arm(a, world.env.now() + ns_per_ms);
    int turns = 0;
    while (world.env.run_once()) ++turns;
    CHECK(turns < 100);
    CHECK(order.size() == 4);
    world.env.arm(a, world.env.now() + 60 * ns_per_s);
    world.env.disarm(a);
    CHECK_FALSE(world.env.run_once());
}

TEST_CASE("loop: clocks, boot and entropy") {
    World world;
    // Later than this was written, unless the machine has no clock.
    CHECK(world.env.wall() > Timestamp(0));
    static_cast<void>(world.env.wall_synchronised());
    CHECK_FALSE(world.env.boot_id().is_nil());
}

TEST_CASE("loop: entropy is not the same twice") {
    World world;
    std::uint8_t a[300] = {};
    std::uint8_t b[300] = {};
    world.env.entropy(a);
    world.env.entropy(b);
    CHECK_FALSE(equal(a, b));
}

namespace {

// Standard error into a pipe, for as long as this lives.
struct Captured {
    Captured() {
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        before = ::dup(STDERR_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
    }
    ~Captured() {
        ::dup2(before, STDERR_FILENO);
        ::close(before);
        ::close(ends[0]);
        ::close(ends[1]);
    }
    std::string read() {
        std::string text(1 << 20, '\0');
        pollfd p{ends[0], POLLIN, 0};
        if (::poll(&p, 1, 0) != 1) return {};
        text.resize(static_cast<std::size_t>(::read(ends[0], text.data(), text.size())));
        return text;
    }
    int ends[2];
    int before;
};

}  // namespace

TEST_CASE("log: levels, forms, and a reader that does not read") {
    Captured captured;
    World world;
    env::LogLine(world.env, env::LogLevel::info) << "partition " << 7 << " is back";
    env::LogLine(world.env, env::LogLevel::debug) << "unseen";
    world.env.log(env::LogLevel::error, "flash");
    CHECK(captured.read() == "info: partition 7 is back\nerror: flash\n");
    world.env.set_log_level(env::LogLevel::debug);
    env::LogLine(world.env, env::LogLevel::debug) << "seen";
    CHECK(captured.read() == "debug: seen\n");

    world.env.serving();
    std::size_t lines = 0;
    for (; lines < 4000; ++lines) world.env.log(env::LogLevel::warning, "a line of some forty characters in length");
    const std::string text = captured.read();
    CHECK(text.size() < lines * 49);
    world.env.log(env::LogLevel::info, "and on");
    const std::string rest = captured.read();
    CHECK(rest.find("log lines were dropped: standard error was full\n") != rest.npos);
    CHECK(rest.ends_with("info: and on\n"));
    world.env.stop();
    world.env.run();
}

TEST_CASE("log: the journal gets levels as numbers") {
    Captured captured;
    struct stat pipe_stat;
    REQUIRE(::fstat(captured.ends[1], &pipe_stat) == 0);
    ::setenv("JOURNAL_STREAM", (std::to_string(pipe_stat.st_dev) + ":" + std::to_string(pipe_stat.st_ino)).c_str(), 1);
    {
        World world;
        world.env.log(env::LogLevel::warning, "hot");
    }
    ::setenv("JOURNAL_STREAM", "1:1", 1);
    {
        World world;
        world.env.log(env::LogLevel::warning, "redirected");
    }
    ::unsetenv("JOURNAL_STREAM");
    CHECK(captured.read() == "<4>hot\nwarning: redirected\n");
}
