#include "sim/run/workers.h"

#include <cstdio>
#include <cstring>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace rivulet::sim {

namespace {

constexpr std::uint64_t twice_each = 20;
constexpr std::uint64_t reports_max = 20;

SeedResult run_checked(std::uint64_t seed, const SeedOptions& options) {
    SeedResult result = run_seed(seed, options);
    if (!result.failure.empty() || seed % twice_each != 0) return result;
    const SeedResult again = run_seed(seed, {});
    result.totals.replays = 1;
    if (again.hash != result.hash) result.failure = "the same seed gave two traces: the run does not depend on the seed alone";
    return result;
}

void report(const SeedResult& result) {
    std::printf("seed %llu failed: %s\n%s  replay: make sim SEEDS=%llu-%llu\n", static_cast<unsigned long long>(result.seed), result.failure.c_str(), result.log.c_str(),
                static_cast<unsigned long long>(result.seed), static_cast<unsigned long long>(result.seed));
    std::fflush(stdout);
}

// What a child tells of one seed: this, and when it failed it has said so itself.
struct Message {
    std::uint64_t seed;
    bool passed;
    Totals totals;
};

struct Child {
    pid_t pid = -1;
    int pipe = -1;
    std::uint64_t next = 0;  // the seed that it is at
};

// Seeds next, next + step, ... up to last.
[[noreturn]] void child_main(int pipe, std::uint64_t next, std::uint64_t step, const RunOptions& options) {
    std::uint64_t reports = 0;
    for (std::uint64_t seed = next; seed <= options.last; seed += step) {
        const SeedResult result = run_checked(seed, options.seed);
        const Message message{seed, result.failure.empty(), result.totals};
        if (!message.passed && ++reports <= reports_max) report(result);
        if (options.verbose) std::fprintf(stderr, "seed %llu: hash %016llx\n", static_cast<unsigned long long>(seed), static_cast<unsigned long long>(result.hash));
        if (::write(pipe, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) ::_exit(3);
    }
    std::fflush(stdout);
    ::_exit(0);
}

bool begin(Child& child, std::uint64_t step, const RunOptions& options) {
    int ends[2];
    if (child.next > options.last || ::pipe(ends) != 0) return false;
    std::fflush(stdout);
    child.pid = ::fork();
    if (child.pid < 0) return false;
    if (child.pid == 0) {
        ::close(ends[0]);
        child_main(ends[1], child.next, step, options);
    }
    ::close(ends[1]);
    child.pipe = ends[0];
    return true;
}

bool read_message(int pipe, Message& message) {
    std::size_t have = 0;
    auto* const into = reinterpret_cast<char*>(&message);
    while (have < sizeof message) {
        const ssize_t n = ::read(pipe, into + have, sizeof message - have);
        if (n <= 0) return false;
        have += static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

RunResult run_seeds(const RunOptions& options) {
    RunResult result;
    std::vector<Child> children(options.jobs);
    for (std::size_t i = 0; i < children.size(); ++i) {
        children[i].next = options.first + i;
        if (!begin(children[i], children.size(), options)) children[i].pid = -1;
    }
    for (Child& child : children) {
        while (child.pid > 0) {
            Message message;
            if (read_message(child.pipe, message)) {
                ++(message.passed ? result.passed : result.failed);
                result.totals.add(message.totals);
                child.next = message.seed + children.size();
                continue;
            }
            int status = 0;
            ::waitpid(child.pid, &status, 0);
            ::close(child.pipe);
            child.pid = -1;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
            // It said which seed by itself (abort_report.h) if it could.
            std::printf("seed %llu failed: its process ended with %s %d\n  replay: make sim SEEDS=%llu-%llu\n", static_cast<unsigned long long>(child.next),
                        WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                        static_cast<unsigned long long>(child.next), static_cast<unsigned long long>(child.next));
            ++result.failed;
            child.next += children.size();
            begin(child, children.size(), options);
        }
    }
    return result;
}

}  // namespace rivulet::sim
