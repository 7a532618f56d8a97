#include "cli/output.h"

namespace rivulet::cli {

namespace {
constexpr std::size_t buffer_bytes = 64U << 10;
// Of Linux, as Process reports them in the detail of a failure.
constexpr std::int64_t broken_pipe = 32;     // EPIPE
}  // namespace

Output& Output::operator<<(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= buffer_bytes) flush();
    return *this;
}

void Output::flush() {
    if (buffer_.empty()) return;
    if (!gone_ && !failed_) {
        const Status written = process_.write_standard_output(as_bytes(buffer_));
        if (!written) {
            const Failure failure = written.failure();
            gone_ = failure.error == Error::io && failure.detail == broken_pipe;
            failed_ = !gone_;
            if (failed_) error("standard output: " + explain(failure));
        }
    }
    buffer_.clear();
}

bool Output::reader_has_gone() {
    if (!gone_) gone_ = process_.standard_output_is_gone();
    return gone_;
}

void Output::write_error(std::string_view text) {
    // If nobody listens there either, there is nobody to tell.
    if (!process_.write_standard_error(as_bytes(text))) return;
}

void Output::note(std::string_view line) {
    flush();
    std::string text = progress_shown_ ? "\r\x1b[K" : "";
    progress_shown_ = false;
    text += line;
    text += '\n';
    write_error(text);
}

void Output::error(std::string_view text) { note("rivulet: " + std::string(text)); }

void Output::progress(std::string_view line) {
    if (!process_.standard_error_is_terminal()) return;
    progress_shown_ = true;
    write_error("\r\x1b[K" + std::string(line));
}

int Output::finish(int code) {
    flush();
    if (progress_shown_) write_error("\r\x1b[K");
    progress_shown_ = false;
    if (failed_) return exit_could_not;
    return code;
}

std::string explain(Failure failure, std::string_view text) {
    std::string words = error_info(failure.error).text;
    if (failure.error == Error::io && failure.detail > 0) words += " (errno " + std::to_string(failure.detail) + ")";
    if (!text.empty() && text != words) words += ": " + std::string(text);
    return words;
}

std::string uuid_text(const Uuid& uuid) {
    char buffer[40];
    Text text(buffer);
    text << uuid;
    return std::string(text.view());
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"", "K", "M", "G", "T"};
    std::size_t unit = 0;
    std::uint64_t tenths = bytes * 10;
    if (bytes > std::uint64_t{1} << 50) return std::to_string(bytes >> 40) + "T";
    while (tenths >= 10240 && unit + 1 < std::size(units)) {
        tenths = (tenths + 512) / 1024;
        ++unit;
    }
    std::string text = std::to_string(tenths / 10);
    if (unit != 0 && tenths < 1000 && tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
    return text + std::string(units[unit]);
}

}  // namespace rivulet::cli
