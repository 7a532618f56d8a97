// ListOffsets and DeleteRecords: where logs begin and end, and where a time is.
#include "unit/record/compressed.h"
#include "unit/server/kafka_client.h"
#include "wire/kafka/delete_records.h"
#include "wire/kafka/list_offsets.h"
#include "wire/kafka/produce.h"

using namespace rivulet;
using namespace rivulet::test;
using kafka::Api;
namespace kafka_server = server::kafka;
using Wanted = kafka::ListOffsetsRequest::Partition;
using Found = kafka::ListOffsetsResponse::Partition;

namespace {

constexpr std::int64_t t0 = 1'700'000'000'000;

// With memory to open compressed batches in.
std::string opening_config() {
    std::string text = kafka_config;
    const auto replace = [&text](std::string_view line, std::string_view other) { text.replace(text.find(line), line.size(), other); };
    replace("total = 6M", "total = 7424K");
    replace("decode_bytes = none", "decode_bytes = 1280K");
    return text;
}

std::int64_t produce(KafkaClient& client, std::string_view topic, std::int32_t partition, Bytes batch) {
    kafka::ProduceRequest::Partition one;
    one.index = partition;
    one.records.bytes = batch;
    Items<kafka::ProduceRequest::Partition> partitions{one};
    kafka::ProduceRequest::Topic named;
    named.name = topic;
    named.partition_data = partitions;
    Items<kafka::ProduceRequest::Topic> topics{named};
    kafka::ProduceRequest request;
    request.acks = -1;
    request.topic_data = topics;
    const auto answer = client.call<kafka::ProduceResponse>(Api::produce, 8, request);
    const auto answered = items_of(items_of(answer.responses)[0].partition_responses);
    REQUIRE(answered[0].error_code == 0);
    return answered[0].base_offset.value;
}

std::vector<Found> list(KafkaClient& client, std::int16_t version, std::string_view topic, std::vector<Wanted> wanted) {
    Items<Wanted> partitions{std::move(wanted)};
    Items<kafka::ListOffsetsRequest::Topic> topics{{topic, partitions}};
    kafka::ListOffsetsRequest request;
    request.replica_id = -1;
    request.topics = topics;
    const auto answered = items_of(client.call<kafka::ListOffsetsResponse>(Api::list_offsets, version, request).topics);
    REQUIRE(answered.size() == 1);
    CHECK(answered[0].name == topic);
    return items_of(answered[0].partitions);
}

Wanted at(std::int32_t partition, std::int64_t time, std::int32_t epoch = -1) { return {partition, Epoch(epoch), Timestamp(time), 1}; }

// A header that says gzip, around bytes that nobody can open.
Buffer garbage(std::int64_t base, std::int64_t most) {
    record::BatchHeader header;
    header.attributes = 1;
    header.last_offset_delta = 2;
    header.record_count = 3;
    header.base_timestamp = Timestamp(base);
    header.max_timestamp = Timestamp(most);
    return seal(header, as_bytes("not really gzip"));
}

}  // namespace

