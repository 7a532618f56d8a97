// What the tests of the configuration share: sinks that keep everything, and one call that parses.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace rivulet::config {

struct Collected : ProblemSink {
    std::vector<std::string> list;
    void on_problem(std::string_view text) override { list.emplace_back(text); }
    std::string text() const {
        std::string all;
        for (const std::string& problem : list) all += (all.empty() ? "" : "\n") + problem;
        return all;
    }
};

struct Lines : LineSink {
    std::string text;
    void on_line(std::string_view line) override { (text += line) += '\n'; }
};

struct Entries : EntrySink {
    std::vector<std::string> list;
    void on_entry(const Entry& entry) override {
        list.push_back(std::string(entry.section) + "." + std::string(entry.key) + "=" + std::string(entry.value) + " " + std::string(entry.origin));
    }
    bool has(const std::string& line) const {
        for (const std::string& entry : list) {
            if (entry == line) return true;
        }
        return false;
    }
};

struct Parsed {
    Config config;
    Status status;
    Collected problems;
};

inline Parsed parse_text(std::string_view text, const std::vector<std::string_view>& sets = {}) {
    Parsed parsed;
    parsed.status = parse(Source{as_bytes(text), "r.conf", sets}, parsed.config, parsed.problems);
    return parsed;
}

// The problems of a file, or of --set alone, as lines.
inline std::string problems_of(std::string_view text) { return parse_text(text).problems.text(); }
inline std::string problems_of_set(std::string_view argument) {
    Parsed parsed;
    parsed.status = parse(Source{{}, {}, std::span(&argument, 1)}, parsed.config, parsed.problems);
    return parsed.problems.text();
}

}  // namespace rivulet::config
