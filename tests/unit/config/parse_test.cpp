#include "collect.h"

#include <doctest/doctest.h>

namespace rivulet::config {

TEST_CASE("nothing given: the built-in defaults") {
    const Parsed p = parse_text("");
    REQUIRE(p.status.ok());
    CHECK(p.problems.list.empty());
    CHECK(p.config.memory.total == 32U << 20);
    CHECK(!p.config.memory.prefault);
    CHECK(p.config.broker.log_level == env::LogLevel::info);
    CHECK(p.config.broker.drain_timeout_ms == 10'000);
    CHECK(p.config.storage.dir == "./rivulet-data");
    CHECK(p.config.storage.size == 256U << 20);
    CHECK(p.config.storage.segments() == 32);
    CHECK(p.config.limits.connections == 1000);
    CHECK(p.config.limits.tls_connections == 500);
    CHECK(p.config.limits.partitions == 1000);
    CHECK(p.config.limits.batch_bytes == 1'048'588);
    CHECK(p.config.defaults.partitions == 1);
    CHECK(p.config.defaults.config == TopicConfig());
    CHECK(p.config.clock.trust == ClockTrust::automatic);
    REQUIRE(p.config.listeners().size() == 2);
    CHECK(p.config.listeners()[0].name == "compact");
    CHECK(p.config.listeners()[0].protocol == Protocol::compact);
    CHECK(p.config.listeners()[0].bind_address() == env::parse_address("127.0.0.1:9192").value());
    CHECK(p.config.listeners()[0].receive_buffer == 16 * 1024);
    CHECK(p.config.listeners()[1].receive_buffer == 64 * 1024);
    CHECK(p.config.listeners()[1].name == "kafka");
    CHECK(p.config.listeners()[1].protocol == Protocol::kafka);
    CHECK(p.config.listeners()[1].bind_address() == env::parse_address("127.0.0.1:9092").value());
    CHECK(p.config.topics().empty());
}

TEST_CASE("listeners: one that is given takes the place of those by default; the one named kafka knows its protocol and port") {
    const Parsed p = parse_text("[listener.kafka]\nbacklog = 7\n");
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    REQUIRE(p.config.listeners().size() == 1);
    CHECK(p.config.listeners()[0].protocol == Protocol::kafka);
    CHECK(p.config.listeners()[0].bind_address() == env::parse_address("127.0.0.1:9092").value());
    CHECK(p.config.listeners()[0].receive_buffer == 64 * 1024);
    CHECK(parse_text("[listener.kafka]\nreceive_buffer = 16K\n").config.listeners()[0].receive_buffer == 16 * 1024);
    CHECK(parse_text("[listener.lan]\nbind = 0.0.0.0:9092\nprotocol = kafka\n").config.listeners()[0].receive_buffer == 16 * 1024);
    CHECK(p.config.speaks(Protocol::kafka));
    CHECK_FALSE(p.config.speaks(Protocol::compact));
    CHECK_FALSE(parse_text("[listener.compact]\n").config.speaks(Protocol::kafka));
    CHECK(parse_text("[listener.lan]\nbind = 0.0.0.0:9092\nprotocol = kafka\n").config.speaks(Protocol::kafka));
}

TEST_CASE("a Config by itself is the same") {
    const Config config;
    Entries a;
    Entries b;
    list_entries(config, a);
    list_entries(parse_text("").config, b);
    CHECK(a.list == b.list);
}

TEST_CASE("values of every type") {
    const Parsed p = parse_text(
        "[broker]\nid = 7\nlog_level = debug\ndrain_timeout = 500ms\n"
        "[memory]\ntotal = 16M\nprefault = on\n"
        "[storage]\ndir = /var/lib/my data\nsize = 4G\nsegment_bytes=4M\nmark_idle = 2m\n"
        "[retention]\ncheck_interval = 0h1\n[retention2]\n");
    CHECK(p.problems.text() == "r.conf:14: retention.check_interval = 0h1: not a duration, which is a number and ms, s, m, h or d\n"
                               "r.conf:15: [retention2]: unknown section, did you mean [retention]?");
    const Parsed q = parse_text(
        "[broker]\nid = 7\nlog_level = debug\ndrain_timeout = 500ms\n"
        "[memory]\ntotal = 16M\nprefault = on\n"
        "[storage]\ndir = /var/lib/my data\nsize = 4G\nsegment_bytes=4M\nmark_idle : 2m\n"
        "[listener.compact]\nbind = [::]:9192\nadvertise = broker.local:9192\nsend_buffer = auto\nreceive_buffer = 8K\n"
        "[clock]\ntrust = never\n");
    REQUIRE_MESSAGE(q.status.ok(), q.problems.text());
    CHECK(q.config.broker.id == 7);
    CHECK(q.config.broker.log_level == env::LogLevel::debug);
    CHECK(q.config.broker.drain_timeout_ms == 500);
    CHECK(q.config.memory.prefault);
    CHECK(q.config.storage.dir == "/var/lib/my data");
    CHECK(q.config.storage.size == std::uint64_t{4} << 30);
    CHECK(q.config.storage.segments() == 1024);
    CHECK(q.config.storage.mark_idle_ms == 120'000);
    CHECK(q.config.listeners()[0].bind_address().v6);
    CHECK(q.config.listeners()[0].advertise == "broker.local:9192");
    CHECK(q.config.listeners()[0].send_buffer == 0);
    CHECK(q.config.listeners()[0].receive_buffer == 8192);
    CHECK(q.config.clock.trust == ClockTrust::never);
}

TEST_CASE("size rounds down to whole segments") {
    const Parsed p = parse_text("[storage]\nsize = 100M\n");
    REQUIRE(p.status.ok());
    CHECK(p.config.storage.segments() == 12);
    CHECK(p.config.storage.journal_bytes() == 96U << 20);
}

TEST_CASE("topics inherit from [defaults], wherever it stands") {
    const Parsed p = parse_text(
        "[topic.temps.v2]\nretention.ms = 7d\n"
        "[topic.fast]\npartitions = 8\ndurability = memory\n"
        "[defaults]\npartitions = 3\nretention.bytes = 1M\nmax.message.bytes = 64K\n");
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    REQUIRE(p.config.topics().size() == 2);
    const TopicSection& temps = p.config.topics()[0];
    CHECK(temps.name == "temps.v2");
    CHECK(temps.partitions == 3);
    CHECK(temps.replication_factor == 1);
    CHECK(temps.config.retention_ms == 604'800'000);
    CHECK(temps.config.retention_bytes == 1 << 20);
    CHECK(temps.config.max_message_bytes == 65536);
    CHECK(temps.config.is_set(TopicKey::retention_ms));
    CHECK(!temps.config.is_set(TopicKey::retention_bytes));
    CHECK(temps.config.commit_interval_ms() == 100);
    const TopicSection& fast = p.config.topics()[1];
    CHECK(fast.partitions == 8);
    CHECK(fast.config.durability == Durability::memory);
    CHECK(fast.config.commit_interval_ms() == 1000);
}

TEST_CASE("listeners replace the built-in one") {
    const Parsed p = parse_text("[listener.lan]\nbind = 0.0.0.0:9192\nprotocol = compact\n[listener.lo]\nbind = 127.0.0.1:9193\nprotocol = compact\n");
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    REQUIRE(p.config.listeners().size() == 2);
    CHECK(p.config.listeners()[0].name == "lan");
    CHECK(p.config.listeners()[1].name == "lo");
}

TEST_CASE("--set works for every kind of key and rules over the file") {
    const Parsed p = parse_text("[memory]\ntotal = 16M\n",
                                {"memory.total=24M", "listener.compact.bind=0.0.0.0:9999", "topic.temps.partitions=4", "topic.a.b.c.retention.ms=1h",
                                 "defaults.pack.ms=5", " limits.topics = 12 ", "memory.total=20M", "topic.temps.retention.bytes=none", "storage.dir=/x=y"});
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    CHECK(p.config.memory.total == 20U << 20);
    CHECK(p.config.listeners()[0].bind == "0.0.0.0:9999");
    REQUIRE(p.config.topics().size() == 2);
    CHECK(p.config.topics()[0].name == "temps");
    CHECK(p.config.topics()[0].partitions == 4);
    CHECK(p.config.topics()[0].config.retention_bytes == -1);
    CHECK(p.config.topics()[0].config.is_set(TopicKey::retention_bytes));
    CHECK(p.config.topics()[0].config.pack_ms == 5);
    CHECK(p.config.topics()[1].name == "a.b.c");
    CHECK(p.config.topics()[1].config.retention_ms == 3'600'000);
    CHECK(p.config.limits.topics == 12);
    CHECK(p.config.storage.dir == "/x=y");
    Entries entries;
    list_entries(p.config, entries);
    CHECK(entries.has("memory.total=20M --set"));
    CHECK(entries.has("topic.temps.pack.ms=5ms [defaults]"));
}

TEST_CASE("--set of every key that the defaults have, to its own value") {
    struct All : EntrySink {
        std::vector<std::string> sets;
        void on_entry(const Entry& entry) override { sets.push_back(std::string(entry.section) + "." + std::string(entry.key) + "=" + std::string(entry.value)); }
    } all;
    list_entries(parse_text("", {"topic.some.topic.retention.ms=1d"}).config, all);
    CHECK(all.sets.size() > 60);
    const std::vector<std::string_view> views(all.sets.begin(), all.sets.end());
    const Parsed p = parse_text("", views);
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    All again;
    list_entries(p.config, again);
    CHECK(all.sets == again.sets);
}

TEST_CASE("a file with a mistake changes nothing") {
    Config config = parse_text("[memory]\ntotal = 16M\n").config;
    Collected problems;
    const Status status = parse(as_bytes("[memory]\ntotal = 24M\nprefaul = on\n"), "r.conf", config, problems);
    REQUIRE(!status.ok());
    CHECK(status.failure().error == Error::invalid_config);
    CHECK(config.memory.total == 16U << 20);
    CHECK(problems.text() == "r.conf:3: memory.prefaul: unknown key, did you mean memory.prefault?");
}

TEST_CASE("CRLF, a byte order mark, indentation, both comment signs, no end of line at the end") {
    const Parsed p = parse_text("\xef\xbb\xbf[memory]\r\n  total = 16M\r\n; one\r\n# two\r\n\tprefault=on");
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    CHECK(p.config.memory.total == 16U << 20);
    CHECK(p.config.memory.prefault);
}

TEST_CASE("small geometries for tests are accepted") {
    const Parsed p = parse_text(
        "[memory]\ntotal = 2M\nring_min = 256K\n[storage]\nsize = 512K\nsegment_bytes = 64K\ncheckpoint_bytes_max = 16K\n"
        "[limits]\nbatch_bytes = 32K\n[defaults]\nmax.message.bytes = 32K\n");
    CHECK_MESSAGE(p.status.ok(), p.problems.text());
}

}  // namespace rivulet::config
