// Which readings of a connection are settled: their commit is durable, or they needed none. In order of sequence.
// Owns:     a few numbers. Bounds: at most two commits are not durable at a time, the one in flight and the open one, so two entries do.
// Guarantee: settled() never passes a reading whose ticket is not durable.
// Thread:   loop only.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace rivulet::server::compact {

class Settling {
public:
    Settling() = default;
    explicit Settling(std::uint64_t base_sequence) : taken_(base_sequence - 1), settled_(base_sequence - 1) {}

    // The next reading was dealt with; ticket 0: it needs no commit.
    void take(std::uint64_t sequence, std::uint64_t ticket, std::uint64_t durable_ticket) {
        settle(durable_ticket);
        taken_ = sequence;
        if (ticket > durable_ticket && (count_ == 0 || ticket > entries_[count_ - 1].ticket)) {
            RIVULET_CHECK(count_ < 2);
            entries_[count_++] = {ticket, 0, 0};
        }
        if (count_ != 0) entries_[count_ - 1].last = sequence;
        else settled_ = sequence;
    }
    // Bytes of puts that are granted again once all that was taken so far is settled.
    void spend(std::uint32_t bytes) { (count_ != 0 ? entries_[count_ - 1].bytes : credit_) += bytes; }
    // True if settled() moved.
    bool settle(std::uint64_t durable_ticket) {
        const std::uint64_t before = settled_;
        while (count_ != 0 && entries_[0].ticket <= durable_ticket) {
            settled_ = entries_[0].last;
            credit_ += entries_[0].bytes;
            entries_[0] = entries_[1];
            --count_;
        }
        return settled_ != before;
    }

    bool waiting() const { return count_ != 0; }
    std::uint64_t ticket() const { return entries_[0].ticket; }  // the next to wait for
    std::uint64_t taken() const { return taken_; }
    std::uint64_t settled() const { return settled_; }
    std::uint32_t credit() const { return credit_; }
    std::uint32_t grant() {
        const std::uint32_t granted = credit_;
        credit_ = 0;
        return granted;
    }

private:
    struct Entry {
        std::uint64_t ticket = 0;
        std::uint64_t last = 0;
        std::uint32_t bytes = 0;
    };
    Entry entries_[2];
    std::uint64_t taken_ = 0;
    std::uint64_t settled_ = 0;
    std::uint32_t credit_ = 0;
    std::uint8_t count_ = 0;
};

}  // namespace rivulet::server::compact
