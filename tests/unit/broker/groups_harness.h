// A broker with its group coordinator as a process of the simulated world, and members that speak to it by calls.
// Owns:     the world with its one node; the disk outlives the process. Waiters of a process that has ended are to be given up.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "broker/groups/coordinator.h"
#include "sim/guard.h"
#include "support/store_harness.h"

namespace rivulet::test {

inline store::StoreOptions groups_store() {
    store::StoreOptions options = small_store();
    options.size = 32 * options.segment_bytes;
    options.batch_bytes_max = 16 * 1024;
    options.commit_bytes = 16 * 1024;
    options.blocks = 64;
    options.logs_max = 16;
    options.checkpoint_area_bytes = 64 * 1024;
    options.index_samples_max = 640;
    return options;
}

inline broker::GroupOptions groups_options() {
    broker::GroupOptions options;
    options.groups_max = 8;
    options.members_max = 16;
    options.group_members_max = 6;
    options.blob_bytes = 32 * 1024;
    options.offsets_max = 64;
    options.offset_metadata_bytes_max = 256;
    options.batch_bytes_max = 16 * 1024;
    options.initial_rebalance_delay_ns = 0;
    return options;
}

class GroupsProgram final : public sim::Program, private broker::BrokerListener {
public:
    GroupsProgram(sim::NodeEnv& env, const broker::BrokerOptions& broker_options, const broker::GroupOptions& options)
        : memory_(broker::Broker::memory_bytes(broker_options) + broker::Coordinator::memory_bytes(options) + sizeof(broker::Broker) + 4096), arena_(MutableBytes(memory_)) {
        broker = &arena_.make<broker::Broker>(env, arena_, broker_options);
        const std::size_t before = arena_.used();
        groups = &arena_.make<broker::Coordinator>(*broker, arena_, options);
        REQUIRE(arena_.used() - before <= broker::Coordinator::memory_bytes(options));
        arena_.seal();
        const auto opened = broker->open();
        REQUIRE_MESSAGE(opened.ok(), error_info(opened.error()).name);
        env.serving();
        broker->serve(*this);
        groups->serve();
    }

    broker::Broker* broker = nullptr;
    broker::Coordinator* groups = nullptr;

private:
    void on_offline(Failure) override {}
    void on_stopped(Status) override {}

