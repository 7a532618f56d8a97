// Distinct number types, so that an offset is never taken for a byte position or an epoch.
// Bounds:   the size of the number inside; constexpr, no allocation. Order and arithmetic within one type only.
#pragma once

#include <compare>
#include <cstdint>

namespace rivulet {

template <class Tag, class Rep>
struct Quantity {
    Rep value{};

    constexpr Quantity() = default;
    constexpr explicit Quantity(Rep v) : value(v) {}
    constexpr auto operator<=>(const Quantity&) const = default;

    // A distance is a plain number: position + distance = position, position - position = distance.
    constexpr Quantity operator+(Rep distance) const { return Quantity(static_cast<Rep>(value + distance)); }
    constexpr Quantity operator-(Rep distance) const { return Quantity(static_cast<Rep>(value - distance)); }
    constexpr Rep operator-(Quantity other) const { return static_cast<Rep>(value - other.value); }
    constexpr Quantity& operator+=(Rep distance) { value = static_cast<Rep>(value + distance); return *this; }
    constexpr Quantity& operator++() { ++value; return *this; }
};

// Position of a record in its partition's log, from 0 (Kafka's offset).
using Offset = Quantity<struct OffsetTag, std::int64_t>;
// Byte position in the endless journal: segment sequence x segment bytes + byte within the segment. Never reused by valid bytes.
using Lsn = Quantity<struct LsnTag, std::uint64_t>;
// Kafka's leader epoch; -1 = unknown.
using Epoch = Quantity<struct EpochTag, std::int32_t>;
// Identity of one partition's log over the life of a store (and cluster): never reused. 0 = the store's own records.
using LogId = Quantity<struct LogIdTag, std::uint64_t>;
// Wall clock, milliseconds since 1970-01-01 UTC (Kafka's timestamp); -1 = none.
using Timestamp = Quantity<struct TimestampTag, std::int64_t>;
// Monotonic clock, nanoseconds from an arbitrary start; never goes back, meaningless across a restart.
using Instant = Quantity<struct InstantTag, std::int64_t>;

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_s = 1'000'000'000;

}  // namespace rivulet
