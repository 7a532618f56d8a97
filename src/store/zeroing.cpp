#include "store/zeroing.h"

#include "env/log.h"

namespace rivulet::store {

Zeroer::Zeroer(env::Env& env, Arena& arena, State& state) : Job(env::JobKind::read), env_(env), state_(state), zeros_(arena.take_bytes(write_bytes)) {
    std::memset(zeros_.data(), 0, zeros_.size());
}

void Zeroer::start(ZeroingListener& listener) {
    listener_ = &listener;
    env_.arm(*this, env_.now() + tick_ns);
}

void Zeroer::stop() {
    stopped_ = true;
    env_.disarm(*this);
}

void Zeroer::step() {
    const std::uint64_t head = state_.geometry.sequence(state_.head.next);
    if (position_ == 0) sequence_ = state_.head.zeroed_through + 1;
    // The head must not be overwritten: what it has reached unzeroed stays so.
    if (sequence_ <= head + 1) {
        sequence_ = head + 2;
        position_ = 0;
    }
    if (stopped_ || state_.offline || sequence_ > state_.geometry.segment_count) {
        if (sequence_ > state_.geometry.segment_count) state_.head.zeroed_through = state_.geometry.segment_count;
        return;
    }
    state_.zeroing = sequence_;
    env_.submit(*this);
}

void Zeroer::run(env::Disk& disk) {
    const std::uint64_t start = state_.geometry.file_position(state_.geometry.segment_start(sequence_));
    status_ = disk.write(*state_.journal, start + position_, Bytes(zeros_));
}

void Zeroer::done() {
    state_.zeroing = 0;
    if (!status_) {
        env::LogLine(env_, env::LogLevel::warning) << "zeroing of unused segments ended: " << error_info(status_.error()).text;
        return listener_->on_zeros_written();
    }
    position_ += zeros_.size();
    if (position_ >= state_.geometry.segment_bytes) {
        position_ = 0;
        state_.head.zeroed_through = sequence_;
    }
    const bool urgent = state_.head.zeroed_through < state_.geometry.sequence(state_.head.next) + ahead_min;
    env_.arm(*this, urgent ? env_.now() : env_.now() + tick_ns);
    listener_->on_zeros_written();
}

}  // namespace rivulet::store
