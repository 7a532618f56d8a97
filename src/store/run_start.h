// Begins a run: what recovery decided goes to flash before anything is served (FORMAT.md, section 9, step 5).
// Owns:     nothing. Blocking: start-up only.
#pragma once

#include "env/env.h"
#include "store/checkpointer.h"
#include "store/group_writer.h"
#include "store/replay.h"

namespace rivulet::store {

// Syncs the journal, writes super for the new run, then the RUN_START group or groups; before, a checkpoint, if the tail must not move on without one. `records`: a buffer for journal
// records.
Status begin_run(env::Env& env, State& state, GroupWriter& writer, Checkpointer& checkpointer, const ReplayReport& found, bool was_clean, MutableBytes records);

}  // namespace rivulet::store
