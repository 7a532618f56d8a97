// The files of a store: names, opening, creation, and whether they are still there.
// Owns:     nothing; open files go into State and stay open. Blocking: at start-up and in jobs.
// Errors:   see opening.h.
#pragma once

#include "env/env.h"
#include "store/state.h"
#include "store/super_block.h"

namespace rivulet::store {

constexpr std::size_t path_bytes_max = 512;

// `dir`/`name` in a fixed buffer.
struct Path {
    Path(std::string_view dir, std::string_view name) : text(buffer) { text << dir << '/' << name; }
    std::string_view view() const { return text.view(); }
    char buffer[path_bytes_max] = {};
    Text text;
};

constexpr std::string_view super_name = "super";
constexpr std::string_view journal_name = "journal";
constexpr std::string_view checkpoint_names[2] = {"checkpoint.0", "checkpoint.1"};

// Makes a fresh store in an empty or unfinished folder, and opens it: all allocated, the first segments zeroed, super last. On failure no file stays that it made.
Status create_store(env::Env& env, State& state);
// Opens what is there, super first and locked. A missing file is left null.
Status open_files(env::Env& env, State& state);
// Those of the open files that were removed meanwhile, as bits. Blocking.
std::uint8_t find_removed(env::Disk& disk, const State& state);
// Says so, once for each.
void report_removed(env::Env& env, State& state, std::uint8_t removed);
// Writes the other slot than the last, and syncs.
Status write_super(env::Disk& disk, State& state, SuperBlock super);

}  // namespace rivulet::store
