#include "sim/run/kafka_admin.h"

#include "wire/kafka/create_partitions.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/list_offsets.h"
#include "wire/kafka/offset_fetch.h"

namespace rivulet::sim {

namespace {
constexpr std::int16_t invalid_partitions = 37;
constexpr std::int16_t fetch_version = 12;
constexpr std::int16_t offset_fetch_version = 7;
constexpr std::int64_t earliest = -2;
}  // namespace

void KafkaAdmin::on_tick() {
    link_.tick();
    if (!link_.up() || finishing_ || asked_ || world_.now() < at_) return;
    at_ = world_.now() + static_cast<std::int64_t>(random_.between(1000, 8000)) * ns_per_ms;
    const auto topic = static_cast<std::size_t>(random_.below(plan_.topics.size()));
    if (plan_.topics[topic].grows && history_.growth(topic).answered < kafka_partitions_max) grow(topic);
}

void KafkaAdmin::grow(std::size_t topic) {
    KafkaHistory::Growth& growth = history_.growth(topic);
    const std::uint32_t count = growth.answered + 1;
    growth.asked = std::max(growth.asked, count);
    asked_ = true;
    Items<kafka::CreatePartitionsRequest::Topic> topics({{topic_name(topic), static_cast<std::int32_t>(count), kafka::Array<kafka::CreatePartitionsRequest::Assignment>::none()}});
    kafka::CreatePartitionsRequest request;
    request.topics = topics;
    request.timeout_ms = 5000;
    link_.call<kafka::CreatePartitionsResponse>(Api::create_partitions, some_version(random_, Api::create_partitions, 0), request, [this, topic, count](const kafka::CreatePartitionsResponse& response) {
        asked_ = false;
        if (response.results.size() != 1) return link_.broken("CreatePartitions");
        const std::int16_t error = (*response.results.begin()).error_code;
        KafkaHistory::Growth& of = history_.growth(topic);
        // It has as many: another request, which was not answered, has come through.
        const bool there = error == invalid_partitions;
        if (error == 0) of.answered = std::max(of.answered, count);
        else if (!there && !passes(error)) return link_.broken("CreatePartitions: error " + std::to_string(error));
        if (there) ask_metadata(link_, [] {});
    });
}

// ---- the end ----

KafkaVerifier::KafkaVerifier(NodeEnv& env, History& history, const Plan& plan)
    : KafkaActor(env, history, plan, "Kafka verifier", 0, 50 * ns_per_ms), link_(env, random_.split("link"), name_, *this), batch_bytes_(plan.batch_bytes) {}

std::string KafkaVerifier::state() const {
    return name_ + ": step " + std::to_string(static_cast<int>(step_)) + ", topic " + std::to_string(topic_) + ", partition " + std::to_string(partition_) + ", offset " + std::to_string(next_) + ", group " +
           std::to_string(group_) + (link_.up() ? "" : ", not connected");
}

void KafkaVerifier::on_tick() {
    link_.tick();
    go_on();
}

// A disk error that was planned before may still end the run of the broker: then from the beginning.
void KafkaVerifier::on_link_up(KafkaLink&) {
    if (step_ == Step::done) return;
    step_ = Step::metadata;
    topic_ = partition_ = group_ = 0;
    go_on();
}

void KafkaVerifier::go_on() {
    if (!link_.up() || asked_ || world_.failed() || step_ == Step::done) return;
    asked_ = true;
    switch (step_) {
        case Step::metadata:
            return ask_metadata(link_, [this] {
                asked_ = false;
                step_ = Step::begin;
                go_on();
            });
        case Step::begin: return find_begin();
        case Step::read: return read();
        default: return ask_offsets();
    }
}

void KafkaVerifier::find_begin() {
    Items<kafka::ListOffsetsRequest::Partition> partitions({{static_cast<std::int32_t>(partition_), Epoch(-1), Timestamp(earliest)}});
    Items<kafka::ListOffsetsRequest::Topic> topics({{topic_name(topic_), partitions}});
    kafka::ListOffsetsRequest request;
    request.topics = topics;
    link_.call<kafka::ListOffsetsResponse>(Api::list_offsets, 4, request, [this](const kafka::ListOffsetsResponse& response) {
        asked_ = false;
        const auto topic = *response.topics.begin();
        const auto partition = *topic.partitions.begin();
        if (passes(partition.error_code)) return;
        if (partition.error_code != 0) return link_.broken("ListOffsets: error " + std::to_string(partition.error_code));
        log_starts_[{topic_, partition_}] = next_ = partition.offset.value;
        offsets_.clear();
        step_ = Step::read;
        go_on();
    });
}

void KafkaVerifier::read() {
    const std::int64_t known = history_.high_watermark(topic_, partition_);
    kafka::FetchRequest::Partition item;
    item.partition = static_cast<std::int32_t>(partition_);
    item.fetch_offset = Offset(next_);
    item.partition_max_bytes = 64 << 10;
    Items<kafka::FetchRequest::Partition> partitions({item});
    Items<kafka::FetchRequest::Topic> topics({{topic_name(topic_), Uuid{}, partitions}});
    kafka::FetchRequest request;
    request.max_wait_ms = 0;
    request.topics = topics;
    link_.call<kafka::FetchResponse>(Api::fetch, fetch_version, request, [this, known](const kafka::FetchResponse& response) {
        asked_ = false;
        const auto topic = *response.responses.begin();
        const auto partition = *topic.partitions.begin();
        if (passes(partition.error_code)) return;
        if (partition.error_code == code::offset_out_of_range && partition.log_start_offset.value > next_) {
            step_ = Step::begin;  // retention goes on
            return go_on();
        }
        if (partition.error_code != 0) return link_.broken("Fetch: error " + std::to_string(partition.error_code));
        const std::int64_t from = next_;
        next_ = history_.fetched(topic_, partition_, from, known, {partition.high_watermark.value, partition.log_start_offset.value}, partition.records.bytes, &offsets_);
        if (world_.failed()) return;
        if (next_ >= partition.high_watermark.value) {
            std::int64_t& log_start = log_starts_[{topic_, partition_}];
            log_start = offsets_.empty() ? partition.high_watermark.value : std::max(log_start, offsets_.front());
            history_.check_end(topic_, partition_, log_start, offsets_);
            next_partition();
        }
        go_on();
    });
}

void KafkaVerifier::next_partition() {
    step_ = Step::begin;
    if (++partition_ < partitions_[topic_]) return;
    partition_ = 0;
    if (++topic_ < plan_.topics.size()) return;
    step_ = plan_.groups.empty() ? Step::done : Step::offsets;
}

void KafkaVerifier::ask_offsets() {
    std::map<std::size_t, Items<std::int32_t>> partitions;
    for (const std::size_t t : plan_.groups[group_].topics)
        for (std::size_t p = 0; p < partitions_[t]; ++p) partitions[t].add(static_cast<std::int32_t>(p));
    Items<kafka::OffsetFetchRequest::Topic> topics;
    for (auto& [topic, list] : partitions) topics.add({topic_name(topic), list});
    kafka::OffsetFetchRequest request;
    request.group_id = plan_.groups[group_].name;
    request.topics = topics;
    const std::int64_t asked_at = world_.now();
    link_.call<kafka::OffsetFetchResponse>(Api::offset_fetch, offset_fetch_version, request, [this, asked_at](const kafka::OffsetFetchResponse& response) {
        asked_ = false;
        if (passes(response.error_code)) return;
        if (response.error_code != 0) return link_.broken("OffsetFetch: error " + std::to_string(response.error_code));
        for (const auto& topic : response.topics) {
            const std::size_t t = topic_index(topic.name);
            for (const auto& partition : topic.partitions) {
                const auto p = static_cast<std::size_t>(partition.partition_index);
                history_.found(group_, t, p, asked_at, partition.committed_offset.value, partition.metadata.value_or(std::string_view()));
                history_.check_covered(group_, t, p, log_starts_[{t, p}], partition.committed_offset.value);
            }
        }
        if (++group_ == plan_.groups.size()) step_ = Step::done;
        go_on();
    });
}

}  // namespace rivulet::sim
