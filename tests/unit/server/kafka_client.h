// A server in the simulated world and clients that speak Kafka's protocol to it: any request, in any version, and the answer to it.
#pragma once

#include <deque>

#include "unit/server/served.h"
#include "wire/kafka/apis.h"

namespace rivulet::test {

namespace kafka = rivulet::wire::kafka;

// As small as small_config.
inline const std::string kafka_config = R"(
[memory]
total = 6M
ring_min = 512K
[storage]
size = 2M
segment_bytes = 256K
checkpoint_bytes_max = 128K
commit_bytes = 16K
[defaults]
max.message.bytes = 64K
partitions = 2
[limits]
connections = 8
tls_connections = 2
tls_handshakes = 1
topics = 16
partitions = 32
sessions = 32
producers = 32
aliases_per_connection = 4
batch_bytes = 64K
frame_bytes = 8K
credit_bytes = 16K
inflight_bytes = 32K
receive_pool_bytes = 64K
compact_keys = 64
index_bytes = 16K
read_windows = 2
parked_fetches = 8
kafka_connections = 8
kafka_receive_bytes = 64K
kafka_request_bytes = 16K
kafka_response_bytes = 32K
fetch_partitions = 64
decode_bytes = none
[listener.compact]
bind = 0.0.0.0:9192
[listener.kafka]
bind = 0.0.0.0:9092
advertise = board:9092
[topic.temps]
partitions = 4
[topic.fast]
durability = memory
)";

// Items of an array that is to be encoded. It stands until the message is.
template <class T>
class Items {
public:
    Items(std::initializer_list<T> items) : items_(items) {}
    explicit Items(std::vector<T> items) : items_(std::move(items)) {}
    void operator()(std::size_t index, T& item) { item = items_[index]; }
    operator kafka::Array<T>() { return kafka::Array<T>::of(items_.size(), *this); }

private:
    std::vector<T> items_;
};

// Of an array that was decoded.
template <class T>
std::vector<T> items_of(const kafka::Array<T>& array) {
    std::vector<T> items;
    for (const T& item : array) items.push_back(item);
    return items;
}

class KafkaClient final : public env::ConnectionHandler {
public:
    explicit KafkaClient(Served& served) : served_(served) {}

    // What `request` becomes in that version, with the number of the next answer.
    template <class Request>
    std::vector<std::uint8_t> encode(kafka::Api api, std::int16_t version, Request& request, std::size_t bytes_max = 256 * 1024) {
        std::vector<std::uint8_t> room(bytes_max);
        Writer writer(room);
        kafka::begin_request(writer, api, version, ++correlation_, "test");
        kafka::Codec codec(writer, version, kafka::api_info(api).flexible(version));
        request.describe(codec);
        kafka::finish_frame(writer, 0);
        REQUIRE(writer.ok());
        room.resize(writer.size());
        return room;
    }
    // That goes out; the number of its answer.
    template <class Request>
    std::int32_t send(kafka::Api api, std::int16_t version, Request& request) {
        send_bytes(encode(api, version, request));
        return correlation_;
    }
    // The next request gets no answer.
    void expect_none() { ++received_; }
    void send_bytes(Bytes bytes) {
        out_.insert(out_.end(), bytes.begin(), bytes.end());
        served_.world.after(0, [this] { push(); });
    }
    // The next answer, in the order of the requests. Views of it stand as long as the client.
    template <class Response>
    Response receive(kafka::Api api, std::int16_t version, std::int64_t ns = 30 * ns_per_s) {
        const bool there = served_.until([&] { return taken_ < answers_.size() || closed; }, ns);
        REQUIRE(there);
        REQUIRE(taken_ < answers_.size());
        const std::vector<std::uint8_t>& answer = answers_[taken_++];
        REQUIRE(answer.size() >= 4);
        CHECK(load_be<std::int32_t>(answer.data()) == ++received_);
        const bool flexible = kafka::api_info(api).flexible(version);
        const std::size_t head = flexible && api != kafka::Api::api_versions ? 5 : 4;
        const auto response = kafka::decode<Response>(Bytes(answer).subspan(head), version, flexible);
        REQUIRE(response.ok());
        return *response;
    }
    template <class Response, class Request>
    Response call(kafka::Api api, std::int16_t version, Request& request, std::int64_t ns = 30 * ns_per_s) {
        send(api, version, request);
        return receive<Response>(api, version, ns);
    }
    std::size_t waiting() const { return answers_.size() - taken_; }

    void on_connected() override { connected_ = true; push(); }
    MutableBytes receive_buffer() override { return wants_ ? MutableBytes(buffer_) : MutableBytes(); }
    void on_received(std::size_t n) override {
        received_bytes_.insert(received_bytes_.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n));
        while (received_bytes_.size() >= 4) {
            const auto length = static_cast<std::size_t>(load_be<std::int32_t>(received_bytes_.data()));
            if (received_bytes_.size() < 4 + length) break;
            const auto from = received_bytes_.begin() + 4;
            const auto to = from + static_cast<std::ptrdiff_t>(length);
            answers_.emplace_back(from, to);
            received_bytes_.erase(received_bytes_.begin(), to);
        }
    }
    void on_sent() override { push(); }
    void on_closed(Error) override { closed = true; }
    void take_nothing() { wants_ = false; }
    void take_all() {
        wants_ = true;
        connection->resume_reading();
    }

    env::Connection* connection = nullptr;
    bool closed = false;

private:
    void push() {
        if (!connected_ || closed || connection->sending() || out_.empty()) return;
        lent_ = std::move(out_);
        out_.clear();
        const Bytes bytes(lent_);
        const std::size_t taken = connection->send({&bytes, 1});
        REQUIRE(taken == lent_.size());
    }

    Served& served_;
    std::array<std::uint8_t, 8192> buffer_{};
    std::vector<std::uint8_t> out_;
    std::vector<std::uint8_t> lent_;
    std::vector<std::uint8_t> received_bytes_;
    std::deque<std::vector<std::uint8_t>> answers_;
    std::size_t taken_ = 0;
    std::int32_t correlation_ = 0;
    std::int32_t received_ = 0;
    bool connected_ = false;
    bool wants_ = true;
};

class KafkaServed : public Served {
public:
    explicit KafkaServed(const std::string& text = kafka_config, std::uint64_t seed = 1, std::size_t connections = 64) : Served(text, seed, connections) {}

    KafkaClient& connect_kafka(std::uint16_t port = 9092) {
        kafka_clients.push_back(std::make_unique<KafkaClient>(*this));
        KafkaClient& client = *kafka_clients.back();
        const auto connection = client_node->env()->network().connect(server_node->address(port), client);
        REQUIRE(connection.ok());
        client.connection = *connection;
        return client;
    }

    std::vector<std::unique_ptr<KafkaClient>> kafka_clients;
};

}  // namespace rivulet::test
