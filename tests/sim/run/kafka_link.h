// A connection of a Kafka client to the broker: requests of any kind and version, their answers in order.
// Owns:     one connection at a time, its buffers, what it waits for. Shares the message descriptions with the broker and nothing else.
// Errors:   an answer that does not decode, or that was not asked for, ends the run.
// Thread:   turns of its node. A callback comes once, or never: when the connection goes (on_link_down).
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "sim/node_env.h"
#include "wire/kafka/apis.h"

namespace rivulet::sim {

namespace kafka = rivulet::wire::kafka;
using kafka::Api;

constexpr std::uint16_t kafka_port = 9092;

// Items of an array that is to be encoded. It stands until the message is.
template <class T>
class Items {
public:
    Items() = default;
    explicit Items(std::vector<T> items) : items_(std::move(items)) {}
    void operator()(std::size_t index, T& item) { item = items_[index]; }
    operator kafka::Array<T>() { return kafka::Array<T>::of(items_.size(), *this); }
    void add(T item) { items_.push_back(std::move(item)); }
    std::size_t size() const { return items_.size(); }

private:
    std::vector<T> items_;
};

std::int16_t some_version(Random& random, Api api, std::int16_t lowest, std::int16_t highest = INT16_MAX);

class KafkaLink final : private env::ConnectionHandler {
public:
    class Owner {
    public:
        virtual void on_link_up(KafkaLink&) {}
        virtual void on_link_down(KafkaLink&) {}

    protected:
        ~Owner() = default;
    };

    KafkaLink(NodeEnv& env, Random random, std::string name, Owner& owner) : env_(env), world_(env.world()), random_(random), name_(std::move(name)), owner_(owner) {}

    // With each tick of its owner: connects, gives up what is not answered.
    void tick();
    void hang_up();
    bool up() const { return connected_ && !closing_; }
    std::size_t waiting() const { return pending_.size(); }
    void broken(const std::string& what);

    template <class Response, class Request>
    void call(Api api, std::int16_t version, Request& request, std::function<void(const Response&)> take, std::int64_t wait_ns = 8 * ns_per_s, std::size_t bytes_max = 8192) {
        write(api, version, request, bytes_max);
        pending_.push_back({correlation_, world_.now() + wait_ns, [this, api, version, take = std::move(take)](Bytes body) {
                                const bool flexible = kafka::api_info(api).flexible(version);
                                const auto response = kafka::decode<Response>(body.subspan(flexible && api != Api::api_versions ? 1 : 0), version, flexible);
                                if (!response) return broken("the answer to " + std::string(kafka::api_info(api).name));
                                take(*response);
                            }});
    }
    // One that gets no answer.
    template <class Request>
    void post(Api api, std::int16_t version, Request& request, std::size_t bytes_max = 8192) { write(api, version, request, bytes_max); }

private:
    struct Pending {
        std::int32_t correlation = 0;
        std::int64_t deadline = 0;
        std::function<void(Bytes)> take;
    };

    template <class Request>
    void write(Api api, std::int16_t version, Request& request, std::size_t bytes_max) {
        std::vector<std::uint8_t> room(bytes_max);
        Writer out(room);
        kafka::begin_request(out, api, version, ++correlation_, name_);
        kafka::Codec codec(out, version, kafka::api_info(api).flexible(version));
        request.describe(codec);
        kafka::finish_frame(out, 0);
        RIVULET_CHECK(out.ok());
        staged_.insert(staged_.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(out.size()));
        flush();
    }
    void flush();
    void on_connected() override;
    MutableBytes receive_buffer() override { return buffer_; }
    void on_received(std::size_t n) override;
    void on_sent() override { flush(); }
    void on_closed(Error reason) override;

    NodeEnv& env_;
    World& world_;
    Random random_;
    std::string name_;
    Owner& owner_;
    env::Connection* connection_ = nullptr;
    bool connected_ = false;
    bool closing_ = false;
    std::int64_t connecting_since_ = 0;
    std::int64_t retry_at_ = 0;
    std::int32_t correlation_ = 0;
    std::deque<Pending> pending_;
    std::vector<std::uint8_t> staged_;
    std::vector<std::uint8_t> flying_;
    std::vector<std::uint8_t> received_;
    std::array<std::uint8_t, 8192> buffer_{};
};

}  // namespace rivulet::sim
