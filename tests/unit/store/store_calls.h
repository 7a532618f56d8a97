// What tests of whole stores call again and again.
#pragma once

#include <doctest/doctest.h>

#include "support/log_model.h"

namespace rivulet::test {

// A reading in this log, if the store takes it.
inline Result<store::Appended> try_put(StoreHarness& h, LogId id, std::string_view value, const store::SessionReading& session = {}, bool untrusted = false) {
    record::Reading reading;
    reading.timestamp = Timestamp(1000);
    reading.value = as_bytes(value);
    return h.act([&] { return h.store().append(h.log(id), reading, untrusted, session); });
}

// The ticket of its commit.
inline std::uint64_t put_value(StoreHarness& h, LogId id, std::string_view value, const store::SessionReading& session = {}) {
    const Result<store::Appended> done = try_put(h, id, value, session);
    REQUIRE(done);
    return done->ticket;
}

// The same, and durable.
inline void store_value(StoreHarness& h, LogId id, std::string_view value, const store::SessionReading& session = {}) {
    REQUIRE(h.settle(put_value(h, id, value, session)));
}

// So many new logs, durable; the first of them.
inline LogId make_logs(StoreHarness& h, std::uint32_t count, bool memory = false) {
    const LogId first = h.store().next_log_id();
    const Result<std::uint64_t> ticket = h.act([&] { return h.store().create_logs(count, memory, {}); });
    REQUIRE(ticket);
    REQUIRE(h.settle(*ticket));
    return first;
}

inline void lose_checkpoints(StoreHarness& h) {
    const Buffer nothing(h.options().checkpoint_area_bytes);
    h.disk().overwrite("store/checkpoint.0", 0, nothing);
    h.disk().overwrite("store/checkpoint.1", 0, nothing);
}

// The segment that is being written.
inline std::uint64_t head_segment(StoreHarness& h) { return h.store().state().geometry.sequence(h.store().state().head.next); }

}  // namespace rivulet::test
