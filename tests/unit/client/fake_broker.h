// A broker to test clients against: speaks the compact protocol over a simulated node's network, keeps readings by session as a real one
// does, and misbehaves as told.
// Owns:     BrokerState: what survives its process. FakeBroker: one process's listener and connections.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "record/pack.h"
#include "sim/node_env.h"
#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/put_state.h"

namespace rivulet::test {

namespace wc = wire::compact;

constexpr std::uint16_t broker_port = 9192;

struct BrokerState {
    // ---- how it behaves ----
    bool answers = true;                // OPEN
    Error open_error = Error::none;     // ERROR in place of the answer to OPEN
    Error alias_error = Error::none;
    bool forgets = false;               // sessions
    std::uint64_t credit = 8 << 10;     // in all
    std::uint64_t frame_bytes_max = 4096;
    std::uint64_t reading_bytes_max = 3000;
    std::uint64_t requests_max = 4;
    std::int64_t ack_delay_ns = 5'000'000;
    std::string refused = "refuse me";  // readings of this value are refused
    bool answers_close = true;
    std::string garbage;                // sent in place of the first ACK
    std::uint64_t idle_ms_max = 0;

    // ---- what it has ----
    struct Session {
        std::uint32_t incarnation = 0;
        std::uint64_t last = 0;
    };
    std::map<std::uint64_t, Session> sessions;
    std::vector<std::string> stored;          // "key=value" in order of arrival, each once
    std::set<std::uint64_t> refused_numbers;
    std::map<std::uint64_t, std::vector<std::uint8_t>> logs;  // by partition: batches
    std::map<std::uint64_t, Offset> log_starts;
    std::map<std::uint64_t, Offset> log_ends;
    int opens = 0;
    int pings = 0;
    int fetches = 0;
    std::vector<std::uint64_t> base_sequences;
    Offset log_start(std::uint64_t partition) const {
        const auto found = log_starts.find(partition);
        return found == log_starts.end() ? Offset(0) : found->second;
    }

    void append(std::uint64_t partition, const std::vector<std::string>& values) {
        record::Pack pack;
        std::vector<std::uint8_t> batch(64 << 10);
        Writer body(MutableBytes(batch).subspan(record::batch_header_bytes));
        for (const std::string& value : values) {
            record::Reading reading;
            reading.timestamp = Timestamp(1000);
            reading.value = as_bytes(value);
            pack.add(reading, body);
        }
        record::encode_header(pack.close(log_ends[partition]), batch);
        batch.resize(pack.bytes());
        logs[partition].insert(logs[partition].end(), batch.begin(), batch.end());
        log_ends[partition] += static_cast<std::int64_t>(values.size());
    }
};

class FakeBroker final : public sim::Program, env::Acceptor {
public:
    FakeBroker(sim::NodeEnv& env, BrokerState& state) : env_(env), state_(state) {
        listener_ = *env.network().listen(env.node().address(broker_port), {}, *this);
    }

    // Ends all connections by CLOSE.
    void close_all(Error reason) {
        for (const auto& peer : peers_) peer->say_close(reason);
    }
    void stop_listening() { listener_->close(); }

private:
    class Peer final : public env::ConnectionHandler {
    public:
        Peer(FakeBroker& broker, env::Connection& connection) : broker_(broker), state_(broker.state_), connection_(&connection), in_(8192) {
            frames_.set_frame_bytes_max(wc::frame_bytes_before_open);
        }
        MutableBytes receive_buffer() override { return MutableBytes(in_).subspan(size_); }
        void on_received(std::size_t n) override {
            size_ += n;
            std::size_t used = 0;
            while (connection_ && !closing_) {
                const auto step = frames_.next(Bytes(in_).subspan(used, size_ - used));
                if (step.outcome == wc::FrameReader::Outcome::failed) return broker_.fail("broken frame", step.failure);
                if (step.outcome == wc::FrameReader::Outcome::need_more) break;
                take(step.frame);
                used += step.bytes;
            }
            in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(used));
            in_.resize(8192);
            size_ -= used;
        }
        void on_sent() override { push(); }
        void on_closed(Error) override { connection_ = nullptr; }

        void say_close(Error reason) {
            if (!connection_ || closing_) return;
            wc::encode_close(out(), {reason});
            end();
        }

