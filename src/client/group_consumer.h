// A member of a consumer group: gets the partitions that the broker assigns, and their batches; what its handler has processed is committed by the broker.
// Owns:     a channel and a timer, and places for partitions_max partitions, out of the arena.
// Bounds:   memory_bytes() of arena; no allocation. `credit` bytes of batches are under way at most, and one batch more.
// Errors:   on_ended(): as a Fetcher's; also what a join is refused for (inconsistent_group_protocol, group_full, ...), fenced_instance; limit_reached: more partitions than partitions_max;
//           unsupported: the broker has no groups.
// Guarantee: at least once: nothing is committed that on_batches() has not said to be processed. After a broken connection it joins again and goes on at what is committed.
// Thread:   loop only. No callback comes from within a call of ours.
#pragma once

#include "client/backoff.h"
#include "client/channel.h"
#include "wire/compact/member_frames.h"

namespace rivulet::client {

struct GroupConsumerOptions {
    ChannelOptions channel{.receive_bytes = 1U << 20, .send_bytes = 64U << 10, .features = protocol::feature::groups};
    protocol::JoinGroup join;                 // its texts must outlive the consumer, as must the topics
    std::span<const std::string_view> topics;
    std::size_t partitions_max = 4096;
    std::int64_t retry_ms = 10'000;
};

// A partition that it has.
struct GroupPartition {
    std::uint64_t slot = 0;
    std::string_view topic;       // one of the options'
    std::uint64_t partition = 0;
    Offset next{0};               // of what comes next; -1: not known yet
    // For the GroupConsumer alone.
    Offset processed{-1};
    bool unsaid = false;          // that is to be said to the broker
};

class GroupConsumerHandler {
public:
    virtual void on_assigned(const GroupPartition&) {}
    virtual void on_revoked(const GroupPartition&) {}
    // Read them with Batches(data.batches, data.offset). Returns where it has come to: all below is processed. `next` of the partition is where these begin.
    virtual Offset on_batches(const GroupPartition& partition, const protocol::Data& data) = 0;
    // [partition.next, to) is gone.
    virtual void on_skipped(const GroupPartition& /*partition*/, Offset /*to*/) {}
    // Its membership or its connection was lost, or could not be had just now: it tries again.
    virtual void on_interrupted(const Ending&) {}
    // It is a member of this generation.
    virtual void on_generation(std::uint64_t) {}
    // The last call; canceled: after stop(), when what was processed is committed, or the connection was gone.
    virtual void on_ended(const Ending& ending) = 0;

protected:
    ~GroupConsumerHandler() = default;
};

class GroupConsumer final : ChannelHandler, env::Timer {
public:
    static std::size_t memory_bytes(const GroupConsumerOptions& options) {
        return Channel::memory_bytes(options.channel) + options.partitions_max * sizeof(GroupPartition) + alignof(GroupPartition);
    }
    GroupConsumer(env::Env& env, const GroupConsumerOptions& options, Arena& arena, GroupConsumerHandler& handler);
    ~GroupConsumer();

    void start(const Bootstrap& bootstrap);
    // Leaves the group, or, with an instance, goes and keeps its place: no on_batches() comes any more.
    void stop();

private:
    enum class Phase : std::uint8_t { apart, joining, member, resting, leaving };

    // ChannelHandler
    void on_open(const protocol::Opened& opened) override;
    void on_answer(const protocol::FrameView& frame, const protocol::Answer& answer) override;
    void on_data(const protocol::FrameView& frame) override;
    void on_writable() override { grant(); }
    void on_attempt_failed(const Ending& ending) override;
    void on_closed(const Ending& ending) override;
    void on_timer() override;

    void join();
    void take_news(const protocol::Assigned& news);
    void take_partition(const protocol::AssignedPartition& assigned);
    void take_failure(const protocol::Answer& answer);
    void grant();
    void leave();
    void end(Failure failure, std::string_view text = {});
    GroupPartition* find(std::uint64_t slot);

    env::Env& env_;
    GroupConsumerOptions options_;
    GroupConsumerHandler& handler_;
    Channel channel_;
    std::span<GroupPartition> partitions_;
    std::size_t partition_count_ = 0;
    Backoff backoff_;
    Bootstrap bootstrap_;
    Phase phase_ = Phase::apart;
    std::uint64_t number_ = 0;        // correlation of the membership
    std::uint64_t owed_ = 0;          // bytes to be granted again
    std::size_t unsaid_ = 0;          // partitions of which something is to be said
    bool started_ = false;            // it was open once
    bool stopped_ = false;
    bool handling_ = false;           // in on_batches()
    Failure failure_{Error::none, 0};  // for good
    char failure_text_[160];
    std::size_t failure_text_bytes_ = 0;
};

}  // namespace rivulet::client
