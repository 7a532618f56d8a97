#include "client/kafka_channel.h"

#include <algorithm>

#include "base/text.h"
#include "wire/kafka/api_versions.h"

namespace rivulet::client {

using kafka::Api;

namespace {

constexpr std::size_t compact_bytes = 64U << 10;
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

std::size_t KafkaChannel::memory_bytes(const KafkaOptions& options) { return options.receive_bytes + 2 * options.send_bytes + 3 * alignof(std::max_align_t); }

KafkaChannel::KafkaChannel(env::Env& env, const KafkaOptions& options, Arena& arena, KafkaHandler& handler)
    : env_(env), options_(options), handler_(handler), receive_(arena.take_bytes(options.receive_bytes)),
      send_{arena.take_bytes(options.send_bytes), arena.take_bytes(options.send_bytes)}, out_(send_[0]) {}

KafkaChannel::~KafkaChannel() { disarm(); }

void KafkaChannel::open(const Bootstrap& bootstrap) {
    RIVULET_CHECK(phase_ == Phase::idle && !bootstrap.endpoints().empty());
    bootstrap_ = bootstrap;
    entry_ = 0;
    stopped_ = false;
    try_entry();
}

void KafkaChannel::try_entry() {
    address_ = address_count_ = 0;
    ending_ = {};
    ending_.where = entry().text;
    if (entry().numeric) {
        addresses_[0] = entry().address;
        address_count_ = 1;
        return try_address();
    }
    // A look-up that was given up on is still under way, and there is one at a time.
    if (lookup_running_) {
        ending_.failure = fail(Error::timed_out);
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    phase_ = Phase::resolving;
    lookup_running_ = true;
    arm_in(options_.connect_timeout_ms);
    env_.network().resolve(entry().host, entry().port, *this);
}

void KafkaChannel::on_resolved(Error error, std::span<const env::Address> addresses) {
    lookup_running_ = false;
    if (phase_ != Phase::resolving) return;
    if (error != Error::none || addresses.empty()) return attempt_failed(fail(error == Error::none ? Error::host_not_found : error));
    address_count_ = std::min(addresses.size(), addresses_.size());
    std::copy_n(addresses.begin(), address_count_, addresses_.begin());
    try_address();
}

void KafkaChannel::try_address() {
    begin_ = end_ = wanted_ = filling_ = oldest_ = under_way_ = 0;
    out_ = Writer(send_[0]);
    ending_.stage = Stage::connect;
    const auto connection = env_.network().connect(addresses_[address_], *this);
    if (!connection) {
        ending_.failure = connection.failure();
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    connection_ = *connection;
    phase_ = Phase::connecting;
    arm_in(options_.connect_timeout_ms);
}

// Tells of a failure before the versions were agreed on, and goes on to what is next.
void KafkaChannel::attempt_failed(Failure failure) {
    disarm();
    ending_.failure = failure;
    const bool next_address = address_ + 1 < address_count_;
    if (stopped_ || (!next_address && entry_ + 1 == bootstrap_.endpoints().size())) return finish();
    phase_ = Phase::deferred;
    handler_.on_attempt_failed(ending_);
    if (phase_ != Phase::deferred) return;
    if (stopped_) return finish();
    if (next_address) {
        ++address_;
        return try_address();
    }
    ++entry_;
    try_entry();
}

void KafkaChannel::finish() {
    disarm();
    phase_ = Phase::idle;
    const Ending ending = ending_;
    handler_.on_closed(ending);
}

void KafkaChannel::on_connected() {
    if (phase_ != Phase::connecting) return;
    phase_ = Phase::agreeing;
    ending_.stage = Stage::handshake;
    // Version 0, which all brokers have.
    const std::size_t start = out_.size();
    kafka::begin_request(out_, Api::api_versions, 0, ++correlation_, options_.name);
    kafka::finish_frame(out_, start);
    requests_[0] = {Api::api_versions, correlation_};
    under_way_ = 1;
    flush();
}

void KafkaChannel::flush() {
    if (!connection_ || phase_ == Phase::connecting || phase_ == Phase::dropping || connection_->sending()) return;
    RIVULET_CHECK(out_.ok());
    if (out_.size() == 0) return;
    const Bytes bytes = out_.written();
    const std::size_t taken = connection_->send({&bytes, 1});
    RIVULET_CHECK(taken == bytes.size());  // one buffer is taken whole
    if (connection_->sending()) filling_ ^= 1;
    out_ = Writer(send_[filling_]);
}

void KafkaChannel::on_sent() {
    flush();
    if (phase_ == Phase::open) handler_.on_writable();
    flush();
}

void KafkaChannel::close() {
    stopped_ = true;
    if (phase_ == Phase::idle || phase_ == Phase::dropping) return;
    if (phase_ == Phase::deferred || phase_ == Phase::resolving) {
        ending_.failure = fail(Error::canceled);
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    refuse(fail(phase_ == Phase::open ? Error::none : Error::canceled));
}

void KafkaChannel::refuse(Failure failure) {
    if (phase_ == Phase::dropping || !connection_) return;
    ending_.failure = failure;
    phase_ = Phase::dropping;
    disarm();
    connection_->close();
}

void KafkaChannel::on_closed(Error reason) {
    connection_ = nullptr;
    if (phase_ != Phase::dropping) ending_.failure = fail(reason == Error::end_of_file ? Error::connection_reset : reason);
    phase_ = Phase::dropping;
    if (ending_.stage == Stage::established) return finish();
    attempt_failed(ending_.failure);
}

void KafkaChannel::on_timer() {
    switch (phase_) {
    case Phase::deferred: return attempt_failed(ending_.failure);
    case Phase::resolving: return attempt_failed(fail(Error::timed_out));
    case Phase::connecting:
    case Phase::agreeing: return refuse(fail(Error::timed_out));
    case Phase::open:
        if (under_way_ != 0 && env_.now() - progress_at_ > options_.answer_timeout_ms * ns_per_ms) return refuse(fail(Error::timed_out));
        return arm_in(options_.answer_timeout_ms / 4);
    default: return;
    }
}

void KafkaChannel::arm_in(std::int64_t ms) { env_.arm(*this, env_.now() + ms * ns_per_ms); }

void KafkaChannel::disarm() {
    if (armed()) env_.disarm(*this);
}

std::size_t KafkaChannel::begin(Api api, bool answered) {
    RIVULET_CHECK(phase_ == Phase::open && under_way_ < under_way_max);
    const std::size_t start = out_.size();
    kafka::begin_request(out_, api, version(api), ++correlation_, options_.name);
    if (!answered) return start;
    if (under_way_ == 0) progress_at_ = env_.now();
    requests_[(oldest_ + under_way_++) % under_way_max] = {api, correlation_};
    return start;
}

// ---- receiving ----

MutableBytes KafkaChannel::receive_buffer() {
    if (begin_ == end_) begin_ = end_ = 0;
    // To the front, when the answer under way would not fit behind what is there, or when that costs less than what was consumed since.
    const std::size_t wanted = wanted_ > end_ - begin_ ? wanted_ - (end_ - begin_) : 1;
    if (begin_ != 0 && (receive_.size() - end_ < wanted || (begin_ >= compact_bytes && begin_ >= end_ - begin_))) {
        std::memmove(receive_.data(), receive_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return receive_.subspan(end_);
}

void KafkaChannel::on_received(std::size_t n) {
    if (n == 0) return;
    end_ += n;
    take_answers();
    flush();
}

void KafkaChannel::take_answers() {
    while (phase_ == Phase::agreeing || phase_ == Phase::open) {
        const Bytes there = Bytes(receive_).subspan(begin_, end_ - begin_);
        wanted_ = length_bytes;
        if (there.size() < wanted_) return;
        const auto length = load_be<std::int32_t>(there.data());
        if (length < 4) return refuse(fail(Error::malformed));
        wanted_ += static_cast<std::size_t>(length);
        if (wanted_ > receive_.size()) return refuse(fail(Error::frame_too_large, length));
        if (there.size() < wanted_) return;
        const std::size_t bytes = wanted_;
        if (!take(there.subspan(length_bytes, bytes - length_bytes))) return refuse(fail(Error::malformed));
        begin_ += bytes;
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
    phase_ = Phase::open;
    ending_.stage = Stage::established;
    progress_at_ = env_.now();
    arm_in(options_.answer_timeout_ms / 4);
    handler_.on_open();
}

}  // namespace rivulet::client
