#include "collect.h"

#include <doctest/doctest.h>

namespace rivulet::config {

TEST_CASE("storage") {
    CHECK(problems_of("[storage]\nsize = 32M\n") == "r.conf:2: storage.size = 32M: fewer than 8 segments of storage.segment_bytes = 8M, the default");
    CHECK(problems_of("[storage]\nsegment_bytes = 64M\n") == "r.conf:2: storage.size = 256M, the default: fewer than 8 segments of storage.segment_bytes = 64M; set storage.size as well");
    CHECK(problems_of("[storage]\nsize = 1M\nsegment_bytes = 128K\ncommit_bytes = 128K\n[limits]\nbatch_bytes = 64K\n[defaults]\nmax.message.bytes=64K\n") ==
          "r.conf:4: storage.commit_bytes = 128K: more than half of storage.segment_bytes = 128K");
    CHECK(problems_of("[storage]\nsegment_bytes = 1M\n") ==
          "r.conf:2: limits.batch_bytes = 1048588, the default: does not fit a segment, at most 983040 with storage.segment_bytes = 1M; set limits.batch_bytes as well");
    CHECK(batch_bytes_possible(64U << 10) == 32U << 10);
    CHECK(batch_bytes_possible(8U << 20) == (8U << 20) - (64U << 10));
}

TEST_CASE("limits") {
    CHECK(problems_of("[limits]\nconnections = 100\n") == "r.conf:2: limits.tls_connections = 500, the default: more than limits.connections = 100; set limits.tls_connections as well");
    CHECK(problems_of("[limits]\ntls_connections = 4\n") == "r.conf:2: limits.tls_handshakes = 8, the default: more than limits.tls_connections = 4; set limits.tls_handshakes as well");
    CHECK(problems_of("[limits]\ntls_connections = 0\n") == "");
    CHECK(problems_of("[limits]\npartitions = 64\n") == "r.conf:2: limits.topics = 256, the default: more than limits.partitions = 64; set limits.topics as well");
    CHECK(problems_of("[limits]\nframe_bytes = 512K\n") == "r.conf:2: limits.credit_bytes = 256K, the default: less than limits.frame_bytes = 512K; set limits.credit_bytes as well");
    CHECK(problems_of("[limits]\nreceive_pool_bytes = 32K\n") == "r.conf:2: limits.receive_pool_bytes = 32K: less than limits.frame_bytes = 64K, the default");
    CHECK(problems_of("[memory]\ntotal = 3M\n") == "r.conf:2: memory.ring_min = 3M, the default: not less than memory.total = 3M; set memory.ring_min as well");
    CHECK(problems_of("[memory]\nring_min = 1M\n") == "r.conf:2: memory.ring_min = 1M: less than limits.batch_bytes = 1048588, the default");
    CHECK(problems_of("[storage]\ncommit_bytes = 4M\n") == "r.conf:2: memory.ring_min = 3M, the default: less than twice storage.commit_bytes = 4M; set memory.ring_min as well");
}

TEST_CASE("topics") {
    CHECK(problems_of("[defaults]\nmax.message.bytes = 2M\n") == "r.conf:2: defaults.max.message.bytes = 2M: more than limits.batch_bytes = 1048588, the default");
    CHECK(problems_of("[topic.a]\nmax.message.bytes = 2M\n[topic.b]\n") ==
          "r.conf:2: topic.a.max.message.bytes = 2M: more than limits.batch_bytes = 1048588, the default");
    CHECK(problems_of("[limits]\npartitions = 10\ntopics = 10\n[topic.a]\npartitions = 8\n[topic.b]\npartitions = 3\n") ==
          "r.conf:2: the topic sections have 11 partitions: more than limits.partitions = 10");
    CHECK(problems_of("[limits]\ntopics = 1\n[topic.a]\n[topic.b]\n") == "r.conf:2: 2 topic sections: more than limits.topics = 1");
    CHECK(problems_of("[defaults]\npartitions = 2000\n") == "r.conf:2: defaults.partitions = 2000: more than limits.partitions = 1000, the default");
}

TEST_CASE("listeners") {
    CHECK(problems_of("[listener.a]\nprotocol = compact\n") == "r.conf:2: listener.a.bind: missing");
    CHECK(problems_of("[listener.a]\nbind = 127.0.0.1:1\n") == "r.conf:2: listener.a.protocol: missing");
    CHECK(problems_of("[listener.a]\n") == "r.conf: listener.a.bind: missing\nr.conf: listener.a.protocol: missing");
    CHECK(problems_of("[listener.a]\nbind = 127.0.0.1:9192\nprotocol = compact\n[listener.compact]\n") ==
          "r.conf:2: listener.compact.bind = 127.0.0.1:9192, the default: already taken by listener.a.bind = 127.0.0.1:9192; set listener.compact.bind as well");
    CHECK(problems_of("[listener.compact]\nbind = 0.0.0.0:5\n[listener.b]\nprotocol = compact\nbind = 10.0.0.1:5\n") ==
          "r.conf:5: listener.b.bind = 10.0.0.1:5: already taken by listener.compact.bind = 0.0.0.0:5");
    CHECK(problems_of("[listener.compact]\nbind = 127.0.0.1:0\n[listener.b]\nprotocol = compact\nbind = 127.0.0.1:0\n") == "");
    CHECK(problems_of("[listener.compact]\nbind = 127.0.0.1:5\n[listener.b]\nprotocol = compact\nbind = 127.0.0.2:5\n") == "");
}

TEST_CASE("one mistake is one problem: checks pass over values that were refused") {
    CHECK(problems_of("[storage]\nsize = 32M\nsegment_bytes = 3M\n") == "r.conf:3: storage.segment_bytes = 3M: must be a power of two");
    CHECK(problems_of("[defaults]\nmax.message.bytes = 1T\n[topic.a]\n") ==
          "r.conf:2: defaults.max.message.bytes = 1T: not a size, which is a number and K, M or G");
}

TEST_CASE("a conflict with --set is told there") {
    CHECK(problems_of_set("limits.connections=100") == "--set limits.tls_connections = 500, the default: more than limits.connections = 100; set limits.tls_connections as well");
}

}  // namespace rivulet::config
