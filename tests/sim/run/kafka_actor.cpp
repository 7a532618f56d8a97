#include "sim/run/kafka_actor.h"

#include "base/crc32c.h"
#include "sim/run/compression.h"
#include "wire/kafka/init_producer_id.h"

namespace rivulet::sim {

KafkaActor::KafkaActor(NodeEnv& env, History& history, const Plan& plan, std::string name, std::uint64_t life, std::int64_t tick_ns)
    : env_(env), world_(env.world()), history_(history.kafka()), plan_(plan.kafka), name_(std::move(name)), random_(world_.random(name_, life)), tick_ns_(tick_ns), partitions_(plan_.topics.size()),
      ids_(plan_.topics.size()) {
    env_.arm(*this, env_.now() + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(tick_ns_))));
}

KafkaActor::~KafkaActor() { env_.disarm(*this); }

void KafkaActor::on_timer() {
    env_.arm(*this, env_.now() + tick_ns_);
    on_tick();
}

std::size_t KafkaActor::topic_index(std::string_view name) const {
    std::size_t index = 0;
    while (index < plan_.topics.size() && plan_.topics[index].name != name) ++index;
    return index;
}

void KafkaActor::ask_metadata(KafkaLink& link, std::function<void()> then) {
    Items<kafka::MetadataRequest::Topic> topics;
    std::vector<std::size_t> before;
    for (std::size_t t = 0; t < plan_.topics.size(); ++t) {
        topics.add({Uuid{}, std::string_view(plan_.topics[t].name)});
        before.push_back(history_.growth(t).answered);
    }
    kafka::MetadataRequest request;
    request.topics = topics;
    request.allow_auto_topic_creation = false;
    link.call<kafka::MetadataResponse>(Api::metadata, some_version(random_, Api::metadata, 10), request, [this, before, then](const kafka::MetadataResponse& response) {
        std::size_t told = 0;
        for (const auto& topic : response.topics) {
            const std::size_t index = topic_index(topic.name.value_or(std::string_view()));
            if (topic.error_code != 0 || index == plan_.topics.size()) return world_.fail(name_ + ": Metadata: error " + std::to_string(topic.error_code) + " for " + std::string(topic.name.value_or("?")));
            history_.check_partitions(index, before[index], topic.partitions.size());
            // What is told to be there is there to stay.
            history_.growth(index).answered = std::max(history_.growth(index).answered, static_cast<std::uint32_t>(topic.partitions.size()));
            // What others know already may be ahead of this answer.
            partitions_[index] = std::max(partitions_[index], topic.partitions.size());
            ids_[index] = topic.topic_id;
            ++told;
        }
        known_ = told == plan_.topics.size();
        then();
    });
}

void KafkaActor::ask_producer_id(KafkaLink& link, ProducerId& own) {
    kafka::InitProducerIdRequest request;
    link.call<kafka::InitProducerIdResponse>(Api::init_producer_id, some_version(random_, Api::init_producer_id, 0), request, [this, &link, &own](const kafka::InitProducerIdResponse& response) {
        if (response.error_code != 0) {
            if (!passes(response.error_code)) link.broken("InitProducerId: error " + std::to_string(response.error_code));
            return link.hang_up();
        }
        own = {response.producer_id, response.producer_epoch};
        history_.given_producer_id(own.id);
    });
}

void KafkaActor::seal(record::BatchHeader header, const ProducerId& own, std::int32_t first, unsigned compressed, std::vector<std::uint8_t>& batch) {
    if (compressed != 0 && random_.chance(compressed, 100)) {
        const auto how = static_cast<record::Compression>(random_.between(1, 4));
        const std::vector<std::uint8_t> body = compress(how, Bytes(batch).subspan(record::batch_header_bytes));
        batch.resize(record::batch_header_bytes);
        batch.insert(batch.end(), body.begin(), body.end());
        header.attributes |= static_cast<std::uint16_t>(how);
        header.batch_length = static_cast<std::uint32_t>(batch.size() - record::batch_length_end);
    }
    record::encode_header(header, batch);
    number(own, first, batch);
}

void KafkaActor::number(const ProducerId& own, std::int32_t first, std::vector<std::uint8_t>& batch) {
    record::BatchHeader header = record::decode_header(batch);
    if (own.id >= 0) {
        header.producer_id = own.id;
        header.producer_epoch = own.epoch;
        header.base_sequence = first;
    }
    const Bytes body = Bytes(batch).subspan(record::batch_header_bytes);
    header.crc = record::batch_crc(header, crc32c(body), body.size());
    record::encode_header(header, batch);
}

std::int16_t KafkaActor::produce_version(record::Compression compression) { return some_version(random_, Api::produce, compression == record::Compression::zstd ? 7 : 3); }

}  // namespace rivulet::sim
