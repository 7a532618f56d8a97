// One partition's log: where it starts and ends, its tail in ring blocks, its epochs, its open pack.
// Owns:     its chain of blocks (ring.h), its chain of index samples (segment_index.h).
// Bounds:   fixed size; log_epochs_max epochs, the oldest go first.
// Guarantee: start <= durable_end <= closed_end <= end. Offsets from ram_start on are in RAM, below durable_end on flash.
// Thread:   loop only.
#pragma once

#include "base/list.h"
#include "record/pack.h"
#include "store/block_pool.h"
#include "store/checkpoint_file.h"

namespace rivulet::store {

using SampleIndex = std::uint32_t;
constexpr SampleIndex no_sample = 0xffffffff;
using SessionIndex = std::uint32_t;
constexpr SessionIndex no_session = 0xffffffff;

struct DirtyTag;
struct CommitTag;

// `count` logs with ids from `first` on: what one record creates or deletes.
struct LogRange {
    LogId first{0};
    std::uint32_t count = 0;

    LogId end() const { return first + count; }
    bool has(LogId log) const { return log >= first && log < end(); }
    bool operator==(const LogRange&) const = default;
};

// A position in a chain of blocks.
struct ChainPosition {
    BlockIndex block = no_block;
    std::uint32_t byte = 0;
};

// What a log has in the head segment so far: becomes its footer entry.
struct InSegment {
    Offset first{0};
    Offset last{0};
    std::uint32_t extents = 0;  // 0: nothing yet
    std::uint32_t bytes = 0;
    std::uint32_t page = 0;
    Timestamp min_timestamp{0};
    Timestamp max_timestamp{0};
    bool clock_untrusted = false;
};

struct Log : ListNode<Log, DirtyTag>, ListNode<Log, CommitTag> {
    LogId id{0};                // 0: the slot is free
    std::uint32_t slot = 0;
    bool memory = false;        // durability=memory: readable before it is durable
    bool log_append_time = false;
    bool clean_part = false;    // no partition by itself: what is kept of the older part of `clean_of`, with offsets and epochs as they were
    LogId clean_of{0};          // 0: recovery does not know yet
    LogId clean{0};             // what is kept of this log's offsets below clean_end; 0: nothing
    std::uint64_t dead_bytes = 0;  // of `bytes`: below clean_end, in the segment where that is; 0 after a start
    Offset clean_end{0};        // of what a cleaning pass has gone through: this log itself is read from here on, if that is beyond start

    Offset start{0};            // first offset that may be served, of either part
    std::uint64_t start_ticket = 0;     // with which the last LOG_START becomes durable
    Offset end{0};              // next offset to give out (log end offset), open pack included
    Offset closed_end{0};       // end of the closed batches
    Offset durable_end{0};      // everything below is on flash
    Offset ceiling{0};          // memory logs: end never passes it; durable
    Offset ceiling_asked{0};    // memory logs: ceiling in the commit to come or in flight
    std::uint64_t ceiling_ticket = 0;   // with which ceiling_asked becomes durable
    std::uint64_t bytes = 0;    // of its batches on flash, as far as the index is loaded
    Lsn last_extent{0};

    Epoch epoch{0};             // of what is appended now
    std::uint32_t epoch_count = 0;
    Epoch epochs[log_epochs_max];
    Offset epoch_starts[log_epochs_max];

    BlockIndex first_block = no_block;
    BlockIndex last_block = no_block;
    Offset ram_start{0};        // base of the first batch that is wholly in RAM; closed_end (or the pack's base) if none
    ChainPosition flush_from;   // first byte not gathered into a commit yet; block no_block: the chain's start
    Offset flush_offset{0};     // base offset there
    std::uint64_t unflushed_bytes = 0;  // closed and open, not gathered yet
    std::uint64_t gather_from_ticket = 0;  // commits with a lower ticket leave the log alone: a TRUNCATE must come first, and has left nothing below it
    BlockIndex commit_from = no_block;  // first block that the commit under way took from; no_block: the chain's first
    std::uint32_t run_key = 0;          // flags of the last batch that is not gathered
    std::uint32_t runs = 0;             // changes of flags or epoch among what is not gathered
    Offset commit_end{0};               // end of what the commit under way has taken

    record::Pack pack;          // open if !pack.empty()
    ChainPosition pack_header;
    SessionIndex pending_sessions = no_session;  // sessions with readings that are not gathered yet, linked through SessionTable
    std::uint32_t pending_session_count = 0;

    SampleIndex first_sample = no_sample;
    SampleIndex last_sample = no_sample;
    InSegment in_head;

    bool lost_records = false;     // recovery: between others
    bool cut_by_recovery = false;  // lost something that an unproved group had of it: takes nothing more in this walk, and RUN_START states its end
    Offset given_up{0};            // recovery: end of what it lost by that
    bool orphan = false;           // recovery: has records, and nothing that was found created it
    Offset resumes_at{0};          // recovery: what is appended next goes here, if that is beyond `end`; what lies between may have been given out

    // Settings of the topic, given by the layer above.
    std::int64_t commit_interval_ns = 100 * ns_per_ms;
    std::int64_t pack_interval_ns = 20 * ns_per_ms;    // memory logs: age at which an open pack is closed
    std::uint32_t batch_bytes_max = 1'048'588;
    std::uint32_t batch_bytes_before = 0;  // the limit before it was lowered last; 0: not since the start
    std::int64_t retention_ms = -1;
    std::int64_t retention_bytes = -1;
    bool keys_required = false;  // of readings and of batches' records
    bool deletes_kept = true;    // what a cleaning pass has kept may have tombstones with a delete horizon
    Offset doubled_from{INT64_MAX};  // from here on it may have later records of keys that it has before, since the pass was given up in between
    enum class Intake : std::uint8_t { open, held, refused };
    Intake intake = Intake::open;  // held: appends find it busy; refused: batches are refused, and readings held
    // The batch of an idempotent producer that was refused last, and how many that it had sent behind that, before it heard so, may still come.
    struct Refused {
        std::int64_t producer = -1;
        std::int32_t sequence = 0;
        std::int16_t epoch = 0;
        std::uint8_t under_way = 0;
        bool before(const record::BatchHeader& header) const;
    };
    Refused refused;
    std::uint32_t owner = 0;    // the layer above's own index

    bool pack_open() const { return !pack.empty(); }
    bool dirty() const { return static_cast<const ListNode<Log, DirtyTag>&>(*this).linked(); }
    bool in_commit() const { return static_cast<const ListNode<Log, CommitTag>&>(*this).linked(); }
    bool has_unflushed() const { return unflushed_bytes != 0; }
    // Last offset that readers of this log may see + 1, on a single board.
    Offset high_watermark() const { return memory ? closed_end : durable_end; }
    // First offset that is read from this log's own extents.
    Offset own_start() const { return clean_end > start ? clean_end : start; }

    // Epoch that holds at an offset; -1 below the oldest known.
    Epoch epoch_at(Offset offset) const;
    void note_epoch(Epoch epoch, Offset start);   // appends an entry if it is a new epoch; drops the oldest when full
    void truncate_epochs(Offset end);
};

}  // namespace rivulet::store
