// Where each log's next extent must begin, as the journal tells it from its oldest live segment on: what verify follows.
// Owns:     nothing; the table lies in the caller's scratch. Bounds: as many logs as fit; further ones are not followed, and counted.
// Format:   FORMAT.md, sections 4 and 7.
#pragma once

#include "store/group.h"
#include "store/journal_record.h"

namespace rivulet::store {

class LogEnds {
public:
    explicit LogEnds(MutableBytes scratch);
    static constexpr std::size_t bytes_for(std::size_t logs) { return (logs + 1) * sizeof(Entry); }

    void apply(const JournalRecord& record);

    enum class Order : std::uint8_t {
        follows,   // or nothing is known of the log yet
        gap,       // [gap_from, extent.base) is missing
        overlaps,  // begins before the log's end, and no record truncated it
    };
    // Takes the extent into account. gap_lsn: where the log's last extent before it was.
    Order append(const Extent& extent, Lsn group, Offset& gap_from, Lsn& gap_lsn);

    std::uint64_t not_followed() const { return not_followed_; }

private:
    struct Entry {
        LogId log;
        Offset next;
        Offset ceiling;
        Lsn last_extent;
    };

    Entry* find(LogId log);
    Entry* find_or_add(LogId log, bool& added);
    void move_end(LogId log, Offset end);
    void raise_end(LogId log, Offset end);
    void remove(LogId first, std::uint32_t count);
    std::size_t lower_bound(LogId log) const;

    std::span<Entry> entries_;
    std::size_t count_ = 0;
    std::uint64_t not_followed_ = 0;
};

}  // namespace rivulet::store
