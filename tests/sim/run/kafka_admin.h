// Adds partitions to topics while others write to them and groups read them. Thread: turns of its node.
#pragma once

#include "sim/run/kafka_actor.h"

namespace rivulet::sim {

class KafkaAdmin final : public KafkaActor {
public:
    KafkaAdmin(NodeEnv& env, History& history, const Plan& plan, std::uint64_t life)
        : KafkaActor(env, history, plan, "Kafka admin", life, 200 * ns_per_ms), link_(env, random_.split("link"), name_, *this), at_(world_.now() + ns_per_s) {}

private:
    void on_tick() override;
    void on_link_down(KafkaLink&) override { asked_ = false; }
    void grow(std::size_t topic);

    KafkaLink link_;
    bool asked_ = false;
    std::int64_t at_ = 0;
};

// Alone with the broker at the end: reads all that is left, and what the groups have committed.
class KafkaVerifier final : public KafkaActor {
public:
    KafkaVerifier(NodeEnv& env, History& history, const Plan& plan);
    bool done() const override { return step_ == Step::done; }
    std::string state() const override;

private:
    enum class Step : std::uint8_t { metadata, begin, read, offsets, done };

    void on_tick() override;
    void on_link_up(KafkaLink&) override;
    void on_link_down(KafkaLink&) override { asked_ = false; }
    void go_on();
    void find_begin();
    void read();
    void next_partition();
    void ask_offsets();

    KafkaLink link_;
    std::int64_t batch_bytes_;
    Step step_ = Step::metadata;
    bool asked_ = false;
    std::size_t topic_ = 0;
    std::size_t partition_ = 0;
    std::size_t group_ = 0;
    std::int64_t next_ = 0;
    std::vector<std::int64_t> offsets_;
    std::map<std::pair<std::size_t, std::size_t>, std::int64_t> log_starts_;
};

}  // namespace rivulet::sim
