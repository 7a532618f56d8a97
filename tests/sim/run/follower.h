// A reader to whom batches are pushed: subscribes to all partitions, grants credit in small helpings, ends a subscription now and then and begins another.
// Owns:     a position and at most one subscription for each partition. Thread: turns of its node.
#pragma once

#include <map>

#include "sim/run/client.h"

namespace rivulet::sim {

class Follower final : public Client {
public:
    Follower(NodeEnv& env, History& history, const Plan& plan, std::size_t number, std::uint64_t life);

private:
    struct Position {
        std::size_t topic = 0;
        std::uint64_t partition = 0;
        std::int64_t next = frames::fetch_earliest;
        std::int32_t life = -1;
        bool subscribed = false;
    };
    struct Subscription {
        std::size_t position;
        Known known;             // high_watermark: as told last
        bool answered = false;
        bool ending = false;
        std::int64_t credit = 0;
        std::int64_t offset = 0;  // where the next DATA begins, if retention does not overtake it
    };

    frames::Open make_open() override;
    void on_connection() override;
    void on_opened(const frames::Opened& opened) override;
    void on_frame(const frames::FrameView& frame) override;
    void on_down() override;
    void on_tick() override;

    void subscribe(std::size_t position);
    void take_answer(std::uint64_t number, Subscription& subscription, const frames::FrameView& frame);
    void take_data(Subscription& subscription, const frames::FrameView& frame);
    void take_end(std::uint64_t number, Subscription& subscription, const frames::Answer& answer);
    std::uint64_t helping() { return own_.bytes_max / 4 + 1 + random_.below(own_.bytes_max); }

    History& history_;
    const Plan& plan_;
    const ConsumerPlan& own_;
    std::vector<Position> positions_;
    std::map<std::uint64_t, Subscription> subscriptions_;
    std::size_t turn_ = 0;
};

}  // namespace rivulet::sim