    std::vector<std::uint8_t> memory_;
    Arena arena_;
};

struct TestJoin final : broker::JoinWaiter {
    void on_joined() override {
        ++answers;
        if (!late) take();
    }
    // What it is told, now.
    void take() {
        const sim::AllocationGuard::SimCode scope;
        const broker::JoinAnswer answer = broker::Coordinator::answer_to(*this);
        error = answer.error;
        member = answer.member;
        leader = answer.leader;
        type = answer.protocol_type;
        protocol = answer.protocol;
        generation = answer.generation;
        skip_assignment = answer.skip_assignment;
        members.clear();
        broker::JoinedMembers list = answer.members;
        broker::JoinedMember one;
        while (list.next(one)) members.push_back({std::string(one.id), std::string(one.instance), std::string(as_text(one.metadata))});
        CHECK(members.size() == answer.members.count());
        broker::Coordinator::finish(*this);
    }
    struct Listed {
        std::string id;
        std::string instance;
        std::string metadata;
    };
    bool late = false;  // takes its answer later, with take()
    int answers = 0;
    Error error = Error::unknown;
    std::string member;
    std::string leader;
    std::string type;
    std::string protocol;
    std::int32_t generation = 0;
    bool skip_assignment = false;
    std::vector<Listed> members;
};

struct TestSync final : broker::SyncWaiter {
    void on_synced() override {
        ++answers;
        if (!late) take();
    }
    void take() {
        const sim::AllocationGuard::SimCode scope;
        const broker::SyncAnswer answer = broker::Coordinator::answer_to(*this);
        error = answer.error;
        type = answer.protocol_type;
        protocol = answer.protocol;
        assignment = as_text(answer.assignment);
        broker::Coordinator::finish(*this);
    }
    bool late = false;  // takes its answer later, with take()
    int answers = 0;
    Error error = Error::unknown;
    std::string type;
    std::string protocol;
    std::string assignment;
};

struct TestAssignments final : broker::AssignmentList {
    explicit TestAssignments(const std::vector<std::pair<std::string, std::string>>& of) : assignments(of) {}
    std::size_t count() const override { return assignments.size(); }
    void rewind() override { at = 0; }
    bool next(broker::Assignment& out) override {
        if (at == assignments.size()) return false;
        out = {assignments[at].first, as_bytes(assignments[at].second)};
        ++at;
        return true;
    }
    const std::vector<std::pair<std::string, std::string>>& assignments;
    std::size_t at = 0;
};

// What one client says of itself.
struct TestMember {
    std::string group = "g";
    std::string id{};
    std::string instance{};
    std::string client = "c";
    std::string type = "consumer";
    std::vector<std::pair<std::string, std::string>> protocols{{"range", "m"}};
    std::int64_t session_ms = 10'000;
    std::int64_t rebalance_ms = 60'000;
    bool id_required = false;
    bool skip_assignment = false;
    std::int32_t generation = -1;
};

class Groups {
public:
    explicit Groups(const broker::GroupOptions& group_options = groups_options(), std::uint64_t seed = 1) : harness(seed, groups_store()), options(group_options) {
        broker_options.store = harness.options();
        broker_options.topics_max = 16;
        broker_options.defaults.partitions = 1;
        broker_options.defaults.config.max_message_bytes = broker_options.store.batch_bytes_max;
        harness.node.program = [this](sim::NodeEnv& env) {
            auto made = std::make_unique<GroupsProgram>(env, broker_options, options);
            program = made.get();
            return made;
        };
        boot();
    }
    ~Groups() { CHECK_MESSAGE(!harness.world.failed(), harness.world.failure()); }

    void boot() {
        harness.node.boot();
        ++boots;
        REQUIRE(until([&] { return !groups().loading(); }));
    }
    broker::Coordinator& groups() { return *program->groups; }
    broker::Broker& broker() { return *program->broker; }
    template <class Call>
    auto act(Call call) { return harness.act(call); }
    void run(std::int64_t ns = 2 * ns_per_s) { harness.run_for(ns); }
    bool until(const std::function<bool()>& condition, std::int64_t ns = 60 * ns_per_s) { return harness.run_until(condition, ns); }
    void cut() { harness.cut(); }
    void kill() { harness.kill(); }
    int boots = 0;

    void create(std::string_view name, std::uint32_t partitions = 2) {
        char buffer[300];
        Text why(buffer);
        broker::Broker::TopicRequest request;
        request.name = name;
        request.partitions = partitions;
        request.config = broker().default_config();
        REQUIRE(act([&] { return broker().create_topic(request, why).error(); }) == Error::none);
        run();
    }
    void remove(std::string_view name) {
        REQUIRE(act([&] { return broker().delete_topic(name).error(); }) == Error::none);
        run();
    }

    Error join(const TestMember& member, TestJoin& waiter) {
        std::vector<broker::JoinProtocol> protocols;
        for (const auto& [name, metadata] : member.protocols) protocols.push_back({name, as_bytes(metadata)});
        broker::JoinRequest request;
        request.group = member.group;
        request.member = member.id;
        request.instance = member.instance;
        request.client_id = member.client;
        request.client_host = "/10.0.0.1";
        request.protocol_type = member.type;
        request.protocols = protocols;
        request.session_timeout_ms = member.session_ms;
        request.rebalance_timeout_ms = member.rebalance_ms;
        request.member_id_required = member.id_required;
        request.skip_assignment = member.skip_assignment;
        const int before = waiter.answers;
        const Error error = act([&] { return groups().join(request, waiter).error(); });
        CHECK(waiter.answers == before);  // never from within the call
        return error;
    }
    broker::MemberRef ref(const TestMember& member) const { return {member.group, member.id, member.instance, member.generation}; }
    Error sync(const TestMember& member, TestSync& waiter, const std::vector<std::pair<std::string, std::string>>& assignments = {}) {
        TestAssignments list(assignments);
        broker::SyncRequest request;
        request.member = ref(member);
        request.assignments = &list;
        return act([&] { return groups().sync(request, waiter).error(); });
    }
    Error heartbeat(const TestMember& member) { return act([&] { return groups().heartbeat(ref(member)).error(); }); }
    Error leave(const TestMember& member) { return act([&] { return groups().leave(member.group, member.id, member.instance).error(); }); }
    broker::GroupState state(std::string_view group = "g") {
        return act([&] {
            const Result<broker::Group*> found = groups().look(group);
            return found && *found ? (*found)->state : broker::GroupState::dead;
        });
    }
    std::int32_t generation(std::string_view group = "g") {
        return act([&] { return (*groups().look(group).value()).generation; });
    }

