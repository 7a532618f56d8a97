// A client of Kafka's protocol against the simulated server, and against ends that are none.
#include "client/kafka_channel.h"

#include "client/batches.h"
#include "record/pack.h"
#include "unit/server/kafka_client.h"

using namespace rivulet;
using namespace rivulet::test;
using client::KafkaChannel;
using kafka::Api;

namespace {

struct User final : client::KafkaHandler {
    void on_open() override { opened = true; }
    void on_answer(Api of, Bytes body) override { answers.push_back({of, {body.begin(), body.end()}}); }
    void on_attempt_failed(const client::Ending& ending) override { attempts.push_back(ending.failure.error); }
    void on_closed(const client::Ending& ending) override {
        CHECK_FALSE(closed);
        closed = true;
        last = ending;
        text = ending.text;
    }
    struct Answer {
        Api api;
        std::vector<std::uint8_t> body;
    };
    bool opened = false, closed = false;
    std::vector<Answer> answers;
    std::vector<Error> attempts;
    client::Ending last;
    std::string text;
};

client::KafkaOptions small_options() {
    client::KafkaOptions options;
    options.receive_bytes = 16U << 10;
    options.send_bytes = 8U << 10;
    options.answer_timeout_ms = 4000;
    return options;
}

struct Ends : KafkaServed {
    Ends() : memory(KafkaChannel::memory_bytes(small_options())), arena(memory), channel(*client_node->env(), small_options(), arena, user) {}
    void open(const std::string& list) {
        bootstrap = list;
        world.after(0, [this] { channel.open(*client::Bootstrap::parse(bootstrap)); });
        REQUIRE(until([&] { return user.opened || user.closed; }));
    }
    template <class Response, class Request>
    Response call(Api api, Request& request) {
        const std::size_t before = user.answers.size();
        world.after(0, [&] {
            channel.send(api, request);
            channel.flush();
        });
        REQUIRE(until([&] { return user.answers.size() > before; }));
        CHECK(user.answers.back().api == api);
        const auto response = channel.decode<Response>(api, user.answers.back().body);
        REQUIRE(response.ok());
        return *response;
    }

    std::string bootstrap;
    std::vector<std::uint8_t> memory;
    Arena arena;
    User user;
    KafkaChannel channel;
};

// Answers everything with the same bytes.
class Speaker final : public env::ConnectionHandler, env::Acceptor {
public:
    Speaker(sim::Node& node, std::uint16_t port, std::vector<std::uint8_t> says) : says_(std::move(says)) { REQUIRE(node.env()->network().listen(node.address(port), {}, *this).ok()); }
    env::ConnectionHandler* on_accept(env::Connection& connection) override {
        connection_ = &connection;
        return this;
    }
    MutableBytes receive_buffer() override { return buffer_; }
    void on_received(std::size_t n) override {
        const Bytes bytes(says_);
        if (n != 0 && !says_.empty()) connection_->send({&bytes, 1});
    }
    void on_sent() override {}
    void on_closed(Error) override {}

private:
    std::vector<std::uint8_t> says_;
    std::array<std::uint8_t, 1024> buffer_{};
    env::Connection* connection_ = nullptr;
};

// An answer to ApiVersions, version 0, with these keys and versions.
std::vector<std::uint8_t> versions(std::int32_t correlation, const std::vector<std::array<std::int16_t, 3>>& apis) {
    std::vector<std::uint8_t> bytes(512);
    Writer out(bytes);
    out.be<std::int32_t>(static_cast<std::int32_t>(4 + 2 + 4 + 6 * apis.size()));
    out.be(correlation);
    out.be<std::int16_t>(0);
    out.be(static_cast<std::int32_t>(apis.size()));
    for (const auto& api : apis)
        for (const std::int16_t n : api) out.be(n);
    bytes.resize(out.size());
    return bytes;
}

}  // namespace

