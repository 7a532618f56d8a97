// A Kafka producer: batches of records to the partitions of its topics, in order, a few requests at once; after a broken connection or an error it sends all anew that is not acknowledged, with the same sequences.
// Owns:     its batches until they are acknowledged. They are in RAM: after its end it is another producer.
// Errors:   of an idempotent producer the broker may refuse nothing but for its own state: a sequence out of order only behind a batch that it has refused.
// Thread:   turns of its node.
#pragma once

#include "sim/run/kafka_actor.h"
#include "wire/kafka/produce.h"

namespace rivulet::sim {

class KafkaProducer final : public KafkaActor {
public:
    KafkaProducer(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life);

    void finish() override;
    bool done() const override;
    std::string state() const override;

private:
    struct Batch {
        KafkaId first;
        std::size_t count = 0;
        std::int32_t sequence = 0;
        std::vector<std::uint8_t> bytes;
    };
    struct Queue {
        std::deque<Batch> batches;  // not acknowledged
        std::size_t in_flight = 0;  // the first of them
        std::int32_t sequence = 0;  // of the next record
        bool begun = false;
    };
    using Place = std::pair<std::size_t, std::size_t>;  // topic, partition

    void on_link_up(KafkaLink&) override;
    void on_link_down(KafkaLink&) override;
    void on_tick() override;
    void make_batch(Place place, Queue& queue);
    void send();
    void take(const std::vector<Place>& places, const kafka::ProduceResponse& response);
    void refused(Place place, std::int16_t error);

    const KafkaProducerPlan& own_;
    std::uint16_t number_;
    std::uint16_t life_;
    std::size_t batch_bytes_max_;
    KafkaLink link_;
    bool ready_ = false;          // on this connection
    bool some_refused_ = false;   // likewise
    ProducerId producer_;
    std::map<Place, Queue> queues_;
    std::uint32_t more_left_ = 0;
};

}  // namespace rivulet::sim
