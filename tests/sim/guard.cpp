#include "sim/guard.h"

#include <cstdlib>

extern "C" {
// tests/support/guard/malloc_guard.cpp, where it is linked in.
__attribute__((weak)) void rivulet_allocations_sealed(int on);
__attribute__((weak)) void rivulet_allocations_count_only(int on);
__attribute__((weak)) std::uint64_t rivulet_allocations_seen(std::size_t* bytes, std::uintptr_t* caller);
}

namespace rivulet::sim {

AllocationGuard::State AllocationGuard::state_;

bool AllocationGuard::available() { return rivulet_allocations_seen != nullptr && rivulet_allocations_count_only != nullptr; }

AllocationGuard::Violation AllocationGuard::violations() {
    Violation seen;
    if (available()) seen.count = rivulet_allocations_seen(&seen.bytes, &seen.caller);
    return seen;
}

void AllocationGuard::enter(State state) {
    state_ = state;
    if (!rivulet_allocations_sealed || !available()) return;
    static const bool aborts = std::getenv("RIVULET_GUARD_ABORT") != nullptr;  // for a debugger
    rivulet_allocations_count_only(aborts ? 0 : 1);
    rivulet_allocations_sealed(state.in_node_code && *state.serving ? 1 : 0);
}

}  // namespace rivulet::sim
