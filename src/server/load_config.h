// The configuration from a file, through the environment's disk: for start-up (blocking) and, in a job, for a reload.
// Owns:     nothing; the text goes into the caller's buffer. Bounds: config_text_bytes_max; a longer file is a problem.
// Errors:   those of Disk::read_file, invalid_config. Every problem has gone to the sink, complete.
#pragma once

#include "config/config.h"

namespace rivulet::server {

constexpr std::size_t config_text_bytes_max = 32 * 1024;

struct ConfigSource {
    std::string_view file_name;               // empty: none, built-in defaults
    std::span<const std::string_view> sets;   // --set section.key=value
};

// What is in the file, a view of `buffer`. Makes no word of it.
Result<Bytes> read_config_text(env::Disk& disk, std::string_view file_name, MutableBytes buffer);
// "rivulet.conf: no such file or directory"
void report_unreadable(std::string_view file_name, Failure failure, config::ProblemSink& problems);

// `buffer`: config_text_bytes_max. `out` changes only if all is well.
Status load_config(env::Disk& disk, const ConfigSource& source, MutableBytes buffer, config::Config& out, config::ProblemSink& problems);

}  // namespace rivulet::server
