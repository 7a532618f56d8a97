#include "platform/uv/allocator.h"

#include <uv.h>

#include <bit>
#include <cstdlib>

namespace rivulet::platform {

namespace {

constexpr std::size_t smallest_bytes = 16;

Pool* uv_pool = nullptr;

void* pool_malloc(std::size_t n) { return uv_pool->allocate(n); }
void* pool_realloc(void* at, std::size_t n) { return uv_pool->reallocate(at, n); }
void* pool_calloc(std::size_t count, std::size_t size) {
    std::size_t n = 0;
    if (__builtin_mul_overflow(count, size, &n)) return nullptr;
    void* const at = uv_pool->allocate(n);
    if (at) std::memset(at, 0, n);
    return at;
}
void pool_free(void* at) { uv_pool->free(at); }

}  // namespace

class Pool::Lock {
public:
    explicit Lock(Pool& pool) : pool_(pool) { pthread_mutex_lock(&pool_.mutex_); }
    ~Lock() { pthread_mutex_unlock(&pool_.mutex_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    Pool& pool_;
};

Pool::Pool(MutableBytes block) : block_(block) {
    const auto misaligned = reinterpret_cast<std::uintptr_t>(block.data()) % alignment;
    RIVULET_CHECK(misaligned == 0);
}

std::size_t Pool::class_of(std::size_t n) {
    if (n > std::size_t{1} << (classes - 1)) return classes;
    return static_cast<std::size_t>(std::countr_zero(std::bit_ceil(n < smallest_bytes ? smallest_bytes : n)) - std::countr_zero(smallest_bytes));
}

std::size_t Pool::class_bytes(std::size_t size_class) { return (smallest_bytes << size_class) + sizeof(Header); }

std::size_t Pool::piece_bytes(std::size_t n) { return class_bytes(class_of(n)); }

Pool::Header* Pool::take(std::size_t size_class) {
    if (size_class >= classes) return nullptr;
    if (Header* const header = free_[size_class]) {
        free_[size_class] = header->next;
        return header;
    }
    const std::size_t n = class_bytes(size_class);
    if (n > block_.size() - carved_) return nullptr;
    auto* const header = ::new (static_cast<void*>(block_.data() + carved_)) Header{size_class, nullptr};
    carved_ += n;
    return header;
}

void* Pool::allocate(std::size_t n) {
    const Lock lock(*this);
    Header* const header = take(class_of(n));
    if (!header) {
        ++refusals_;
        return nullptr;
    }
    ++allocations_;
    used_ += class_bytes(header->size_class);
    if (used_ > peak_) peak_ = used_;
    return header + 1;
}

void Pool::free(void* at) {
    if (!at) return;
    const Lock lock(*this);
    Header* const header = static_cast<Header*>(at) - 1;
    RIVULET_CHECK(header->size_class < classes);
    used_ -= class_bytes(header->size_class);
    header->next = free_[header->size_class];
    free_[header->size_class] = header;
}

void* Pool::reallocate(void* at, std::size_t n) {
    if (!at) return allocate(n);
    const std::size_t held = (static_cast<Header*>(at) - 1)->size_class;
    if (class_of(n) == held) return at;
    void* const moved = allocate(n);
    if (!moved) return nullptr;
    const std::size_t room = class_bytes(held) - sizeof(Header);
    std::memcpy(moved, at, room < n ? room : n);
    free(at);
    return moved;
}

void set_uv_pool(Pool* pool) {
    RIVULET_CHECK(!pool || !uv_pool);
    if (pool) {
        uv_pool = pool;
        RIVULET_CHECK(uv_replace_allocator(pool_malloc, pool_realloc, pool_calloc, pool_free) == 0);
    } else {
        RIVULET_CHECK(uv_replace_allocator(std::malloc, std::realloc, std::calloc, std::free) == 0);
        uv_pool = nullptr;
    }
}

}  // namespace rivulet::platform