TEST_CASE("ListOffsets: earliest, latest, by time, in every version; special times from their versions on") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, "temps", 0, pack({reading(t0, "a", "1"), reading(t0 + 50, "a", "2"), reading(t0 + 20, "a", "3")})) == 0);
    CHECK(produce(client, "temps", 0, pack({reading(t0 + 30, "a", "4"), reading(t0 + 100, "a", "5"), reading(t0 + 100, "a", "6")})) == 3);
    CHECK(produce(client, "temps", 0, pack({reading(t0 + 90, "a", "7")})) == 6);
    const kafka::ApiInfo& info = kafka::api_info(Api::list_offsets);
    for (std::int16_t version = 1; version <= info.highest; ++version) {
        CAPTURE(version);
        const struct {
            Wanted wanted;
            int code;
            std::int64_t offset;
            std::int64_t time;
        } cases[] = {
            {at(0, -1), 0, 7, -1},
            {at(0, -2), 0, 0, -1},
            {at(0, -3), version >= 7 ? 0 : 35, version >= 7 ? 4 : -1, version >= 7 ? t0 + 100 : -1},
            {at(0, -4), version >= 8 ? 0 : 35, version >= 8 ? 0 : -1, -1},
            {at(0, -5), version >= 9 ? 0 : 35, -1, -1},
            {at(0, -6), 35, -1, -1},
            {at(0, 0), 0, 0, t0},
            {at(0, t0), 0, 0, t0},
            {at(0, t0 + 1), 0, 1, t0 + 50},
            {at(0, t0 + 51), 0, 4, t0 + 100},
            {at(0, t0 + 100), 0, 4, t0 + 100},
            {at(0, t0 + 101), 0, -1, -1},
            {at(1, -1), 0, 0, -1},
            {at(1, 0), 0, -1, -1},
            {at(1, -3), version >= 7 ? 0 : 35, -1, -1},
            {at(4, -1), 3, -1, -1},
            {at(-1, 0), 3, -1, -1},
        };
        std::vector<Wanted> wanted;
        for (const auto& row : cases) wanted.push_back(row.wanted);
        const auto answer = list(client, version, "temps", wanted);
        REQUIRE(answer.size() == std::size(cases));
        for (std::size_t i = 0; i < answer.size(); ++i) {
            CAPTURE(i);
            CHECK(answer[i].partition_index == cases[i].wanted.partition_index);
            CHECK(answer[i].error_code == cases[i].code);
            CHECK(answer[i].offset.value == cases[i].offset);
            CHECK(answer[i].timestamp.value == cases[i].time);
            const bool has_epoch = version >= 4 && cases[i].code == 0 && cases[i].offset > 0;
            if (has_epoch) CHECK(answer[i].leader_epoch == served.program->server->broker().partition(*served.program->server->broker().find_topic("temps"), 0)->epoch);
        }
        CHECK(list(client, version, "nowhere", {at(0, -1), at(0, 0)})[1].error_code == 3);
    }
    CHECK(list(client, 5, "temps", {at(0, 0, 0), at(0, -1, 99)})[0].error_code == 74);
    CHECK(list(client, 5, "temps", {at(0, 0, 0), at(0, -1, 99)})[1].error_code == 75);
    CHECK(served.program->server->kafka().searches_taken() == 0);
}

TEST_CASE("ListOffsets, version 0: one of the offsets that it asks for; no segments by their times") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, "temps", 0, pack({reading(t0, "a", "1"), reading(t0 + 50, "a", "2")})) == 0);
    Wanted none = at(0, -1);
    none.max_num_offsets = 0;
    Items<Wanted> partitions{at(0, -1), at(0, -2), at(1, -1), at(0, t0), at(0, -3), at(9, -1), none};
    Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
    kafka::ListOffsetsRequest request;
    request.replica_id = -1;
    request.topics = topics;
    const auto answered = items_of(client.call<kafka::ListOffsetsResponse>(Api::list_offsets, 0, request).topics);
    REQUIRE(answered.size() == 1);
    const auto found = items_of(answered[0].partitions);
    REQUIRE(found.size() == 7);
    const int codes[] = {0, 0, 0, 35, 35, 3, 0};
    const std::vector<Offset> offsets[] = {{Offset(2)}, {Offset(0)}, {Offset(0)}, {}, {}, {}, {}};
    for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(found[i].error_code == codes[i]);
        CHECK(items_of(found[i].old_style_offsets) == offsets[i]);
    }
}

TEST_CASE("ListOffsets: a compressed batch that cannot be opened is found by its largest time, as its first record; it is counted") {
    KafkaServed served(opening_config());
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, "temps", 1, pack({reading(t0, "a", "1")})) == 0);
    CHECK(produce(client, "temps", 1, garbage(t0 + 10, t0 + 500)) == 1);
    CHECK(produce(client, "temps", 1, pack({reading(t0 + 400, "a", "2")})) == 4);
    const auto answer = list(client, 7, "temps", {at(1, t0 + 300), at(1, -3), at(1, t0 + 501)});
    CHECK(answer[0].offset.value == 1);
    CHECK(answer[1].offset.value == 1);
    CHECK(answer[1].timestamp.value == t0 + 500);
    CHECK(answer[2].offset.value == -1);
    CHECK(served.program->server->broker().search_statistics().closed == 2);
    CHECK(served.program->server->broker().search_statistics().opened == 0);
}

