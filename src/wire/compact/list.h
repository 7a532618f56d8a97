// A list inside a received frame: a lazy range over its bytes.
// Owns:     nothing: a view into the receive buffer, valid as long as that is.
// Bounds:   no allocation; every item was read once, successfully, before the list was handed out.
// Format:   items one after the other; T::read(Reader&) reads one.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace rivulet::wire::compact {

template <class T>
class List {
public:
    class Iterator {
    public:
        Iterator(Bytes bytes, std::size_t left) : reader_(bytes), left_(left) { load(); }
        const T& operator*() const { return item_; }
        const T* operator->() const { return &item_; }
        Iterator& operator++() { --left_; load(); return *this; }
        bool operator==(const Iterator& other) const { return left_ == other.left_; }

    private:
        void load() { if (left_ != 0) item_ = T::read(reader_); }
        Reader reader_;
        std::size_t left_;
        T item_{};
    };

    List() = default;
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    T front() const { return *begin(); }  // of a list that is not empty
    Iterator begin() const { return {bytes_, count_}; }
    Iterator end() const { return {{}, 0}; }
    // The items' bytes, as they are on the wire.
    Bytes encoded() const { return bytes_; }

    // Takes the rest of the reader, as many items as it holds.
    static List to_end(Reader& from) {
        List list;
        Reader items(from.rest());
        const Reader start = items;
        while (!items.at_end()) { T::read(items); ++list.count_; }
        return list.finish(from, start, items);
    }
    // Takes a varint count and as many items.
    static List counted(Reader& from) {
        List list;
        const std::uint64_t n = from.varint();
        const Reader start = from;
        for (; list.count_ < n && from.ok(); ++list.count_) T::read(from);
        return list.finish(from, start, from);
    }
    // Takes items up to one that T::ends_list().
    static List terminated(Reader& from) {
        List list;
        const Reader start = from;
        Reader end = from;
        while (from.ok()) {
            end = from;
            if (T::read(from).ends_list()) break;
            ++list.count_;
        }
        return list.finish(from, start, end);
    }
    // Over items that this end has encoded itself.
    static List over(Bytes encoded, std::size_t count) {
        List list;
        list.bytes_ = encoded;
        list.count_ = count;
        return list;
    }

private:
    List finish(Reader& from, Reader start, const Reader& end) {
        if (!from.ok() || !end.ok()) {
            from.invalidate();
            return {};
        }
        bytes_ = start.bytes(end.position() - start.position());
        return *this;
    }

    Bytes bytes_;
    std::size_t count_ = 0;
};

}  // namespace rivulet::wire::compact
