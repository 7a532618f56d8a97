// A Kafka producer of last known values: readings as sensors make them, with keys and deletions, in batches to the partitions of their keys, beside sensors that write the same topic.
// Owns:     its batches until they are acknowledged, in RAM. The History has the readings, under a number of the plan's producers.
// Errors:   of an idempotent producer the broker may refuse nothing but for its own state; see kafka_producer.h.
// Thread:   turns of its node.
#pragma once

#include "sim/run/kafka_actor.h"
#include "wire/kafka/produce.h"

namespace rivulet::sim {

class KafkaWriter final : public KafkaActor {
public:
    KafkaWriter(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life);

    void finish() override;
    bool done() const override;
    std::string state() const override;

private:
    struct Batch {
        std::size_t partition = 0;
        std::vector<ReadingId> readings;
        std::vector<std::uint8_t> bytes;
    };

    void on_link_up(KafkaLink&) override;
    void on_link_down(KafkaLink&) override;
    void on_tick() override;
    void make_batches();
    void close_batch(std::size_t partition, std::vector<ReadingId> readings);
    void send();
    void take(const kafka::ProduceResponse& response);

    History& readings_;
    const Plan& whole_plan_;
    const ProducerPlan& own_;
    const AliasPlan& alias_;
    std::uint16_t number_;
    std::uint8_t incarnation_;
    KafkaLink link_;
    ProducerId producer_;
    std::int64_t connected_at_ = 0;
    bool some_refused_ = false;     // on this connection
    std::uint32_t next_ = 1;
    std::size_t waiting_ = 0;       // readings that are not acknowledged
    std::deque<Batch> batches_;     // likewise
    std::size_t in_flight_ = 0;     // the first of them
    std::vector<std::int32_t> sequences_;
    std::uint32_t more_left_ = 0;
};

}  // namespace rivulet::sim
