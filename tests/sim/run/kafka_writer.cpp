#include "sim/run/kafka_writer.h"

#include "record/pack.h"

namespace rivulet::sim {

namespace {

constexpr std::uint32_t more_after_healing = 3;  // readings, made while all is well
constexpr std::size_t in_flight_max = 4;

}  // namespace

KafkaWriter::KafkaWriter(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life)
    : KafkaActor(env, history, plan, "Kafka writer " + std::to_string(number), life, plan.producers[number].tick_ns), readings_(history), whole_plan_(plan), own_(plan.producers[number]),
      alias_(own_.aliases.front()), number_(number), incarnation_(history.new_incarnation(number)), link_(env, random_.split("link"), name_, *this), sequences_(plan.topics[alias_.topic].partitions) {}

void KafkaWriter::finish() {
    KafkaActor::finish();
    more_left_ = more_after_healing;
}

bool KafkaWriter::done() const { return finishing_ && batches_.empty() && (more_left_ == 0 || !readings_.topic(alias_.topic).there); }

std::string KafkaWriter::state() const { return name_ + ": " + (link_.up() ? "connected" : "down") + ", " + std::to_string(batches_.size()) + " batches are not acknowledged, " + std::to_string(in_flight_) + " are sent"; }

// ---- the connection ----

void KafkaWriter::on_link_up(KafkaLink&) {
    some_refused_ = false;
    connected_at_ = world_.now();
    if (!own_.idempotent || producer_.id >= 0) return;
    ask_producer_id(link_, producer_);
}

void KafkaWriter::on_link_down(KafkaLink&) { in_flight_ = 0; }

void KafkaWriter::on_tick() {
    link_.tick();
    if (!link_.up() || (own_.idempotent && producer_.id < 0)) return;
    if (!finishing_ && random_.chance(1, 600)) return link_.hang_up();
    make_batches();
    send();
}

// ---- readings ----

// Some readings, each to the batch of its partition.
void KafkaWriter::make_batches() {
    if (!readings_.topic(alias_.topic).there) return;
    std::vector<std::vector<ReadingId>> made(sequences_.size());
    std::uint64_t n = finishing_ ? more_left_ : random_.below(own_.burst_max + 1);
    for (; n != 0 && waiting_ < own_.window; --n, ++waiting_) {
        const ReadingId id{number_, incarnation_, next_++};
        made[static_cast<std::size_t>(readings_.make(id, 0, -1).partition)].push_back(id);
        if (finishing_) --more_left_;
    }
    for (std::size_t partition = 0; partition < made.size(); ++partition)
        if (!made[partition].empty()) close_batch(partition, std::move(made[partition]));
}

// In as many batches as it takes.
void KafkaWriter::close_batch(std::size_t partition, std::vector<ReadingId> readings) {
    for (std::size_t at = 0; at < readings.size();) {
        Batch batch;
        batch.partition = partition;
        batch.bytes.resize(whole_plan_.topics[alias_.topic].batch_bytes_max);
        Writer out(batch.bytes);
        const std::uint8_t head[record::batch_header_bytes] = {};
        out.bytes(head);
        record::Pack pack;
        for (; at < readings.size(); ++at) {
            const Content content = readings_.content(readings[at]);
            record::Reading reading;
            reading.timestamp = Timestamp(content.time);
            reading.has_key = content.has_key;
            reading.key = content.key;
            reading.has_value = content.has_value;
            reading.value = content.value;
            reading.header_count = content.header_count;
            reading.headers_raw = content.headers;
            if (!pack.add(reading, out)) break;
            batch.readings.push_back(readings[at]);
        }
        RIVULET_CHECK(!batch.readings.empty());
        batch.bytes.resize(out.size());
        seal(pack.close(), producer_, sequences_[partition], batch.bytes);
        sequences_[partition] += static_cast<std::int32_t>(batch.readings.size());
        batches_.push_back(std::move(batch));
    }
}

void KafkaWriter::send() {
    while (link_.up() && in_flight_ < batches_.size() && link_.waiting() < in_flight_max && !some_refused_) {
        Batch& batch = batches_[in_flight_++];
        for (const ReadingId id : batch.readings) readings_.sending(id, readings_.life(alias_.topic));
        kafka::ProduceRequest::Partition partition;
        partition.index = static_cast<std::int32_t>(batch.partition);
        partition.records_length = static_cast<std::int32_t>(batch.bytes.size());
        partition.records.bytes = batch.bytes;
        Items<kafka::ProduceRequest::Partition> partitions({partition});
        kafka::ProduceRequest::Topic topic;
        topic.name = whole_plan_.topics[alias_.topic].name;
        topic.partition_count = 1;
        topic.partition_data = partitions;
        Items<kafka::ProduceRequest::Topic> topics({topic});
        kafka::ProduceRequest request;
        request.acks = -1;
        request.timeout_ms = 5000;
        request.topic_count = 1;
        request.topic_data = topics;
        link_.call<kafka::ProduceResponse>(Api::produce, some_version(random_, Api::produce, 3), request, [this](const kafka::ProduceResponse& response) { take(response); }, 12 * ns_per_s,
                                           batch.bytes.size() + 4096);
    }
}

// After a refusal all that is not acknowledged goes again, over another connection.
void KafkaWriter::take(const kafka::ProduceResponse& response) {
    for (const auto& topic : response.responses) {
        for (const auto& partition : topic.partition_responses) {
            if (in_flight_ == 0 || partition.index != static_cast<std::int32_t>(batches_.front().partition)) return link_.broken("an answer for what was not sent");
            const std::int16_t error = partition.error_code;
            // A topic that is gone takes with it what was for it.
            const bool gone = error == code::unknown_topic_or_partition;
            const bool fair = passes(error) || gone || (error == code::out_of_order_sequence && some_refused_);
            if (error != 0 && !fair) return link_.broken("Produce to " + std::string(topic.name) + "[" + std::to_string(partition.index) + "]: error " + std::to_string(error));
            some_refused_ |= error != 0 && !gone;
            if (some_refused_) continue;
            for (const ReadingId id : batches_.front().readings) {
                if (gone) readings_.at(id).state = Sent::given_up;
                else readings_.settled(id, connected_at_);
            }
            waiting_ -= batches_.front().readings.size();
            batches_.pop_front();
            --in_flight_;
        }
    }
    if (some_refused_) link_.hang_up();
}

}  // namespace rivulet::sim
