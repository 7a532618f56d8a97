// The one memory of a broker: carved up at start, then sealed.
// Owns:     nothing; the block belongs to the caller of the constructor and must outlive everything carved from it.
// Bounds:   take() past the end or past seal() is a broken invariant and aborts: the budget (config/budget.h) is summed beforehand.
// Guarantee: memory is not touched by take(), so pages that are never used never become resident. Objects are never destroyed.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "base/bytes.h"

namespace rivulet {

class Arena {
public:
    explicit Arena(MutableBytes block) : block_(block) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    MutableBytes take_bytes(std::size_t n, std::size_t alignment = alignof(std::max_align_t)) {
        const auto base = reinterpret_cast<std::uintptr_t>(block_.data());
        const std::size_t start = ((base + used_ + alignment - 1) & ~(alignment - 1)) - base;
        RIVULET_CHECK(!sealed_);
        RIVULET_CHECK(start <= block_.size() && n <= block_.size() - start);
        used_ = start + n;
        return block_.subspan(start, n);
    }

    template <class T, class... Args>
    T& make(Args&&... args) {
        return *::new (static_cast<void*>(take_bytes(sizeof(T), alignof(T)).data())) T(std::forward<Args>(args)...);
    }

    // n value-initialised objects.
    template <class T>
    std::span<T> make_array(std::size_t n) {
        T* const first = reinterpret_cast<T*>(take_bytes(array_bytes(n, sizeof(T)), alignof(T)).data());
        for (std::size_t i = 0; i < n; ++i) ::new (static_cast<void*>(first + i)) T();
        return {first, n};
    }
    // n objects of a trivial type, left untouched: for large tables whose pages should stay unused until needed.
    template <class T>
    std::span<T> take_array(std::size_t n) {
        static_assert(std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>);
        return {reinterpret_cast<T*>(take_bytes(array_bytes(n, sizeof(T)), alignof(T)).data()), n};
    }

    void seal() { sealed_ = true; }
    bool sealed() const { return sealed_; }
    std::size_t used() const { return used_; }
    std::size_t size() const { return block_.size(); }

private:
    static std::size_t array_bytes(std::size_t n, std::size_t each) {
        RIVULET_CHECK(n <= static_cast<std::size_t>(-1) / each);
        return n * each;
    }

    MutableBytes block_;
    std::size_t used_ = 0;
    bool sealed_ = false;
};

}  // namespace rivulet
