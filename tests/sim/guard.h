// Who is running: broker code or the simulator. Broker code that serves must not allocate, the simulator may.
// Owns:     one flag per process: the simulator runs in one thread.
// Guarantee: with tests/support/guard/malloc_guard.cpp linked in, an allocation by serving broker code is counted and its caller kept;
//            World turns it into a failure of the run. Without it, available() is false and nothing is counted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rivulet::sim {

class AllocationGuard {
    struct State {
        bool in_node_code = false;
        const bool* serving = nullptr;
    };

public:
    // Around every call into broker code. `serving` is read again whenever broker code goes on.
    class NodeCode {
    public:
        explicit NodeCode(const bool& serving) : before_(state_) { enter({true, &serving}); }
        ~NodeCode() { enter(before_); }
        NodeCode(const NodeCode&) = delete;
        NodeCode& operator=(const NodeCode&) = delete;

    private:
        State before_;
    };
    // Around everything that broker code calls in the simulator.
    class SimCode {
    public:
        SimCode() : before_(state_) { enter({}); }
        ~SimCode() { enter(before_); }
        SimCode(const SimCode&) = delete;
        SimCode& operator=(const SimCode&) = delete;

    private:
        State before_;
    };

    struct Violation {
        std::uint64_t count = 0;  // since the start of the process
        std::size_t bytes = 0;    // of the last one
        std::uintptr_t caller = 0;  // of the last one, relative to the start of the executable (for addr2line)
    };

    static bool available();
    static bool in_node_code() { return state_.in_node_code; }
    static Violation violations();

private:
    static void enter(State state);
    static State state_;
};

}  // namespace rivulet::sim
