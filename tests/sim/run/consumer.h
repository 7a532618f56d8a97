// A reader: follows all topics, by long polls, and jumps about; some read slowly.
// Owns:     a position for each partition, the requests under way. Thread: turns of its node.
#pragma once

#include <map>

#include "sim/run/client.h"

namespace rivulet::sim {

class Consumer final : public Client {
public:
    Consumer(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life);

private:
    struct Position {
        std::int64_t next = frames::fetch_earliest;
        bool asked = false;
        bool aliased = false;
        std::int32_t life = -1;
    };
    struct Request {
        std::size_t topic;
        std::uint64_t partition;
        std::int64_t offset;
        Known known;
        std::int64_t sent_at;
    };

    void on_connection() override;
    void on_opened(const frames::Opened& opened) override;
    void on_frame(const frames::FrameView& frame) override;
    void on_down() override;
    void on_tick() override;

    std::size_t index_of(std::size_t topic, std::uint64_t partition) const { return first_[topic] + static_cast<std::size_t>(partition); }
    void ask(std::size_t topic, std::uint64_t partition);
    void take_fetch(const Request& request, const frames::FrameView& frame);
    void take_failure(const Request& request, const frames::Answer& answer);

    History& history_;
    const Plan& plan_;
    const ConsumerPlan& own_;
    std::vector<std::size_t> first_;     // of each topic's positions
    std::vector<Position> positions_;
    std::map<std::uint64_t, Request> requests_;
    std::size_t turn_ = 0;
};

Ends ends_of(const frames::Fetched& fetched);
Ends ends_of(const frames::PartitionEntry& entry);

}  // namespace rivulet::sim
