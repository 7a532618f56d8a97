// Brings a store to life: creates it in an empty folder, or recovers it (FORMAT.md, section 9). Blocking: start-up only.
// Errors:   create: no_space (nothing is left behind), read_only, permission; recover: store_newer, store_in_use, store_mismatch (geometry differs from the options), not_a_store, io.
//           Damage is no error: it is fenced, counted in state.damage and logged.
// Guarantee: on return everything acknowledged by earlier runs is in `state`, RUN_START of a new run is synced, state.head is ready to append. A crash anywhere inside leaves a
//           store that recovers to the same.
#pragma once

#include "env/env.h"
#include "store/checkpointer.h"
#include "store/group_writer.h"
#include "store/state.h"

namespace rivulet::store {

struct OpenReport {
    bool created = false;
    bool was_clean = false;
    std::uint64_t bytes_read = 0;
    std::uint64_t groups = 0;      // replayed
    Lsn end;                       // of the journal as found
    std::uint32_t orphans = 0;
    bool super_outdated = false;   // it was older than the journal: an older copy, or a write that the disk lost
};

// `scratch`: group_bytes_max + 2 pages, used during the call alone (a read window serves).
Result<OpenReport> open_store(env::Env& env, State& state, GroupWriter& writer, Checkpointer& checkpointer, MutableBytes scratch, RecoveryListener& listener);
// Clean stop, after the last commit: marks the super clean. Blocking; the loop has ended or runs it as a job.
Status close_store(env::Disk& disk, State& state);

}  // namespace rivulet::store
