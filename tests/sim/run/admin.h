// The operator: creates the topics that are to be there, describes and lists them, alters them, deletes one now and then and makes it again; gives one of its own more partitions;
// searches by time; asks for what must be refused.
// Owns:     one request at a time. Thread: turns of its node.
#pragma once

#include "sim/run/client.h"

namespace rivulet::sim {

class Admin final : public Client {
public:
    Admin(NodeEnv& env, History& history, const Plan& plan, std::uint64_t life);
    // All topics are there, and nothing is asked.
    bool done() const;

private:
    enum class Ask : std::uint8_t { nothing, create, remove, describe, list, metadata, offsets, search, alter, make_growing, grow, look_at_growing, wrong };

    void on_frame(const frames::FrameView& frame) override;
    void on_down() override;
    void on_tick() override;

    void create(std::size_t topic);
    void remove(std::size_t topic);
    void describe(std::size_t topic, std::uint64_t partition);
    void ask_offsets(std::size_t topic, std::uint64_t partition);
    void search(std::size_t topic, std::uint64_t partition, std::int64_t at);
    void alter(std::size_t topic);
    // The topic that only grows: made, grown, described.
    void ask_growth();
    void ask_wrong();
    void not_answered();
    void take(const frames::Answer& answer, const frames::FrameView& frame);
    void take_create(const frames::Answer& answer);
    void take_remove(const frames::Answer& answer);
    void take_describe(const frames::Answer& answer, const frames::FrameView& frame);
    void take_offsets(const frames::Answer& answer);
    void take_alter(const frames::Answer& answer);
    void take_growth(const frames::Answer& answer, const frames::FrameView& frame);
    bool passing(Error error) const;
    bool may_be_missing() const;

    History& history_;
    const Plan& plan_;
    Ask ask_ = Ask::nothing;
    std::size_t topic_ = 0;
    std::uint64_t correlation_asked_ = 0;
    Error expected_ = Error::none;  // of a wrong request
    Known known_;
    // Two searches for ascending times, then a description of that partition.
    std::int64_t at_ = -1;
    std::int64_t next_search_ = -1;
    bool follow_up_ = false;
    Known first_known_;
    std::int64_t first_found_ = -1;
    bool bad_alteration_ = false;
    std::uint64_t partitions_ = 0;  // asked for in a growth
    std::int64_t next_at_ = 0;
};

}  // namespace rivulet::sim
