// Reads all that is there when everything has healed: the list of topics, their descriptions, every partition from its start to its high watermark.
// Owns:     what it has read of the partition in hand; hands it to History::check_end(). Thread: turns of its node.
#pragma once

#include <set>

#include "sim/run/client.h"

namespace rivulet::sim {

class Verifier final : public Client {
public:
    Verifier(NodeEnv& env, History& history, const Plan& plan);
    bool done() const { return step_ == Step::done; }
    std::string state() const;

private:
    enum class Step : std::uint8_t { list, describe, read, done };

    void on_connection() override;
    void on_frame(const frames::FrameView& frame) override;
    void on_opened(const frames::Opened&) override { go_on(); }
    void on_tick() override { go_on(); }

    void go_on();
    void next_topic();
    void take_list(const frames::Answer& answer, const frames::FrameView& frame);
    void take_describe(const frames::Answer& answer, const frames::FrameView& frame);
    void take_fetch(const frames::Answer& answer);
    void check_list();
    void finish_partition();

    History& history_;
    const Plan& plan_;
    bool looking_;  // a first pass, which finds the damage that is described in the second
    Step step_ = Step::list;
    bool asked_ = false;
    std::string listed_after_;
    std::set<std::string> listed_;
    std::size_t topic_ = 0;
    std::uint64_t partition_ = 0;
    std::vector<History::FinalPartition> partitions_;  // of the topic in hand
    std::int64_t offset_ = 0;
    std::vector<std::int64_t> before_;                 // what was read of the partition in hand the time before
    Known known_;
};

}  // namespace rivulet::sim
