#include "store/log_table.h"

namespace rivulet::store {

LogTable::LogTable(Arena& arena, std::uint32_t capacity)
    : logs_(reinterpret_cast<Log*>(arena.take_bytes(capacity * sizeof(Log), alignof(Log)).data()), capacity),
      order_(arena.make_array<std::uint32_t>(capacity)) {
    for (std::uint32_t i = 0; i < capacity; ++i) order_[i] = i;
}

std::uint32_t LogTable::rank_from(LogId id) const {
    std::uint32_t low = 0;
    std::uint32_t high = count_;
    while (low < high) {
        const std::uint32_t middle = (low + high) / 2;
        if (logs_[order_[middle]].id < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

Log* LogTable::find(LogId id) {
    const auto here = [&] { return found_ < count_ && at(found_).id == id; };
    if (!here()) found_ = rank_from(id);
    return here() ? &at(found_) : nullptr;
}

Result<Log*> LogTable::create(LogId id, bool memory) {
    RIVULET_CHECK(id.value != 0);
    const std::uint32_t rank = rank_from(id);
    if (rank < count_ && at(rank).id == id) return fail(Error::exists);
    if (count_ == capacity()) return fail(Error::limit_reached);
    const std::uint32_t slot = order_[count_];
    for (std::uint32_t i = count_++; i > rank; --i) order_[i] = order_[i - 1];
    order_[rank] = slot;
    Log& log = *::new (static_cast<void*>(&logs_[slot])) Log();
    log.slot = slot;
    log.id = id;
    log.memory = memory;
    return &log;
}

void LogTable::remove(Log& log) {
    RIVULET_CHECK(log.first_block == no_block && log.first_sample == no_sample && !log.dirty() && !log.in_commit());
    const std::uint32_t rank = rank_from(log.id);
    RIVULET_CHECK(rank < count_ && &at(rank) == &log);
    --count_;
    for (std::uint32_t i = rank; i < count_; ++i) order_[i] = order_[i + 1];
    order_[count_] = log.slot;
    log.~Log();
}

}  // namespace rivulet::store
