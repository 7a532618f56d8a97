// Fetches: in every version, what they wait for, their limits and errors, and the bytes that they get.
#include <algorithm>
#include <map>

#include "server/kafka/fetch.h"
#include "unit/server/kafka_calls.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

Uuid id_of(KafkaServed& served, std::string_view topic) { return served.program->server->broker().find_topic(topic)->id; }

// As it was sent, but for what a broker sets.
Buffer served_at(Buffer batch, std::int64_t base, Epoch epoch) {
    record::patch_base_offset(batch.data(), Offset(base));
    record::patch_leader_epoch(batch.data(), epoch);
    return batch;
}

Epoch epoch_of(KafkaServed& served, std::string_view topic, std::uint32_t partition) {
    broker::Broker& broker = served.program->server->broker();
    return broker.partition(*broker.find_topic(topic), partition)->epoch;
}

// Fetches partitions of "wide" from those offsets on until all have come to `end`, the first one first or in turn. The bytes that came.
std::size_t catch_up(KafkaClient& client, std::vector<std::int64_t>& at, std::int64_t end, bool rotates) {
    const auto partitions = static_cast<std::int32_t>(at.size());
    std::int32_t first = 0;
    std::size_t got = 0;
    for (int round = 0; round < 10'000 && *std::min_element(at.begin(), at.end()) < end; ++round) {
        std::vector<FetchFrom> from;
        for (std::int32_t i = 0; i < partitions; ++i) {
            const std::int32_t p = (first + i) % partitions;
            if (at[static_cast<std::size_t>(p)] < end) from.push_back({"wide", p, at[static_cast<std::size_t>(p)]});
        }
        if (rotates) first = (first + 1) % partitions;
        const FetchAnswer answer = fetch(client, from, {.wait_ms = 5000});
        for (const FetchedPartition& one : answer.partitions) {
            REQUIRE(one.error == 0);
            got += one.records.size();
            for (const record::BatchHeader& header : batches_of(one.records)) {
                std::int64_t& next = at[static_cast<std::size_t>(one.partition)];
                CHECK(header.base_offset.value == next);
                next = header.last_offset().value + 1;
            }
        }
    }
    return got;
}

}  // namespace

TEST_CASE("fetch in every version: the bytes that were sent, by name or by id") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const Buffer first = values_batch(3), second = big_batch(9000), third = values_batch(1, "fast");
    REQUIRE(produce(client, {{"temps", {{1, first}, {1, second}}}, {"fast", {{0, third}}}})[2].error == 0);
    Buffer both = served_at(first, 0, epoch_of(served, "temps", 1));
    const Buffer behind = served_at(second, 3, epoch_of(served, "temps", 1));
    both.insert(both.end(), behind.begin(), behind.end());
    for (std::int16_t version = 4; version <= 17; ++version) {
        CAPTURE(version);
        const bool by_id = version >= 13;
        const FetchFrom a{by_id ? "" : "temps", 1, 0, 1 << 20, -1, by_id ? id_of(served, "temps") : Uuid{}};
        FetchFrom empty = a;
        empty.partition = 2;
        const FetchFrom b{by_id ? "" : "fast", 0, 0, 1 << 20, -1, by_id ? id_of(served, "fast") : Uuid{}};
        const FetchAnswer answer = fetch(client, {a, empty, b}, {.version = version});
        CHECK(answer.error == 0);
        CHECK(answer.session == 0);
        REQUIRE(answer.partitions.size() == 3);
        for (const FetchedPartition& one : answer.partitions) {
            CHECK(one.error == 0);
            CHECK(one.aborted_null);
            CHECK(one.log_start == (version >= 5 ? 0 : -1));
        }
        CHECK(answer.partitions[0].high_watermark == 4);
        CHECK(answer.partitions[0].records == both);
        CHECK(answer.partitions[1].records.empty());
        CHECK(answer.partitions[1].high_watermark == 0);
        CHECK(answer.partitions[2].records == served_at(third, 0, epoch_of(served, "fast", 0)));
        if (by_id) CHECK(answer.partitions[2].id == id_of(served, "fast"));
        else CHECK(answer.partitions[2].topic == "fast");
    }
    CHECK_FALSE(fetch(client, {{"temps", 1}}, {.isolation = 1}).partitions[0].aborted_null);
}

