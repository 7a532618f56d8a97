#include "sim/run/fleet.h"

namespace rivulet::sim {

Fleet::Fleet(World& world, const Plan& plan, History& history) : world_(world), plan_(plan), history_(history), random_(world.random("fleet")) {
    members_.reserve(plan.producers.size() + plan.consumers.size() + 3);
    add(Role::admin, 0, "admin");
    for (std::size_t i = 0; i < plan.producers.size(); ++i) add(Role::producer, i, "producer" + std::to_string(i));
    for (std::size_t i = 0; i < plan.consumers.size(); ++i) add(Role::consumer, i, "consumer" + std::to_string(i));
    if (plan.hostile) add(Role::hostile, 0, "hostile");
    if (plan.idlers) add(Role::idle, 0, "idle");
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
    if (finishing_) static_cast<Client*>(member.node->running_program())->finish();
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
        else if (member.role == Role::hostile || member.role == Role::idle) static_cast<Hostile*>(member.node->running_program())->finish();
        else static_cast<Client*>(member.node->running_program())->finish();
    }
}

bool Fleet::done() {
    for (Member& member : members_) {
        Program* const program = member.node->running_program();
        if (member.role == Role::producer && (!program || !static_cast<Producer*>(program)->done())) return false;
        if (member.role == Role::admin && (!program || !static_cast<Admin*>(program)->done())) return false;
    }
    return true;
}

std::string Fleet::state() {
    std::string out;
    for (Member& member : members_) {
        Program* const program = member.node->running_program();
        if (member.role == Role::producer && program && !static_cast<Producer*>(program)->done()) out += "; " + static_cast<Producer*>(program)->state();
        if (member.role == Role::admin && (!program || !static_cast<Admin*>(program)->done())) out += "; topics are missing";
    }
    if (Verifier* const v = verifier(); v && !v->done()) out += "; " + v->state();
    return out;
}

void Fleet::start_verifier() {
    for (Member& member : members_)
        if (member.node->running()) member.node->kill();
    verifier_node_ = &world_.add_node("verifier");
    verifier_node_->program = [this](NodeEnv& env) { return std::make_unique<Verifier>(env, history_, plan_); };
    verifier_node_->boot();
}

}  // namespace rivulet::sim
