#include "sim/run/follower.h"

#include "wire/compact/push_frames.h"

namespace rivulet::sim {

Follower::Follower(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life)
    : Client(env, env.world().random(reader_options(plan, number, "follower").name, life), reader_options(plan, number, "follower")), history_(history), plan_(plan), own_(plan.consumers[number]) {
    for (std::size_t topic = 0; topic < plan.topics.size(); ++topic)
        for (std::uint64_t p = 0; p < static_cast<std::uint64_t>(plan.topics[topic].partitions); ++p) positions_.push_back({topic, p});
}

frames::Open Follower::make_open() {
    frames::Open open;
    open.features = frames::feature::push;
    return open;
}

void Follower::on_connection() {
    subscriptions_.clear();
    for (Position& position : positions_) position.subscribed = false;
}

void Follower::on_opened(const frames::Opened& opened) {
    if ((opened.features & frames::feature::push) == 0) broken("push was not agreed");
}

void Follower::on_down() { subscriptions_.clear(); }

void Follower::on_tick() {
    if (phase_ != Phase::open || makes_trouble(own_)) return;
    const std::uint64_t most = std::min<std::uint64_t>(own_.requests_max, opened_.requests_max);
    for (std::size_t tries = 0; tries < positions_.size() && subscriptions_.size() < most; ++tries) {
        turn_ = (turn_ + 1) % positions_.size();
        if (!positions_[turn_].subscribed) subscribe(turn_);
    }
    for (auto& [number, subscription] : subscriptions_) {
        if (subscription.ending) continue;
        if (random_.chance(1, 60)) {
            subscription.ending = true;
            emit(64, [&, n = number](Writer& out) { frames::encode_credit(out, n, {true, 0}); });
        } else if (subscription.credit < static_cast<std::int64_t>(own_.bytes_max) && random_.chance(1, 2)) {
            const std::uint64_t more = helping();
            subscription.credit += static_cast<std::int64_t>(more);
            emit(64, [&, n = number](Writer& out) { frames::encode_credit(out, n, {false, more}); });
        }
    }
}

void Follower::subscribe(std::size_t index) {
    Position& position = positions_[index];
    const Known known = history_.known(position.topic, position.partition);
    if (known.life != position.life) {
        position.next = frames::fetch_earliest;
        position.life = known.life;
    }
    frames::Subscribe wanted;
    wanted.topic = plan_.topics[position.topic].name;
    wanted.partition = position.partition;
    wanted.offset = Offset(random_.chance(own_.jumps, 100) ? frames::fetch_latest : position.next);
    wanted.credit = random_.chance(1, 8) ? 0 : helping();
    const std::uint64_t number = next_correlation();
    emit(512, [&](Writer& out) { frames::encode_subscribe(out, number, wanted); });
    subscriptions_[number] = {index, known, false, false, static_cast<std::int64_t>(wanted.credit), wanted.offset.value};
    position.subscribed = true;
}

void Follower::on_frame(const frames::FrameView& frame) {
    const auto at = subscriptions_.find(frame.correlation);
    if (at == subscriptions_.end()) return broken("a frame of a subscription that is over");
    Subscription& subscription = at->second;
    if (frame.kind == frames::Kind::subscribe && !subscription.answered) return take_answer(at->first, subscription, frame);
    if (frame.kind != frames::Kind::data || !subscription.answered) return broken("an answer that was not asked for");
    if ((frame.flags & frames::flag::data_end) == 0) return take_data(subscription, frame);
    const auto answer = frames::decode_answer(frame.body);
    if (!answer) return broken("the end of a subscription");
    take_end(at->first, subscription, *answer);
}

void Follower::take_answer(std::uint64_t number, Subscription& subscription, const frames::FrameView& frame) {
    const auto answer = frames::decode_answer(frame.body);
    if (!answer) return broken("the answer to SUBSCRIBE");
    if (answer->error != Error::none) return take_end(number, subscription, *answer);
    const auto subscribed = frames::decode_subscribed(answer->rest);
    if (!subscribed) return broken("the answer to SUBSCRIBE");
    if (subscription.offset >= 0 && subscribed->offset.value != subscription.offset) return broken("SUBSCRIBE from another offset than asked");
    if (!history_.ends(subscription.known, {subscribed->log_start.value, subscribed->durable_end.value, subscribed->high_watermark.value, subscribed->log_end.value, subscribed->epoch.value}))
        return;
    subscription.answered = true;
    subscription.offset = subscribed->offset.value;
    subscription.known.high_watermark = std::max(subscription.known.high_watermark, subscribed->high_watermark.value);
    subscription.known.epoch = subscribed->epoch.value;
}

void Follower::take_data(Subscription& subscription, const frames::FrameView& frame) {
    const auto data = frames::decode_data(frame.body);
    if (!data) return broken("DATA");
    if (subscription.credit <= 0) return broken("DATA without credit");
    subscription.credit -= static_cast<std::int64_t>(frame.raw.size());
    if (data->offset.value < subscription.offset) return broken("DATA goes back");
    // The log start is not told.
    const Ends ends{-1, data->high_watermark.value, data->high_watermark.value, data->high_watermark.value, subscription.known.epoch};
    const std::int64_t next = history_.fetched(subscription.known, data->offset.value, ends, data->batches);
    if (next < 0) return;
    subscription.offset = positions_[subscription.position].next = next;
    subscription.known.high_watermark = std::max(subscription.known.high_watermark, data->high_watermark.value);
}

void Follower::take_end(std::uint64_t number, Subscription& subscription, const frames::Answer& answer) {
    Position& position = positions_[subscription.position];
    bool fair = failure_is_fair(history_, subscription.known, answer);
    switch (answer.error) {
        case Error::none: fair = subscription.ending; break;
        case Error::offset_out_of_range:
            fair = fair || answer.detail > subscription.offset;
            position.next = frames::fetch_earliest;
            break;
        case Error::batch_too_large: position.next = frames::fetch_latest; break;
        default: break;
    }
    const std::string place = plan_.topics[position.topic].name + "[" + std::to_string(position.partition) + "]";
    position.subscribed = false;
    subscriptions_.erase(number);
    if (!fair) broken("the end of the subscription to " + place + ": " + std::string(error_info(answer.error).name) + ", detail " + std::to_string(answer.detail));
}

}  // namespace rivulet::sim
