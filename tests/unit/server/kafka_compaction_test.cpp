// Compacted topics as Kafka clients see them: what is refused, and that all of a partition can be read while its clean part has left RAM.
#include <map>

#include "record/record.h"
#include "unit/server/kafka_calls.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

const std::string compacted_config = kafka_config + "[topic.state]\npartitions = 1\ncleanup.policy = compact\nmin.cleanable.dirty.ratio = 0.1\n";

broker::Broker& broker_of(KafkaServed& served) { return served.program->server->broker(); }
store::Log& log_of(KafkaServed& served, std::string_view topic) { return *broker_of(served).partition(*broker_of(served).find_topic(topic), 0); }
std::int16_t code_of(KafkaClient& client, const Buffer& batch) { return produce(client, {{"state", {{0, batch}}}})[0].error; }

// key -> value of what a consumer has read from the start to the high watermark.
std::map<std::string, std::string> read_all(KafkaClient& client) {
    std::map<std::string, std::string> latest;
    for (std::int64_t offset = 0;;) {
        send_fetch(client, {{"state", 0, offset, 4096}}, {.wait_ms = 500});
        const FetchedPartition part = fetched(client, {}, 5 * ns_per_s).partitions[0];
        REQUIRE(part.error == 0);
        Bytes left = part.records;
        for (const record::BatchHeader& header : batches_of(part.records)) {
            record::RecordReader records(left.subspan(record::batch_header_bytes, header.body_bytes()), static_cast<std::uint32_t>(header.record_count));
            while (const auto found = records.next())
                if (header.base_offset.value + found->offset_delta >= offset) latest[std::string(as_text(found->key))] = as_text(found->value);
            offset = header.last_offset().value + 1;
            left = left.subspan(header.total_bytes());
        }
        if (offset >= part.high_watermark) return latest;
        REQUIRE(!part.records.empty());
    }
}

}  // namespace

TEST_CASE("compacted topics: records without a key are 87, compressed batches where nothing is there to open them in 76, more than may be kept 44; what has a key is taken") {
    KafkaServed served(compacted_config);
    KafkaClient& client = served.connect_kafka();
    CHECK(code_of(client, values_batch(2)) == 0);
    for (const std::size_t bytes : {std::size_t{10}, std::size_t{20000}}) {
        record::Reading nameless = reading(1000, "", std::string_view());
        const std::string value(bytes, 'v');
        nameless.has_key = false;
        nameless.value = as_bytes(value);
        CHECK(code_of(client, pack({nameless})) == 87);
        CHECK(code_of(client, pack({reading(1000, "key", value), nameless})) == 87);
        for (const std::uint16_t codec : {1, 2, 3, 4}) {
            record::BatchHeader header = record::decode_header(values_batch(1));
            header.attributes = codec;
            CHECK(code_of(client, seal(header, as_bytes(value))) == 76);
        }
    }
    log_of(served, "state").intake = store::Log::Intake::refused;
    CHECK(code_of(client, values_batch(1)) == 44);
    CHECK(code_of(client, big_batch(20000)) == 44);
    CHECK(produce(client, {{"temps", {{0, values_batch(1)}}}})[0].error == 0);
    log_of(served, "state").intake = store::Log::Intake::open;
    CHECK(code_of(client, values_batch(1)) == 0);
    CHECK(log_of(served, "state").end.value == 3);
}

TEST_CASE("a batch without keys whose topic becomes compacted before all of it is there is sent again, and refused then") {
    KafkaServed served(compacted_config);
    KafkaClient& client = served.connect_kafka();
    const std::string value(20000, 'v');
    record::Reading nameless = reading(1000, "", value);
    nameless.has_key = false;
    const Buffer batch = pack({nameless});
    const Buffer request = produce_bytes(client, {{"temps", {{0, batch}}}});
    const std::size_t half = request.size() / 2;
    client.send_bytes(Bytes(request).first(half));
    REQUIRE(served.until([&] { return broker_of(served).store().state().staged_blocks != 0; }));
    act(served, [&] {
        char buffer[300];
        Text why(buffer);
        broker::Topic& topic = *broker_of(served).find_topic("temps");
        config::TopicConfig config = topic.config;
        REQUIRE(config::set(config, "cleanup.policy", "compact", why));
        REQUIRE(broker_of(served).alter_topic(topic, config, topic.partitions, why).ok());
    });
    client.send_bytes(Bytes(request).subspan(half));
    CHECK(placed(client)[0].error == 6);
    CHECK(produce(client, {{"temps", {{0, batch}}}})[0].error == 87);
    CHECK(log_of(served, "temps").end == Offset(0));
}