TEST_CASE("kafka client: agrees on versions, produces, finds offsets, fetches") {
    Ends ends;
    ends.open("server:9092");
    REQUIRE(ends.user.opened);
    CHECK(ends.channel.version(Api::produce) == 12);
    CHECK(ends.channel.version(Api::fetch) == 12);
    CHECK(ends.channel.version(Api::metadata) == 12);
    CHECK(ends.channel.version(Api::list_offsets) == 10);

    kafka::MetadataRequest::Topic name;
    name.name = "temps";
    Items<kafka::MetadataRequest::Topic> names{name};
    kafka::MetadataRequest metadata;
    metadata.topics = names;
    metadata.allow_auto_topic_creation = false;
    const auto told = ends.call<kafka::MetadataResponse>(Api::metadata, metadata);
    REQUIRE(told.topics.size() == 1);
    CHECK((*told.topics.begin()).partitions.size() == 4);

    std::vector<std::uint8_t> batch(4096);
    record::Pack pack;
    Writer body(MutableBytes(batch).subspan(record::batch_header_bytes));
    record::Reading reading;
    reading.timestamp = Timestamp(1'700'000'000'000);
    reading.value = as_bytes("21.5");
    for (int i = 0; i < 7; ++i) REQUIRE(pack.add(reading, body));
    record::encode_header(pack.close(), batch);
    kafka::ProduceRequest::Partition data;
    data.index = 2;
    data.records.bytes = Bytes(batch).first(pack.bytes());
    Items<kafka::ProduceRequest::Partition> datas{data};
    kafka::ProduceRequest::Topic to;
    to.name = "temps";
    to.partition_data = datas;
    Items<kafka::ProduceRequest::Topic> tos{to};
    kafka::ProduceRequest produce;
    produce.acks = -1;
    produce.timeout_ms = 1000;
    produce.topic_data = tos;
    for (int i = 0; i < 2; ++i) {
        const auto produced = ends.call<kafka::ProduceResponse>(Api::produce, produce);
        const auto partition = *(*produced.responses.begin()).partition_responses.begin();
        CHECK(partition.error_code == 0);
        CHECK(partition.base_offset == Offset(7 * i));
    }
    // One without an answer, then one with: the answers stay in step.
    produce.acks = 0;
    ends.world.after(0, [&] {
        ends.channel.send(Api::produce, produce, false);
        ends.channel.flush();
    });
    ends.run(ns_per_s);
    CHECK(ends.channel.under_way() == 0);

    kafka::ListOffsetsRequest::Partition where;
    where.partition_index = 2;
    where.timestamp = Timestamp(-1);
    Items<kafka::ListOffsetsRequest::Partition> wheres{where};
    kafka::ListOffsetsRequest::Topic of;
    of.name = "temps";
    of.partitions = wheres;
    Items<kafka::ListOffsetsRequest::Topic> ofs{of};
    kafka::ListOffsetsRequest list;
    list.replica_id = -1;
    list.topics = ofs;
    const auto listed = ends.call<kafka::ListOffsetsResponse>(Api::list_offsets, list);
    CHECK((*(*listed.topics.begin()).partitions.begin()).offset == Offset(21));

    kafka::FetchRequest::Partition from;
    from.partition = 2;
    from.fetch_offset = Offset(3);
    from.partition_max_bytes = 4096;
    Items<kafka::FetchRequest::Partition> froms{from};
    kafka::FetchRequest::Topic topic;
    topic.topic = "temps";
    topic.partitions = froms;
    Items<kafka::FetchRequest::Topic> topics{topic};
    kafka::FetchRequest fetch;
    fetch.max_wait_ms = 100;
    fetch.min_bytes = 1;
    fetch.max_bytes = 8192;
    fetch.topics = topics;
    const auto fetched = ends.call<kafka::FetchResponse>(Api::fetch, fetch);
    const auto part = *(*fetched.responses.begin()).partitions.begin();
    CHECK(part.error_code == 0);
    CHECK(part.high_watermark == Offset(21));
    client::Batches batches(part.records.bytes, Offset(3));
    int records = 0;
    while (batches.next()) ++records;
    CHECK(records == 18);
    CHECK(batches.error() == Error::none);

    ends.channel.close();
    REQUIRE(ends.until([&] { return ends.user.closed; }));
    CHECK(ends.user.last.failure.error == Error::none);
}

