// A client of the compact framing in a node of its own: connection, OPEN, frames, silence, connecting again. What it is for is up to what derives from it.
// Owns:     one connection at a time, its buffers. Small and apart from src/client on purpose: it shares the frame codecs with it and nothing else.
// Errors:   a frame that the broker must not send ends the run. So does an ERROR that a client which keeps to the protocol cannot have earned.
// Thread:   turns of its node.
#pragma once

#include "sim/node_env.h"
#include "sim/run/history.h"
#include "wire/compact/frame_reader.h"

namespace rivulet::sim {

namespace frames = rivulet::wire::compact;

constexpr std::uint16_t broker_port = 9192;

struct ClientOptions {
    std::int64_t tick_ns = 50 * ns_per_ms;
    std::uint64_t frame_bytes_max = 64 << 10;
    std::int64_t silence_ns_max = 12 * ns_per_s;  // then the connection counts as dead
    std::int64_t retry_ns_max = 1 * ns_per_s;     // between two connections
    std::string name;
};

// Of a reader, by its number among the plan's consumers.
ClientOptions reader_options(const Plan& plan, std::size_t number, const char* role);

class Client : public Program, protected env::ConnectionHandler, private env::Timer {
public:
    Client(NodeEnv& env, Random random, const ClientOptions& options);
    ~Client() override;

    // The end of the run is near: no more trouble is made on purpose.
    virtual void finish() { finishing_ = true; }
    bool finishing() const { return finishing_; }

protected:
    enum class Phase : std::uint8_t { down, connecting, opening, open, leaving, closing };

    // ---- for what derives ----
    virtual frames::Open make_open() { return {}; }
    virtual void on_connection() {}                        // OPEN is on its way
    virtual void on_opened(const frames::Opened&) {}
    virtual void on_frame(const frames::FrameView& frame) = 0;
    virtual void on_down() {}                              // also after on_left()
    virtual void on_left() {}                              // the broker has answered our CLOSE
    virtual void on_tick() {}
    virtual bool error_is_fair(const frames::FatalError& error) const;

    // ---- for readers ----
    // Now and then stops reading or hangs up; true: it does so now.
    bool makes_trouble(const ConsumerPlan& own);
    // Whether a request about a partition that was sent when `known` was known may fail so, whatever its offset.
    bool failure_is_fair(History& history, const Known& known, const frames::Answer& answer) const;

    // Appends a frame: code(Writer&). It leaves with flush().
    template <class F>
    void emit(std::size_t room, F&& code) {
        const std::size_t before = staged_.size();
        staged_.resize(before + room);
        Writer out(MutableBytes(staged_).subspan(before));
        code(out);
        staged_.resize(before + out.size());
    }
    void flush();
    std::size_t backlog() const { return staged_.size() + (connection_ && connection_->sending() ? flying_.size() : 0); }
    // polite: CLOSE, then wait for the broker's.
    void hang_up(bool polite);
    void reconnect_at_once() { retry_at_ = 0; }
    void stop_reading(std::int64_t ns);
    void broken(const std::string& what);  // the broker broke the protocol
    std::uint64_t next_correlation() { return correlation_++ & 0xffffffffU; }

    NodeEnv& env_;
    World& world_;
    Random random_;
    ClientOptions options_;
    Phase phase_ = Phase::down;
    frames::RunningCrc up_;
    frames::Opened opened_;
    bool finishing_ = false;

private:
    void on_connected() override;
    MutableBytes receive_buffer() override;
    void on_received(std::size_t n) override;
    void on_sent() override;
    void on_closed(Error reason) override;
    void on_timer() override;
    void connect();
    void take(const frames::FrameView& frame);
    void take_open(const frames::FrameView& frame);

    env::Connection* connection_ = nullptr;
    bool connected_ = false;
    frames::FrameReader reader_{frames::Side::broker};
    std::vector<std::uint8_t> received_;
    std::size_t filled_ = 0;
    std::vector<std::uint8_t> staged_;
    std::vector<std::uint8_t> flying_;
    std::int64_t heard_at_ = 0;
    std::int64_t pinged_at_ = 0;
    std::int64_t retry_at_ = 0;
    std::int64_t reads_again_at_ = -1;
    std::uint64_t correlation_ = 0;
};

}  // namespace rivulet::sim
