// The simulated world: virtual time, one queue of events, nodes and the network between them, all from one seed.
// Owns:     nodes, the network, environments of processes that are gone (calls into them are harmless or a failure of the run).
// Guarantee: the same seed and the same calls give the same trace_hash(). Nothing depends on addresses, hashing order or real time.
// Errors:   fail() keeps the first failure with its virtual time; step() then does nothing more.
// Thread:   one. Calls come from outside of the nodes' code or from at()/after(); Node::power_cut() within a node's turn aborts.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>

#include "sim/latency.h"
#include "sim/network.h"
#include "sim/node.h"

namespace rivulet::sim {

enum class EventKind : std::uint8_t {
    harness,  // at(), after()
    timer, job_run, job_done,
    accept, connected, received, sent, closed, resolved,  // callbacks into a node
    packet,                                               // within the network
    start, log, disk, boot, power_cut, kill, send, failure,  // not events of the queue, but parts of the trace
};
std::string_view name_of(EventKind kind);

struct WorldOptions {
    std::uint64_t seed = 1;
    std::uint64_t turn_work_max = 2U << 20;  // bytes charged by one callback of a serving node
    std::uint64_t callback_work = 256;       // what each callback costs by itself
    std::int64_t timer_late_ns_max = ns_per_ms;
    LatencyOptions latency{};
    NetworkOptions network{};
    bool print_trace = false;  // every event to stderr
    bool print_log = false;    // the nodes' log lines to stderr
};

class World {
public:
    explicit World(const WorldOptions& options);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // Names are host names too: Network::resolve answers for them.
    Node& add_node(std::string_view name, const NodeOptions& options = {});
    Node& node(std::string_view name);
    Node* node_at(std::size_t index) { return index < nodes_.size() ? nodes_[index].get() : nullptr; }
    Network& network() { return *network_; }
    const WorldOptions& options() const { return options_; }

    // Nanoseconds since the world began.
    std::int64_t now() const { return now_; }
    // Milliseconds since 1970 by a clock that is right: a start in 2025.
    Timestamp true_wall() const { return Timestamp(1'750'000'000'000 + now_ / ns_per_ms); }
    void at(std::int64_t time, std::function<void()> what);
    void after(std::int64_t ns, std::function<void()> what) { at(now_ + ns, std::move(what)); }

    // One event; false if there is none or the run has failed.
    bool step();
    // All events up to `time`, which it then is. False if the run has failed.
    bool run_until(std::int64_t time);
    bool run_for(std::int64_t ns) { return run_until(now_ + ns); }
    // Until the condition holds (asked after every event): true; `deadline` passes, or the run fails: false.
    bool run_until(const std::function<bool()>& condition, std::int64_t deadline);

    void fail(std::string_view text);
    bool failed() const { return !failure_.empty(); }
    const std::string& failure() const { return failure_; }  // "1.234567890 a: ..."
    // The last log lines of all nodes, oldest first, with time and node.
    const std::deque<std::string>& recent_log() const { return recent_log_; }
    std::function<void(Node&, env::LogLevel, std::string_view)> on_log;

    std::uint64_t trace_hash() const { return trace_.value(); }
    std::uint64_t events() const { return events_; }
    Random random(std::string_view name, std::uint64_t number = 0) const { return random_.split(name, number); }

    // ---- for Node, NodeEnv and Network ----
    // `process`: the node that runs it, which may be paused; nullptr for what happens in the network or the harness.
    void post(std::int64_t time, EventKind kind, Node* process, std::function<void()> what);
    void trace(EventKind kind, const Node* node, Bytes content = {});
    void trace(EventKind kind, const Node* node, std::string_view content) { trace(kind, node, as_bytes(content)); }
    void keep_log(const Node& node, env::LogLevel level, std::string_view line);
    void bury(std::unique_ptr<NodeEnv> env);
    Latency& latency() { return latency_; }

private:
    struct Event {
        std::int64_t time;
        std::uint64_t sequence;
        EventKind kind;
        Node* process;
        std::function<void()> what;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const { return a.time != b.time ? a.time > b.time : a.sequence > b.sequence; }
    };
    bool settle();
    std::string stamp(const Node* node) const;

    WorldOptions options_;
    Random random_;
    Latency latency_;
    TraceHash trace_;
    std::int64_t now_ = 0;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t events_ = 0;
    std::priority_queue<Event, std::vector<Event>, Later> queue_;
    std::unique_ptr<Network> network_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::unique_ptr<NodeEnv>> graveyard_;
    std::deque<std::string> recent_log_;
    std::string failure_;
    const Node* running_ = nullptr;
};

}  // namespace rivulet::sim
