// Collects what is wrong with a configuration and passes it on, bounded.
// Owns:     a count. Bounds: problems_max are passed on, then one line "and N more".
#pragma once

#include "config/config.h"

namespace rivulet::config {

class Problems {
public:
    explicit Problems(ProblemSink& sink) : sink_(sink) {}
    Problems(const Problems&) = delete;
    Problems& operator=(const Problems&) = delete;

    bool any() const { return count_ != 0; }
    void add(const ProblemParts& parts, std::string_view text) {
        if (count_++ < problems_max) sink_.on_problem_parts(parts, text);
    }
    // Ends the list; invalid_config if there was any.
    Status finish() {
        if (count_ == 0) return {};
        if (count_ > problems_max) {
            char buffer[48];
            Text text(buffer);
            sink_.on_problem((text << "and " << count_ - problems_max << " more").view());
        }
        return fail(Error::invalid_config);
    }

private:
    ProblemSink& sink_;
    std::size_t count_ = 0;
};

// One problem under construction; added when it goes out of scope. What it is about comes first in its text: "memory.total = 9: ...", "[topic.a/b]: ...".
class Problem {
public:
    // `origin`: a line of `file`, origin_set, or origin_default for what no single line is to blame for.
    Problem(Problems& problems, std::string_view file, Origin origin) : problems_(problems), file_(file), origin_(origin), text_(buffer_) {
        if (origin == origin_set) text_ << "--set ";
        else if (origin > 0) text_ << file << ':' << origin << ": ";
        else if (!file.empty()) text_ << file << ": ";
        prefix_ = text_.size();
    }
    Problem(const Problem&) = delete;
    Problem& operator=(const Problem&) = delete;
    ~Problem() {
        const std::string_view message = text_.view().substr(prefix_);
        problems_.add({origin_ == origin_set ? std::string_view("--set") : file_, origin_ > 0 ? origin_ : Origin{0}, key_of(message), message}, text_.view());
    }

    template <class T>
    Problem& operator<<(const T& value) {
        text_ << value;
        return *this;
    }
    // Text from outside: at most `shown` bytes of it, control characters as '?'.
    Problem& quote(std::string_view text, std::size_t shown = 64) {
        for (const char c : text.substr(0, shown)) text_ << (static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
        if (text.size() > shown) text_ << "...";
        return *this;
    }
    Text& text() { return text_; }

private:
    static std::string_view key_of(std::string_view message) {
        if (message.starts_with('[')) return message.substr(0, message.find(']') + 1);
        const std::string_view word = message.substr(0, message.find_first_of(": ="));
        return word.find('.') != std::string_view::npos ? word : std::string_view();
    }

    Problems& problems_;
    std::string_view file_;
    Origin origin_;
    std::size_t prefix_ = 0;
    char buffer_[1024] = {};
    Text text_;
};

}  // namespace rivulet::config