TEST_CASE("kafka client: the next address is tried, and a broker that goes is told") {
    Ends ends;
    ends.open("server:9093,server:9092");
    REQUIRE(ends.user.opened);
    REQUIRE(ends.user.attempts.size() == 1);
    CHECK(ends.user.attempts[0] == Error::connection_refused);
    ends.server_node->power_cut();
    ends.server_node->boot();
    kafka::MetadataRequest metadata;
    metadata.topics = decltype(metadata.topics)::none();
    ends.world.after(0, [&] {
        if (!ends.channel.is_open()) return;
        ends.channel.send(Api::metadata, metadata);
        ends.channel.flush();
    });
    REQUIRE(ends.until([&] { return ends.user.closed; }));
    CHECK((ends.user.last.failure.error == Error::connection_reset || ends.user.last.failure.error == Error::timed_out));
}

TEST_CASE("kafka client: ends that speak otherwise") {
    struct Case {
        std::vector<std::uint8_t> says;
        Error error;
        std::string_view text;
    };
    const std::array<std::int16_t, 3> produce{0, 0, 12}, fetch{1, 4, 17}, offsets{2, 1, 10}, metadata{3, 0, 13};
    const Case cases[] = {
        {{}, Error::timed_out, ""},
        {{0, 0, 0, 3, 1, 2, 3}, Error::malformed, ""},
        {{0xff, 0xff, 0xff, 0xff}, Error::malformed, ""},
        {{0x7f, 0xff, 0xff, 0xff}, Error::frame_too_large, ""},
        {versions(2, {produce, fetch, offsets, metadata}), Error::malformed, ""},  // the answer to another request
        {{0, 0, 0, 6, 0, 0, 0, 1, 0, 35}, Error::malformed, ""},                   // without its end
        {{0, 0, 0, 10, 0, 0, 0, 1, 0, 35, 0, 0, 0, 0}, Error::unsupported_version, ""},
        {{0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0x7f, 0, 0, 0}, Error::malformed, ""},   // counts more than there is
        {versions(1, {produce, offsets, metadata}), Error::unsupported_version, "the broker has no Fetch of versions 4 to 12"},
        {versions(1, {produce, {1, 13, 17}, offsets, metadata}), Error::unsupported_version, "the broker has no Fetch of versions 4 to 12"},
        {versions(1, {{0, 0, 2}, fetch, offsets, metadata}), Error::unsupported_version, "the broker has no Produce of versions 3 to 12"},
    };
    for (const Case& c : cases) {
        Ends ends;
        Speaker speaker(*ends.server_node, 9099, c.says);
        ends.open("server:9099");
        CAPTURE(&c - cases);
        CHECK_FALSE(ends.user.opened);
        CHECK(ends.user.last.failure.error == c.error);
        CHECK(ends.user.text == c.text);
    }
    // Older versions are used where these are all that there is; and what answers nothing more is given up.
    Ends ends;
    Speaker speaker(*ends.server_node, 9099, versions(1, {{0, 0, 3}, {1, 0, 11}, {2, 0, 1}, {3, 1, 5}, {18, 0, 0}}));
    ends.open("server:9099");
    REQUIRE(ends.user.opened);
    CHECK(ends.channel.version(Api::produce) == 3);
    CHECK(ends.channel.version(Api::fetch) == 11);
    CHECK_FALSE(ends.channel.flexible(Api::fetch));
    kafka::MetadataRequest request;
    request.topics = decltype(request.topics)::none();
    ends.world.after(0, [&] {
        ends.channel.send(Api::metadata, request);
        ends.channel.flush();
    });
    REQUIRE(ends.until([&] { return ends.user.closed; }));
    CHECK(ends.user.last.failure.error == Error::malformed);  // it says the same again
    CHECK(ends.user.answers.empty());
}

TEST_CASE("kafka client: codes of errors become ours") {
    CHECK(client::error_of_kafka(0) == Error::none);
    CHECK(client::error_of_kafka(1) == Error::offset_out_of_range);
    CHECK(client::error_of_kafka(3) == Error::unknown_topic_or_partition);
    CHECK(client::error_of_kafka(6) == Error::not_leader);
    CHECK(client::error_of_kafka(10) == Error::batch_too_large);
    CHECK(client::error_of_kafka(35) == Error::unsupported_version);
    CHECK(client::error_of_kafka(-1) == Error::unknown);
    CHECK(client::error_of_kafka(29) == Error::unknown);
}
