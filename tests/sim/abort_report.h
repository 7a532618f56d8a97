// The seed of the run that is going on, so that even a broken invariant (RIVULET_CHECK aborts) says how to see it again.
// Owns:     a handler of SIGABRT from the first call on; it prints one line and leaves the rest to the handler before it.
#pragma once

#include <cstdint>

namespace rivulet::sim {

void set_current_seed(std::uint64_t seed);
// Printed with the seed, for example "make sim SEEDS=%llu-%llu"; every %llu becomes the seed. Must outlive the run.
void set_replay_command(const char* format);

}  // namespace rivulet::sim
