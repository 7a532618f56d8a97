// An allocator that refuses to work while it is sealed: proves that nothing allocates past start-up.
// Owns:     malloc, free and their family, operator new; all memory comes from mmap and small blocks are never given back.
// Bounds:   free() is always allowed. While sealed an allocation by any thread prints its size and callers and aborts, or, for the
//           simulator, is counted. Linked into rivulet-guard and the simulator's programs, statically or not.
// Thread:   any. Not there under sanitizers, which bring an allocator of their own: the hooks are then missing but for sealed().
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

extern "C" void rivulet_allocations_sealed(int on);

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define RIVULET_SANITIZER_ALLOCATES
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RIVULET_SANITIZER_ALLOCATES
#endif

#ifdef RIVULET_SANITIZER_ALLOCATES

extern "C" void rivulet_allocations_sealed(int) {}

#else

extern "C" {
void rivulet_allocations_count_only(int on);
std::uint64_t rivulet_allocations_seen(std::size_t* bytes, std::uintptr_t* caller);
extern char __executable_start;
}

namespace {

std::atomic<int> sealed{0};
std::atomic<int> count_only{0};
std::atomic<std::size_t> seen{0};
std::atomic<std::size_t> seen_bytes{0};
std::atomic<std::uintptr_t> seen_caller{0};

// As addr2line wants it.
std::uintptr_t in_executable(std::uintptr_t address) {
#ifdef __PIE__
    return address - reinterpret_cast<std::uintptr_t>(&__executable_start);
#else
    return address;
#endif
}

void print(const char* text, std::size_t n) {
    while (n != 0) {
        const ssize_t written = ::write(2, text, n);
        if (written <= 0) return;
        text += written;
        n -= static_cast<std::size_t>(written);
    }
}

_Unwind_Reason_Code print_frame(_Unwind_Context* context, void* left) {
    char line[32];
    const int n = std::snprintf(line, sizeof line, " 0x%zx", static_cast<std::size_t>(in_executable(_Unwind_GetIP(context))));
    print(line, static_cast<std::size_t>(n));
    return --*static_cast<int*>(left) > 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void forbidden(std::size_t bytes, void* caller) {
    if (count_only.load(std::memory_order_relaxed) != 0) {
        seen_bytes.store(bytes, std::memory_order_relaxed);
        seen_caller.store(in_executable(reinterpret_cast<std::uintptr_t>(caller)), std::memory_order_relaxed);
        seen.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    sealed.store(0, std::memory_order_relaxed);  // what follows may allocate
    char line[128];
    const int n = std::snprintf(line, sizeof line, "allocation of %zu bytes after start-up; callers (addr2line -Cfipe PROGRAM):", bytes);
    print(line, static_cast<std::size_t>(n));
    int frames = 24;
    _Unwind_Backtrace(print_frame, &frames);
    print("\n", 1);
    std::abort();
}

inline void check(std::size_t bytes, void* caller) {
    if (sealed.load(std::memory_order_relaxed) != 0) [[unlikely]] forbidden(bytes, caller);
}

// Blocks of 2^k bytes (32 B .. 1 MiB) from lists, larger ones straight from mmap. Each starts with a header.
struct alignas(16) Header {
    std::uint32_t mark;
    std::uint32_t log2;      // 0: mapped alone
    std::size_t bytes;       // of the whole block; of an alias: the distance to the real payload
};
constexpr std::uint32_t mark_used = 0x75736564;
constexpr std::uint32_t mark_free = 0x66726565;
constexpr std::uint32_t mark_alias = 0x616c6961;  // before an address aligned by more than 16
constexpr std::uint32_t log2_min = 5;
constexpr std::uint32_t log2_max = 20;
constexpr std::size_t region_bytes = 4U << 20;

struct FreeBlock {
    Header header;
    FreeBlock* next;
};

std::atomic_flag busy = ATOMIC_FLAG_INIT;
FreeBlock* free_blocks[log2_max + 1];
char* region;
std::size_t region_left;

struct Lock {
    Lock() { while (busy.test_and_set(std::memory_order_acquire)) ::sched_yield(); }
    ~Lock() { busy.clear(std::memory_order_release); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
};

void* map(std::size_t bytes) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? nullptr : at;
}

void* take(std::size_t bytes) {
    if (bytes > PTRDIFF_MAX - region_bytes) return nullptr;
    const std::size_t need = bytes + sizeof(Header);
    Header* block = nullptr;
    std::uint32_t log2 = log2_min;
    while (log2 <= log2_max && (std::size_t{1} << log2) < need) ++log2;
    if (log2 > log2_max) {
        block = static_cast<Header*>(map(need));
        if (!block) return nullptr;
        *block = {mark_used, 0, need};
        return block + 1;
    }
    const Lock lock;
    const std::size_t size = std::size_t{1} << log2;
    if (FreeBlock* first = free_blocks[log2]) {
        free_blocks[log2] = first->next;
        block = &first->header;
    } else {
        if (region_left < size) {  // the rest of the old region is lost
            region = static_cast<char*>(map(region_bytes));
            region_left = region ? region_bytes : 0;
            if (!region) return nullptr;
        }
        block = reinterpret_cast<Header*>(region);
        region += size;
        region_left -= size;
    }
    *block = {mark_used, log2, size};
    return block + 1;
}

Header& header_of(void*& payload) {
    Header* header = static_cast<Header*>(payload) - 1;
    if (header->mark == mark_alias) {
        payload = static_cast<char*>(payload) - header->bytes;
        header = static_cast<Header*>(payload) - 1;
    }
    if (header->mark != mark_used) {
        constexpr char text[] = "malloc_guard: free or realloc of what is not allocated\n";
        print(text, sizeof text - 1);
        std::abort();
    }
    return *header;
}

std::size_t usable(void* payload) {
    void* real = payload;
    const Header& header = header_of(real);
    return header.bytes - sizeof(Header) - static_cast<std::size_t>(static_cast<char*>(payload) - static_cast<char*>(real));
}

void give_back(void* payload) {
    if (!payload) return;
    Header& header = header_of(payload);
    if (header.log2 == 0) {
        ::munmap(&header, header.bytes);
        return;
    }
    const Lock lock;
    header.mark = mark_free;
    auto* block = reinterpret_cast<FreeBlock*>(&header);
    block->next = free_blocks[header.log2];
    free_blocks[header.log2] = block;
}

void* take_aligned(std::size_t alignment, std::size_t bytes) {
    if (alignment <= sizeof(Header)) return take(bytes);
    if (bytes > PTRDIFF_MAX - 2 * alignment) return nullptr;
    auto* payload = static_cast<char*>(take(bytes + alignment + sizeof(Header)));
    if (!payload) return nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(payload);
    const std::size_t skip = (alignment - address % alignment) % alignment;
    if (skip == 0) return payload;  // else skip is at least 16, as all payloads are aligned by 16
    *(reinterpret_cast<Header*>(payload + skip) - 1) = {mark_alias, 0, skip};
    return payload + skip;
}

void* out_of_memory(void* result) {
    if (!result) errno = ENOMEM;
    return result;
}

}  // namespace

extern "C" {

void rivulet_allocations_sealed(int on) { sealed.store(on, std::memory_order_relaxed); }
void rivulet_allocations_count_only(int on) { count_only.store(on, std::memory_order_relaxed); }
std::uint64_t rivulet_allocations_seen(std::size_t* bytes, std::uintptr_t* caller) {
    *bytes = seen_bytes.load(std::memory_order_relaxed);
    *caller = seen_caller.load(std::memory_order_relaxed);
    return seen.load(std::memory_order_relaxed);
}

[[gnu::noinline]] void* malloc(std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    return out_of_memory(take(bytes));
}
[[gnu::noinline]] void free(void* payload) { give_back(payload); }
[[gnu::noinline]] void* calloc(std::size_t n, std::size_t each) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(n, each, &bytes)) return out_of_memory(nullptr);
    check(bytes, __builtin_return_address(0));
    void* payload = out_of_memory(take(bytes));
    if (payload) std::memset(payload, 0, bytes);
    return payload;
}
[[gnu::noinline]] void* realloc(void* payload, std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    if (!payload) return out_of_memory(take(bytes));
    if (bytes == 0) {
        give_back(payload);
        return nullptr;
    }
    const std::size_t have = usable(payload);
    if (bytes <= have && bytes >= have / 4) return payload;
    void* fresh = out_of_memory(take(bytes));
    if (!fresh) return nullptr;
    std::memcpy(fresh, payload, have < bytes ? have : bytes);
    give_back(payload);
    return fresh;
}
[[gnu::noinline]] void* memalign(std::size_t alignment, std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    return out_of_memory(take_aligned(alignment, bytes));
}
[[gnu::noinline]] void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    return out_of_memory(take_aligned(alignment, bytes));
}
[[gnu::noinline]] int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    void* payload = take_aligned(alignment, bytes);
    if (!payload) return ENOMEM;
    *out = payload;
    return 0;
}
[[gnu::noinline]] void* valloc(std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    return out_of_memory(take_aligned(4096, bytes));
}
[[gnu::noinline]] void* pvalloc(std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    return out_of_memory(take_aligned(4096, (bytes + 4095) / 4096 * 4096));
}
std::size_t malloc_usable_size(void* payload) { return payload ? usable(payload) : 0; }

}  // extern "C"

// Of its own, so that the caller is who wrote `new`. The other forms come down to this one or to the functions above.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    check(bytes, __builtin_return_address(0));
    void* payload = take(bytes);
    if (!payload) std::abort();
    return payload;
}
void operator delete(void* payload) noexcept { give_back(payload); }
void operator delete(void* payload, std::size_t) noexcept { give_back(payload); }

#endif
