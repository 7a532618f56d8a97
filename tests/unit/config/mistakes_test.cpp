// Every kind of mistake, with the exact text that a person gets.
#include "collect.h"

#include <doctest/doctest.h>

namespace rivulet::config {

TEST_CASE("unknown keys name the nearest") {
    CHECK(problems_of("[memory]\ntotl = 1M\n") == "r.conf:2: memory.totl: unknown key, did you mean memory.total?");
    CHECK(problems_of("[storage]\nsegment = 1M\n") == "r.conf:2: storage.segment: unknown key, did you mean storage.segment_bytes?");
    CHECK(problems_of("[defaults]\nretention_ms = 1d\n") == "r.conf:2: defaults.retention_ms: unknown key, did you mean defaults.retention.ms?");
    CHECK(problems_of("[memory]\nsize = 1M\n") == "r.conf:2: memory.size: unknown key, did you mean storage.size?");
    CHECK(problems_of("[memory]\nbind = 1M\n") == "r.conf:2: memory.bind: unknown key, did you mean listener.NAME.bind?");
    CHECK(problems_of("[memory]\nwindmill = 1\n") == "r.conf:2: memory.windmill: unknown key; rivulet print-config shows all");
    CHECK(problems_of("[listener.compact]\nbnd = 1\n") == "r.conf:2: listener.compact.bnd: unknown key, did you mean listener.compact.bind?");
    CHECK(problems_of("[topic.a.b]\nretention.mss = 1\n") == "r.conf:2: topic.a.b.retention.mss: unknown key, did you mean topic.a.b.retention.ms?");
    CHECK(problems_of("[memory]\n= 1\n") == "r.conf:2: expected key = value");
}

TEST_CASE("unknown sections name the nearest") {
    CHECK(problems_of("[memry]\ntotal = 1M\n") == "r.conf:1: [memry]: unknown section, did you mean [memory]?");
    CHECK(problems_of("[listner.lan]\n") == "r.conf:1: [listner.lan]: unknown section, did you mean [listener.lan]?");
    CHECK(problems_of("[topics]\n") == "r.conf:1: [topics]: unknown section, did you mean [topic.NAME]?");
    CHECK(problems_of("[windmill]\n") == "r.conf:1: [windmill]: unknown section");
    CHECK(problems_of("[]\n") == "r.conf:1: []: unknown section");
    CHECK(problems_of("[memory.x]\n") == "r.conf:1: [memory.x]: unknown section, did you mean [memory]?");
    CHECK(problems_of("[listener]\n") == "r.conf:1: [listener]: needs a name, as in [listener.compact]");
    CHECK(problems_of("[topic]\n") == "r.conf:1: [topic]: needs a name, as in [topic.temps]");
    CHECK(problems_of("[listener.My Lan]\n") == "r.conf:1: [listener.My Lan]: a listener's name is 1 to 32 of a-z, 0-9, - and _");
    CHECK(problems_of("[listener.]\n") == "r.conf:1: [listener.]: a listener's name is 1 to 32 of a-z, 0-9, - and _");
    CHECK(problems_of("[topic.a b]\n") == "r.conf:1: [topic.a b]: a topic's name is 1 to 249 of a-z, A-Z, 0-9, ., - and _");
    CHECK(problems_of("[topic...]\n") == "r.conf:1: [topic...]: a topic's name is 1 to 249 of a-z, A-Z, 0-9, ., - and _");
    CHECK(problems_of("total = 1M\n") == "r.conf:1: total: stands before any [section]");
}

TEST_CASE("duplicates name the first") {
    CHECK(problems_of("[memory]\ntotal = 16M\ntotal = 16M\n") == "r.conf:3: memory.total: given twice, first at line 2");
    CHECK(problems_of("[memory]\n[clock]\n[memory]\n") == "r.conf:3: [memory]: section given twice, first at line 1");
    CHECK(problems_of("[topic.a]\n[topic.a]\n") == "r.conf:2: [topic.a]: section given twice, first at line 1");
    CHECK(problems_of("[memory]\ntotal = 16M\n[memory]\ntotal = 16M\n") ==
          "r.conf:3: [memory]: section given twice, first at line 1\nr.conf:4: memory.total: given twice, first at line 2");
}

TEST_CASE("values out of range or not of the type") {
    CHECK(problems_of("[memory]\ntotal = 2G\n") == "r.conf:2: memory.total = 2G: out of range, 2M to 1G");
    CHECK(problems_of("[memory]\ntotal = 1M\n") == "r.conf:2: memory.total = 1M: out of range, 2M to 1G");
    CHECK(problems_of("[memory]\ntotal = -1\n") == "r.conf:2: memory.total = -1: out of range, 2M to 1G");
    CHECK(problems_of("[memory]\ntotal = 99999999999999999999G\n") == "r.conf:2: memory.total = 99999999999999999999G: out of range, 2M to 1G");
    CHECK(problems_of("[memory]\ntotal = 9223372036854775807G\n") == "r.conf:2: memory.total = 9223372036854775807G: out of range, 2M to 1G");
    CHECK(problems_of("[memory]\ntotal = 32MB\n") == "r.conf:2: memory.total = 32MB: not a size, which is a number and K, M or G");
    CHECK(problems_of("[memory]\ntotal = 1.5M\n") == "r.conf:2: memory.total = 1.5M: not a size, which is a number and K, M or G");
    CHECK(problems_of("[memory]\ntotal = +5M\n") == "r.conf:2: memory.total = +5M: not a size, which is a number and K, M or G");
    CHECK(problems_of("[memory]\ntotal =\n") == "r.conf:2: memory.total = : not a size, which is a number and K, M or G");
    CHECK(problems_of("[memory]\ntotal = none\n") == "r.conf:2: memory.total = none: not a size, which is a number and K, M or G");
    CHECK(problems_of("[storage]\nmark_idle = 10\n") == "r.conf:2: storage.mark_idle = 10: not a duration, which is a number and ms, s, m, h or d");
    CHECK(problems_of("[storage]\nmark_idle = 2d\n") == "r.conf:2: storage.mark_idle = 2d: out of range, 100ms to 1h");
    CHECK(problems_of("[storage]\nsegment_bytes = 3M\n") == "r.conf:2: storage.segment_bytes = 3M: must be a power of two");
    CHECK(problems_of("[broker]\nid = one\n") == "r.conf:2: broker.id = one: not a whole number");
    CHECK(problems_of("[broker]\nid = 2147483648\n") == "r.conf:2: broker.id = 2147483648: out of range, 0 to 2147483647");
    CHECK(problems_of("[broker]\nlog_level = loud\n") == "r.conf:2: broker.log_level = loud: must be error, warning, info or debug");
    CHECK(problems_of("[memory]\nprefault = yes\n") == "r.conf:2: memory.prefault = yes: must be off or on");
    CHECK(problems_of("[defaults]\nretention.ms = soon\n") ==
          "r.conf:2: defaults.retention.ms = soon: not a duration, which is a number and ms, s, m, h or d, or milliseconds, or none");
    CHECK(problems_of("[defaults]\nretention.ms = -2\n") == "r.conf:2: defaults.retention.ms = -2: out of range, 0 to 36500d, or none");
    CHECK(problems_of("[storage]\ndir =\n") == "r.conf:2: storage.dir = : must not be empty");
    CHECK(problems_of("[storage]\ndir = " + std::string(300, 'd') + "\n") ==
          "r.conf:2: storage.dir = " + std::string(64, 'd') + "...: longer than 255 bytes");
    CHECK(problems_of("[listener.compact]\nbind = localhost:9192\n") ==
          "r.conf:2: listener.compact.bind = localhost:9192: not an address with its port, like 0.0.0.0:9192 or [::]:9192");
    CHECK(problems_of("[listener.compact]\nadvertise = broker\n") == "r.conf:2: listener.compact.advertise = broker: not HOST:PORT");
    CHECK(problems_of("[listener.compact]\nadvertise = broker:0\n") == "r.conf:2: listener.compact.advertise = broker:0: not HOST:PORT");
}

TEST_CASE("what is not built yet says so") {
    CHECK(problems_of("[listener.compact]\ntls = on\n") == "r.conf:2: listener.compact.tls = on: tls=on is not built yet");
    CHECK(problems_of("[cluster]\npeers = a,b\n") == "r.conf:2: cluster.peers: clusters come in a later version, this one runs on a single board");
    CHECK(problems_of("[topic.__consumer_offsets]\ndurability = memory\n").find("[topic.__consumer_offsets]: names that begin with __") != std::string::npos);
    CHECK(problems_of("[cluster]\n") == "");
    CHECK(problems_of("[defaults]\nreplication.factor = 3\n") == "r.conf:2: defaults.replication.factor = 3: this version runs on a single board: 1");
    CHECK(problems_of("[topic.a]\nmin.insync.replicas = 2\n") == "r.conf:2: topic.a.min.insync.replicas = 2: this version runs on a single board: 1");
    CHECK(problems_of("[topic.a]\ncleanup.policy = compact\n") == "");
    CHECK(problems_of("[topic.a]\ncleanup.policy = compact,delete\n") == "");
    CHECK(problems_of("[topic.a]\nsegment.bytes = 1\n") ==
          "r.conf:2: topic.a.segment.bytes: one journal holds all topics; its segments are storage.segment_bytes");
    CHECK(problems_of("[topic.a]\ncompression.type = zstd\n") ==
          "r.conf:2: topic.a.compression.type = zstd: not done here: batches are kept as the producer compressed them");
}

TEST_CASE("what inih would let pass") {
    const std::string forty_nine = "topic." + std::string(43, 'a');
    CHECK(problems_of("[" + forty_nine + "]\n") == "");
    CHECK(problems_of("[" + forty_nine + "a]\nnonsense = 1\n") ==
          "r.conf:1: section name longer than 49 characters; use rivulet topic create or alter");
    CHECK(problems_of("[memory]\n# " + std::string(998, 'x') + "\n") == "");
    CHECK(problems_of("[memory]\n# " + std::string(999, 'x') + "\n") == "r.conf:2: line longer than 1000 bytes");
    CHECK(problems_of("[memory]\ntotal = " + std::string(5000, '1') + "\n") == "r.conf:2: line longer than 1000 bytes");
    CHECK(problems_of(std::string("[memory]\ntotal = 16M\0\n", 22)) == "r.conf:2: control character in the line");
    CHECK(problems_of("[memory]\rtotal = 16M\r") == "r.conf:1: control character in the line");
    CHECK(problems_of("[memory\ntotal = 1K\n") == "r.conf:1: section without ]");
    CHECK(problems_of("[memory] ; all of it\n") == "r.conf:1: text after the section's ]; comments need a line of their own");
    CHECK(problems_of("[memory]\ntotal\n") == "r.conf:2: expected key = value");
    CHECK(problems_of("[memory]\ntotal = 16M ; enough\n") ==
          "r.conf:2: memory.total = 16M ; enough: not a size, which is a number and K, M or G; comments need a line of their own");
    CHECK(problems_of("[memory]\ntotal = 16M\n  prefault on\n") == "r.conf:3: expected key = value");
}

TEST_CASE("settings of a topic that contradict each other") {
    CHECK(problems_of("[topic.a]\npinned = true\n") == "");
    CHECK(problems_of("[topic.a]\npinned = on\noverflow = reject\n") == "");
    CHECK(problems_of("[topic.a]\ncleanup.policy = compact\noverflow = reject\n") == "");
    CHECK(problems_of("[topic.a]\npinned = yes\n") == "r.conf:2: topic.a.pinned = yes: must be false, true, off or on");
    CHECK(problems_of("[topic.a]\noverflow = reject\n") ==
          "r.conf:2: topic.a.overflow = reject: takes pinned = true or cleanup.policy = compact, not topic.a.pinned = false, the default");
    CHECK(problems_of("[limits]\ncompact_keys = 0\n[topic.a]\ncleanup.policy = compact\n") == "r.conf:4: topic.a.cleanup.policy = compact: is refused with limits.compact_keys = 0");
    CHECK(problems_of("[topic.a]\npinned = true\ncleanup.policy = compact\n") == "r.conf:2: topic.a.pinned = true: contradicts topic.a.cleanup.policy = compact");
    CHECK(problems_of("[topic.a]\npinned = true\ndurability = memory\n") == "r.conf:2: topic.a.pinned = true: not done with topic.a.durability = memory");
    CHECK(problems_of("[topic.a]\ncleanup.policy = compact\ndurability = memory\n") == "r.conf:2: topic.a.cleanup.policy = compact: not done with topic.a.durability = memory");
    // Once, where it is said.
    CHECK(problems_of("[defaults]\npinned = true\ndurability = memory\n[topic.a]\n") == "r.conf:2: defaults.pinned = true: not done with defaults.durability = memory");
    CHECK(problems_of("[defaults]\npinned = true\noverflow = reject\n[topic.a]\npinned = false\n").find("takes pinned = true or cleanup.policy = compact") != std::string::npos);
}

TEST_CASE("mistakes in --set") {
    CHECK(problems_of_set("memory.totl=5M") == "--set memory.totl: unknown key, did you mean memory.total?");
    CHECK(problems_of_set("memry.total=5M") == "--set memry: unknown section, did you mean memory?");
    CHECK(problems_of_set("memory.total=5") == "--set memory.total = 5: out of range, 2M to 1G");
    CHECK(problems_of_set("memory.total") == "--set memory.total: expected section.key=value");
    CHECK(problems_of_set("total=5M") == "--set total=5M: expected section.key=value");
    CHECK(problems_of_set("") == "--set : expected section.key=value");
    CHECK(problems_of_set("listener.bind=1") == "--set listener.bind=1: expected section.key=value");
    CHECK(problems_of_set("listener.kafka.bind=0.0.0.0") != "");
    CHECK(problems_of_set("topic.temps.retention.mz=5") == "--set topic.temps.retention.mz: unknown key, did you mean topic.temps.retention.ms?");
    CHECK(problems_of_set("topic.temps.windmill=5") == "--set topic.temps.windmill: unknown key; rivulet print-config shows all");
    CHECK(problems_of_set("topic.a.b.flush.ms=1") == "--set topic.a.b.flush.ms: here it is commit.interval.ms");
    CHECK(problems_of_set("topic.a b.partitions=1") == "--set topic.a b: a topic's name is 1 to 249 of a-z, A-Z, 0-9, ., - and _");
    CHECK(problems_of_set("storage.dir=a\nb") == "--set storage.dir=a?b: control character");
    CHECK(problems_of_set("cluster.peers=a") == "--set cluster.peers: clusters come in a later version, this one runs on a single board");
}

TEST_CASE("too many sections of a kind") {
    std::string text;
    for (int i = 0; i < 5; ++i) {
        text += "[listener.l" + std::to_string(i) + "]\nbind = 127.0.0.1:" + std::to_string(9000 + i) + "\nprotocol = compact\n";
    }
    CHECK(problems_of(text) == "r.conf:13: [listener.l4]: more than 4 listeners");
    text.clear();
    for (int i = 0; i < 65; ++i) text += "[topic.t" + std::to_string(i) + "]\n";
    CHECK(problems_of(text) == "r.conf:65: [topic.t64]: more than 64 topic sections");
}

TEST_CASE("all problems at once, the file's and the --set list's, in order") {
    const Parsed p = parse_text("[memory]\ntotal = 5\nfoo = 1\n[nothing]\n", {"limits.topics=0"});
    CHECK(p.problems.text() ==
          "r.conf:2: memory.total = 5: out of range, 2M to 1G\n"
          "r.conf:3: memory.foo: unknown key; rivulet print-config shows all\n"
          "r.conf:4: [nothing]: unknown section\n"
          "--set limits.topics = 0: out of range, 1 to 10000");
}

TEST_CASE("64 problems are told, the rest is counted") {
    std::string text = "[memory]\n";
    for (int i = 0; i < 100; ++i) text += "nonsense\n";
    const Parsed p = parse_text(text);
    REQUIRE(p.problems.list.size() == 65);
    CHECK(p.problems.list[63] == "r.conf:65: expected key = value");
    CHECK(p.problems.list[64] == "and 36 more");
}

TEST_CASE("a file name that is too long") {
    Config config;
    Collected problems;
    CHECK(!parse({}, std::string(300, 'f'), config, problems).ok());
    CHECK(problems.text() == std::string(64, 'f') + "...: name longer than 255 bytes");
}

}  // namespace rivulet::config
