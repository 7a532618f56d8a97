// One connection to a broker of Kafka's protocol, from the client's side: agrees on versions, sends requests, hands out the answers in their order.
// Owns:     what Link does (link.h: the bootstrap list, addresses, buffers). Bounds: memory_bytes() of arena; no allocation; under_way_max requests without an answer. One open() at a time, again after on_closed().
// Errors:   on_closed() tells the last one: host_not_found, connection_refused, timed_out, unreachable; unsupported_version: the broker lacks a version of what is needed, which the text names; what was wrong
//           with its bytes (malformed, frame_too_large).
// Thread:   loop only. No callback comes from within a call of ours. What callbacks get are views, valid until they return.
// Guarantee: entries are tried in order, each with all its addresses. Then on_open() once and on_closed() once, or on_closed() alone.
//           It must outlive its connection: destroy it after on_closed(), or when the loop does not run any more.
// Format:   Kafka's protocol: ApiVersions, Produce, Fetch, ListOffsets, Metadata, in the highest version that both ends have.
#pragma once

#include "client/link.h"
#include "wire/kafka/apis.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/list_offsets.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/produce.h"

namespace rivulet::client {

// Messages, for users that know `client` alone.
namespace kafka = wire::kafka;

struct KafkaOptions {
    std::size_t receive_bytes = 64U << 10;  // the largest answer
    std::size_t send_bytes = 64U << 10;     // of each of the two send buffers: the largest request
    std::int64_t connect_timeout_ms = 3'000;
    std::int64_t answer_timeout_ms = 30'000;
    std::string_view name = "rivulet";
};

class KafkaHandler {
public:
    virtual void on_open() = 0;
    virtual void on_answer(kafka::Api api, Bytes body) = 0;
    // A send buffer has become free.
    virtual void on_writable() {}
    // One address did not work out; the next one is tried.
    virtual void on_attempt_failed(const Ending&) {}
    virtual void on_closed(const Ending& ending) = 0;

protected:
    ~KafkaHandler() = default;
};

class KafkaChannel final : public Link {
public:
    static constexpr std::size_t under_way_max = 64;
    static std::size_t memory_bytes(const KafkaOptions& options) { return Link::memory_bytes(link_options(options)); }
    KafkaChannel(env::Env& env, const KafkaOptions& options, Arena& arena, KafkaHandler& handler);

    // `bootstrap` is copied, its text is not.
    void open(const Bootstrap& bootstrap) { start(bootstrap); }
    // Ends at once: nothing of what is under way is waited for. on_closed() follows, without an error if it was open.
    void close();

    // ---- while is_open() ----
    std::int16_t version(kafka::Api api) const { return versions_[static_cast<std::size_t>(api)]; }
    bool flexible(kafka::Api api) const { return kafka::api_info(api).flexible(version(api)); }
    // Requests are encoded here; a user looks for room first. They leave when a callback returns, or by flush(). `answered`: false for a Produce with acks 0.
    template <class Request>
    void send(kafka::Api api, Request& request, bool answered = true) {
        const std::size_t start = begin(api, answered);
        kafka::Codec codec(out_, version(api), flexible(api));
        request.describe(codec);
        kafka::finish_frame(out_, start);
    }
    template <class Response>
    Result<Response> decode(kafka::Api api, Bytes body) const { return kafka::decode<Response>(body, version(api), flexible(api), kafka::Rest::passed_over); }
    std::size_t room() const { return under_way_ == under_way_max ? 0 : out_.room(); }
    std::size_t under_way() const { return under_way_; }
    // Something about an answer is wrong, or what it says: ends for this reason.
    void refuse(Failure failure) { break_off(failure); }

private:
    static constexpr std::size_t apis_max = 4;  // keys 0 to 3: all that are needed but ApiVersions
    static LinkOptions link_options(const KafkaOptions& options) { return {options.receive_bytes, options.send_bytes, options.connect_timeout_ms}; }

    // Link
    void begin_attempt() override { oldest_ = under_way_ = 0; }
    void greet() override;
    void take_received() override;
    void on_open_timer(Instant due) override;
    void tell_writable() override { handler_.on_writable(); }
    void tell_attempt_failed(const Ending& ending) override { handler_.on_attempt_failed(ending); }
    void tell_closed(const Ending& ending) override { handler_.on_closed(ending); }

    std::size_t begin(kafka::Api api, bool answered);
    bool take(Bytes answer);
    void agree(Bytes body);

    KafkaOptions options_;
    KafkaHandler& handler_;
    Instant progress_at_;          // the last answer, or the first request since there was none under way
    std::array<std::int16_t, apis_max> versions_{};
    struct UnderWay {
        kafka::Api api{};
        std::int32_t correlation = 0;
    };
    std::array<UnderWay, under_way_max> requests_;  // a ring
    std::size_t oldest_ = 0;
    std::size_t under_way_ = 0;
    std::int32_t correlation_ = 0;
};

// Of a broker's answers: what of our errors has this code; unknown: none.
Error error_of_kafka(std::int16_t code);

}  // namespace rivulet::client
