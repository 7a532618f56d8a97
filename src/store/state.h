// Everything a store knows in RAM: shared by recovery, committer, reader, checkpointer and the facade (store.h).
// Owns:     the tables below, from the arena. Bounds: StoreOptions; memory_bytes() is what the budget counts.
// Thread:   loop only. Nothing here does I/O.
#pragma once

#include <algorithm>

#include "env/disk.h"
#include "store/block_pool.h"
#include "store/group.h"
#include "store/journal_record.h"
#include "store/log_table.h"
#include "store/marks.h"
#include "store/producer_table.h"
#include "store/segment_index.h"
#include "store/session_table.h"

namespace rivulet::store {

struct StoreOptions {
    std::string_view dir;                       // must outlive the store
    std::uint64_t size = 256U << 20;            // bytes of the journal; a multiple of segment_bytes
    std::uint64_t segment_bytes = 8U << 20;
    std::uint32_t checkpoint_area_bytes = 1U << 20;
    std::uint32_t commit_bytes = 32U << 10;
    std::uint32_t batch_bytes_max = 1'048'588;  // largest max.message.bytes of any topic
    std::int64_t mark_idle_ns = 10 * ns_per_s;
    std::uint32_t logs_max = 1000;
    std::uint32_t sessions_max = 4096;
    std::uint32_t producers_max = 1024;
    std::uint32_t index_samples_max = 32768;
    std::uint32_t blocks = 2048;
    std::uint32_t windows = 4;                  // catch-up reads

    std::uint32_t table_bytes_max() const { return static_cast<std::uint32_t>(std::min(std::uint64_t{32 * 1024}, segment_bytes / 8)); }
    // Header, table and one largest batch, in whole pages.
    std::uint32_t group_bytes_max() const { return static_cast<std::uint32_t>(page_ceil(group_header_bytes + table_bytes_max() + std::uint64_t{batch_bytes_max})); }
    // What a group has beside header and table.
    std::uint32_t group_payload_max() const { return group_bytes_max() - static_cast<std::uint32_t>(group_header_bytes) - table_bytes_max(); }
    // What may wait to be durable: all blocks, but at most a sixteenth of the journal, and one batch in any case. Bounds what a commit takes.
    std::uint64_t waiting_bytes_max() const { return std::max(std::uint64_t{batch_bytes_max}, std::min(std::uint64_t{blocks} * block_bytes, size / 16)); }
    // Segments that one commit enters at most: two that follow each other are more than half full together.
    std::uint64_t commit_segments_max() const { return 1 + (2 * waiting_bytes_max() + segment_bytes - 1) / segment_bytes; }
    std::uint32_t segment_count() const { return static_cast<std::uint32_t>(size / segment_bytes); }
    std::uint64_t checkpoint_bytes_min() const;  // of checkpoint_area_bytes: the bounded state; a multiple of page_bytes
    Status check() const;                       // invalid_argument where limits and geometry do not go together
};

// Where the journal is being written.
struct Head {
    Lsn next;                       // LSN of the next group; may be at a segment's end (the next one begins then)
    Lsn previous_end;               // end of the group before
    Lsn durable;                    // everything below is synced
    Lsn proven;                     // highest durable_lsn that is itself synced: beyond it a mark is worth writing
    std::uint64_t salt = 0;
    Lsn run_start;
    std::uint64_t run = 0;
    std::uint64_t first_live = 1;   // oldest live segment
    std::uint64_t zeroed_through = 0;  // first lap: segments up to this sequence were zeroed
};

struct Damage {                     // since start; for the log, metrics and describe
    std::uint64_t corrupt_groups = 0;
    std::uint64_t corrupt_extents = 0;
    std::uint64_t unproved_extents_lost = 0;
    std::uint64_t lost_bytes = 0;
};

// What the layer above learns during recovery, before the store serves.
class RecoveryListener {
public:
    // A chunk of a section that is not the store's (checkpoint_file.h), in the order written.
    virtual Status on_checkpoint_chunk(Section section, Bytes chunk) = 0;
    // A record that concerns the layer above: log_create (its catalogue block), log_delete, and types from RecordType::topic up.
    virtual Status on_record(RecordType type, LogId first, std::uint32_t count, Bytes body) = 0;
    // A log that no catalogue entry has named: both checkpoints are lost, or its LOG_CREATE. A topic is to be made up for it, or Log::orphan cleared if one is known.
    virtual Status on_orphan(Log& log) = 0;

protected:
    ~RecoveryListener() = default;
};

struct State {
    // Takes an extent that lies at `group` into account: index, footer of the head segment, last_extent. Not the log's end.
    void note_extent(Log& log, const Extent& extent, Lsn group);
    // Forgets a log that is in no commit and has no blocks: index, sessions, producers, truncations, fences, table.
    void remove_log(Log& log);
    // LOG_CLEANED: what `log` has below `end` is that of `clean` from now on (nullptr: is told next); what it had so far, which is in no commit and has no blocks, is forgotten.
    void put_clean(Log& log, Log* clean, Offset end);
    // The ring has taken some of `log`. Of a clean log: what it is of begins behind that, too. With a clean log that is all gone: it begins where its own part does.
    void follow_start(Log& log);
    // Forgets the clean log that is being written, if any; likewise.
    void drop_making();
    // The clean log that is being written, if any, and if it is of this log.
    Log* made() { return logs.find(making); }
    Log* made_of(const Log& log);
    // A group that is lost may have had some of a clean log: which offsets cannot be known.
    void fence_clean(const Log& clean);
    Log* clean_of(const Log& log) { return log.clean.value != 0 ? logs.find(log.clean) : nullptr; }
    // Of a log's own extents, what is not dead for its clean log. At most: after a start nobody knows how much is dead in the segment where that ends.
    std::uint64_t own_bytes_of(const Log& log) const;
    // Bytes that a group may have at head.next, keeping room for a footer that names `more_logs` beside those already in the segment; 0 if none.
    std::uint64_t room(std::uint32_t more_logs) const;
    // Rebased seconds of an extent's max timestamp, or time_unknown.
    std::uint32_t extent_time(const Extent& extent) const;

