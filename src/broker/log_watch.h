// Who waits for more of a log: its high watermark moves, or the log goes.
// Owns:     a list for each slot of a log. Bounds: no allocation; a watch is embedded in what waits, on one list at a time, and fires once.
// Thread:   loop only; on_readable() never comes from within watch().
#pragma once

#include "base/arena.h"
#include "base/list.h"

namespace rivulet::broker {

class LogWatch : public ListNode<LogWatch> {
public:
    virtual void on_readable() = 0;

protected:
    ~LogWatch() = default;
};

class LogWatches {
public:
    LogWatches(Arena& arena, std::uint32_t logs_max) : lists_(arena.make_array<List<LogWatch>>(logs_max)) {}
    static std::size_t memory_bytes(std::uint32_t logs_max) { return logs_max * sizeof(List<LogWatch>) + alignof(List<LogWatch>); }

    void watch(std::uint32_t slot, LogWatch& watch) { lists_[slot].push_back(watch); }
    static void cancel(LogWatch& watch) {
        if (watch.linked()) List<LogWatch>::remove(watch);
    }
    // Those of this log are to be called by fire(). False: there are none.
    bool note(std::uint32_t slot) {
        if (lists_[slot].empty()) return false;
        while (LogWatch* const watch = lists_[slot].pop_front()) due_.push_back(*watch);
        return true;
    }
    // Calls the longest due. False: nobody is.
    bool fire() {
        LogWatch* const watch = due_.pop_front();
        if (watch) watch->on_readable();
        return watch != nullptr;
    }

private:
    std::span<List<LogWatch>> lists_;
    List<LogWatch> due_;
};

}  // namespace rivulet::broker
