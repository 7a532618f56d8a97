#include "sim/run/kafka_link.h"

#include <algorithm>

namespace rivulet::sim {

namespace {
constexpr std::int64_t connect_ns_max = 6 * ns_per_s;
constexpr std::int64_t retry_ns_max = 500 * ns_per_ms;
constexpr std::size_t answer_bytes_max = 4U << 20;
}  // namespace

std::int16_t some_version(Random& random, Api api, std::int16_t lowest, std::int16_t highest) {
    const kafka::ApiInfo& info = kafka::api_info(api);
    const std::int16_t from = std::max(lowest, info.lowest);
    const std::int16_t to = std::min(highest, info.highest);
    return static_cast<std::int16_t>(from + static_cast<std::int16_t>(random.below(static_cast<std::uint64_t>(to - from) + 1)));
}

void KafkaLink::broken(const std::string& what) { world_.fail(name_ + ": the broker broke Kafka's protocol: " + what); }

void KafkaLink::tick() {
    const std::int64_t now = world_.now();
    if (!connection_) {
        if (now < retry_at_) return;
        retry_at_ = now + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(retry_ns_max)));
        const Result<env::Connection*> made = env_.network().connect(world_.node("broker").address(kafka_port), *this);
        if (!made) return;
        connection_ = *made;
        connected_ = closing_ = false;
        connecting_since_ = now;
        staged_.clear();
        received_.clear();
        return;
    }
    const bool late = !pending_.empty() && now > pending_.front().deadline;
    if (late || (!connected_ && now - connecting_since_ > connect_ns_max)) hang_up();
}

void KafkaLink::hang_up() {
    if (!connection_ || closing_) return;
    closing_ = true;
    connection_->close();
}

void KafkaLink::flush() {
    if (!up() || staged_.empty() || connection_->sending()) return;
    flying_.swap(staged_);
    staged_.clear();
    const Bytes bytes(flying_);
    (void)connection_->send({&bytes, 1});
}

void KafkaLink::on_connected() {
    connected_ = true;
    owner_.on_link_up(*this);
    flush();
}

void KafkaLink::on_received(std::size_t n) {
    received_.insert(received_.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n));
    std::size_t used = 0;
    while (!world_.failed() && !closing_ && received_.size() - used >= 4) {
        const auto length = load_be<std::int32_t>(received_.data() + used);
        if (length < 4 || static_cast<std::size_t>(length) > answer_bytes_max) return broken("an answer of " + std::to_string(length) + " bytes");
        if (received_.size() - used - 4 < static_cast<std::size_t>(length)) break;
        const Bytes frame = Bytes(received_).subspan(used + 4, static_cast<std::size_t>(length));
        if (pending_.empty() || pending_.front().correlation != load_be<std::int32_t>(frame.data())) return broken("an answer that was not asked for, or out of order");
        const Pending pending = std::move(pending_.front());
        pending_.pop_front();
        pending.take(frame.subspan(4));
        used += 4 + static_cast<std::size_t>(length);
    }
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(used));
}

void KafkaLink::on_closed(Error) {
    connection_ = nullptr;
    connected_ = closing_ = false;
    pending_.clear();
    staged_.clear();
    received_.clear();
    owner_.on_link_down(*this);
}

}  // namespace rivulet::sim