    State(Arena& arena, const StoreOptions& options);
    static std::size_t memory_bytes(const StoreOptions& options);

    StoreOptions options;
    Geometry geometry;
    LogTable logs;
    BlockPool blocks;
    SegmentIndex index;
    SessionTable sessions;
    ProducerTable producers;
    Truncations truncations;
    Fences fences;
    Boots boots;
    std::uint32_t boot = 0;         // index of this boot
    Head head;
    LogId next_log_id = first_user_log;
    LogId recovered_log_id = first_user_log;  // the checkpoint that was loaded has all logs below; those from here on were created since
    LogId making{0};  // clean log that is being written, or was, by this run or one before, and was not finished; 0: none
    Damage damage;
    Lsn checkpoint_lsn;             // replay point of the newest checkpoint
    Lsn older_checkpoint_lsn;       // of the one before: the ring's tail never passes it
    std::uint64_t checkpoint_sequence = 0;
    std::uint32_t unknown_time = time_unknown;  // what a time of an untrusted clock counts as: once the clock is trusted, the time of that moment, an upper bound
    std::uint64_t index_loaded_from = 1;  // segments from this one on are in the index; older ones come from footers
    std::uint64_t unflushed_bytes = 0;  // of all logs, not gathered yet
    std::uint64_t committing_bytes = 0; // gathered by the commit under way
    std::uint32_t staged_blocks = 0;    // of all stages (stage.h)
    std::uint32_t slowly_staged_blocks = 0;  // of these, of slow ones
    std::uint64_t zeroing = 0;      // segment that a write of zeros is on its way to; 0: none
    std::uint32_t logs_in_head = 0; // logs with something in the head segment
    bool deleted_in_head = false;   // it has extents of logs that are no longer in the table
    env::File* journal = nullptr;
    env::File* super = nullptr;
    env::File* checkpoints[2] = {nullptr, nullptr};
    std::uint8_t removed = 0;       // files that were removed while in use, as bits: they have been told of
    std::uint64_t super_sequence = 0;
    bool offline = false;           // after a disk error: read-only
    bool serving = false;           // the layer above has told what its logs keep
};

}  // namespace rivulet::store
