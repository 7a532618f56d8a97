#include "client/kafka_channel.h"

#include <algorithm>

#include "base/text.h"
#include "wire/kafka/api_versions.h"

namespace rivulet::client {

using kafka::Api;

namespace {

constexpr std::size_t length_bytes = 4;

// The versions that this client can use: records of magic 2, topics by name, topics that are not made by asking for them.
struct Need {
    Api api;
    std::int16_t lowest;
    std::int16_t highest;
    std::string_view name;
};
constexpr Need needs[] = {{Api::produce, 3, 12, "Produce"}, {Api::fetch, 4, 12, "Fetch"}, {Api::list_offsets, 1, 10, "ListOffsets"}, {Api::metadata, 4, 12, "Metadata"}};

}  // namespace

Error error_of_kafka(std::int16_t code) {
    if (code == 0) return Error::none;
    // Those of our own frames last: a code that they share is about records or topics there.
    constexpr std::uint64_t numbers_max = 256;
    constexpr std::uint64_t behind_frames = static_cast<std::uint64_t>(Error::corrupt_batch);
    for (std::uint64_t i = 0; i < numbers_max; ++i) {
        const Error error = error_from_number((behind_frames + i) % numbers_max);
        if (error != Error::unknown && error_info(error).kafka_code == code) return error;
    }
    return Error::unknown;
}

KafkaChannel::KafkaChannel(env::Env& env, const KafkaOptions& options, Arena& arena, KafkaHandler& handler) : Link(env, link_options(options), arena), options_(options), handler_(handler) {}

void KafkaChannel::greet() {
    // Version 0, which all brokers have.
    const std::size_t start = out_.size();
    kafka::begin_request(out_, Api::api_versions, 0, ++correlation_, options_.name);
    kafka::finish_frame(out_, start);
    requests_[0] = {Api::api_versions, correlation_};
    under_way_ = 1;
}

void KafkaChannel::close() {
    if (is_open()) break_off(fail(Error::none));
    else drop();
}

void KafkaChannel::on_open_timer(Instant) {
    if (under_way_ != 0 && env_.now() - progress_at_ > options_.answer_timeout_ms * ns_per_ms) return break_off(fail(Error::timed_out));
    arm_in(options_.answer_timeout_ms / 4);
}

std::size_t KafkaChannel::begin(Api api, bool answered) {
    RIVULET_CHECK(is_open() && under_way_ < under_way_max);
    const std::size_t start = out_.size();
    kafka::begin_request(out_, api, version(api), ++correlation_, options_.name);
    if (!answered) return start;
    if (under_way_ == 0) progress_at_ = env_.now();
    requests_[(oldest_ + under_way_++) % under_way_max] = {api, correlation_};
    return start;
}

// ---- receiving ----

void KafkaChannel::take_received() {
    while (connected()) {
        const Bytes there = received();
        std::size_t wanted = length_bytes;
        if (there.size() < wanted) return want(wanted);
        const auto length = load_be<std::int32_t>(there.data());
        if (length < 4) return refuse(fail(Error::malformed));
        wanted += static_cast<std::size_t>(length);
        if (wanted > options_.receive_bytes) return refuse(fail(Error::frame_too_large, length));
        if (there.size() < wanted) return want(wanted);
        if (!take(there.subspan(length_bytes, wanted - length_bytes))) return refuse(fail(Error::malformed));
        consume(wanted);
    }
}

bool KafkaChannel::take(Bytes answer) {
    if (under_way_ == 0) return false;
    const UnderWay request = requests_[oldest_];
    if (load_be<std::int32_t>(answer.data()) != request.correlation) return false;
    oldest_ = (oldest_ + 1) % under_way_max;
    --under_way_;
    progress_at_ = env_.now();
    Bytes body = answer.subspan(4);
    if (request.api == Api::api_versions) return agree(body), true;
    if (flexible(request.api)) {
        kafka::Codec head(body, 0, true);
        head.tags();
        if (!head.ok()) return false;
        body = body.subspan(head.position());
    }
    handler_.on_answer(request.api, body);
    return true;
}

void KafkaChannel::agree(Bytes body) {
    const auto answer = kafka::decode<kafka::ApiVersionsResponse>(body, 0, false, kafka::Rest::passed_over);
    if (!answer || answer->error_code != 0) return refuse(answer ? fail(error_of_kafka(answer->error_code)) : answer.failure());
    for (const Need& need : needs) {
        std::int16_t version = -1;
        for (const auto& api : answer->api_keys)
            if (api.api_key == static_cast<std::int16_t>(need.api) && api.min_version <= need.highest && api.max_version >= need.lowest) version = std::min(api.max_version, need.highest);
        versions_[static_cast<std::size_t>(need.api)] = version;
        if (version >= 0) continue;
        Text text(ending_text_);
        text << "the broker has no " << need.name << " of versions " << need.lowest << " to " << need.highest;
        ending_.text = text.view();
        return refuse(fail(Error::unsupported_version));
    }
    established();
    progress_at_ = env_.now();
    arm_in(options_.answer_timeout_ms / 4);
    handler_.on_open();
}

}  // namespace rivulet::client
