// A sensor: makes readings, sends them in order, keeps each until it is settled, sends again after a broken connection.
// Owns:     its count and what is not settled (numbers; the History has the readings). They are in RAM: after a power cut of its node it is a new incarnation.
// Thread:   turns of its node.
#pragma once

#include "sim/run/client.h"

namespace rivulet::sim {

class Producer final : public Client {
public:
    Producer(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life);

    void finish() override;
    // After finish(): everything is settled, and then some more that was made while all was well.
    // refusing: topics that refuse at their share do; a sensor that writes nothing else waits, perhaps for good.
    bool done(bool refusing) const;
    std::string state() const;

private:
    struct AliasState {
        bool answered = false;
        bool usable = false;
        std::int32_t life = -1;  // of its topic, for all that was known when it was sent; -1: it was not there
        std::int32_t partition = -1;
    };

    frames::Open make_open() override;
    void on_connection() override;
    void on_opened(const frames::Opened& opened) override;
    void on_frame(const frames::FrameView& frame) override;
    void on_down() override;
    void on_left() override;
    void on_tick() override;

    ReadingId id(std::uint64_t sequence) const { return {number_, incarnation_, static_cast<std::uint32_t>(sequence)}; }
    void send_alias(std::size_t index);
    void take_alias(const frames::FrameView& frame);
    void take_ack(const frames::FrameView& frame);
    void make_readings();
    void pump();
    bool put_one();
    bool put_packed();
    bool put_regular();
    std::size_t frame_bytes_max() const;
    void settle_through(std::uint64_t sequence);

    History& history_;
    const Plan& plan_;
    const ProducerPlan& own_;
    std::uint16_t number_;
    std::uint8_t incarnation_;
    std::uint32_t incarnation_on_wire_;
    std::uint64_t oldest_ = 1;  // not settled
    std::uint64_t cursor_ = 1;  // next to go out on this connection
    std::uint64_t next_ = 1;    // next to be made
    std::uint64_t sent_ = 0;    // highest that went out on any connection
    std::uint32_t more_left_ = 0;
    frames::PutState puts_;
    std::vector<AliasState> aliases_;
    std::int64_t connected_at_ = 0;
};

}  // namespace rivulet::sim
