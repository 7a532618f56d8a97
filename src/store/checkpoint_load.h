// Finding and reading the checkpoint that recovery starts from.
// Owns:     nothing. Bounds: O(1) memory: one chunk in the caller's buffer. Blocking: start-up and offline tools.
// Errors:   io, store_newer. A checkpoint that does not hold is no error: it is not found.
#pragma once

#include "store/state.h"

namespace rivulet::store {

// Chunks are at most this long, so that one fits the buffer that recovery has.
constexpr std::uint32_t checkpoint_chunk_bytes(std::uint32_t group_bytes_max) {
    return group_bytes_max < 64U * 1024 ? group_bytes_max : 64U * 1024;
}

// The header of a checkpoint area if it and its body hold; corrupt otherwise, io if a page of it cannot be read.
Result<CheckpointHeader> probe_checkpoint(env::Disk& disk, env::File& file, MutableBytes scratch, std::uint64_t& bytes_read);
// Puts a valid checkpoint's body into `state`; sections of the layer above go to `listener`. limit_reached with a detail: so many logs, at least.
Status load_checkpoint(env::Disk& disk, env::File& file, const CheckpointHeader& header, State& state, MutableBytes scratch,
                       RecoveryListener& listener);

}  // namespace rivulet::store