TEST_CASE("an offset within a batch gets that batch; at the end nothing; beyond it, and before the beginning, 1") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    REQUIRE(produce(client, {{"temps", {{0, values_batch(5)}, {0, values_batch(5)}}}})[1].base == 5);
    const auto at = [&](std::int64_t offset) { return fetch(client, {{"temps", 0, offset}}).partitions[0]; };
    CHECK(batches_of(at(4).records).size() == 2);
    CHECK(batches_of(at(5).records)[0].base_offset.value == 5);
    CHECK(batches_of(at(9).records)[0].base_offset.value == 5);
    CHECK(at(10).records.empty());
    CHECK(at(10).error == 0);
    CHECK(at(11).error == 1);
    CHECK(at(11).high_watermark == 10);
    CHECK(at(-1).error == 1);
    CHECK(at(INT64_MAX).error == 1);
    CHECK(at(INT64_MIN).error == 1);
}

TEST_CASE("errors of partitions: unknown 3 and 100, epochs 74 and 75, sessions 70; they do not wait") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const std::int32_t epoch = epoch_of(served, "temps", 0).value;
    const auto code = [&](const FetchFrom& from, std::int16_t version = 12) {
        FetchFrom sound{"fast"};
        if (version >= 13) sound = {"", 0, 0, 1 << 20, -1, id_of(served, "fast")};
        const std::int64_t began = served.world.now();
        const FetchAnswer answer = fetch(client, {sound, from}, {.version = version, .wait_ms = 20000});
        REQUIRE(answer.partitions.size() == 2);
        if (answer.partitions[1].error != 0) CHECK(served.world.now() - began < ns_per_s);
        CHECK(answer.partitions[0].error == 0);
        CHECK(answer.partitions[1].topic == from.topic);
        CHECK(answer.partitions[1].partition == from.partition);
        return answer.partitions[1].error;
    };
    CHECK(code({"none"}) == 3);
    CHECK(code({"temps", 4}) == 3);
    CHECK(code({"temps", -1}) == 3);
    CHECK(code({"", 0, 0, 100, -1, Uuid{}}, 13) == 100);
    Uuid other = id_of(served, "temps");
    other.bytes[3] ^= 1;
    CHECK(code({"", 0, 0, 100, -1, other}, 17) == 100);
    CHECK(code({"temps", 0, 0, 100, epoch + 1}) == 75);
    CHECK(code({"temps", 0, 0, 100, epoch}) == 0);
    const FetchAnswer session = fetch(client, {{"temps"}}, {.session_id = 5, .session_epoch = 1});
    CHECK(session.error == 70);
    CHECK(session.partitions.empty());
    CHECK(fetch(client, {{"temps"}}, {.session_id = 5, .session_epoch = -1}).partitions.size() == 1);
    CHECK(fetch(client, {{"temps"}}, {.session_id = 0, .session_epoch = 0}).session == 0);
}

TEST_CASE("a fetch waits for data, as many bytes as it asks for, or its time") {
    KafkaServed served;
    KafkaClient& reader = served.connect_kafka();
    KafkaClient& writer = served.connect_kafka();
    const std::int64_t began = served.world.now();
    CHECK(fetch(reader, {{"temps"}, {"fast"}}, {.wait_ms = 700}).partitions[0].records.empty());
    CHECK(served.world.now() - began >= 700 * ns_per_ms);
    CHECK(served.world.now() - began < 1500 * ns_per_ms);

    send_fetch(reader, {{"temps", 1}, {"fast", 1}}, {.wait_ms = 20000});
    served.run(ns_per_s);
    CHECK(reader.waiting() == 0);
    REQUIRE(produce(writer, {{"fast", {{1, values_batch(1)}}}})[0].error == 0);
    CHECK(batches_of(fetched(reader, {}, ns_per_s).partitions[1].records).size() == 1);

    send_fetch(reader, {{"temps", 2}, {"fast", 0}}, {.wait_ms = 20000, .min_bytes = 5000});
    for (int i = 0; i < 3; ++i) {
        served.run(ns_per_s);
        CHECK(reader.waiting() == 0);
        REQUIRE(produce(writer, {{i % 2 == 0 ? "fast" : "temps", {{i % 2 == 0 ? 0 : 2, big_batch(2000)}}}})[0].error == 0);
    }
    const FetchAnswer answer = fetched(reader, {}, ns_per_s);
    CHECK(batches_of(answer.partitions[0].records).size() == 1);
    CHECK(batches_of(answer.partitions[1].records).size() == 2);

    // With less than that, what there is when the time is over; and at once if no partition is asked for.
    CHECK(batches_of(fetch(reader, {{"temps", 2}}, {.wait_ms = 500, .min_bytes = 1 << 20}).partitions[0].records).size() == 1);
    const std::int64_t none = served.world.now();
    CHECK(fetch(reader, {}, {.wait_ms = 20000}).partitions.empty());
    CHECK(served.world.now() - none < ns_per_s);
}

