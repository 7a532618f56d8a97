// Reads a log's tail from its ring blocks.
// Owns:     the list of views that have more to come. Bounds: a view pins at most pieces_max + 1 blocks.
// Guarantee: pinned blocks stay as they are; a block behind a pinned one is not evicted either, because eviction takes blocks from the front of a chain.
// Thread:   loop only.
#pragma once

#include "store/read_view.h"
#include "store/ring.h"

namespace rivulet::store {

class RamReader {
public:
    explicit RamReader(State& state) : state_(state), ring_(state) {}

    // Adds the closed batches from `from` on; nothing if there are none below the limit. Returns the number of batches looked at.
    std::size_t read(const Log& log, Offset from, Offset limit, std::size_t bytes_max, ReadView& view);
    // The next pieces of a view that has more; false if the rest is gone, for its log was dropped or truncated.
    bool refill(ReadView& view);
    void release(ReadView& view);
    void forget(const Log& log);

private:
    bool add(ReadView& view, ViewBuilder& builder, const Ring::Batch& batch);
    // Pieces of n bytes from a position, while there is room; returns the bytes that had none, and where they begin.
    std::size_t add_slices(ReadView& view, ViewBuilder& builder, ChainPosition at, std::size_t n, ChainPosition& rest);
    void keep_rest(ReadView& view, ChainPosition at, std::size_t n);
    void drop_rest(ReadView& view);

    State& state_;
    Ring ring_;
    List<ReadView> unfinished_;
};

}  // namespace rivulet::store
