// What a command says: results to standard output, buffered; words about them to standard error.
// Owns:     a buffer. Errors: a reader that has gone (EPIPE) is no error: gone() says so, and a command then ends quietly. Other failures
//           of writing are kept: failed().
// Returns:  finish(code): the exit code after the last flush: 3 if output failed, else the code.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/uuid.h"
#include "env/process.h"

namespace rivulet::cli {

constexpr int exit_done = 0;
constexpr int exit_no = 1;         // the answer is no
constexpr int exit_usage = 2;      // usage or configuration
constexpr int exit_could_not = 3;  // connection, I/O

class Output {
public:
    explicit Output(env::Process& process) : process_(process) {}

    env::Process& process() { return process_; }
    Output& operator<<(std::string_view text);
    Output& operator<<(char c) { return *this << std::string_view(&c, 1); }
    Output& operator<<(std::uint64_t n) { return *this << std::string_view(std::to_string(n)); }
    void flush();
    bool gone() const { return gone_; }
    bool failed() const { return failed_; }
    // Asks the system whether anybody still reads.
    bool reader_has_gone();

    // "rivulet: text" and a line end, to standard error.
    void error(std::string_view text);
    // Without the name in front: summaries, warnings.
    void note(std::string_view line);
    // A line that the next one overwrites; nothing unless standard error is a terminal.
    void progress(std::string_view line);

    int finish(int code);

private:
    void write_error(std::string_view text);

    env::Process& process_;
    std::string buffer_;
    bool gone_ = false;
    bool failed_ = false;
    bool progress_shown_ = false;
};

// "temps: topic exists already", with the broker's words behind it if there are any.
std::string explain(Failure failure, std::string_view text = {});
std::string uuid_text(const Uuid& uuid);
// 1.5K, 20M: for people.
std::string size_text(std::uint64_t bytes);
inline int exit_code_of(Error error) { return error_info(error).exit_code; }

}  // namespace rivulet::cli