TEST_CASE("at the share an idempotent producer hears 44 for what follows a refused batch, too, and repeats are known") {
    KafkaServed served(compacted_config);
    KafkaClient& client = served.connect_kafka();
    const auto send = [&](std::int32_t sequence) { return produce(client, {{"temps", {{0, idempotent_batch(1000, 1, sequence)}}}})[0].error; };
    CHECK(send(0) == 0);
    log_of(served, "temps").intake = store::Log::Intake::refused;
    CHECK(send(1) == 44);
    CHECK(send(2) == 44);
    CHECK(send(0) == 0);
    log_of(served, "temps").intake = store::Log::Intake::open;
    CHECK(send(2) == 45);
    CHECK(send(1) == 0);
}

TEST_CASE("at the share what follows the first batch of a producer, which was refused, is not taken once there is room") {
    KafkaServed served(compacted_config);
    KafkaClient& client = served.connect_kafka();
    store::Log& log = log_of(served, "temps");
    const auto send = [&](std::int64_t producer, std::int16_t epoch, std::int32_t sequence) {
        return produce(client, {{"temps", {{0, idempotent_batch(producer, epoch, sequence)}}}})[0].error;
    };
    log.intake = store::Log::Intake::refused;
    CHECK(send(1000, 1, 7) == 44);
    CHECK(send(1000, 1, 8) == 44);
    log.intake = store::Log::Intake::open;
    CHECK(send(1000, 1, 9) == 45);
    CHECK(log.end == Offset(0));
    // Others, forgotten perhaps, may begin anywhere; so may it under another epoch, and with what was refused.
    CHECK(send(1001, 1, 9) == 0);
    CHECK(send(1000, 1, 7) == 0);
    CHECK(send(1000, 1, 8) == 0);
    log.intake = store::Log::Intake::refused;
    CHECK(send(1002, 0, 0) == 44);
    log.intake = store::Log::Intake::open;
    CHECK(send(1002, 0, 1) == 45);
    CHECK(send(1002, 1, 0) == 0);
    CHECK(send(1002, 1, 1) == 0);
    CHECK(log.end == Offset(5));
}

TEST_CASE("at the share a producer that goes on as if a refused batch were there is taken again, once nothing older can be under way") {
    KafkaServed served(compacted_config);
    KafkaClient& client = served.connect_kafka();
    store::Log& log = log_of(served, "temps");
    const auto send = [&](std::int64_t producer, std::int32_t sequence) { return produce(client, {{"temps", {{0, idempotent_batch(producer, 1, sequence)}}}})[0].error; };
    CHECK(send(1000, 0) == 0);
    for (const std::int64_t producer : {1000, 1001}) {
        CAPTURE(producer);
        log.intake = store::Log::Intake::refused;
        for (std::int32_t sequence = 1; sequence < 9; ++sequence) CHECK(send(producer, sequence) == 44);
        log.intake = store::Log::Intake::open;
        for (std::int32_t sequence = 9; sequence < 13; ++sequence) CHECK(send(producer, sequence) == 45);
        CHECK(send(producer, 13) == 0);
        CHECK(send(producer, 14) == 0);
        CHECK(send(producer, 13) == 0);
        CHECK(send(producer, 16) == 45);
    }
    CHECK(log.end == Offset(5));
}

TEST_CASE("a compacted partition is read to its end while its clean part is on flash alone and the log itself has these offsets in RAM") {
    // A ring that turns round more slowly than the one in RAM.
    std::string text = compacted_config;
    text.replace(text.find("size = "), 9, "size = 24M");
    KafkaServed served(text);
    KafkaClient& client = served.connect_kafka();
    std::map<std::string, std::string> sent;
    const auto update = [&](int i) {
        const std::string key = "k" + std::to_string(i % 10), value = std::to_string(i) + std::string(150, 'v');
        REQUIRE(code_of(client, pack({reading(1000 + i, key, value)})) == 0);
        sent[key] = value;
    };
    int sends = 0;
    while (broker_of(served).cleaner().statistics().passes == 0) {
        REQUIRE(sends < 2000);
        update(sends++);
    }
    // Others take the ring in RAM; the topic stays in it by its last block alone.
    const store::Log& log = log_of(served, "state");
    bool mixed = false;
    for (int i = 0; i < 40; ++i) {
        for (int n = 0; n < 3; ++n) REQUIRE(produce(client, {{"temps", {{0, big_batch(20000)}, {1, big_batch(20000)}}}})[1].error == 0);
        if (i % 4 == 0) update(sends++);
        const store::Log* const clean = broker_of(served).store().clean_of(log);
        mixed |= clean && log.ram_start < log.clean_end && clean->ram_start >= clean->end;
        CHECK(read_all(client) == sent);
    }
    CHECK(mixed);
}