TEST_CASE("ListOffsets: in compressed batches the first record with the time, of every codec in every framing, in RAM and on flash") {
    KafkaServed served(opening_config());
    KafkaClient& client = served.connect_kafka();
    struct Batch {
        const CompressedVector* vector;
        std::int64_t base;
        std::int64_t time;
    };
    std::vector<Batch> batches;
    std::int64_t time = t0;
    for (const CompressedVector& vector : compressed_vectors) {
        time += 100'000;
        batches.push_back({&vector, produce(client, "temps", 1, compressed_batch(vector, time)), time});
    }
    const auto check = [&] {
        for (const Batch& batch : batches) {
            CAPTURE(batch.vector->name);
            for (const std::int64_t sought : {std::int64_t{0}, std::int64_t{38}, std::int64_t{400}, std::int64_t{703}, std::int64_t{999}}) {
                CAPTURE(sought);
                int first = 0;
                while (first < batch.vector->records && vector_time(first) < sought) ++first;
                const bool beyond = first == batch.vector->records;
                const auto next = static_cast<std::size_t>(&batch - batches.data()) + 1;
                const std::int64_t offset = !beyond ? batch.base + first : next < batches.size() ? batches[next].base : -1;
                const std::int64_t found_time = !beyond ? batch.time + vector_time(first) : next < batches.size() ? batches[next].time : -1;
                const auto answer = list(client, 7, "temps", {at(1, batch.time + sought)});
                CHECK(answer[0].offset.value == offset);
                CHECK(answer[0].timestamp.value == found_time);
            }
        }
        // The largest time is the one of the last batch that has it, somewhere within it.
        const auto newest = list(client, 7, "temps", {at(1, -3)});
        int largest = 0;
        for (int i = 0; i < batches.back().vector->records; ++i)
            if (vector_time(i) > vector_time(largest)) largest = i;
        CHECK(newest[0].offset.value == batches.back().base + largest);
        CHECK(newest[0].timestamp.value == batches.back().time + vector_time(largest));
    };
    check();
    // Through the compact protocol, too.
    Client& compact = served.connect();
    compact.open();
    REQUIRE(served.until(compact, frames::Kind::open));
    compact.encode([&](Writer& w) { frames::encode_offsets(w, 1, {"temps", 1, batches[2].time + 400}); });
    REQUIRE(served.until(compact, frames::Kind::offsets));
    const auto found = frames::decode_offset_found(frames::decode_answer(compact.last(frames::Kind::offsets).body)->rest);
    REQUIRE(found.ok());
    CHECK(found->offset.value == batches[2].base + 11);
    CHECK(found->time.value == batches[2].time + vector_time(11));
    CHECK(served.program->server->broker().search_statistics().closed == 0);
    CHECK(served.program->server->broker().search_statistics().opened > 2 * batches.size());
    served.server_node->power_cut();
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program != nullptr; }));
    KafkaClient& again = served.connect_kafka();
    const auto after = list(again, 7, "temps", {at(1, batches[5].time + 400), at(1, batches[24].time + 400)});
    CHECK(after[0].offset.value == batches[5].base + 11);
    CHECK(after[1].offset.value == batches[24].base + 11);
}

TEST_CASE("ListOffsets: batches with one time for all are not opened") {
    KafkaServed served(opening_config() + "[topic.stamped]\nmessage.timestamp.type = LogAppendTime\n");
    served.server_node->set_wall(served.world.true_wall());
    served.server_node->set_wall_synchronised(true);
    REQUIRE(served.until([&] { return served.program->server->broker().clock_trusted(); }));
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, "stamped", 0, compressed_batch(vector_named("lz4"), t0)) == 0);
    const std::int64_t between = served.world.true_wall().value + 1;
    served.run(10 * ns_per_ms);
    CHECK(produce(client, "stamped", 0, compressed_batch(vector_named("gzip"), t0)) == 20);
    const auto answer = list(client, 7, "stamped", {at(0, 1), at(0, between)});
    CHECK(answer[0].offset.value == 0);
    CHECK(answer[0].timestamp.value < between);
    CHECK(answer[1].offset.value == 20);
    CHECK(answer[1].timestamp.value >= between);
    CHECK(served.program->server->broker().search_statistics().opened == 0);
    CHECK(served.program->server->broker().search_statistics().closed == 0);
}

TEST_CASE("ListOffsets: without memory for it no batch is opened") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, "temps", 1, compressed_batch(vector_named("lz4"), t0)) == 0);
    const auto answer = list(client, 7, "temps", {at(1, t0 + 400)});
    CHECK(answer[0].offset.value == 0);
    CHECK(answer[0].timestamp.value == t0);
    CHECK(served.program->server->broker().search_statistics().opened == 0);
}

