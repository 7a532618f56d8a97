// A Kafka client as a process of the simulation: a tick, links to the broker, metadata. What it is for is up to what derives from it.
// Owns:     its links (by what derives), its timer. Thread: turns of its node.
#pragma once

#include "sim/run/history.h"
#include "sim/run/kafka_link.h"
#include "record/batch.h"
#include "wire/kafka/metadata.h"

namespace rivulet::sim {

class KafkaActor : public Program, protected KafkaLink::Owner, private env::Timer {
public:
    // The end of the run is near: no more trouble is made on purpose.
    virtual void finish() { finishing_ = true; }
    // After finish().
    virtual bool done() const { return true; }
    virtual std::string state() const { return name_; }

protected:
    KafkaActor(NodeEnv& env, History& history, const Plan& plan, std::string name, std::uint64_t life, std::int64_t tick_ns);
    ~KafkaActor() override;

    virtual void on_tick() = 0;
    // Partitions and ids of all topics of the plan, in partitions_ and ids_.
    void ask_metadata(KafkaLink& link, std::function<void()> then);
    bool known() const { return known_; }
    // Of an idempotent producer; -1: it has none yet, or is not idempotent.
    struct ProducerId {
        std::int64_t id = -1;
        std::int16_t epoch = -1;
    };
    void ask_producer_id(KafkaLink& link, ProducerId& own);
    // A batch that was packed behind room for its header, as it is sent; first: the sequence of its first record. compressed: of a hundred, so many are.
    void seal(record::BatchHeader header, const ProducerId& own, std::int32_t first, unsigned compressed, std::vector<std::uint8_t>& batch);
    // Under another number; without a producer id as it is.
    static void number(const ProducerId& own, std::int32_t first, std::vector<std::uint8_t>& batch);
    static record::Compression compression_of(const std::vector<std::uint8_t>& batch) { return record::decode_header(batch).compression(); }
    // Any that takes such a batch.
    std::int16_t produce_version(record::Compression compression);
    std::size_t topic_index(std::string_view name) const;  // plan_.topics.size(): none
    const std::string& topic_name(std::size_t topic) const { return plan_.topics[topic].name; }

    NodeEnv& env_;
    World& world_;
    KafkaHistory& history_;
    const KafkaPlan& plan_;
    std::string name_;
    Random random_;
    std::int64_t tick_ns_;
    bool finishing_ = false;
    std::vector<std::size_t> partitions_;
    std::vector<Uuid> ids_;

private:
    void on_timer() override;

    bool known_ = false;
};

// Codes of errors that any request may meet while something is wrong with the broker, or that have to do with groups.
namespace code {
constexpr std::int16_t offset_out_of_range = 1, unknown_topic_or_partition = 3, timed_out = 7, loading = 14, not_available = 15, not_coordinator = 16, illegal_generation = 22, unknown_member = 25,
                       rebalance_in_progress = 27, policy_violation = 44, out_of_order_sequence = 45, storage = 56, member_id_required = 79, fenced_instance = 82, unknown_topic_id = 100;
}  // namespace code
// Try again later.
inline bool passes(std::int16_t error) { return error == code::timed_out || error == code::loading || error == code::not_available || error == code::not_coordinator || error == code::storage; }

}  // namespace rivulet::sim
