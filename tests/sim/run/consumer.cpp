#include "sim/run/consumer.h"

namespace rivulet::sim {

Ends ends_of(const frames::Fetched& f) { return {f.log_start.value, f.durable_end.value, f.high_watermark.value, f.log_end.value, f.epoch.value}; }
Ends ends_of(const frames::PartitionEntry& e) { return {e.log_start.value, e.durable_end.value, e.high_watermark.value, e.log_end.value, e.epoch.value}; }

Consumer::Consumer(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life)
    : Client(env, env.world().random(reader_options(plan, number, "consumer").name, life), reader_options(plan, number, "consumer")), history_(history), plan_(plan), own_(plan.consumers[number]) {
    for (const TopicPlan& topic : plan.topics) {
        first_.push_back(positions_.size());
        positions_.resize(positions_.size() + topic.partitions);
    }
}

void Consumer::on_connection() {
    requests_.clear();
    for (Position& position : positions_) position.asked = position.aliased = false;
}

void Consumer::on_opened(const frames::Opened& opened) {
    if (opened.session_state != frames::SessionState::none || opened.last_sequence != 0) broken("a session that was not asked for");
}

void Consumer::on_down() { requests_.clear(); }

void Consumer::on_tick() {
    if (phase_ != Phase::open || makes_trouble(own_)) return;
    const std::uint64_t most = std::min<std::uint64_t>(own_.requests_max, opened_.requests_max);
    for (std::size_t tries = 0; tries < positions_.size() && requests_.size() < most; ++tries) {
        turn_ = (turn_ + 1) % positions_.size();
        std::size_t topic = 0;
        while (topic + 1 < first_.size() && first_[topic + 1] <= turn_) ++topic;
        if (!positions_[turn_].asked) ask(topic, turn_ - first_[topic]);
    }
}

void Consumer::ask(std::size_t topic, std::uint64_t partition) {
    Position& position = positions_[index_of(topic, partition)];
    const Known known = history_.known(topic, partition);
    if (known.life != position.life) {
        position.next = frames::fetch_earliest;
        position.aliased = false;
        position.life = known.life;
    }
    std::int64_t offset = position.next;
    if (random_.chance(own_.jumps, 100)) {
        const std::uint64_t dice = random_.below(8);
        if (dice == 0) offset = frames::fetch_earliest;
        else if (dice == 1) offset = frames::fetch_latest;
        else offset = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(known.high_watermark) + (dice == 2 ? 20 : 1)));
    }
    frames::Fetch fetch;
    const std::size_t alias = index_of(topic, partition);
    if (own_.by_alias && alias < opened_.aliases_max) {
        if (!position.aliased) {
            const frames::Alias wanted{alias, frames::Placement::partition, frames::Acks::leader, false, plan_.topics[topic].name, partition, {}};
            emit(512, [&](Writer& out) { frames::encode_alias(out, up_, wanted); });
            position.aliased = true;
        }
        fetch.by_alias = true;
        fetch.alias = alias;
    }
    fetch.topic = plan_.topics[topic].name;
    fetch.partition = partition;
    fetch.offset = Offset(offset);
    fetch.epoch = Epoch(random_.chance(1, 20) ? known.epoch : -1);
    fetch.bytes_max = own_.bytes_max;
    fetch.bytes_min = own_.bytes_min;
    fetch.wait_ms_max = own_.wait_ms_max;
    const std::uint64_t correlation = next_correlation();
    emit(512, [&](Writer& out) { frames::encode_fetch(out, correlation, fetch); });
    requests_[correlation] = {topic, partition, offset, known, world_.now()};
    position.asked = true;
}

void Consumer::on_frame(const frames::FrameView& frame) {
    if (frame.kind == frames::Kind::alias) {
        const auto answer = frames::decode_aliased(frame.body);
        if (!answer || answer->error == Error::none) return broken("an answer to ALIAS that was not asked for");
        return;  // the fetch says it too
    }
    const auto at = requests_.find(frame.correlation);
    if (frame.kind != frames::Kind::fetch || at == requests_.end()) return broken("an answer that was not asked for");
    const Request request = at->second;
    requests_.erase(at);
    positions_[index_of(request.topic, request.partition)].asked = false;
    take_fetch(request, frame);
}

void Consumer::take_fetch(const Request& request, const frames::FrameView& frame) {
    const auto answer = frames::decode_answer(frame.body);
    if (!answer) return broken("the answer to FETCH");
    if (answer->error != Error::none) return take_failure(request, *answer);
    const auto fetched = frames::decode_fetched(answer->rest);
    if (!fetched) return broken("the answer to FETCH");
    if (request.offset >= 0 && fetched->offset.value != request.offset) return broken("FETCH from another offset than asked");
    const std::int64_t next = history_.fetched(request.known, fetched->offset.value, ends_of(*fetched), fetched->batches);
    if (next >= 0) positions_[index_of(request.topic, request.partition)].next = next;
}

void Consumer::take_failure(const Request& request, const frames::Answer& answer) {
    Position& position = positions_[index_of(request.topic, request.partition)];
    bool fair = failure_is_fair(history_, request.known, answer);
    switch (answer.error) {
        case Error::offset_out_of_range:
            fair = fair || answer.detail > request.offset || answer.detail >= request.known.high_watermark;
            position.next = random_.chance(1, 2) ? frames::fetch_earliest : frames::fetch_latest;
            break;
        case Error::unknown_topic_or_partition: position.aliased = false; break;
        case Error::batch_too_large: position.next = frames::fetch_latest; break;
        case Error::fenced_epoch:
        case Error::unknown_epoch: fair = true; break;
        default: break;
    }
    if (!fair) {
        broken("FETCH " + plan_.topics[request.topic].name + "[" + std::to_string(request.partition) + "] from " + std::to_string(request.offset) + ": " +
               std::string(error_info(answer.error).name) + ", detail " + std::to_string(answer.detail) + " " + std::string(answer.text));
    }
}

}  // namespace rivulet::sim
