// A fixed number of objects, constructed when first used, so that pages of what is never used stay untouched.
// Owns:     storage for `count` objects of T from the arena; T derives from ListNode<T, LazyPoolTag>.
// Bounds:   take() gives nullptr when all are taken; objects are reused, last given first, and never destroyed.
// Thread:   loop only.
#pragma once

#include <new>

#include "base/arena.h"
#include "base/list.h"

namespace rivulet::server {

struct LazyPoolTag;

template <class T>
class LazyPool {
public:
    LazyPool(Arena& arena, std::size_t count) : storage_(arena.take_bytes(count * sizeof(T), alignof(T))), count_(count) {}
    static constexpr std::size_t memory_bytes(std::size_t count) { return count * sizeof(T) + alignof(T); }

    // What `arguments` construct, or an object that was given back: the caller resets it.
    template <class... Arguments>
    T* take(Arguments&&... arguments) {
        T* object = free_.pop_front();
        if (!object && constructed_ < count_) {
            object = ::new (static_cast<void*>(storage_.data() + constructed_ * sizeof(T))) T(std::forward<Arguments>(arguments)...);
            ++constructed_;
        }
        if (object) ++taken_;
        return object;
    }
    void give(T& object) {
        free_.push_front(object);
        --taken_;
    }
    std::size_t taken() const { return taken_; }
    std::size_t count() const { return count_; }

private:
    MutableBytes storage_;
    List<T, LazyPoolTag> free_;
    std::size_t count_;
    std::size_t constructed_ = 0;
    std::size_t taken_ = 0;
};

}  // namespace rivulet::server
