// Clients that mean no good or do nothing at all: noise, broken frames, credit overrun, connections that are opened and left alone, and many of them.
// Owns:     its connections. What it puts is damaged on purpose, so none of it may ever be stored. Thread: turns of its node.
#pragma once

#include <memory>
#include <vector>

#include "sim/run/client.h"

namespace rivulet::sim {

class Hostile final : public Program, private env::Timer {
public:
    // idle: its connections do nothing but take up room.
    Hostile(NodeEnv& env, const Plan& plan, bool idle, std::uint64_t life);
    ~Hostile() override;
    void finish();

private:
    class Attack;
    void on_timer() override;

    NodeEnv& env_;
    const Plan& plan_;
    Random random_;
    bool idle_;
    bool finishing_ = false;
    std::vector<std::unique_ptr<Attack>> attacks_;
};

}  // namespace rivulet::sim
