#include "sim/run/group_member.h"

#include "support/kafka_consumer_protocol.h"
#include "wire/kafka/find_coordinator.h"
#include "wire/kafka/heartbeat.h"
#include "wire/kafka/leave_group.h"

namespace rivulet::sim {

namespace {

constexpr std::int64_t join_ns_max = 40 * ns_per_s;
constexpr std::int32_t rebalance_ms = 8000;
constexpr std::int64_t metadata_ns = 2 * ns_per_s;
constexpr const char* step_names[] = {"idle", "asking", "joining", "syncing", "running"};

}  // namespace

GroupMember::GroupMember(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life)
    : KafkaActor(env, history, plan, "group member " + std::to_string(number), life, plan.kafka.members[number].tick_ns), own_(plan_.members[number]), group_(plan_.groups[own_.group]), number_(number),
      control_(env, random_.split("control"), name_, *this), data_(env, random_.split("data"), name_, *this) {}

std::string GroupMember::state() const {
    return name_ + " of " + group_.name + ": " + step_names[static_cast<std::size_t>(step_)] + (control_.up() ? "" : ", no coordinator") + (data_.up() ? "" : ", no broker") + ", generation " +
           std::to_string(generation_) + ", " + std::to_string(positions_.size()) + " partitions";
}

void GroupMember::on_link_up(KafkaLink& link) {
    if (&link == &control_) heartbeat_at_ = world_.now();
}

// Its membership outlives the connection; a join or sync that was not answered is to be asked again.
void GroupMember::on_link_down(KafkaLink& link) {
    if (&link != &control_) return;
    heartbeat_asked_ = commit_asked_ = offsets_asked_ = false;
    if (step_ != Step::running) step_ = Step::idle;
}

void GroupMember::on_tick() {
    control_.tick();
    data_.tick();
    const std::int64_t now = world_.now();
    if (leaves_ && step_ == Step::idle && (finishing_ || now >= begin_at_)) leaves_ = false;
    if (!control_.up()) return;
    if (step_ == Step::idle && now >= begin_at_) return begin();
    if (step_ != Step::running) {
        // A cooperative member reads on meanwhile.
        if (group_.cooperative) fetch();
        return;
    }
    if (!group_.lone && now >= heartbeat_at_ && !heartbeat_asked_) heartbeat();
    if (step_ != Step::running) return;
    ask_offsets();
    if (now >= commit_at_) commit();
    if (now >= metadata_at_) {
        metadata_at_ = now + metadata_ns;
        ask_metadata(control_, [this] {
            if (step_ != Step::running) return;
            if (group_.lone) {
                KafkaHistory::Partitions all;
                for (const std::size_t t : group_.topics)
                    for (std::size_t p = 0; p < partitions_[t]; ++p) all.emplace(t, p);
                adopt(all);
            } else if ((leads_ || (took_place_ && finishing_)) && partitions_ != assigned_from_) {
                step_ = Step::idle;
            }
        });
    }
    if (!finishing_ && random_.chance(own_.restless, 1000)) misbehave();
    if (step_ == Step::running) fetch();
}

// ---- membership ----

void GroupMember::begin() {
    if (group_.lone) {
        step_ = Step::running;
        metadata_at_ = 0;
        return;
    }
    if (known() && generation_ >= 0 && random_.chance(1, 2)) return join();
    step_ = Step::asking;
    kafka::FindCoordinatorRequest request;
    const std::int16_t version = some_version(random_, Api::find_coordinator, 0);
    Items<std::string_view> keys({std::string_view(group_.name)});
    request.key = group_.name;
    request.coordinator_keys = keys;
    control_.call<kafka::FindCoordinatorResponse>(Api::find_coordinator, version, request, [this, version](const kafka::FindCoordinatorResponse& response) {
        std::int16_t error = response.error_code;
        if (version >= 4) {
            if (response.coordinators.size() != 1) return control_.broken("FindCoordinator");
            error = (*response.coordinators.begin()).error_code;
        }
        if (error == 0) return ask_metadata(control_, [this] { join(); });
        if (!passes(error)) return control_.broken("FindCoordinator: error " + std::to_string(error));
        step_ = Step::idle;
        begin_at_ = world_.now() + static_cast<std::int64_t>(random_.below(ns_per_s));
    });
}

std::vector<std::uint8_t> GroupMember::subscription() const {
    Items<std::string_view> topics;
    for (const std::size_t t : group_.topics) topics.add(plan_.topics[t].name);
    std::map<std::size_t, Items<std::int32_t>> owned;
    if (group_.cooperative)
        for (const auto& [place, position] : positions_) owned[place.first].add(static_cast<std::int32_t>(place.second));
    Items<kafka::ConsumerProtocolPartitions> list;
    for (auto& [topic, partitions] : owned) list.add({plan_.topics[topic].name, partitions});
    kafka::ConsumerProtocolSubscription subscription;
    subscription.topics = topics;
    subscription.owned_partitions = list;
    subscription.generation_id = generation_;
    std::vector<std::uint8_t> bytes(4096);
    Writer out(bytes);
    kafka::encode_versioned(out, subscription, 2);
    RIVULET_CHECK(out.ok());
    bytes.resize(out.size());
    return bytes;
}

void GroupMember::join() {
    step_ = Step::joining;
    if (!group_.cooperative) positions_.clear();  // eager: all is given up first
    const std::vector<std::uint8_t> metadata = subscription();
    Items<kafka::JoinGroupRequest::Protocol> protocols({{group_.cooperative ? "cooperative-sticky" : "roundrobin", metadata}});
    kafka::JoinGroupRequest request;
    request.group_id = group_.name;
    request.session_timeout_ms = own_.session_ms;
    request.rebalance_timeout_ms = rebalance_ms;
    request.member_id = id_;
    if (!own_.instance.empty()) request.group_instance_id = own_.instance;
    request.protocol_type = "consumer";
    request.protocols = protocols;
    // It may be the leader's: nobody else looks whether there is more to assign then.
    took_place_ = id_.empty() && !own_.instance.empty();
    if (took_place_) assigned_from_.clear();
    const std::int32_t floor = history_.generation_told(own_.group);
    control_.call<kafka::JoinGroupResponse>(Api::join_group, some_version(random_, Api::join_group, own_.instance.empty() ? 0 : 5), request,
                                            [this, floor](const kafka::JoinGroupResponse& response) { take_join(floor, response); }, join_ns_max);
}

void GroupMember::take_join(std::int32_t floor, const kafka::JoinGroupResponse& response) {
    if (response.error_code == code::member_id_required) {
        id_ = response.member_id;
        return join();
    }
    if (response.error_code != 0) return rejoin(response.error_code);
    id_ = response.member_id;
    generation_ = response.generation_id;
    history_.joined(own_.group, floor, generation_);
    const bool leads = response.leader == id_ && !response.skip_assignment && !response.members.empty();
    step_ = Step::syncing;
    leads_ = leads;
    if (!leads) return sync({});
    std::vector<std::pair<std::string, std::vector<std::uint8_t>>> members;
    for (const auto& member : response.members) members.emplace_back(member.member_id, std::vector<std::uint8_t>(member.metadata.begin(), member.metadata.end()));
    const std::int32_t generation = generation_;
    // What there is to be assigned may have grown.
    ask_metadata(control_, [this, members, generation] {
        if (step_ != Step::syncing || generation != generation_) return;
        assigned_from_ = partitions_;
        std::vector<std::pair<std::string, Bytes>> views;
        for (const auto& [id, metadata] : members) views.emplace_back(id, metadata);
        const std::vector<GroupAssignment> assignments = assign_partitions(plan_, group_, partitions_, views, random_);
        Items<kafka::SyncGroupRequest::Assignment> items;
        for (const GroupAssignment& assignment : assignments) items.add({assignment.member, assignment.bytes});
        history_.assigning();
        sync(items);
    });
}

void GroupMember::sync(kafka::Array<kafka::SyncGroupRequest::Assignment> assignments) {
    kafka::SyncGroupRequest request;
    request.assignments = assignments;
    request.group_id = group_.name;
    request.generation_id = generation_;
    request.member_id = id_;
    if (!own_.instance.empty()) request.group_instance_id = own_.instance;
    request.protocol_type = "consumer";
    request.protocol_name = group_.cooperative ? "cooperative-sticky" : "roundrobin";
    const std::int32_t floor = history_.generation_told(own_.group);
    const std::int32_t generation = generation_;
    control_.call<kafka::SyncGroupResponse>(Api::sync_group, some_version(random_, Api::sync_group, own_.instance.empty() ? 0 : 3), request,
                                            [this, floor, generation](const kafka::SyncGroupResponse& response) {
                                                if (response.error_code != 0) return rejoin(response.error_code);
                                                take_assignment(floor, generation, response.assignment);
                                            },
                                            join_ns_max);
}

void GroupMember::take_assignment(std::int32_t floor, std::int32_t generation, Bytes bytes) {
    KafkaHistory::Partitions assigned;
    if (!bytes.empty()) {
        const auto assignment = kafka::decode_versioned<kafka::ConsumerProtocolAssignment>(bytes);
        if (!assignment) return control_.broken("an assignment that no leader has made");
        for (const auto& topic : assignment->assigned_partitions)
            for (const std::int32_t partition : topic.partitions) assigned.emplace(topic_index(topic.topic), static_cast<std::size_t>(partition));
    }
    history_.assigned(own_.group, floor, generation, id_, own_.instance, assigned);
    step_ = Step::running;
    heartbeat_at_ = world_.now() + own_.heartbeat_ns;
    bool gave_up = false;
    for (const auto& [place, position] : positions_) gave_up |= !assigned.contains(place);
    adopt(assigned);
    // KIP-429: what it has given up goes to others with another generation.
    if (gave_up) step_ = Step::idle;
}

// After an error of a join, a sync, a heartbeat or a commit.
void GroupMember::rejoin(std::int16_t error) {
    if (group_.lone && !passes(error)) return control_.broken("error " + std::to_string(error) + " to a consumer without members");
    if (fenced(error)) {
        if (!id_.empty()) other_id_ = id_;
        id_.clear();
        generation_ = -1;
        positions_.clear();
    } else if (error == code::illegal_generation) {
        generation_ = -1;
        positions_.clear();
    } else if (error != code::rebalance_in_progress && !passes(error)) {
        return control_.broken("error " + std::to_string(error) + " to a member of " + group_.name);
    } else if (passes(error)) {
        begin_at_ = world_.now() + static_cast<std::int64_t>(random_.below(500 * ns_per_ms));
    }
    step_ = Step::idle;
}

void GroupMember::heartbeat() {
    heartbeat_asked_ = true;
    heartbeat_at_ = world_.now() + own_.heartbeat_ns;
    kafka::HeartbeatRequest request;
    request.group_id = group_.name;
    request.generation_id = generation_;
    request.member_id = id_;
    if (!own_.instance.empty()) request.group_instance_id = own_.instance;
    control_.call<kafka::HeartbeatResponse>(Api::heartbeat, some_version(random_, Api::heartbeat, own_.instance.empty() ? 0 : 3), request, [this](const kafka::HeartbeatResponse& response) {
        heartbeat_asked_ = false;
        if (response.error_code == 0 || step_ != Step::running) return;
        // What it has read it commits before it gives it up.
        if (response.error_code == code::rebalance_in_progress && !finishing_) commit();
        rejoin(response.error_code);
    });
}

void GroupMember::leave() {
    leaves_ = true;
    begin_at_ = world_.now() + static_cast<std::int64_t>(random_.below(6 * ns_per_s));
    step_ = Step::idle;
    Items<kafka::LeaveGroupRequest::Member> members({{id_, std::nullopt, std::nullopt}});
    kafka::LeaveGroupRequest request;
    request.group_id = group_.name;
    request.member_id = id_;
    request.members = members;
    control_.call<kafka::LeaveGroupResponse>(Api::leave_group, some_version(random_, Api::leave_group, 0), request, [](const kafka::LeaveGroupResponse&) {});
    other_id_ = id_;
    id_.clear();
    generation_ = -1;
    positions_.clear();
}

}  // namespace rivulet::sim
