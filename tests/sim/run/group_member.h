// A consumer of a group: joins, assigns if it leads, reads what it was assigned, commits how far it has come, leaves and comes again. Or one without members, which reads all and commits as nobody.
// Owns:     two connections, one to the coordinator and one for records, as Kafka's clients have; its position in each of its partitions.
// Errors:   what the broker answers is held against the rules by KafkaHistory. Now and then it commits what it must not: an older generation, an id that another has.
// Thread:   turns of its node.
#pragma once

#include "sim/run/kafka_actor.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/join_group.h"
#include "wire/kafka/offset_fetch.h"
#include "wire/kafka/sync_group.h"

namespace rivulet::sim {

class GroupMember final : public KafkaActor {
public:
    GroupMember(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life);
    std::string state() const override;

private:
    enum class Step : std::uint8_t { idle, asking, joining, syncing, running };
    using Place = std::pair<std::size_t, std::size_t>;  // topic, partition
    struct Position {
        std::int64_t next = 0;
        std::int64_t committed = -1;
        bool known = false;  // from where
    };

    void on_link_up(KafkaLink& link) override;
    void on_link_down(KafkaLink& link) override;
    void on_tick() override;

    // group_member.cpp: membership
    void begin();
    void join();
    void take_join(std::int32_t floor, const kafka::JoinGroupResponse& response);
    void sync(kafka::Array<kafka::SyncGroupRequest::Assignment> assignments);
    void take_assignment(std::int32_t floor, std::int32_t generation, Bytes bytes);
    void heartbeat();
    void leave();
    void rejoin(std::int16_t error);
    bool fenced(std::int16_t error) const { return error == code::unknown_member || error == code::fenced_instance; }
    std::vector<std::uint8_t> subscription() const;

    // group_reader.cpp: records and offsets
    void adopt(const KafkaHistory::Partitions& assigned);
    void ask_offsets();
    void take_offset(std::int64_t asked_at, std::string_view topic, const kafka::OffsetFetchResponse::Partition& partition);
    void fetch();
    void take_fetch(std::int16_t version, const std::map<Place, std::pair<std::int64_t, std::int64_t>>& asked, const kafka::FetchResponse& response);
    void commit();
    // own: what it has read.
    void send_commit(const std::vector<std::pair<Place, std::int64_t>>& offsets, std::int32_t generation, const std::string& id, bool own);
    void misbehave();

    const MemberPlan& own_;
    const GroupPlan& group_;
    std::size_t number_;
    KafkaLink control_;
    KafkaLink data_;
    Step step_ = Step::idle;
    std::string id_;
    std::string other_id_;            // one that it had before
    std::int32_t generation_ = -1;
    std::map<Place, Position> positions_;  // what it owns
    bool heartbeat_asked_ = false;
    bool commit_asked_ = false;
    bool offsets_asked_ = false;
    bool leaves_ = false;
    bool leads_ = false;
    bool took_place_ = false;  // joined without an id, with an instance
    std::int16_t fetch_lowest_ = 4;
    std::int64_t begin_at_ = 0;
    std::int64_t heartbeat_at_ = 0;
    std::int64_t commit_at_ = 0;
    std::int64_t metadata_at_ = 0;
    std::vector<std::size_t> assigned_from_;  // partitions of the topics, when it assigned them
};

// Who gets what: the bytes for each member, from the bytes that they joined with. Views of `members`.
struct GroupAssignment {
    std::string member;
    std::vector<std::uint8_t> bytes;
};
std::vector<GroupAssignment> assign_partitions(const KafkaPlan& plan, const GroupPlan& group, const std::vector<std::size_t>& partitions, const std::vector<std::pair<std::string, Bytes>>& members, Random& random);
std::vector<std::uint8_t> encode_assignment(const KafkaPlan& plan, const KafkaHistory::Partitions& partitions);

}  // namespace rivulet::sim
