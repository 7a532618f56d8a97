// All clients of a run, each in a node of its own.
// Owns:     their nodes' programs. Thread: none of a node's: called from events of the harness.
#pragma once

#include "sim/run/admin.h"
#include "sim/run/consumer.h"
#include "sim/run/follower.h"
#include "sim/run/group_member.h"
#include "sim/run/hostile.h"
#include "sim/run/kafka_admin.h"
#include "sim/run/kafka_producer.h"
#include "sim/run/kafka_writer.h"
#include "sim/run/producer.h"
#include "sim/run/verifier.h"

namespace rivulet::sim {

class Fleet {
public:
    Fleet(World& world, const Plan& plan, History& history);

    void begin();   // each at a time of its own
    void finish();  // no more trouble; every client runs
    // Everything is settled, all topics are there.
    bool done(bool refusing);
    // For reports: what is not done.
    std::string state();

    // A client loses its process or its power and comes back.
    void end_one(bool power);
    Node& any_node() { return *members_[random_.below(members_.size())].node; }
    void start_verifier();  // and it is alone with the broker from then on, but for that of Kafka clients
    bool verified();
    Verifier* verifier() { return static_cast<Verifier*>(verifier_node_ ? verifier_node_->running_program() : nullptr); }

private:
    enum class Role : std::uint8_t { producer, consumer, admin, hostile, idle, kafka_producer, group_member, kafka_admin, kafka_writer };
    struct Member {
        Role role;
        std::size_t number;
        Node* node;
        std::uint64_t lives = 0;
    };
    void add(Role role, std::size_t number, std::string_view name);
    void boot(Member& member);
    void finish(Member& member);
    static KafkaActor* kafka_actor(const Member& member);
    KafkaVerifier* kafka_verifier() { return static_cast<KafkaVerifier*>(kafka_verifier_node_ ? kafka_verifier_node_->running_program() : nullptr); }
    std::unique_ptr<Program> make(Member& member, NodeEnv& env);

    World& world_;
    const Plan& plan_;
    History& history_;
    Random random_;
    std::vector<Member> members_;
    Node* verifier_node_ = nullptr;
    Node* kafka_verifier_node_ = nullptr;
    bool finishing_ = false;
};

}  // namespace rivulet::sim