TEST_CASE("limits of KIP-74: a first batch whole whatever the limits, then what they leave; partitions behind get their turn") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    for (int i = 0; i < 4; ++i)
        for (std::int32_t p = 0; p < 4; ++p) REQUIRE(produce(client, {{"temps", {{p, big_batch(9000)}}}})[0].error == 0);
    const FetchAnswer tiny = fetch(client, {{"temps", 0, 0, 1}, {"temps", 1, 0, 1}}, {.max_bytes = 1});
    CHECK(batches_of(tiny.partitions[0].records).size() == 1);
    CHECK(tiny.partitions[1].records.empty());
    CHECK(tiny.partitions[1].high_watermark == 4);
    const FetchAnswer some = fetch(client, {{"temps", 0, 0, 10000}, {"temps", 1, 0, 10000}, {"temps", 2, 0, 10000}}, {.max_bytes = 20000});
    CHECK(batches_of(some.partitions[0].records).size() == 1);
    CHECK(batches_of(some.partitions[1].records).size() == 1);
    CHECK(some.partitions[2].records.empty());
    CHECK(batches_of(fetch(client, {{"temps", 0, 0, 30000}}).partitions[0].records).size() == 3);
    // limits.inflight_bytes is 32K.
    const FetchAnswer most = fetch(client, {{"temps", 0}, {"temps", 1}, {"temps", 2}, {"temps", 3}});
    std::size_t bytes = 0;
    for (const FetchedPartition& one : most.partitions) bytes += one.records.size();
    CHECK(bytes > 20000);
    CHECK(bytes <= 32 * 1024);
    for (const std::int32_t limit : {0, -1, INT32_MIN}) CHECK(batches_of(fetch(client, {{"temps", 0, 0, limit}}, {.max_bytes = limit}).partitions[0].records).size() == 1);
}

TEST_CASE("more partitions with data than an answer has streams for: the first ones, then the others") {
    KafkaServed served(kafka_config + "[topic.wide]\npartitions = 12\n");
    KafkaClient& client = served.connect_kafka();
    std::vector<FetchFrom> from;
    for (std::int32_t p = 0; p < 12; ++p) {
        REQUIRE(produce(client, {{"wide", {{p, values_batch(1)}}}})[0].error == 0);
        from.push_back({"wide", p});
    }
    FetchAnswer answer = fetch(client, from, {.wait_ms = 20000});
    REQUIRE(answer.partitions.size() == 12);
    for (std::size_t p = 0; p < 12; ++p) {
        CHECK(answer.partitions[p].records.empty() == (p >= server::kafka::FetchPlan::streams_max));
        if (!answer.partitions[p].records.empty()) from[p].offset = 1;
    }
    answer = fetch(client, from, {.wait_ms = 20000});
    for (std::size_t p = 0; p < 12; ++p) CHECK(answer.partitions[p].records.empty() == (p < server::kafka::FetchPlan::streams_max));
}

