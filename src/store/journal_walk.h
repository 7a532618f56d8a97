// Walks the commit groups of a journal in order, across segments, holes and runs: recovery, `inspect` and `verify` share it.
// Owns:     nothing; table() and payload() are views into the caller's window, valid until the next next().
// Bounds:   one window; looks ahead at most through the segment after the last one known or said to hold something. Blocking reads
//           of up to 256 KiB, one after the other, so never on the loop.
// Errors:   step failed: io and the like (open file, read), store_newer. A page that cannot be read (EIO) counts as zeros: one
//           bad page is damage of that page, not an error. Where the journal seems to end at such pages they are a hole.
// Format:   FORMAT.md, section 9, step 2.
#pragma once

#include "env/disk.h"
#include "store/group.h"

namespace rivulet::store {

struct WalkStart {
    // Where replay begins. The walk begins at the first group of that segment: groups with lsn < position feed the index only.
    Lsn position;
    // The run in force at `position`. run_start 0: not known (no checkpoint); then the first group with this salt tells, or with
    // salt 0 the first group there is.
    std::uint64_t salt = 0;
    Lsn run_start;
    // Known to be synced, as far as checkpoint and a clean super tell: what is missing below it is a hole, even at the end.
    Lsn durable;
    // Where an earlier walk over the same journal, or a clean stop, found its end: nothing is looked for beyond. 0: not known.
    Lsn known_end{0};
    // Highest sequence of a segment header, 0: not known. It says how far to look, no more: the header may be all that got there.
    std::uint64_t newest = 0;
};

// The run that `super` names: at or beyond run_start only this salt counts, and those of runs that began later, as their RUN_START
// records show: `super` is then older than the journal. To be known, both slots of `super` must hold: beside a damaged slot the
// other may be the older one.
struct SuperRun {
    bool known = false;
    std::uint64_t salt = 0;
    Lsn run_start;
    std::uint64_t run = 0;
};

constexpr std::size_t walk_window_bytes(const Geometry& geometry) { return page_ceil(geometry.group_bytes_max) + page_bytes; }

class JournalWalk {
public:
    // `window`: at least walk_window_bytes(geometry). The geometry has passed check().
    JournalWalk(env::Disk& disk, env::File& journal, const Geometry& geometry, MutableBytes window, const WalkStart& start,
                const SuperRun& super);

    enum class Step : std::uint8_t {
        group,       // header() and table(): both CRCs hold
        hole,        // hole_from() to hole_to() are missing; what is beyond them comes with the next step
        table_lost,  // header(): a group whose header holds and whose table does not, to be counted and logged. It lies in the hole
                     // that a later step reports, or, if `end` comes without one, at or beyond the end and is discarded.
        end,         // the journal ends at position(); stays so
        failed,      // failure(); stays so
    };
    Step next();

    const GroupHeader& header() const { return header_; }
    Bytes table() const;
    // All of the current group's payload.
    Result<Bytes> payload();
    // Whether the bytes of an extent of the current group match its CRC; reads no further than to its end.
    Result<bool> extent_holds(const Extent& extent);

    Lsn hole_from() const { return hole_from_; }
    Lsn hole_to() const { return hole_to_; }
    // Where the hole begins that is at the end because what is there cannot be read, or is beyond the file's end; 0: none.
    Lsn lost_tail() const { return lost_tail_; }

    // Where the next group is expected: the end of the current group or hole.
    Lsn position() const { return position_; }
    // The run in force at position(): that of the last group, or that of the start once its RUN_START is passed.
    std::uint64_t salt() const { return salt_; }
    Lsn run_start() const { return run_start_; }
    // Highest durable_lsn of the headers so far and of the start.
    Lsn highest_durable() const { return durable_; }
    Failure failure() const { return failure_; }
    // Runs were found that `super` does not know of.
    bool super_outdated() const { return super_outdated_; }

    std::uint64_t bytes_read() const { return bytes_read_; }
    std::uint64_t pages_unreadable() const { return pages_unreadable_; }

private:
    enum class State : std::uint8_t { expecting, ahead, found, at_end, failed };
    enum class Probe : std::uint8_t { none, group, table_lost, failed };

    Step take();
    Step look_here();
    Step look_ahead();
    Step report_hole(Lsn to, State then);
    Lsn look_ahead_limit() const;
    Result<bool> lost(Lsn page);
    Result<Lsn> lost_through();
    Probe probe(Lsn lsn);
    Probe refuse(Failure failure);
    bool in_force(std::uint64_t salt) const;
    bool belongs(const GroupHeader& header) const;
    Result<bool> begins_later_run(const GroupHeader& header);
    Result<Bytes> view(Lsn lsn, std::size_t bytes);
    void slide_to(Lsn lsn);
    Status read_more(std::size_t wanted);
    Status read_pages(std::uint64_t file_position, MutableBytes into);

    env::Disk& disk_;
    env::File& journal_;
    Geometry geometry_;
    MutableBytes window_;
    WalkStart start_;
    SuperRun super_;

    Lsn position_;
    std::uint64_t salt_ = 0;
    Lsn run_start_;
    Lsn durable_;
    GroupHeader header_;
    Lsn hole_from_;
    Lsn hole_to_;

    State state_ = State::expecting;
    Lsn scan_;        // state ahead: the next page to look at
    Lsn lost_to_;     // state ahead: of lost_through(), 0 before
    Lsn lost_tail_;
    bool any_lost_ = false;
    bool super_outdated_ = false;
    Lsn window_lsn_;  // of the window's first byte
    std::size_t filled_ = 0;
    Failure failure_{Error::none, 0};
    std::uint64_t bytes_read_ = 0;
    std::uint64_t pages_unreadable_ = 0;
};

}  // namespace rivulet::store
