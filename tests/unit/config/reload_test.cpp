#include "collect.h"

#include <doctest/doctest.h>

namespace rivulet::config {

namespace {

struct Changes : ChangeSink {
    std::vector<std::string> list;
    void on_change(const Change& change) override {
        std::string line(change.section);
        if (!change.key.empty()) (line += '.') += change.key;
        (((line += ": ") += change.before) += " -> ") += change.after;
        list.push_back(line + (change.effect == Effect::applied ? " applied" : " restart"));
    }
};

Config good(std::string_view text) {
    Parsed p = parse_text(text);
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    return p.config;
}

}  // namespace

TEST_CASE("nothing changed") {
    Config running = good("[memory]\ntotal = 16M\n");
    Changes changes;
    Collected problems;
    REQUIRE(reload(running, good("\n\n[memory]\ntotal = 16384K\n"), changes, problems).ok());
    CHECK(changes.list.empty());
    Entries entries;
    list_entries(running, entries);
    CHECK(entries.has("memory.total=16M r.conf:4"));
}

TEST_CASE("what can change does, what cannot keeps its value and is named") {
    Config running = good("[memory]\ntotal = 16M\n[broker]\nlog_level = info\n");
    Changes changes;
    Collected problems;
    REQUIRE(reload(running, good("[memory]\ntotal = 24M\n[broker]\nlog_level = debug\n[defaults]\nretention.ms = 1d\n"), changes, problems).ok());
    CHECK(changes.list == std::vector<std::string>{"broker.log_level: info -> debug applied", "memory.total: 16M -> 24M restart",
                                                   "defaults.retention.ms: none -> 1d applied"});
    CHECK(running.memory.total == 16U << 20);
    CHECK(running.broker.log_level == env::LogLevel::debug);
    CHECK(running.defaults.config.retention_ms == 86'400'000);
    CHECK(running.defaults.config.is_set(TopicKey::retention_ms));
    // The same file once more: only what still waits for a restart is named.
    Changes again;
    REQUIRE(reload(running, good("[memory]\ntotal = 24M\n[broker]\nlog_level = debug\n[defaults]\nretention.ms = 1d\n"), again, problems).ok());
    CHECK(again.list == std::vector<std::string>{"memory.total: 16M -> 24M restart"});
}

TEST_CASE("listeners wait for a restart") {
    Config running = good("[listener.compact]\nbind = 127.0.0.1:1\n[listener.a]\nprotocol = compact\nbind = 127.0.0.1:2\n");
    Changes changes;
    Collected problems;
    REQUIRE(reload(running, good("[listener.b]\nprotocol = compact\nbind = 127.0.0.1:3\n[listener.compact]\nbind = 127.0.0.1:4\n"), changes, problems).ok());
    CHECK(changes.list == std::vector<std::string>{"listener.compact.bind: 127.0.0.1:1 -> 127.0.0.1:4 restart", "listener.a: present ->  restart",
                                                   "listener.b:  -> present restart"});
    REQUIRE(running.listeners().size() == 2);
    CHECK(running.listeners()[0].bind == "127.0.0.1:1");
    CHECK(running.listeners()[1].name == "a");
}

TEST_CASE("topic sections are taken over") {
    Config running = good("[topic.a]\npartitions = 2\n[topic.b]\n");
    Changes changes;
    Collected problems;
    REQUIRE(reload(running, good("[topic.c]\n[topic.a]\npartitions = 4\n"), changes, problems).ok());
    CHECK(changes.list == std::vector<std::string>{"topic.a.partitions: 2 -> 4 applied", "topic.b: present ->  applied", "topic.c:  -> present applied"});
    REQUIRE(running.topics().size() == 2);
    CHECK(running.topics()[0].name == "c");
    CHECK(running.topics()[1].partitions == 4);
    Entries entries;
    list_entries(running, entries);
    CHECK(entries.has("topic.a.partitions=4 r.conf:3"));
}

TEST_CASE("what is applied must go together with what is not, else nothing changes") {
    Config running = good("");
    Changes changes;
    Collected problems;
    const Status status = reload(running, good("[limits]\nbatch_bytes = 2M\n[defaults]\nmax.message.bytes = 2M\n"), changes, problems);
    REQUIRE(!status.ok());
    CHECK(status.failure().error == Error::invalid_config);
    CHECK(problems.text() == "r.conf:4: defaults.max.message.bytes = 2M: more than limits.batch_bytes = 1048588, the default");
    CHECK(changes.list.empty());
    CHECK(running.defaults.config.max_message_bytes == 1'048'588);
}

}  // namespace rivulet::config
