#include "platform/linux/operator_new.h"

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

// Only there in test builds.
extern "C" __attribute__((weak)) void rivulet_allocations_sealed(int on);

namespace rivulet::platform {

namespace {

std::atomic<bool> sealed = false;
thread_local int exemptions = 0;

void tell_guard(int on) {
    if (rivulet_allocations_sealed) rivulet_allocations_sealed(on);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
    if (allocations_forbidden()) {
        std::fprintf(stderr, "rivulet: operator new of %zu bytes while serving: memory is fixed at start\n", bytes);
        std::abort();
    }
    if (bytes == 0) bytes = 1;
    if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
    void* at = nullptr;
    return ::posix_memalign(&at, alignment, bytes) == 0 ? at : nullptr;
}

void* allocate_or_abort(std::size_t bytes, std::size_t alignment) {
    void* const at = allocate(bytes, alignment);
    if (!at) {
        std::fprintf(stderr, "rivulet: out of memory allocating %zu bytes\n", bytes);
        std::abort();
    }
    return at;
}

}  // namespace

void seal_allocations() {
    sealed = true;
    tell_guard(1);
}
void unseal_allocations() {
    sealed = false;
    tell_guard(0);
}
bool allocations_forbidden() { return sealed.load(std::memory_order_relaxed) && exemptions == 0; }

// The guard knows no threads: for so long it looks away altogether.
AllocationExemption::AllocationExemption() {
    ++exemptions;
    if (sealed) tell_guard(0);
}
AllocationExemption::~AllocationExemption() {
    --exemptions;
    if (sealed) tell_guard(1);
}

}  // namespace rivulet::platform

using rivulet::platform::allocate;
using rivulet::platform::allocate_or_abort;

namespace {
constexpr std::size_t usual = alignof(std::max_align_t);
constexpr std::size_t in_bytes(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }
}  // namespace

#define WEAK __attribute__((weak))

WEAK void* operator new(std::size_t n) { return allocate_or_abort(n, usual); }
WEAK void* operator new[](std::size_t n) { return allocate_or_abort(n, usual); }
WEAK void* operator new(std::size_t n, std::align_val_t a) { return allocate_or_abort(n, in_bytes(a)); }
WEAK void* operator new[](std::size_t n, std::align_val_t a) { return allocate_or_abort(n, in_bytes(a)); }
WEAK void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, usual); }
WEAK void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n, usual); }
WEAK void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, in_bytes(a)); }
WEAK void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, in_bytes(a)); }

WEAK void operator delete(void* at) noexcept { std::free(at); }
WEAK void operator delete[](void* at) noexcept { std::free(at); }
WEAK void operator delete(void* at, std::size_t) noexcept { std::free(at); }
WEAK void operator delete[](void* at, std::size_t) noexcept { std::free(at); }
WEAK void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
WEAK void operator delete[](void* at, std::align_val_t) noexcept { std::free(at); }
WEAK void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
WEAK void operator delete[](void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
WEAK void operator delete(void* at, const std::nothrow_t&) noexcept { std::free(at); }
WEAK void operator delete[](void* at, const std::nothrow_t&) noexcept { std::free(at); }
WEAK void operator delete(void* at, std::align_val_t, const std::nothrow_t&) noexcept { std::free(at); }
WEAK void operator delete[](void* at, std::align_val_t, const std::nothrow_t&) noexcept { std::free(at); }