    // Joins and waits for the answer, which must be good.
    TestJoin& joined(TestMember& member) {
        joins.push_back(std::make_unique<TestJoin>());
        TestJoin& waiter = *joins.back();
        REQUIRE(join(member, waiter) == Error::none);
        REQUIRE(until([&] { return waiter.answers == 1; }));
        REQUIRE(waiter.error == Error::none);
        member.id = waiter.member;
        member.generation = waiter.generation;
        return waiter;
    }
    // A stable group of these, the first of them its leader; each is assigned its own client id.
    void settle(std::vector<TestMember>& members) {
        std::vector<TestJoin> waiting(members.size());
        for (std::size_t i = 0; i < members.size(); ++i) REQUIRE(join(members[i], waiting[i]) == Error::none);
        std::vector<std::pair<std::string, std::string>> assignments;
        REQUIRE(until([&] { return std::ranges::all_of(waiting, [](const TestJoin& waiter) { return waiter.answers == 1; }); }));
        for (std::size_t i = 0; i < members.size(); ++i) {
            REQUIRE(waiting[i].error == Error::none);
            members[i].id = waiting[i].member;
            members[i].generation = waiting[i].generation;
            assignments.emplace_back(members[i].id, members[i].client);
        }
        std::vector<TestSync> syncs(members.size());
        for (std::size_t i = 0; i < members.size(); ++i) REQUIRE(sync(members[i], syncs[i], waiting[i].leader == members[i].id ? assignments : decltype(assignments)()) == Error::none);
        REQUIRE(until([&] { return std::ranges::all_of(syncs, [](const TestSync& waiter) { return waiter.answers == 1; }); }));
        for (std::size_t i = 0; i < members.size(); ++i) {
            REQUIRE(syncs[i].error == Error::none);
            REQUIRE(syncs[i].assignment == members[i].client);
        }
        REQUIRE(state(members[0].group) == broker::GroupState::stable);
    }
    void settle(TestMember& member) {
        std::vector<TestMember> one{member};
        settle(one);
        member = one[0];
    }

    Error commit(const TestMember& member, std::string_view topic, std::int64_t partition, std::int64_t offset, std::string_view metadata = {}, bool durable = true) {
        const Result<std::uint64_t> ticket = act([&]() -> Result<std::uint64_t> {
            auto scope = groups().begin_commit(ref(member));
            if (!scope) return scope.failure();
            return groups().commit(*scope, topic, partition, {Offset(offset), Epoch(3), Timestamp(-1), metadata});
        });
        if (ticket && durable) REQUIRE(until([&] { return broker().durable_ticket() >= *ticket; }));
        return ticket.error();
    }
    std::int64_t committed(std::string_view topic, std::int64_t partition, std::string_view group = "g") {
        return act([&] { return groups().fetch_offset(group, topic, partition).value().offset.value; });
    }

    StoreHarness harness;
    broker::GroupOptions options;
    broker::BrokerOptions broker_options;
    GroupsProgram* program = nullptr;
    std::vector<std::unique_ptr<TestJoin>> joins;
};

}  // namespace rivulet::test
