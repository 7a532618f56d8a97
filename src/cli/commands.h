// All commands: one table, in the order of the overview. What each does is in the file of its name.
// Owns:     constants.
#pragma once

#include "cli/arguments.h"

namespace rivulet::cli {

std::span<const Command> commands();
// The command that the first words name, and how many words that is. nullptr: none, or a group of commands ("topic") without its second word.
const Command* find_command(std::span<const std::string_view> words, std::size_t& words_used);

// Help texts.
std::string overview();
std::string command_help(const Command& command);
// What can follow "topic".
std::string group_help(std::string_view group);
bool is_group(std::string_view word);

// ---- one each ----
int topic_create(Arguments& arguments, CliContext& context, Output& output);
int topic_list(Arguments& arguments, CliContext& context, Output& output);
int topic_describe(Arguments& arguments, CliContext& context, Output& output);
int topic_delete(Arguments& arguments, CliContext& context, Output& output);
int produce(Arguments& arguments, CliContext& context, Output& output);
int consume(Arguments& arguments, CliContext& context, Output& output);
int topic_alter(Arguments& arguments, CliContext& context, Output& output);
int bench_produce(Arguments& arguments, CliContext& context, Output& output);
int bench_consume(Arguments& arguments, CliContext& context, Output& output);
int group_list(Arguments& arguments, CliContext& context, Output& output);
int group_describe(Arguments& arguments, CliContext& context, Output& output);
int group_reset_offsets(Arguments& arguments, CliContext& context, Output& output);
int group_delete(Arguments& arguments, CliContext& context, Output& output);
int group_delete_offsets(Arguments& arguments, CliContext& context, Output& output);
int store_inspect(Arguments& arguments, CliContext& context, Output& output);
int store_verify(Arguments& arguments, CliContext& context, Output& output);
int print_config(Arguments& arguments, CliContext& context, Output& output);
int print_version(Arguments& arguments, CliContext& context, Output& output);

}  // namespace rivulet::cli