TEST_CASE("ListOffsets: many search compressed batches at once, some leave in the middle, the topic goes") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        KafkaServed served(opening_config(), seed);
        KafkaClient& client = served.connect_kafka();
        const CompressedVector& vector = vector_named("zstd of 1.2 MB, window of 128 KiB");
        for (int i = 0; i < 3; ++i) produce(client, "temps", 0, compressed_batch(vector, t0 + i * 10'000));
        std::vector<KafkaClient*> clients;
        for (int i = 0; i < 5; ++i) clients.push_back(&served.connect_kafka());
        // One batch is opened at a time: these stand in line with the Kafka clients, of which the broker serves one at a time.
        std::vector<Client*> compact;
        for (int i = 0; i < 4; ++i) {
            compact.push_back(&served.connect());
            compact.back()->open();
            REQUIRE(served.until(*compact.back(), frames::Kind::open));
        }
        for (Client* each : compact) {
            each->encode([&](Writer& w) { frames::encode_offsets(w, 0, {"temps", 0, t0 + 10'500}); });
            each->encode([&](Writer& w) { frames::encode_offsets(w, 1, {"temps", 0, t0 + 20'995}); });
            served.send(*each);
        }
        for (KafkaClient* each : clients) {
            Items<Wanted> partitions{at(0, t0 + 999), at(0, t0 + 10'500), at(0, t0 + 20'995)};
            Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
            kafka::ListOffsetsRequest request;
            request.topics = topics;
            each->send(Api::list_offsets, 7, request);
        }
        served.run(static_cast<std::int64_t>(seed % 7) * 300'000);
        clients[0]->connection->close();
        served.run(static_cast<std::int64_t>(seed % 5) * 200'000);
        clients[3]->connection->close();
        compact[seed % 4]->connection->close();
        const bool goes = seed % 4 == 0;
        if (goes) REQUIRE(served.program->server->broker().delete_topic("temps").ok());
        for (const std::size_t i : {1U, 2U, 4U}) {
            const auto topics = items_of(clients[i]->receive<kafka::ListOffsetsResponse>(Api::list_offsets, 7).topics);
            const auto answer = items_of(topics[0].partitions);
            for (std::size_t p = 0; p < 3; ++p) {
                const std::int64_t sought[] = {999, 500, 995};
                int first = 0;
                while (vector_time(first) < sought[p]) ++first;
                const bool found = answer[p].error_code == 0 && answer[p].offset.value == static_cast<std::int64_t>(p) * 300 + first;
                if (goes) CHECK((found || answer[p].error_code == 3 || answer[p].offset.value == -1));
                else CHECK(found);
            }
        }
        for (std::size_t i = 0; i < compact.size(); ++i)
            if (i != seed % 4) CHECK(served.until(*compact[i], frames::Kind::offsets, 2));
        CHECK(served.until([&] { return served.program->server->kafka().searches_taken() == 0; }));
        served.run(ns_per_s);
    }
}

TEST_CASE("ListOffsets: times on flash, over a wrapped ring, for more clients than searches at once") {
    KafkaServed served;
    KafkaClient& writer = served.connect_kafka();
    const std::string value(8000, 'v');
    std::int64_t last = 0;
    std::int64_t newest = 0;
    for (int i = 0; i < 400; ++i) {
        // Times go up, but for one far ahead of the others.
        const std::int64_t time = t0 + i * 1000 + (i == 300 ? 5'000'000 : 0);
        const std::int64_t offset = produce(writer, "temps", 2, pack({reading(time, "k", value), reading(time + 1, "k", "x")}));
        if (i == 300) newest = offset + 1;
        last = time;
    }
    const auto ends = list(writer, 5, "temps", {at(2, -2), at(2, -1)});
    REQUIRE(ends[0].offset.value > 0);
    CHECK(ends[1].offset.value == 800);
    std::vector<KafkaClient*> clients;
    for (int i = 0; i < 7; ++i) clients.push_back(&served.connect_kafka());
    for (KafkaClient* client : clients) {
        Items<Wanted> partitions{at(2, 0), at(2, t0 + 350 * 1000), at(2, last + 10'000'000), at(2, -3), at(3, 5), at(2, t0 + 300 * 1000 + 1001)};
        Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
        kafka::ListOffsetsRequest request;
        request.topics = topics;
        client->send(Api::list_offsets, 7, request);
    }
    for (KafkaClient* client : clients) {
        const auto topics = items_of(client->receive<kafka::ListOffsetsResponse>(Api::list_offsets, 7).topics);
        const auto answer = items_of(topics[0].partitions);
        REQUIRE(answer.size() == 6);
        CHECK(answer[0].offset == ends[0].offset);
        CHECK(answer[1].offset.value == (newest < ends[0].offset.value ? 700 : 600));
        CHECK(answer[2].offset.value == -1);
        CHECK(answer[3].offset.value == newest);
        CHECK(answer[3].timestamp.value == t0 + 300 * 1000 + 5'000'001);
        CHECK(answer[4].offset.value == -1);
        CHECK(answer[5].offset.value == 600);
    }
    CHECK(served.program->server->kafka().searches_taken() == 0);
}

TEST_CASE("ListOffsets: a search ends with its connection, and with its topic") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const std::string value(8000, 'v');
    for (int i = 0; i < 100; ++i) produce(client, "temps", 0, pack({reading(t0 + i, "k", value)}));
    KafkaClient& leaves = served.connect_kafka();
    KafkaClient& stays = served.connect_kafka();
    served.run(ns_per_s);
    for (KafkaClient* each : {&leaves, &stays}) {
        Items<Wanted> partitions{at(0, t0 + 100), at(0, -3), at(0, t0 + 100)};
        Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
        kafka::ListOffsetsRequest request;
        request.topics = topics;
        each->send(Api::list_offsets, 7, request);
    }
    REQUIRE(served.until([&] { return served.program->server->kafka().searches_taken() == 1; }));  // the other waits in line
    leaves.connection->close();
    REQUIRE(served.program->server->broker().delete_topic("temps").ok());
    const auto topics = items_of(stays.receive<kafka::ListOffsetsResponse>(Api::list_offsets, 7).topics);
    for (const Found& partition : items_of(topics[0].partitions)) CHECK(partition.error_code == 3);
    CHECK(served.until([&] { return served.program->server->kafka().searches_taken() == 0; }));
}

TEST_CASE("ListOffsets: who stood in line for a search, and got on otherwise, has its place in the line for cells") {
    struct Waiter final : kafka_server::FetchWaiter {
        void on_fetch_room() override { ++woken; }
        int woken = 0;
    };
    KafkaServed served;
    auto& hub = served.program->server->kafka();
    Waiter first;
    Waiter second;
    hub.wait_for_search(first);
    hub.wait_for_cells(first);
    hub.wait_for_cells(second);
    hub.wait_for_cells(first);
    CHECK(hub.first_in_line(first));
    hub.cell_room();
    CHECK(first.woken == 1);
    List<kafka_server::FetchWaiter>::remove(first);
    CHECK(hub.first_in_line(second));
    hub.cell_room();
    CHECK(second.woken == 1);
    List<kafka_server::FetchWaiter>::remove(second);
}

TEST_CASE("DeleteRecords: up to an offset or the high watermark, in every version; never beyond, never of what is internal") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    for (int i = 0; i < 10; ++i) produce(client, "temps", 0, pack({reading(t0 + i, "a", "1")}));
    using Request = kafka::DeleteRecordsRequest;
    const auto remove = [&](std::int16_t version, std::string_view topic, std::initializer_list<Request::Partition> wanted) {
        Items<Request::Partition> partitions{wanted};
        Items<Request::Topic> topics{{topic, partitions}};
        Request request;
        request.topics = topics;
        const auto answered = items_of(client.call<kafka::DeleteRecordsResponse>(Api::delete_records, version, request).topics);
        REQUIRE(answered.size() == 1);
        return items_of(answered[0].partitions);
    };
    for (std::int16_t version = 0; version <= 2; ++version) {
        CAPTURE(version);
        const auto answer = remove(version, "temps", {{0, Offset(3 + version)}, {0, Offset(11)}, {0, Offset(-2)}, {9, Offset(0)}, {0, Offset(1)}});
        REQUIRE(answer.size() == 5);
        const std::pair<int, std::int64_t> wanted[] = {{0, 3 + version}, {1, -1}, {1, -1}, {3, -1}, {0, 3 + version}};
        for (std::size_t i = 0; i < 5; ++i) {
            CHECK(answer[i].error_code == wanted[i].first);
            CHECK(answer[i].low_watermark.value == wanted[i].second);
        }
        CHECK(list(client, 1, "temps", {at(0, -2)})[0].offset.value == 3 + version);
    }
    CHECK(remove(2, "temps", {{0, Offset(-1)}})[0].low_watermark.value == 10);
    CHECK(remove(2, "__consumer_offsets", {{0, Offset(-1)}})[0].error_code == 17);
    CHECK(remove(2, "nowhere", {{0, Offset(-1)}})[0].error_code == 3);
    CHECK(list(client, 7, "temps", {at(0, -2), at(0, 0), at(0, -3)})[2].offset.value == -1);
}
