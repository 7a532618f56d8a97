// First lap of the ring: writes zeros into segments ahead of their first use, so that later commits overwrite written blocks and the file system has nothing to log.
// Owns:     a 64 KiB buffer of zeros, one read-kind job, so that it never queues before a commit.
// Bounds:   one write at a time; idle pace (one write per tick_ns) while ahead_min segments are ready, else one after the other.
// Errors:   a failed write ends the zeroing with a log line: only bytes to flash are lost by it, nothing stored.
// Guarantee: the head enters no segment that a write is on its way to (State::zeroing), and no write begins on one that the head has reached.
// Thread:   loop only; writing in jobs.
#pragma once

#include "env/env.h"
#include "store/state.h"

namespace rivulet::store {

class ZeroingListener {
public:
    // A write has ended: the head may enter the segment now.
    virtual void on_zeros_written() = 0;

protected:
    ~ZeroingListener() = default;
};

class Zeroer : private env::Job, private env::Timer {
public:
    static constexpr std::uint64_t ahead_min = 2;
    static constexpr std::size_t write_bytes = 64 * 1024;
    static constexpr std::int64_t tick_ns = 20 * ns_per_ms;

    Zeroer(env::Env& env, Arena& arena, State& state);
    static std::size_t memory_bytes() { return write_bytes + 64; }

    void start(ZeroingListener& listener);
    void stop();

private:
    void run(env::Disk& disk) override;
    void done() override;
    void on_timer() override { step(); }
    void step();

    env::Env& env_;
    State& state_;
    ZeroingListener* listener_ = nullptr;
    MutableBytes zeros_;
    std::uint64_t sequence_ = 0;  // being zeroed
    std::uint64_t position_ = 0;  // in it
    bool stopped_ = false;
    Status status_;
};

}  // namespace rivulet::store