    private:
        void take(const wc::FrameView& frame) {
            switch (frame.kind) {
            case wc::Kind::open: return take_open(*wc::decode_open(frame.body));
            case wc::Kind::alias: return take_alias(*wc::decode_alias(frame.body, frame.flags));
            case wc::Kind::put:
            case wc::Kind::put_packed: return take_puts(frame);
            case wc::Kind::ping:
                ++state_.pings;
                wc::encode_pong(out(), *wc::decode_ping(frame.body));
                return push();
            case wc::Kind::close:
                if (!state_.answers_close) return;
                acknowledge();
                wc::encode_close(out(), {});
                return end();
            case wc::Kind::fetch: return take_fetch(frame.correlation, *wc::decode_fetch(frame.body, frame.flags));
            default: return broker_.fail("unexpected frame", rivulet::fail(Error::unsupported));
            }
        }
        void take_open(const wc::Open& open) {
            ++state_.opens;
            state_.base_sequences.push_back(open.base_sequence);
            if (!state_.answers) return;
            if (state_.open_error != Error::none) {
                wc::encode_error(out(), rivulet::fail(state_.open_error), "said the test");
                return end();
            }
            frames_.set_frame_bytes_max(static_cast<std::size_t>(state_.frame_bytes_max));
            puts_ = wc::PutState(open);
            session_ = open.session;
            if (state_.forgets) state_.sessions.clear();
            BrokerState::Session& session = state_.sessions[session_];
            wc::Opened opened;
            opened.session_state = session.incarnation == open.incarnation ? wc::SessionState::resumed
                                   : open.base_sequence == 1             ? wc::SessionState::fresh
                                                                         : wc::SessionState::forgotten;
            if (opened.session_state != wc::SessionState::resumed) session = {open.incarnation, open.base_sequence - 1};
            opened.last_sequence = session.last;
            opened.features = wc::feature::integrity;
            opened.credit = state_.credit - wc::credit_initial;
            opened.frame_bytes_max = state_.frame_bytes_max;
            opened.aliases_max = 4;
            opened.requests_max = state_.requests_max;
            opened.idle_ms_max = state_.idle_ms_max;
            opened.software = "fake";
            puts_.grant(opened.credit);
            wc::encode_opened(out(), sum_, opened);
            push();
        }
        void take_alias(const wc::Alias& alias) {
            wc::Aliased aliased;
            aliased.id = alias.id;
            aliased.error = state_.alias_error;
            aliased.reading_bytes_max = state_.reading_bytes_max;
            wc::encode_aliased(out(), sum_, aliased);
            push();
        }
        void take_puts(const wc::FrameView& frame) {
            const auto puts = wc::decode_puts(frame, puts_);
            if (!puts) return broker_.fail("broken put", puts.failure());
            BrokerState::Session& session = state_.sessions[session_];
            std::uint64_t number = puts->sequence_first;
            for (const wc::Reading& reading : puts->readings) {
                const bool refuse = as_text(reading.value) == state_.refused;
                if (refuse) {
                    state_.refused_numbers.insert(number);
                    refusals_.push_back(number);
                } else if (number > session.last) {
                    state_.stored.push_back(std::string(as_text(reading.key)) + "=" + std::string(as_text(reading.value)));
                }
                if (number > session.last) session.last = number;
                ++number;
            }
            spent_ += frame.raw.size();
            if (ack_due_) return;
            ack_due_ = true;
            broker_.env_.post_turn(state_.ack_delay_ns, sim::EventKind::harness, [this] {
                ack_due_ = false;
                acknowledge();
            });
        }
        void acknowledge() {
            if (!connection_ || closing_) return;
            if (!state_.garbage.empty()) {
                pending_.insert(pending_.end(), state_.garbage.begin(), state_.garbage.end());
                state_.garbage.clear();
                return push();
            }
            for (const std::uint64_t number : refusals_) {
                wc::Ack ack;
                ack.sequence = puts_.acked();
                ack.refusal = {number, 1, Error::batch_too_large};
                wc::encode_ack(out(), sum_, puts_, ack);
            }
            refusals_.clear();
            wc::Ack ack;
            ack.sequence = puts_.sequence_next() - 1;
            ack.credit = spent_;
            spent_ = 0;
            if (ack.sequence != puts_.acked() || ack.credit != 0) wc::encode_ack(out(), sum_, puts_, ack);
            push();
        }
        void take_fetch(std::uint64_t correlation, const wc::Fetch& fetch) {
            ++state_.fetches;
            const Offset start = state_.log_start(fetch.partition);
            const Offset end = state_.log_ends[fetch.partition];
            wc::Fetched fetched;
            fetched.offset = fetch.offset == Offset(wc::fetch_earliest) ? start : fetch.offset == Offset(wc::fetch_latest) ? end : fetch.offset;
            if (fetched.offset < start || fetched.offset > end) {
                wc::encode_failure(out(), wc::Kind::fetch, correlation, rivulet::fail(Error::offset_out_of_range, (fetched.offset < start ? start : end).value), "");
                return push();
            }
            const std::vector<std::uint8_t> batches = from(fetch.partition, fetched.offset, fetch.bytes_max);
            if (batches.empty() && fetch.wait_ms_max != 0) {
                // Parked, and looked at again at the end of its time.
                std::string topic(fetch.topic);
                broker_.env_.post_turn(static_cast<std::int64_t>(fetch.wait_ms_max) * ns_per_ms, sim::EventKind::harness, [this, correlation, fetch, topic] {
                    if (!connection_ || closing_) return;
                    wc::Fetch again = fetch;
                    again.topic = topic;
                    again.wait_ms_max = 0;
                    take_fetch(correlation, again);
                });
                return;
            }
            fetched.log_start = start;
            fetched.high_watermark = fetched.durable_end = fetched.log_end = end;
            wc::encode_fetched_head(out(), correlation, fetched, batches.size());
            out_.bytes(batches);
            push();
        }
        std::vector<std::uint8_t> from(std::uint64_t partition, Offset offset, std::uint64_t bytes_max) {
            const std::vector<std::uint8_t>& log = state_.logs[partition];
            std::vector<std::uint8_t> batches;
            for (std::size_t at = 0; at < log.size();) {
                const record::BatchHeader header = record::decode_header(Bytes(log).subspan(at, record::batch_header_bytes));
                const std::size_t n = header.total_bytes();
                if (header.last_offset() >= offset && (batches.empty() || batches.size() + n <= bytes_max))
                    batches.insert(batches.end(), log.begin() + static_cast<std::ptrdiff_t>(at), log.begin() + static_cast<std::ptrdiff_t>(at + n));
                at += n;
            }
            return batches;
        }