TEST_CASE("everything that is on flash comes back, byte for byte, for readers side by side") {
    KafkaServed served;
    KafkaClient& writer = served.connect_kafka();
    std::map<std::int64_t, Buffer> sent;
    for (int i = 0; i < 24; ++i) {
        Buffer batch = big_batch(40000 + static_cast<std::size_t>(i), static_cast<char>('a' + i));
        const auto answer = produce(writer, {{"temps", {{0, batch}}}});
        REQUIRE(answer[0].error == 0);
        sent[answer[0].base] = std::move(batch);
    }
    std::vector<KafkaClient*> readers;
    std::vector<std::int64_t> at(3);
    for (std::size_t r = 0; r < at.size(); ++r) readers.push_back(&served.connect_kafka());
    const std::int64_t end = 24;
    for (int round = 0; round < 100 && *std::min_element(at.begin(), at.end()) < end; ++round) {
        for (std::size_t r = 0; r < at.size(); ++r) send_fetch(*readers[r], {{"temps", 0, at[r]}, {"temps", 1}});
        for (std::size_t r = 0; r < at.size(); ++r) {
            const FetchAnswer answer = fetched(*readers[r]);
            REQUIRE(answer.partitions[0].error == 0);
            Bytes left = answer.partitions[0].records;
            for (const record::BatchHeader& header : batches_of(answer.partitions[0].records)) {
                CHECK(header.base_offset.value == at[r]);
                CHECK(to_buffer(left.first(header.total_bytes())) == served_at(sent[at[r]], at[r], epoch_of(served, "temps", 0)));
                left = left.subspan(header.total_bytes());
                at[r] = header.last_offset().value + 1;
            }
        }
    }
    for (const std::int64_t offset : at) CHECK(offset == end);
}

TEST_CASE("a client that lags in many partitions reads the journal about once, in whatever order it names them") {
    std::string config = kafka_config + "[topic.wide]\npartitions = 8\n";
    config.replace(config.find("size = 2M"), 9, "size = 16M");
    for (const bool rotates : {false, true}) {
        CAPTURE(rotates);
        KafkaServed served(config);
        KafkaClient& client = served.connect_kafka();
        constexpr std::int32_t partitions = 8, batches = 40;
        for (int i = 0; i < batches; ++i)
            for (std::int32_t p = 0; p < partitions; ++p) REQUIRE(produce(client, {{"wide", {{p, big_batch(20000)}}}})[0].error == 0);
        std::vector<std::int64_t> at(partitions);
        // As far apart as a client leaves them that read one partition after the other.
        for (std::int32_t p = 0; p < partitions; ++p) at[static_cast<std::size_t>(p)] = (p * 5) % 11;
        const std::size_t got = catch_up(client, at, batches, rotates);
        for (const std::int64_t offset : at) CHECK(offset == batches);
        const store::Reader::Statistics& read = served.program->server->broker().store().read_statistics();
        CHECK(read.bytes_served > got / 2);  // most of it is on flash alone
        CHECK(read.bytes_read < 2 * got);
    }
}

TEST_CASE("a client that lags in more partitions than a window holds, in no order, gets an answer to each fetch") {
    std::string config = kafka_config + "[topic.wide]\npartitions = 16\n";
    config.replace(config.find("size = 2M"), 9, "size = 32M");
    config.replace(config.find("read_windows = 2"), 16, "read_windows = 3");
    config.replace(config.find("inflight_bytes = 32K"), 20, "inflight_bytes = 16K");
    KafkaServed served(config);
    KafkaClient& client = served.connect_kafka();
    constexpr std::size_t partitions = 16, batches = 160;
    std::vector<std::int32_t> order;
    for (std::size_t i = 0; i < partitions * batches; ++i) order.push_back(static_cast<std::int32_t>(i % partitions));
    sim::Random random = served.world.random("order");
    for (std::size_t i = 0; i < order.size(); ++i) std::swap(order[i], order[std::min<std::uint64_t>(order.size() - 1, i + random.below(24))]);
    for (const std::int32_t p : order) REQUIRE(produce(client, {{"wide", {{p, big_batch(7000)}}}})[0].error == 0);
    std::vector<std::int64_t> at(partitions);
    const std::size_t got = catch_up(client, at, batches, true);
    for (const std::int64_t offset : at) CHECK(offset == batches);
    CHECK(served.program->server->broker().store().read_statistics().bytes_read < 6 * got);
}

