// What verify found, and of what class each finding is, which later groups have to tell.
//   corruption  below the durable LSN of its run, so it had been synced; or a recovery took it for good and it went bad since
//   unproved    beyond that, in the last run: perhaps never acknowledged
//   settled     beyond it in an earlier run: the recovery after that run found it so and cut it off
// Owns:     the findings whose class is open, at most 64; the oldest counts as corruption when there are more.
// Format:   FORMAT.md, section 9, steps 3 to 5.
#pragma once

#include "store/group.h"
#include "store/journal_record.h"
#include "store/offline/report.h"

namespace rivulet::store {

struct Finding {
    std::string_view what;  // group, table, extent, batch, records, trailer, gap, overlap
    Lsn from{};             // in the journal
    Lsn to{};
    bool has_log = false;
    LogId log{};
    Offset first{};  // offsets [first, last]
    Offset last{};
    std::uint64_t extents = 0;          // table: how many it named
    std::uint64_t records_at_most = 0;  // group: how many the missing bytes can have held
    bool of_earlier_run = false;        // set by Findings
};

class Findings {
public:
    explicit Findings(const Report& report) : report_(report) {}

    void add(const Finding& finding);
    // A group of a later run came; whether it is that run's RUN_START.
    void next_run(Lsn run_start, bool is_run_start);
    void apply(const JournalRecord& record);
    // A header of the current run says so.
    void proved_below(Lsn durable);
    void end(Lsn durable);

    std::uint64_t corrupt() const { return corrupt_; }
    std::uint64_t unproved() const { return unproved_; }
    std::uint64_t settled() const { return settled_; }

private:
    enum class Class : std::uint8_t { open, corruption, unproved, settled };

    template <class Judge>
    void decide(Judge judge);
    void settle(LogId log, Offset from);
    void decide_earlier();
    void print(const Finding& finding, Class of);

    static constexpr std::size_t open_max = 64;
    const Report& report_;
    Finding open_[open_max];
    std::size_t open_count_ = 0;
    Lsn run_start_;
    bool run_start_seen_ = false;
    std::uint64_t corrupt_ = 0;
    std::uint64_t unproved_ = 0;
    std::uint64_t settled_ = 0;
};

}  // namespace rivulet::store