        // Frames are written into a scratch buffer, which push() takes over.
        Writer& out() {
            if (scratch_.empty()) scratch_.resize(256 << 10);
            return out_ = out_.buffer().empty() ? Writer(scratch_) : out_;
        }
        void push() {
            if (!out_.buffer().empty()) {
                RIVULET_CHECK(out_.ok());
                pending_.insert(pending_.end(), out_.written().begin(), out_.written().end());
                out_ = Writer({});
            }
            if (!connection_ || connection_->sending() || pending_.empty()) return;
            lent_ = std::move(pending_);
            pending_.clear();
            const Bytes bytes(lent_);
            connection_->send({&bytes, 1});
        }
        void end() {
            push();
            closing_ = true;
            if (connection_) connection_->close();
        }

        FakeBroker& broker_;
        BrokerState& state_;
        env::Connection* connection_;
        std::vector<std::uint8_t> in_, scratch_, pending_, lent_;
        Writer out_{MutableBytes{}};
        std::size_t size_ = 0;
        wc::FrameReader frames_{wc::Side::client};
        wc::RunningCrc sum_;
        wc::PutState puts_;
        std::vector<std::uint64_t> refusals_;
        std::uint64_t session_ = 0;
        std::uint64_t spent_ = 0;
        bool ack_due_ = false;
        bool closing_ = false;
    };

    env::ConnectionHandler* on_accept(env::Connection& connection) override {
        peers_.push_back(std::make_unique<Peer>(*this, connection));
        return peers_.back().get();
    }
    void fail(const char* what, Failure failure) { env_.violation(std::string(what) + ": " + error_info(failure.error).name); }

    sim::NodeEnv& env_;
    BrokerState& state_;
    env::Listener* listener_ = nullptr;
    std::vector<std::unique_ptr<Peer>> peers_;
};

// A client's machine and a broker's, "board".
struct BrokerWorld {
    explicit BrokerWorld(std::uint64_t seed = 1, sim::NetworkOptions network = {})
        : world({.seed = seed, .network = network}), here(world.add_node("client")), board(world.add_node("board")) {
        board.program = [this](sim::NodeEnv& env) { return std::make_unique<FakeBroker>(env, state); };
        here.boot();
    }
    env::Env& env() { return *here.env(); }
    FakeBroker& broker() { return static_cast<FakeBroker&>(*board.running_program()); }
    bool run(const std::function<bool()>& condition, std::int64_t seconds = 60) { return world.run_until(condition, world.now() + seconds * ns_per_s); }

    BrokerState state;
    sim::World world;
    sim::Node& here;
    sim::Node& board;
};

}  // namespace rivulet::test
