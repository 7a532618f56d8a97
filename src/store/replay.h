// Applies the journal from a checkpoint on: the walk of FORMAT.md, section 9, steps 2 to 4.
// Owns:     nothing; changes State. Bounds: O(1) memory, two walks over what the walker reads. Blocking: start-up only.
// Errors:   io, store_newer, limit_reached (an undamaged store has more logs than the options allow). Damage is none: it is fenced, counted, logged; what it
//           brings beyond the bounds of a table is given up, counted and logged.
#pragma once

#include <optional>

#include "env/env.h"
#include "store/journal_walk.h"
#include "store/state.h"

namespace rivulet::store {

struct ReplayStart {
    WalkStart walk;
    SuperRun super;
    bool have_checkpoint = false;
};

struct ReplayReport {
    Lsn end;                 // of the journal
    std::uint64_t salt = 0;  // of the run that wrote last
    Lsn run_start;           // where it began
    std::uint64_t run = 0;
    Lsn durable;             // what lies below is proved: D, or the end if nothing beyond D was lost
    std::uint64_t groups = 0;
    std::uint64_t bytes_read = 0;
    std::uint32_t orphans = 0;
    LogId clean_given_up{0};  // clean log that nobody finished and nobody can: this start says so
    bool super_outdated = false;  // runs were found that it does not know of
    bool ends_uncertain = false;  // a group beyond D is missing between others: once they are proved it would look like damage, so this start states where every log ends
};

class Replay {
public:
    Replay(env::Env& env, State& state, MutableBytes window, RecoveryListener& listener, const ReplayStart& start)
        : env_(env), state_(state), window_(window), listener_(listener), start_(start) {}
    Result<ReplayReport> run();

private:
    Status find_durable();
    Status find_truncations(JournalWalk& walk);
    Status apply_group(JournalWalk& walk);
    Status judge(Error error, Lsn lsn);
    Status apply_records(JournalWalk& walk, const Extent& extent, bool proved);
    Status apply_record(const JournalRecord& record, Lsn lsn);
    Status apply_run_start(const RunStartRecord& record);
    Status apply_create(const LogCreateRecord& record, Lsn lsn);
    Status apply_retire(const RetireRecord& record);
    void apply_jump(const JumpRecord& record, Lsn lsn);
    Status apply_cleaned(const LogCleanedRecord& record, Lsn lsn);
    Status apply_clean_begun(const LogCleanedRecord& record);
    void apply_truncate(const TruncateRecord& record, Lsn lsn);
    void apply_clean_end(Log& log, Offset end, Lsn lsn);
    void note_cut(Log& log, Offset end, Lsn lsn);
    Status apply_extent(JournalWalk& walk, const Extent& extent, bool proved, bool holds);
    // Whether all extents of this log from `first` on in an unproved group hold.
    Result<bool> unit_holds(JournalWalk& walk, const Extent& first);
    // What producers have in an extent that counts.
    Status apply_producers(JournalWalk& walk, Log& log, const Extent& extent, bool checked);
    Status apply_relocated(Log& log, const Extent& extent, Lsn lsn, bool holds);
    Result<Log*> log_of(const Extent& extent, Lsn lsn);
    Log* make_clean_log(LogId id, Offset start);
    Result<Log*> make_orphan(LogId id, Offset start, Lsn lsn);
    Status make_room(const LogCreateRecord& record);
    bool damaged() const { return state_.damage.corrupt_groups + state_.damage.corrupt_extents + report_.orphans != 0; }
    void forget_lost();
    void note(Log& log, const Extent& extent, Lsn group);
    void enter_segment(std::uint64_t sequence);
    void hole(Lsn from, Lsn to);
    void settle_holes();
    void fence_clean_logs();
    void free_clean_logs();
    void cut_making();
    void doubt_making();
    void settle_making();
    void drop(Log& log, const Extent& extent);
    void count_lost_tables(std::uint64_t groups, std::uint64_t extents);

    env::Env& env_;
    State& state_;
    MutableBytes window_;
    RecoveryListener& listener_;
    ReplayStart start_;
    ReplayReport report_;
    Lsn durable_;                   // D
    bool unproved_lost_ = false;    // something beyond D, which records of the next run will say
    Lsn known_end_;                 // of the journal, by the first walk
    std::uint64_t groups_beyond_ = 0;   // the end, with their headers and without their tables: the second walk does not get there
    std::uint64_t extents_beyond_ = 0;
    Lsn lost_tail_{0};              // from here to there it cannot be read; 0: it can
    std::uint64_t segment_ = 0;     // that in_head speaks of
    Lsn last_hole_{0};              // end of the last one below D
    std::uint64_t hole_bytes_ = 0;
    Lsn known_hole_from_{0};        // the first and the end of the last of those that begin before the checkpoint; 0: none
    Lsn known_hole_to_{0};
    std::optional<Offset> making_doubted_at_;  // where the clean log that is being written ended when damage was met that may have had more of it
    bool turned_away_ = false;      // a log that had no room was told of
    LogId unit_log_{0};             // whose extents in the current group were judged together
    bool unit_holds_ = false;
    bool unit_packed_ = false;
};

}  // namespace rivulet::store
