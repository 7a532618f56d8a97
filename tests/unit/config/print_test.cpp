#include "collect.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

namespace rivulet::config {

namespace {

std::string read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE_MESSAGE(in.good(), "run from the top of the tree: ", path);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

std::vector<std::string> values_of(const Config& config) {
    struct Values : EntrySink {
        std::vector<std::string> list;
        void on_entry(const Entry& entry) override { list.push_back(std::string(entry.section) + "." + std::string(entry.key) + "=" + std::string(entry.value)); }
    } values;
    list_entries(config, values);
    return values.list;
}

std::string sample() {
    Lines lines;
    print_sample(lines);
    return lines.text;
}

}  // namespace

TEST_CASE("config/rivulet.conf is the printed sample") { CHECK(read_file("config/rivulet.conf") == sample()); }

TEST_CASE("the sample as it is means the defaults") {
    const Parsed p = parse_text(sample());
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    CHECK(values_of(p.config) == values_of(Config()));
}

TEST_CASE("the sample with every key uncommented means the defaults and its example topic") {
    std::istringstream lines(sample());
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
        text += line + "\n";
    }
    const Parsed p = parse_text(text);
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    REQUIRE(p.config.topics().size() == 1);
    CHECK(p.config.topics()[0].partitions == 4);
    Config expected;
    const std::vector<std::string> defaults = values_of(expected);
    Entries entries;
    list_entries(p.config, entries);
    for (const std::string& line : entries.list) {
        const bool inherited = line.starts_with("topic.temps.") && line.ends_with(" [defaults]");
        CHECK_MESSAGE((inherited || line.find(" r.conf:") != std::string::npos), line);
    }
    for (const std::string& value : defaults) {
        bool found = false;
        for (const std::string& line : entries.list) found |= line.starts_with(value + " ");
        CHECK_MESSAGE(found, value);
    }
}

TEST_CASE("the lines of the sample fit a terminal of 112 columns") {
    std::istringstream lines(sample());
    for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 112, line);
}

TEST_CASE("the profiles are accepted, and that of 32M is the defaults") {
    const Parsed large = parse_text(read_file("config/profile-32M.conf"));
    REQUIRE_MESSAGE(large.status.ok(), large.problems.text());
    CHECK(values_of(large.config) == values_of(Config()));
    const Parsed small = parse_text(read_file("config/profile-8M.conf"));
    REQUIRE_MESSAGE(small.status.ok(), small.problems.text());
    CHECK(small.config.memory.total == 8U << 20);
    CHECK(small.config.limits.connections == 128);
    CHECK(small.config.limits.tls_connections == 12);
    CHECK(small.config.limits.partitions == 64);
    CHECK(small.config.limits.batch_bytes == 1'048'588);
}

TEST_CASE("print-config names value and origin of each key") {
    const Parsed p = parse_text("[memory]\ntotal = 16384K\n[topic.temps]\npartitions = 4\n", {"broker.id=3"});
    REQUIRE(p.status.ok());
    Lines lines;
    print_config(p.config, lines);
    CHECK(lines.text.find("broker.id = 3                                           # --set\n") != std::string::npos);
    CHECK(lines.text.find("memory.total = 16M                                      # r.conf:2\n") != std::string::npos);
    CHECK(lines.text.find("memory.prefault = off                                   # default\n") != std::string::npos);
    CHECK(lines.text.find("topic.temps.partitions = 4                              # r.conf:4\n") != std::string::npos);
    CHECK(lines.text.find("topic.temps.retention.ms = none                         # [defaults]\n") != std::string::npos);
}

}  // namespace rivulet::config
