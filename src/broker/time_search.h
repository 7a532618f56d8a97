// Offsets by time: the first record of a log, in order of offsets, with a time or a later one (Kafka's ListOffsets, KIP-79).
// A search begins at Store::time_hint(), which the segment index knows, and goes through the batches that fetches give, view by view.
// Compressed batches are opened in a job (record_search.h); the search goes on behind one that turns out to have nothing so late.
// Owns:     nothing. Bounds: one view at a time; of a batch the records up to the one that is found.
// Guarantee: times are those that consumers see; batches stamped under an untrusted clock whose offset is not known are passed over: theirs count from the boot.
// Thread:   loop only.
#pragma once

#include <optional>

#include "broker/broker.h"

namespace rivulet::broker {

struct TimeFound {
    Offset offset{0};
    Timestamp time{-1};
    // A compressed batch: the above are of its beginning, its records are not looked at yet (search_batch()).
    bool closed = false;
    Offset batch{0};
    Offset behind{0};  // the offset behind its last
};

// In the batches of this view, at or beyond `from`, up to the first compressed one that has the time, which is `closed`. A view with more() is refilled to its end.
std::optional<TimeFound> find_time(Broker& broker, store::ReadView& view, Offset from, Timestamp at);
// Has a closed batch opened: on_searched() comes later. False: there is no memory for that.
bool search_batch(Broker& broker, RecordWaiter& waiter, LogId log, const TimeFound& closed, Offset from, Timestamp at);

// The batch of this view, at or beyond `from`, with the largest time above `above`, the first of those that have it: its base offset and that time. Only headers are looked at.
std::optional<TimeFound> find_newest(Broker& broker, store::ReadView& view, Offset from, Timestamp above);

}  // namespace rivulet::broker
