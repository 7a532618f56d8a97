// A Kafka producer of a topic that outlives the ring: readings as sensors make them, with keys, of a compacted topic deletions too, in batches to the partitions of their keys, beside sensors that write the
// same topic. What is refused at the share it gives up, as clients do, and once nothing is under way it numbers anew what is left for that partition: under another epoch (Java, librdkafka), or from
// the number that was refused (franz-go).
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
        unsigned sent = 0;  // times
    };
    struct Lane {  // of a partition
        std::int16_t epoch = 0;        // beyond the producer's
        std::int32_t sequence = 0;     // of the next batch that is made
        std::int32_t gap = -1;         // what was refused; -1: nothing, or all is numbered anew
    };

    void on_link_up(KafkaLink&) override;
    void on_link_down(KafkaLink&) override;
    void on_tick() override;
    void make_batches();
    void close_batch(std::size_t partition, std::vector<ReadingId> readings);
    void send();
    void take(const kafka::ProduceResponse& response);
    void take(std::int16_t error);
    void refused();
    void close_gaps();
    ProducerId producer_of(const Lane& lane) const { return {producer_.id, static_cast<std::int16_t>(producer_.epoch + lane.epoch)}; }

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
    std::vector<Lane> lanes_;
    std::uint32_t more_left_ = 0;
};

}  // namespace rivulet::sim
