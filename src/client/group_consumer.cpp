#include "client/group_consumer.h"

#include "client/batches.h"

namespace rivulet::client {

using namespace protocol;

namespace {
constexpr std::int64_t rest_ms = 200;
constexpr std::int64_t leave_ms = 5'000;
constexpr std::size_t position_bytes_max = 2 * varint_bytes_max;
constexpr std::size_t frame_head_bytes_max = 32;
constexpr std::size_t positions_at_once = 64;

// The group, or the broker, is not ready; or it has taken us for dead.
bool passes(Error error) {
    return error_info(error).retryable || error == Error::unknown_member || error == Error::canceled;
}
}  // namespace

GroupConsumer::GroupConsumer(env::Env& env, const GroupConsumerOptions& options, Arena& arena, GroupConsumerHandler& handler)
    : env_(env), options_(options), handler_(handler), channel_(env, options.channel, arena, *this), partitions_(arena.make_array<GroupPartition>(options.partitions_max)),
      backoff_(options.retry_ms) {}

GroupConsumer::~GroupConsumer() {
    if (armed()) env_.disarm(*this);
}

void GroupConsumer::start(const Bootstrap& bootstrap) {
    bootstrap_ = bootstrap;
    channel_.open(bootstrap_);
}

void GroupConsumer::stop() {
    if (stopped_) return;
    stopped_ = true;
    if (handling_) return;
    leave();
}

void GroupConsumer::leave() {
    if (armed()) env_.disarm(*this);
    if (channel_.is_idle()) return env_.arm(*this, env_.now());
    if (!channel_.is_open() || (phase_ != Phase::member && phase_ != Phase::joining) || channel_.room() < frame_head_bytes_max + positions_at_once * position_bytes_max) return channel_.drop();
    while (unsaid_ != 0 && channel_.room() >= 2 * (frame_head_bytes_max + positions_at_once * position_bytes_max)) grant();
    // CLOSE ends its membership, and commits, as well; but a static member's place is kept for when it comes again.
    if (!options_.join.instance.empty()) return channel_.close();
    phase_ = Phase::leaving;
    encode_credit(channel_.out(), number_, {.end = true, .bytes = 0, .processed = false, .positions = {}});
    channel_.flush();
    env_.arm(*this, env_.now() + leave_ms * ns_per_ms);
}

void GroupConsumer::on_open(const Opened& opened) {
    started_ = true;
    backoff_.connected(env_.now());
    if ((opened.features & feature::groups) == 0) return end(fail(Error::unsupported), "this broker has no consumer groups for this protocol");
    join();
}

void GroupConsumer::join() {
    phase_ = Phase::joining;
    partition_count_ = unsaid_ = 0;
    owed_ = 0;
    encode_join_group(channel_.out(), ++number_, options_.join, options_.topics);
    if (!channel_.out().ok()) {
        channel_.out().rewind(0);
        return end(fail(Error::invalid_argument), "group and topics are too long");
    }
    channel_.flush();
}

GroupPartition* GroupConsumer::find(std::uint64_t slot) {
    for (GroupPartition& partition : partitions_.first(partition_count_))
        if (partition.slot == slot) return &partition;
    return nullptr;
}

void GroupConsumer::on_answer(const FrameView& frame, const Answer& answer) {
    if (failure_.error != Error::none || frame.correlation != number_) return;
    if (phase_ == Phase::leaving) {
        // The end, or the join that it overtook.
        if (frame.kind == Kind::data || answer.error != Error::none) channel_.close();
        return;
    }
    if (stopped_ || (phase_ != Phase::joining && phase_ != Phase::member)) return;
    if (answer.error != Error::none) return take_failure(answer);
    if (frame.kind != Kind::assign) return end(fail(Error::malformed));
    const auto news = decode_assigned(answer.rest, frame.flags);
    if (!news) return end(news.failure());
    take_news(*news);
}

void GroupConsumer::take_news(const Assigned& news) {
    switch (news.what) {
        case MemberNews::joined: phase_ = Phase::member; return;
        case MemberNews::assigned:
            for (const AssignedPartition& assigned : news.partitions) {
                if (stopped_ || failure_.error != Error::none) return;
                take_partition(assigned);
            }
            if (news.more || stopped_ || failure_.error != Error::none) return;
            backoff_.progress();
            return handler_.on_generation(news.generation);
        case MemberNews::revoked: break;
        case MemberNews::sought: return end(fail(Error::out_of_order));  // nobody has asked
    }
    // What was processed of them is said before they are given up.
    grant();
    for (const Slot& slot : news.slots) {
        GroupPartition* const partition = find(slot.number);
        if (!partition) return end(fail(Error::malformed));
        const GroupPartition gone = *partition;
        unsaid_ -= gone.unsaid;
        *partition = partitions_[--partition_count_];
        const std::uint64_t number = slot.number;
        // One at a time: they are few, and a frame for all of them might not fit.
        encode_release(channel_.out(), number_, {&number, 1});
        if (!gone.topic.empty()) handler_.on_revoked(gone);
    }
    if (!channel_.out().ok()) return end(fail(Error::busy));
    channel_.flush();
}

void GroupConsumer::take_partition(const AssignedPartition& assigned) {
    const std::string_view* topic = nullptr;
    for (const std::string_view& name : options_.topics)
        if (name == assigned.topic) topic = &name;
    if (find(assigned.slot)) return end(fail(Error::malformed));
    if (partition_count_ == partitions_.size()) return end(fail(Error::limit_reached, static_cast<std::int64_t>(partitions_.size())));
    GroupPartition& partition = partitions_[partition_count_++];
    partition = {};
    partition.slot = assigned.slot;
    if (topic) partition.topic = *topic;
    partition.partition = assigned.partition;
    partition.next = Offset(assigned.offset);
    // One of a topic that was deleted meanwhile has no name, and is taken away next.
    if (topic) handler_.on_assigned(partition);
}

void GroupConsumer::on_data(const FrameView& frame) {
    if (frame.correlation != number_ || phase_ != Phase::member || stopped_ || failure_.error != Error::none) return;
    const auto data = decode_data(frame.body, frame.flags);
    if (!data) return end(data.failure());
    GroupPartition* const partition = data->slot ? find(*data->slot) : nullptr;
    if (!partition || partition->topic.empty()) return end(fail(Error::malformed));
    handling_ = true;
    if (partition->next.value >= 0 && data->offset > partition->next) handler_.on_skipped(*partition, data->offset);
    partition->next = data->offset;
    partition->processed = handler_.on_batches(*partition, *data);
    handling_ = false;
    unsaid_ += !partition->unsaid;
    partition->unsaid = true;
    partition->next = end_of_batches(data->batches, data->offset);
    owed_ += frame.raw.size();
    if (stopped_) return leave();
    grant();
}

// One frame; if there is no room, on_writable() comes.
void GroupConsumer::grant() {
    if (phase_ != Phase::member || (owed_ == 0 && unsaid_ == 0) || !channel_.is_open()) return;
    if (channel_.room() < frame_head_bytes_max + positions_at_once * position_bytes_max) return;
    Position positions[positions_at_once];
    std::size_t count = 0;
    for (GroupPartition& partition : partitions_.first(partition_count_)) {
        if (!partition.unsaid || count == positions_at_once) continue;
        positions[count++] = {partition.slot, partition.processed};
        partition.unsaid = false;
        --unsaid_;
    }
    encode_credit(channel_.out(), number_, {.end = false, .bytes = std::exchange(owed_, 0), .processed = count != 0, .positions = {}}, std::span(positions).first(count));
    channel_.flush();
}

void GroupConsumer::take_failure(const Answer& answer) {
    if (!passes(answer.error)) return end(fail(answer.error, answer.detail), answer.text);
    partition_count_ = unsaid_ = 0;
    phase_ = Phase::resting;
    env_.arm(*this, env_.now() + rest_ms * ns_per_ms);
    Ending ending;
    ending.failure = fail(answer.error, answer.detail);
    ending.stage = Stage::established;
    ending.text = answer.text;
    ending.from_broker = true;
    handler_.on_interrupted(ending);
}

void GroupConsumer::end(Failure failure, std::string_view text) {
    failure_ = failure;
    Text out(failure_text_);
    out << text;
    failure_text_bytes_ = out.size();
    channel_.drop();
}

void GroupConsumer::on_attempt_failed(const Ending& ending) {
    if (started_) handler_.on_interrupted(ending);
}

void GroupConsumer::on_closed(const Ending& ending) {
    if (armed()) env_.disarm(*this);
    phase_ = Phase::apart;
    partition_count_ = unsaid_ = 0;
    Ending last = ending;
    if (failure_.error != Error::none) {
        last.failure = failure_;
        last.from_broker = failure_.error != Error::malformed;
        last.text = {failure_text_, failure_text_bytes_};
    } else if (stopped_) {
        last.failure = fail(Error::canceled);
    } else if (started_ && (!ending.from_broker || error_info(ending.failure.error).retryable)) {
        if (const auto at = backoff_.next(env_.now())) {
            env_.arm(*this, *at);
            return handler_.on_interrupted(ending);
        }
    }
    handler_.on_ended(last);
}

void GroupConsumer::on_timer() {
    if (channel_.is_idle()) {
        if (!stopped_) return channel_.open(bootstrap_);
        Ending ending;
        ending.failure = fail(Error::canceled);
        return handler_.on_ended(ending);
    }
    if (phase_ == Phase::leaving) return channel_.drop();
    if (phase_ == Phase::resting) join();
}

}  // namespace rivulet::client
