#include "sim/run/kafka_writer.h"

#include <algorithm>

#include "record/pack.h"
#include "sim/run/compression.h"

namespace rivulet::sim {

namespace {

constexpr std::uint32_t more_after_healing = 3;  // readings, made while all is well
constexpr std::size_t in_flight_max = 4;

}  // namespace

KafkaWriter::KafkaWriter(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life)
    : KafkaActor(env, history, plan, "Kafka writer " + std::to_string(number), life, plan.producers[number].tick_ns), readings_(history), whole_plan_(plan), own_(plan.producers[number]),
      alias_(own_.aliases.front()), number_(number), incarnation_(history.new_incarnation(number)), link_(env, random_.split("link"), name_, *this), lanes_(plan.topics[alias_.topic].partitions) {}

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
    std::vector<std::vector<ReadingId>> made(lanes_.size());
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
        batch.bytes.resize(whole_plan_.topics[alias_.topic].batch_bytes_max - compression_growth_max);
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
        Lane& lane = lanes_[partition];
        seal(pack.close(), producer_of(lane), lane.sequence, own_.compressed, batch.bytes);
        lane.sequence += static_cast<std::int32_t>(batch.readings.size());
        batches_.push_back(std::move(batch));
    }
}

void KafkaWriter::send() {
    close_gaps();
    const bool gap = std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.gap >= 0; });
    while (!gap && link_.up() && in_flight_ < batches_.size() && link_.waiting() < in_flight_max && !some_refused_) {
        Batch& batch = batches_[in_flight_++];
        ++batch.sent;
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
        link_.call<kafka::ProduceResponse>(Api::produce, produce_version(compression_of(batch.bytes)), request, [this](const kafka::ProduceResponse& response) { take(response); }, 12 * ns_per_s,
                                           batch.bytes.size() + 4096);
    }
}

void KafkaWriter::take(const kafka::ProduceResponse& response) {
    for (const auto& topic : response.responses) {
        for (const auto& partition : topic.partition_responses) {
            if (in_flight_ == 0 || partition.index != static_cast<std::int32_t>(batches_.front().partition)) return link_.broken("an answer for what was not sent");
            take(partition.error_code);
        }
    }
    if (some_refused_) link_.hang_up();
}

// After a refusal that passes all that is not acknowledged goes again, over another connection.
void KafkaWriter::take(std::int16_t error) {
    const Lane& lane = lanes_[batches_.front().partition];
    // A topic that is gone takes with it what was for it.
    const bool same = !readings_.topic(alias_.topic).ever_deleted;
    // So does one that came before what it was for was there again, in which those behind it are by now.
    const bool overtaken = error == code::out_of_order_sequence && own_.idempotent && !same && batches_.front().sent > 1;
    const bool gone = error == code::unknown_topic_or_partition || overtaken;
    const bool at_share = error == code::policy_violation;
    const bool fair = passes(error) || gone || at_share || (error == code::out_of_order_sequence && (some_refused_ || lane.gap >= 0));
    if (error != 0 && !fair) return link_.broken("Produce to " + whole_plan_.topics[alias_.topic].name + "[" + std::to_string(batches_.front().partition) + "]: error " + std::to_string(error));
    if (error == 0 && lane.gap >= 0 && same && !some_refused_) return link_.broken("a batch is taken though the one before it was refused");
    some_refused_ |= error != 0 && !gone && !at_share;
    if (some_refused_) return;
    if (at_share) refused();
    for (const ReadingId id : batches_.front().readings) {
        if (gone) readings_.at(id).state = Sent::given_up;
        else if (!at_share) readings_.settled(id, connected_at_);
    }
    if (error == 0 && compression_of(batches_.front().bytes) != record::Compression::none) history_.acknowledged_compressed();
    waiting_ -= batches_.front().readings.size();
    batches_.pop_front();
    --in_flight_;
}

void KafkaWriter::refused() {
    const Batch& batch = batches_.front();
    // Without a producer id it may have been stored when it was sent before, and not be known again.
    for (const ReadingId id : batch.readings) readings_.refused_at_share(id, own_.idempotent || batch.sent == 1);
    Lane& lane = lanes_[batch.partition];
    if (lane.gap < 0 && own_.idempotent) lane.gap = record::decode_header(batch.bytes).base_sequence;
}

void KafkaWriter::close_gaps() {
    if (in_flight_ != 0) return;
    for (std::size_t partition = 0; partition < lanes_.size(); ++partition) {
        Lane& lane = lanes_[partition];
        if (lane.gap < 0) continue;
        const bool other_epoch = random_.chance(1, 2);
        lane.epoch += other_epoch;
        lane.sequence = other_epoch ? 0 : lane.gap;
        lane.gap = -1;
        for (Batch& batch : batches_) {
            if (batch.partition != partition) continue;
            number(producer_of(lane), lane.sequence, batch.bytes);
            lane.sequence += static_cast<std::int32_t>(batch.readings.size());
            batch.sent = 0;
        }
    }
}

}  // namespace rivulet::sim
