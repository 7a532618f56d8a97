// Connections that hold what others need, and come again at once when they are cut, with the memory of the built-in configuration: a good client among them is answered in time.
#include "unit/server/kafka_calls.h"
#include "wire/kafka/list_offsets.h"
#include "wire/kafka/metadata.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

constexpr std::size_t connections_max = 160;
constexpr std::int64_t wait_ns_max = 1200 * ns_per_ms;
const std::string built_in = R"(
[storage]
size = 64M
[listener.kafka]
bind = 0.0.0.0:9092
[topic.temps]
)";

// What each of them sends.
struct Manner {
    std::vector<Bytes> pieces;  // one after another, at intervals
    Bytes drips;                // then a byte of this with each second
    bool again = false;         // all of it anew once there is an answer
};

class Besieger final : public env::ConnectionHandler {
public:
    Besieger(KafkaServed& served, const Manner& manner) : served_(served), manner_(manner) { begin(); }
    void on_connected() override { send_next(run_); }
    MutableBytes receive_buffer() override { return buffer_; }
    void on_received(std::size_t) override {
        if (!manner_.again || next_ != manner_.pieces.size() || connection_->sending()) return;
        next_ = 0;
        send_next(run_);
    }
    void on_sent() override { wait(); }
    void on_closed(Error) override {
        ++cuts;
        ++run_;
        served_.world.after(0, [this] { begin(); });
    }
    std::size_t cuts = 0;

private:
    void begin() {
        const auto connection = served_.client_node->env()->network().connect(served_.server_node->address(9092), *this);
        REQUIRE(connection.ok());
        connection_ = *connection;
        next_ = 0;
    }
    void send_next(std::uint64_t run) {
        if (run != run_ || next_ == manner_.pieces.size() + manner_.drips.size()) return;
        const Bytes piece = next_ < manner_.pieces.size() ? manner_.pieces[next_] : manner_.drips.subspan(next_ - manner_.pieces.size(), 1);
        ++next_;
        REQUIRE(connection_->send({&piece, 1}) == piece.size());
        if (!connection_->sending()) wait();
    }
    void wait() {
        const std::int64_t ns = next_ < manner_.pieces.size() ? 20 * ns_per_ms : ns_per_s;
        if (!manner_.again) served_.world.after(ns, [this, run = run_] { send_next(run); });
    }

    KafkaServed& served_;
    const Manner& manner_;
    env::Connection* connection_ = nullptr;
    std::uint64_t run_ = 0;  // of these connections
    std::size_t next_ = 0;
    std::array<std::uint8_t, 512> buffer_{};
};

struct Siege {
    KafkaServed served{built_in, 1, 2 * connections_max};
    std::vector<std::unique_ptr<Besieger>> besiegers;
    // Has its connection before they come.
    KafkaClient& good = served.connect_kafka();
    const Buffer large = produce_bytes(good, {{"temps", {{0, big_batch(445'000)}}}}, {.bytes_max = 512 * 1024});

    Siege() {
        good.send_bytes(large);
        CHECK(placed(good).at(0).error == 0);
    }
    void come(std::size_t count, const Manner& manner) {
        for (std::size_t i = 0; i < count; ++i) besiegers.push_back(std::make_unique<Besieger>(served, manner));
    }
    std::size_t cuts() const {
        std::size_t sum = 0;
        for (const auto& one : besiegers) sum += one->cuts;
        return sum;
    }
    // The longest that a small batch, a fetch and, of a new connection, a first request had to wait in so many seconds.
    std::int64_t longest_wait(std::int64_t seconds) {
        std::int64_t longest = 0;
        const auto timed = [&](auto ask) {
            const std::int64_t begun = served.world.now();
            ask();
            longest = std::max(longest, served.world.now() - begun);
        };
        for (const std::int64_t end = served.world.now() + seconds * ns_per_s; served.world.now() < end; served.run(100 * ns_per_ms)) {
            timed([&] { CHECK(produce(good, {{"temps", {{0, values_batch(1)}}}}).at(0).error == 0); });
            timed([&] { CHECK(fetch(good, {{"temps", 0, 1}}).partitions.at(0).error == 0); });
            timed([&] { CHECK(still_serves(served)); });
            close(served, *served.kafka_clients.back());
        }
        return longest;
    }
};

}  // namespace

TEST_CASE("halves of large batches, again and again: others are served") {
    Siege siege;
    const Bytes all(siege.large);
    Manner manner;
    std::size_t count = 110;
    std::int64_t longest_ns = wait_ns_max;
    const Buffer before = produce_bytes(siege.good, {{"temps", {{0, values_batch(1)}}}});
    siege.good.expect_none();
    SUBCASE("in one piece") { manner.pieces = {all.first(220'000)}; }
    SUBCASE("the request's head first, with which its answer begins") { manner.pieces = {all.first(32), all.subspan(32, 220'000)}; }
    SUBCASE("many of these") {
        manner.pieces = {all.first(32), all.subspan(32, 220'000)};
        count = 140;
    }
    SUBCASE("behind a request whose answer waits for its commit") {
        manner.pieces = {before, all.first(220'000)};
        longest_ns = 2 * wait_ns_max;  // each has an output buffer for the first, too
    }
    SUBCASE("few that drip") {
        manner = {{all.first(32), all.subspan(32, 220'000)}, all.subspan(220'032, 1000)};
        count = 64;
    }
    siege.come(count, manner);
    CHECK(siege.longest_wait(15) < longest_ns);
    CHECK(siege.cuts() > 20);
}

TEST_CASE("halves of small requests, again and again: others are served") {
    Siege siege;
    kafka::MetadataRequest request;
    const Buffer metadata = siege.good.encode(kafka::Api::metadata, 1, request);
    siege.good.expect_none();
    Manner manner;
    SUBCASE("three bytes of a length") { manner.pieces = {Bytes(metadata).first(3)}; }
    SUBCASE("half a request") { manner.pieces = {Bytes(metadata).first(metadata.size() / 2)}; }
    SUBCASE("in drips") { manner = {{Bytes(metadata).first(3)}, Bytes(metadata).subspan(3, metadata.size() - 4)}; }
    siege.come(140, manner);
    CHECK(siege.longest_wait(15) < wait_ns_max);
    CHECK(siege.cuts() > 20);
}

TEST_CASE("searches by time in crowds do not keep the receive buffers from the others") {
    Siege siege;
    for (int i = 0; i < 20; ++i) {
        siege.good.send_bytes(produce_bytes(siege.good, {{"temps", {{0, big_batch(445'000)}}}}, {.bytes_max = 512 * 1024}));
        CHECK(placed(siege.good).at(0).error == 0);
    }
    std::vector<kafka::ListOffsetsRequest::Partition> many(200);
    for (auto& partition : many) partition.timestamp = Timestamp(5);
    Items<kafka::ListOffsetsRequest::Partition> partitions(many);
    Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
    kafka::ListOffsetsRequest request;
    request.topics = topics;
    const Buffer search = siege.good.encode(kafka::Api::list_offsets, 2, request);
    siege.good.expect_none();
    const Manner manner{{Bytes(search)}, {}, true};
    siege.come(110, manner);
    CHECK(siege.longest_wait(15) < wait_ns_max);
    CHECK(siege.cuts() > 20);
}
