#include "sim/run/fleet.h"

namespace rivulet::sim {

Fleet::Fleet(World& world, const Plan& plan, History& history) : world_(world), plan_(plan), history_(history), random_(world.random("fleet")) {
    const KafkaPlan& kafka = plan.kafka;
    members_.reserve(plan.producers.size() + plan.consumers.size() + kafka.producers.size() + kafka.members.size() + 4);
    add(Role::admin, 0, "admin");
    for (std::size_t i = 0; i < plan.producers.size(); ++i) add(plan.producers[i].kafka ? Role::kafka_writer : Role::producer, i, "producer" + std::to_string(i));
    for (std::size_t i = 0; i < plan.consumers.size(); ++i) add(Role::consumer, i, "consumer" + std::to_string(i));
    if (plan.hostile) add(Role::hostile, 0, "hostile");
    if (plan.idlers) add(Role::idle, 0, "idle");
    for (std::size_t i = 0; i < kafka.producers.size(); ++i) add(Role::kafka_producer, i, "kafka-producer" + std::to_string(i));
    for (std::size_t i = 0; i < kafka.members.size(); ++i) add(Role::group_member, i, "member" + std::to_string(i));
    if (kafka.on) add(Role::kafka_admin, 0, "kafka-admin");
}

void Fleet::add(Role role, std::size_t number, std::string_view name) {
    members_.push_back({role, number, &world_.add_node(name), 0});
    Member& member = members_.back();
    member.node->program = [this, &member](NodeEnv& env) { return make(member, env); };
}

std::unique_ptr<Program> Fleet::make(Member& member, NodeEnv& env) {
    const std::uint64_t life = ++member.lives * 100 + member.number;
    switch (member.role) {
        case Role::producer: return std::make_unique<Producer>(env, history_, plan_, static_cast<std::uint16_t>(member.number), life);
        case Role::consumer:
            if (plan_.consumers[member.number].push) return std::make_unique<Follower>(env, history_, plan_, member.number, life);
            return std::make_unique<Consumer>(env, history_, plan_, member.number, life);
        case Role::admin: return std::make_unique<Admin>(env, history_, plan_, life);
        case Role::hostile: return std::make_unique<Hostile>(env, plan_, false, life);
        case Role::kafka_producer: return std::make_unique<KafkaProducer>(env, history_, plan_, static_cast<std::uint16_t>(member.number), life);
        case Role::group_member: return std::make_unique<GroupMember>(env, history_, plan_, member.number, life);
        case Role::kafka_writer: return std::make_unique<KafkaWriter>(env, history_, plan_, static_cast<std::uint16_t>(member.number), life);
        case Role::kafka_admin: return std::make_unique<KafkaAdmin>(env, history_, plan_, life);
        case Role::idle: break;
    }
    return std::make_unique<Hostile>(env, plan_, true, life);
}

void Fleet::begin() {
    for (Member& member : members_) {
        const std::int64_t wait = member.role == Role::admin ? 0 : static_cast<std::int64_t>(random_.below(1500 * ns_per_ms));
        world_.after(wait, [this, &member] { boot(member); });
    }
}

void Fleet::boot(Member& member) {
    if (member.node->running()) return;
    if (finishing_ && (member.role == Role::hostile || member.role == Role::idle)) return;
    member.node->boot();
    if (finishing_) finish(member);
}

KafkaActor* Fleet::kafka_actor(const Member& member) { return member.role >= Role::kafka_producer ? static_cast<KafkaActor*>(member.node->running_program()) : nullptr; }

void Fleet::finish(Member& member) {
    Program* const program = member.node->running_program();
    if (KafkaActor* const actor = kafka_actor(member)) actor->finish();
    else if (member.role == Role::hostile || member.role == Role::idle) static_cast<Hostile*>(program)->finish();
    else static_cast<Client*>(program)->finish();
}

void Fleet::end_one(bool power) {
    Member& member = members_[random_.below(members_.size())];
    if (!member.node->running()) return;
    if (power) member.node->power_cut();
    else member.node->kill();
    world_.after(static_cast<std::int64_t>(random_.below(3 * ns_per_s)), [this, &member] { boot(member); });
}

void Fleet::finish() {
    finishing_ = true;
    for (Member& member : members_) {
        if (!member.node->running()) boot(member);
        else finish(member);
    }
}

bool Fleet::done(bool refusing) {
    for (Member& member : members_) {
        Program* const program = member.node->running_program();
        if (member.role == Role::producer && (!program || !static_cast<Producer*>(program)->done(refusing))) return false;
        if (member.role == Role::admin && (!program || !static_cast<Admin*>(program)->done())) return false;
        if (member.role >= Role::kafka_producer && (!program || !kafka_actor(member)->done())) return false;
    }
    return history_.kafka().groups_done();
}

std::string Fleet::state() {
    std::string out;
    for (Member& member : members_) {
        Program* const program = member.node->running_program();
        if (member.role == Role::producer && program && !static_cast<Producer*>(program)->done(false)) out += "; " + static_cast<Producer*>(program)->state();
        if (member.role == Role::admin && (!program || !static_cast<Admin*>(program)->done())) out += "; topics are missing";
        if (member.role >= Role::kafka_producer && program) out += "; " + kafka_actor(member)->state();
    }
    if (KafkaVerifier* const v = kafka_verifier()) out += "; " + v->state();
    else if (plan_.kafka.on) out += "; " + history_.kafka().undone();
    if (Verifier* const v = verifier(); v && !v->done()) out += "; " + v->state();
    return out;
}

void Fleet::start_verifier() {
    for (Member& member : members_)
        if (member.node->running()) member.node->kill();
    verifier_node_ = &world_.add_node("verifier");
    verifier_node_->program = [this](NodeEnv& env) { return std::make_unique<Verifier>(env, history_, plan_); };
    verifier_node_->boot();
    if (!plan_.kafka.on) return;
    kafka_verifier_node_ = &world_.add_node("kafka-verifier");
    kafka_verifier_node_->program = [this](NodeEnv& env) { return std::make_unique<KafkaVerifier>(env, history_, plan_); };
    kafka_verifier_node_->boot();
}

bool Fleet::verified() { return verifier() && verifier()->done() && (!plan_.kafka.on || kafka_verifier()->done()); }

}  // namespace rivulet::sim