TEST_CASE("a topic that is deleted while a fetch waits for it: 100 by id, 3 by name; the others wait on") {
    KafkaServed served;
    KafkaClient& by_id = served.connect_kafka();
    KafkaClient& by_name = served.connect_kafka();
    KafkaClient& other = served.connect_kafka();
    send_fetch(by_id, {{"", 0, 0, 100, -1, id_of(served, "temps")}}, {.version = 13, .wait_ms = 20000});
    send_fetch(by_name, {{"fast"}, {"temps"}, {"temps", 1}}, {.wait_ms = 20000});
    send_fetch(other, {{"fast"}}, {.wait_ms = 5000});
    served.run(ns_per_s / 2);
    served.world.after(0, [&] { CHECK(served.program->server->broker().delete_topic("temps").ok()); });
    CHECK(fetched(by_id, {.version = 13}, 3 * ns_per_s).partitions[0].error == 100);
    const FetchAnswer named = fetched(by_name, {}, 3 * ns_per_s);
    REQUIRE(named.partitions.size() == 3);
    CHECK(named.partitions[0].error == 0);
    for (std::size_t i = 1; i < 3; ++i) {
        CHECK(named.partitions[i].topic == "temps");
        CHECK(named.partitions[i].error == 3);
    }
    CHECK(fetch(by_name, {{"temps"}}).partitions[0].error == 3);
    CHECK(fetched(other).partitions[0].error == 0);
}

// With the names of a few that were deleted, not of all: then its client has to ask anew.
TEST_CASE("many topics are deleted while a fetch waits for the first of them: the end of its connection") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    broker::Broker& broker = served.program->server->broker();
    send_fetch(client, {{"temps"}}, {.wait_ms = 20000});
    served.run(ns_per_s / 2);
    served.world.after(0, [&] {
        CHECK(broker.delete_topic("temps").ok());
        for (int i = 0; i < 16; ++i) {
            char buffer[100];
            Text why(buffer);
            broker::Broker::TopicRequest request;
            request.name = "t";
            request.partitions = 1;
            request.config = broker.default_config();
            REQUIRE(broker.create_topic(request, why).ok());
            REQUIRE(broker.delete_topic("t").ok());
        }
    });
    CHECK(served.until([&] { return client.closed; }, 3 * ns_per_s));
}

TEST_CASE("more readers than streams and cells: all get everything") {
    KafkaServed served(with_connections(40));
    KafkaClient& writer = served.connect_kafka();
    for (std::int32_t p = 0; p < 4; ++p) REQUIRE(produce(writer, {{"temps", {{p, big_batch(3000)}}}})[0].error == 0);
    std::vector<KafkaClient*> readers;
    for (int i = 0; i < 30; ++i) {
        readers.push_back(&served.connect_kafka());
        for (int n = 0; n < 4; ++n) send_fetch(*readers.back(), {{"temps", 0}, {"temps", 1}, {"temps", 2}, {"temps", 3}}, {.wait_ms = 30000});
    }
    for (KafkaClient* reader : readers) {
        for (int n = 0; n < 4; ++n) {
            // Some are told that there is nothing now, while streams are short; but never that there is nothing at all.
            const FetchAnswer answer = fetched(*reader, {}, 10 * ns_per_s);
            REQUIRE(answer.partitions.size() == 4);
            CHECK(batches_of(answer.partitions[0].records).size() == 1);
        }
    }
}

TEST_CASE("what a client believes of the epoch is older after a restart: 74, and what was stored before is served") {
    KafkaServed served;
    KafkaClient& before = served.connect_kafka();
    const std::int32_t epoch = epoch_of(served, "temps", 0).value;
    REQUIRE(produce(before, {{"temps", {{0, values_batch(2)}}}})[0].error == 0);
    served.server_node->power_cut();
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program != nullptr; }));
    KafkaClient& client = served.connect_kafka();
    CHECK(fetch(client, {{"temps", 0, 0, 100, epoch}}).partitions[0].error == 74);
    const std::int32_t now = epoch_of(served, "temps", 0).value;
    CHECK(now > epoch);
    const auto headers = batches_of(fetch(client, {{"temps", 0, 0, 1000, now}}).partitions[0].records);
    REQUIRE(headers.size() == 1);
    CHECK(headers[0].leader_epoch.value == epoch);
}
