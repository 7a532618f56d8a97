#include "sim/run/kafka_producer.h"

#include "record/pack.h"
#include "sim/run/compression.h"

namespace rivulet::sim {

namespace {

constexpr std::uint32_t more_after_healing = 4;  // batches, made while all is well
constexpr std::size_t request_overhead = 4096;

}  // namespace

KafkaProducer::KafkaProducer(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life)
    : KafkaActor(env, history, plan, "Kafka producer " + std::to_string(number), life, plan.kafka.producers[number].tick_ns), own_(plan.kafka.producers[number]), number_(number),
      life_(history_.new_life(number)), batch_bytes_max_(plan.batch_bytes - 64 - compression_growth_max), link_(env, random_.split("link"), name_, *this) {}

void KafkaProducer::finish() {
    KafkaActor::finish();
    more_left_ = more_after_healing;
}

bool KafkaProducer::done() const {
    if (!finishing_ || more_left_ != 0) return false;
    for (const auto& [place, queue] : queues_)
        if (!queue.batches.empty()) return false;
    return true;
}

std::string KafkaProducer::state() const {
    std::size_t batches = 0;
    for (const auto& [place, queue] : queues_) batches += queue.batches.size();
    return name_ + ": " + (ready_ ? "ready" : link_.up() ? "connected" : "down") + ", " + std::to_string(batches) + " batches are not acknowledged, " + std::to_string(link_.waiting()) + " requests not answered";
}

// ---- the connection ----

void KafkaProducer::on_link_up(KafkaLink&) {
    some_refused_ = false;
    if (own_.idempotent && producer_.id < 0) ask_producer_id(link_, producer_);
    ask_metadata(link_, [this] { ready_ = known(); });
}

void KafkaProducer::on_link_down(KafkaLink&) {
    ready_ = false;
    for (auto& [place, queue] : queues_) queue.in_flight = 0;
}

void KafkaProducer::on_tick() {
    link_.tick();
    if (!ready_ || !link_.up() || (own_.idempotent && producer_.id < 0)) return;
    if (!finishing_ && random_.chance(1, 600)) return link_.hang_up();
    if (random_.chance(1, 200)) ask_metadata(link_, [] {});
    std::uint64_t n = finishing_ ? std::min<std::uint64_t>(more_left_, 1) : random_.below(own_.batches_max + 1);
    for (; n != 0; --n) {
        const std::size_t topic = own_.topics[random_.below(own_.topics.size())];
        const Place place{topic, random_.below(partitions_[topic])};
        Queue& queue = queues_[place];
        if (queue.batches.size() >= own_.window) continue;
        make_batch(place, queue);
        if (finishing_) --more_left_;
    }
    send();
}

// ---- batches ----

void KafkaProducer::make_batch(Place place, Queue& queue) {
    if (!std::exchange(queue.begun, true) && own_.wraps) queue.sequence = INT32_MAX - static_cast<std::int32_t>(random_.below(4));
    Batch batch;
    batch.sequence = queue.sequence;
    batch.bytes.resize(batch_bytes_max_);
    Writer out(batch.bytes);
    std::uint8_t head[record::batch_header_bytes] = {};
    out.bytes(head);
    record::Pack pack;
    const std::uint64_t count = random_.between(1, own_.records_max);
    for (std::uint64_t i = 0; i < count && (i == 0 || pack.bytes() + own_.value_max + 64 < batch_bytes_max_); ++i) {
        const KafkaId id = history_.make(number_, life_, place.first, place.second);
        if (i == 0) batch.first = id;
        const std::vector<std::uint8_t> value = history_.content(id);
        record::Reading reading;
        reading.timestamp = Timestamp(KafkaPlan::time_of(id.number));
        reading.value = value;
        RIVULET_CHECK(pack.add(reading, out));
        ++batch.count;
    }
    batch.bytes.resize(out.size());
    seal(pack.close(), producer_, batch.sequence, own_.compressed, batch.bytes);
    queue.sequence = static_cast<std::int32_t>((static_cast<std::uint32_t>(queue.sequence) + batch.count) & 0x7fffffffU);
    queue.batches.push_back(std::move(batch));
}

// The next batch of each partition, of a few in one request.
void KafkaProducer::send() {
    while (link_.up() && link_.waiting() < own_.in_flight) {
        std::map<std::size_t, Items<kafka::ProduceRequest::Partition>> topics;
        std::vector<Place> places;
        std::size_t bytes = request_overhead;
        bool of_zstd = false;
        for (auto& [place, queue] : queues_) {
            if (queue.in_flight == queue.batches.size() || queue.in_flight >= 5 || places.size() >= 4) continue;
            Batch& batch = queue.batches[queue.in_flight++];
            history_.sending(batch.first, batch.count);
            bytes += batch.bytes.size() + 64;
            of_zstd |= compression_of(batch.bytes) == record::Compression::zstd;
            kafka::ProduceRequest::Partition partition;
            partition.index = static_cast<std::int32_t>(place.second);
            partition.records_length = static_cast<std::int32_t>(batch.bytes.size());
            partition.records.bytes = batch.bytes;
            topics[place.first].add(partition);
            places.push_back(place);
        }
        if (places.empty()) return;
        std::vector<kafka::ProduceRequest::Topic> list;
        for (auto& [topic, partitions] : topics) {
            kafka::ProduceRequest::Topic item;
            item.name = topic_name(topic);
            item.partition_count = static_cast<std::int32_t>(partitions.size());
            item.partition_data = partitions;
            list.push_back(item);
        }
        Items<kafka::ProduceRequest::Topic> items(std::move(list));
        kafka::ProduceRequest request;
        request.acks = random_.chance(3, 4) ? std::int16_t{-1} : std::int16_t{1};
        request.timeout_ms = 5000;
        request.topic_count = static_cast<std::int32_t>(items.size());
        request.topic_data = items;
        link_.call<kafka::ProduceResponse>(Api::produce, produce_version(of_zstd ? record::Compression::zstd : record::Compression::none), request, [this, places](const kafka::ProduceResponse& response) { take(places, response); }, 12 * ns_per_s, bytes);
    }
}

void KafkaProducer::take(const std::vector<Place>& places, const kafka::ProduceResponse& response) {
    std::size_t at = 0;
    for (const auto& topic : response.responses) {
        for (const auto& partition : topic.partition_responses) {
            if (at == places.size() || topic.name != topic_name(places[at].first) || partition.index != static_cast<std::int32_t>(places[at].second)) return link_.broken("an answer for another partition");
            const Place place = places[at++];
            Queue& queue = queues_[place];
            if (partition.error_code != 0) {
                refused(place, partition.error_code);
                continue;
            }
            if (some_refused_) continue;  // it is sent again, as all that follows what was refused
            if (queue.in_flight == 0) return link_.broken("an answer for what was not sent");
            if (compression_of(queue.batches.front().bytes) != record::Compression::none) history_.acknowledged_compressed();
            history_.acknowledged(queue.batches.front().first, queue.batches.front().count, partition.base_offset.value);
            queue.batches.pop_front();
            --queue.in_flight;
        }
    }
    if (at != places.size()) return link_.broken("an answer without a partition that was asked for");
    if (some_refused_) link_.hang_up();
}

void KafkaProducer::refused(Place place, std::int16_t error) {
    const bool fair = passes(error) || (error == code::out_of_order_sequence && some_refused_);
    some_refused_ = true;
    if (!fair) link_.broken("Produce to " + topic_name(place.first) + "[" + std::to_string(place.second) + "]: error " + std::to_string(error));
}

}  // namespace rivulet::sim
