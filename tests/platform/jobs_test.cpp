#include <doctest/doctest.h>

#include <atomic>
#include <memory>

#include <semaphore.h>
#include <unistd.h>

#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

struct Gate {
    Gate() { sem_init(&semaphore, 0, 0); }
    ~Gate() { sem_destroy(&semaphore); }
    void open(int n = 1) {
        while (n-- > 0) sem_post(&semaphore);
    }
    void wait() { sem_wait(&semaphore); }
    sem_t semaphore;
};

struct Counters {
    std::atomic<int> running = 0;
    std::atomic<int> running_max = 0;
    std::vector<int> done;
};

struct Work final : env::Job {
    Work(env::JobKind kind, Counters& c, int n, Gate* g = nullptr) : Job(kind), counters(c), name(n), gate(g) {}
    void run(env::Disk&) override {
        thread = ::gettid();
        const int now = ++counters.running;
        for (int seen = counters.running_max; seen < now && !counters.running_max.compare_exchange_weak(seen, now);) {}
        if (gate) gate->wait();
        --counters.running;
    }
    void done() override {
        counters.done.push_back(name);
        if (resubmit_to) {
            env::Env* const env = resubmit_to;
            resubmit_to = nullptr;
            env->submit(*this);
        }
    }
    Counters& counters;
    int name;
    Gate* gate;
    pid_t thread = 0;
    env::Env* resubmit_to = nullptr;
};

}  // namespace

TEST_CASE("jobs: each kind runs while reads are stuck, and no kind exceeds its slots") {
    World world;
    Gate stuck;
    Counters reads, commits, computes;
    std::vector<std::unique_ptr<Work>> jobs;
    for (int i = 0; i < 6; ++i) jobs.push_back(std::make_unique<Work>(env::JobKind::read, reads, i, &stuck));
    for (int i = 0; i < 6; ++i) jobs.push_back(std::make_unique<Work>(env::JobKind::commit, commits, i));
    for (int i = 0; i < 6; ++i) jobs.push_back(std::make_unique<Work>(env::JobKind::compute, computes, i));
    for (auto& job : jobs) world.env.submit(*job);
    CHECK(commits.done.empty());
    REQUIRE(world.until([&] { return commits.done.size() == 6 && computes.done.size() == 6 && reads.running == 2; }));
    CHECK(commits.done == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(computes.done == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(commits.running_max == 1);
    CHECK(computes.running_max == 1);
    CHECK(reads.done.empty());
    stuck.open(6);
    REQUIRE(world.until([&] { return reads.done.size() == 6; }));
    CHECK(reads.running_max == 2);
    for (auto& job : jobs) CHECK(job->thread != ::gettid());
}

TEST_CASE("jobs: a job is submitted again from its own done()") {
    World world;
    Counters counters;
    Work work(env::JobKind::commit, counters, 1);
    work.resubmit_to = &world.env;
    world.env.submit(work);
    CHECK(world.until([&] { return counters.done.size() == 2; }));
}

TEST_CASE("jobs: an environment that goes away waits for what runs and drops the rest") {
    Counters counters;
    Gate gate;
    Work running(env::JobKind::commit, counters, 1, &gate), queued(env::JobKind::commit, counters, 2, &gate);
    {
        World world;
        world.env.submit(running);
        world.env.submit(queued);
        REQUIRE(world.until([&] { return counters.running == 1; }) == true);
        gate.open();
    }
    CHECK(counters.running == 0);
    CHECK(counters.done.empty());
    CHECK(queued.thread == 0);
    CHECK_FALSE(queued.linked());
}

TEST_CASE("jobs: blocking disk calls belong to them") {
    struct Reader final : env::Job {
        Reader() : Job(env::JobKind::read) {}
        void run(env::Disk& disk) override { bytes = disk.read(*file, 0, buffer).value(); }
        void done() override { finished = true; }
        env::File* file = nullptr;
        std::uint8_t buffer[8];
        std::size_t bytes = 0;
        bool finished = false;
    };
    const TemporaryDirectory directory;
    World world;
    Reader reader;
    reader.file = world.env.disk().open(directory / "f", env::OpenMode::create).value();
    CHECK(world.env.disk().write(*reader.file, 0, as_bytes("payload")).ok());
    world.env.serving();
    world.env.submit(reader);
    CHECK(world.until([&] { return reader.finished; }));
    CHECK(as_text({reader.buffer, reader.bytes}) == "payload");
    world.env.stop();
    world.env.run();
    world.env.disk().close(*reader.file);  // the end of run() is the end of serving
}
