#include "sim/run/verifier.h"

#include <utility>

#include "sim/run/consumer.h"

namespace rivulet::sim {

namespace {

ClientOptions options_of(const Plan& plan) {
    ClientOptions options;
    options.frame_bytes_max = plan.batch_bytes + 64 * 1024;
    options.name = "verifier";
    return options;
}

}  // namespace

Verifier::Verifier(NodeEnv& env, History& history, const Plan& plan)
    : Client(env, env.world().random("verifier"), options_of(plan)), history_(history), plan_(plan), looking_(!history.strict()) {}

std::string Verifier::state() const {
    return "verifier: step " + std::to_string(static_cast<int>(step_)) + ", topic " + std::to_string(topic_) + ", partition " + std::to_string(partition_) +
           ", offset " + std::to_string(offset_) + (phase_ == Phase::open ? "" : ", not connected");
}

// A disk error that was planned before may still end the run of the broker: then from the beginning.
void Verifier::on_connection() {
    asked_ = false;
    step_ = Step::list;
    looking_ = !history_.strict();
    listed_after_.clear();
    listed_.clear();
    partitions_.clear();
    before_.clear();
}

void Verifier::go_on() {
    if (phase_ != Phase::open || asked_ || step_ == Step::done || world_.failed()) return;
    asked_ = true;
    const std::uint64_t correlation = next_correlation();
    if (step_ == Step::list) {
        emit(512, [&](Writer& out) { frames::encode_topic_list(out, correlation, {listed_after_, random_.below(3)}); });
    } else if (step_ == Step::describe) {
        known_ = history_.known(topic_, partitions_.size());
        emit(512, [&](Writer& out) { frames::encode_topic_describe(out, correlation, {plan_.topics[topic_].name, partitions_.size(), random_.below(4)}); });
    } else {
        known_ = history_.known(topic_, partition_);
        frames::Fetch fetch;
        fetch.topic = plan_.topics[topic_].name;
        fetch.partition = partition_;
        fetch.offset = Offset(offset_);
        fetch.bytes_max = 64 * 1024;
        fetch.bytes_min = 1;
        fetch.wait_ms_max = 1000;
        emit(512, [&](Writer& out) { frames::encode_fetch(out, correlation, fetch); });
    }
    flush();
}

void Verifier::on_frame(const frames::FrameView& frame) {
    const auto answer = frames::decode_answer(frame.body);
    if (!frames::kind_info(frame.kind).correlation || !answer || !asked_) return broken("an answer that was not asked for");
    asked_ = false;
    const Step before = step_;
    if (answer->error == Error::busy || answer->error == Error::shutting_down || answer->error == Error::canceled) return;
    switch (frame.kind) {
        case frames::Kind::topic_list: take_list(*answer, frame); break;
        case frames::Kind::topic_describe: take_describe(*answer, frame); break;
        case frames::Kind::fetch: take_fetch(*answer); break;
        default: return broken("an answer that was not asked for");
    }
    if (before != Step::describe || step_ != before) go_on();  // else again with the next tick
}

// ---- topics ----

void Verifier::take_list(const frames::Answer& answer, const frames::FrameView& frame) {
    const auto page = answer.error == Error::none ? frames::decode_topic_listed(answer.rest, frame.flags) : Result<frames::TopicListed>(fail(answer.error));
    if (!page) return broken("TOPIC_LIST: " + std::string(error_info(page.error()).name));
    for (const frames::TopicEntry& entry : page->topics) {
        if (std::string(entry.name) <= listed_after_) return broken("TOPIC_LIST is not in order");
        listed_after_ = entry.name;
        listed_.insert(listed_after_);
        if (entry.name == History::growing_name && !history_.check_growth(entry.partitions)) return;
        for (std::size_t t = 0; t < plan_.topics.size(); ++t) {
            if (plan_.topics[t].name != entry.name) continue;
            if (entry.partitions != plan_.topics[t].partitions || (entry.durability == frames::Durability::memory) != plan_.topics[t].memory)
                return broken("TOPIC_LIST: another shape of " + listed_after_);
        }
    }
    if (!page->more) check_list();
}

void Verifier::check_list() {
    if (!listed_.contains(std::string(History::growing_name)) && !history_.check_growth(0)) return;
    for (std::size_t t = 0; t < plan_.topics.size(); ++t) {
        const History::Topic& topic = history_.topic(t);
        const bool there = listed_.contains(plan_.topics[t].name);
        if (topic.there && !there) {
            if (history_.strict() && (topic.assured || topic.hoped)) return broken("topic " + plan_.topics[t].name + " was created and is not there");
            history_.topic(t).there = false;  // it never became durable, or is gone with the damage
        }
        if (!topic.there && there && topic.ever_deleted && !topic.abandoned && !topic.ever_uncertain && history_.strict()) return broken("topic " + plan_.topics[t].name + " was deleted and is there");
    }
    std::size_t others = listed_.count(std::string(History::growing_name)) + (plan_.kafka.on ? listed_.count("__consumer_offsets") : 0);
    for (const KafkaTopicPlan& topic : plan_.kafka.topics) others += listed_.count(topic.name);
    if (history_.strict() && listed_.size() > plan_.topics.size() + others) return broken("topics that nobody created");
    topic_ = static_cast<std::size_t>(-1);
    next_topic();
}

void Verifier::next_topic() {
    partitions_.clear();
    partition_ = 0;
    do ++topic_;
    while (topic_ < plan_.topics.size() && !history_.topic(topic_).there);
    step_ = topic_ < plan_.topics.size() ? Step::describe : Step::done;
    if (step_ == Step::describe || !looking_) return;
    looking_ = false;
    topic_ = static_cast<std::size_t>(-1);
    next_topic();
}

void Verifier::take_describe(const frames::Answer& answer, const frames::FrameView& frame) {
    const TopicPlan& plan = plan_.topics[topic_];
    const auto page = answer.error == Error::none ? frames::decode_topic_described(answer.rest, frame.flags) : Result<frames::TopicDescribed>(fail(answer.error));
    if (!page) return broken("TOPIC_DESCRIBE: " + std::string(error_info(page.error()).name));
    if (page->topic.partitions != plan.partitions || (page->topic.durability == frames::Durability::memory) != plan.memory) return broken("TOPIC_DESCRIBE: another shape");
    for (const frames::ConfigPair& pair : page->config)
        if (!history_.check_setting(topic_, pair.key, pair.value)) return;
    if (partitions_.empty() && page->config.size() < plan.config.size()) return broken("TOPIC_DESCRIBE: " + plan.name + " without its configuration");
    for (const frames::PartitionEntry& entry : page->partitions) {
        if (entry.partition != partitions_.size()) return broken("TOPIC_DESCRIBE: partitions out of order");
        History::FinalPartition partition;
        partition.ends = ends_of(entry);
        partition.fenced_count = entry.fenced_ranges;
        for (const frames::FencedRange& range : entry.fenced) {
            partition.fenced.emplace_back(range.first.value, range.first.value + static_cast<std::int64_t>(range.count));
        }
        Known known = known_;
        known.partition = partitions_.size();
        if (known.partition == known_.partition && !history_.ends(known, partition.ends)) return;
        // What was settled without a commit is still on its way.
        if (partition.ends.high_watermark != partition.ends.log_end) return partitions_.clear();
        partitions_.push_back(std::move(partition));
    }
    if (partitions_.size() < plan.partitions) {
        if (page->more) return;
        if (history_.strict()) return broken("TOPIC_DESCRIBE: " + plan.name + ": partitions are missing after " + std::to_string(partitions_.size()));
        // With both checkpoints lost a topic is known by the record of its last change alone, and a partition of it that has nothing in the ring is not.
        history_.topic(topic_).there = false;
        return next_topic();
    }
    step_ = Step::read;
    partition_ = 0;
    offset_ = partitions_[0].ends.log_start;
}

// ---- records ----

void Verifier::take_fetch(const frames::Answer& answer) {
    History::FinalPartition& partition = partitions_[partition_];
    if (answer.error == Error::offset_out_of_range && answer.detail > offset_) {  // retention goes on
        offset_ = partition.ends.log_start = answer.detail;
        return;
    }
    if (answer.error != Error::none) return broken("FETCH: " + std::string(error_info(answer.error).name));
    const auto fetched = frames::decode_fetched(answer.rest);
    if (!fetched) return broken("the answer to FETCH");
    const std::int64_t from = offset_;
    const std::int64_t next = history_.fetched(known_, from, ends_of(*fetched), fetched->batches);
    if (next < 0) return;
    const auto note = [&](const SeenBatch&, const SeenRecord& record) {
        if (record.offset >= from) partition.offsets.push_back(record.offset);
    };
    (void)parse_batches(fetched->batches, {{}, note, true, true, true});
    offset_ = next;
    if (offset_ >= partition.ends.high_watermark) finish_partition();
    else if (fetched->batches.empty() && fetched->high_watermark.value >= partition.ends.high_watermark) {
        // All that is left is fenced: the check of gaps says whether it may be.
        finish_partition();
    }
}

void Verifier::finish_partition() {
    History::FinalPartition& partition = partitions_[partition_];
    // A cleaning pass that ended meanwhile makes it a mixture of two states: until it is the same twice.
    if (plan_.topics[topic_].compacted && std::exchange(before_, partition.offsets) != partition.offsets) {
        partition.offsets.clear();
        offset_ = partition.ends.log_start;
        return;
    }
    before_.clear();
    if (!looking_ && !history_.check_end(topic_, partition_, partition)) return;
    if (++partition_ < plan_.topics[topic_].partitions) {
        offset_ = partitions_[partition_].ends.log_start;
        return;
    }
    next_topic();
}

}  // namespace rivulet::sim
