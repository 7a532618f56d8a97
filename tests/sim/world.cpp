#include "sim/world.h"

#include <algorithm>
#include <cstdio>

#include "sim/abort_report.h"
#include "sim/node_env.h"
#include "sim/socket.h"

namespace rivulet::sim {

namespace {
constexpr std::size_t log_lines_kept = 200;
}

std::string_view name_of(EventKind kind) {
    static constexpr std::string_view names[] = {"harness", "on_timer", "Job::run", "Job::done", "on_accept", "on_connected", "on_received",
                                                 "on_sent", "on_closed", "on_resolved", "packet", "start", "log", "disk", "boot",
                                                 "power_cut", "kill", "send", "failure"};
    return names[static_cast<std::size_t>(kind)];
}

World::World(const WorldOptions& options)
    : options_(options), random_(Random(options.seed).split("world")), latency_(options.latency, random_.split("latency")),
      network_(std::make_unique<Network>(*this, random_.split("network"))) {
    set_current_seed(options.seed);
    trace_.add(options.seed);
}

World::~World() { nodes_.clear(); }

void World::bury(std::unique_ptr<NodeEnv> env) { graveyard_.push_back(std::move(env)); }

Node& World::add_node(std::string_view name, const NodeOptions& options) {
    RIVULET_CHECK(nodes_.size() < 65535);
    nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), name, options));
    return *nodes_.back();
}

Node& World::node(std::string_view name) {
    for (const auto& n : nodes_) {
        if (n->name() == name) return *n;
    }
    RIVULET_CHECK(false);
}

void World::post(std::int64_t time, EventKind kind, Node* process, std::function<void()> what) {
    queue_.push({std::max(time, now_), next_sequence_++, kind, process, std::move(what)});
}

void World::at(std::int64_t time, std::function<void()> what) { post(time, EventKind::harness, nullptr, std::move(what)); }

// Puts off what belongs to paused nodes, so that the top is what happens next. False if there is nothing.
bool World::settle() {
    while (!queue_.empty()) {
        const Event& top = queue_.top();
        if (!top.process || top.process->paused_until() <= top.time) return true;
        Event event = std::move(const_cast<Event&>(top));  // popped at once: its place does not depend on what is moved
        queue_.pop();
        event.time = event.process->paused_until();
        queue_.push(std::move(event));
    }
    return false;
}

bool World::step() {
    if (failed() || !settle()) return false;
    Event event = std::move(const_cast<Event&>(queue_.top()));
    queue_.pop();
    now_ = event.time;
    ++events_;
    trace_.add(static_cast<std::uint64_t>(event.time));
    trace_.add(static_cast<std::uint64_t>(event.kind) << 32 | (event.process ? event.process->index() + 1 : 0));
    if (options_.print_trace) std::fprintf(stderr, "%s%s\n", stamp(event.process).c_str(), std::string(name_of(event.kind)).c_str());
    running_ = event.process;
    event.what();
    running_ = nullptr;
    return !failed();
}

bool World::run_until(std::int64_t time) {
    while (!failed() && settle() && queue_.top().time <= time) step();
    if (!failed()) now_ = std::max(now_, time);
    return !failed();
}

bool World::run_until(const std::function<bool()>& condition, std::int64_t deadline) {
    while (!failed()) {
        if (condition()) return true;
        if (!settle() || queue_.top().time > deadline) {
            now_ = std::max(now_, deadline);
            return false;
        }
        step();
    }
    return false;
}

std::string World::stamp(const Node* node) const {
    char time[48];
    std::snprintf(time, sizeof time, "%lld.%09lld ", static_cast<long long>(now_ / ns_per_s), static_cast<long long>(now_ % ns_per_s));
    return time + (node ? node->name() : std::string("world")) + ": ";
}

void World::fail(std::string_view text) {
    if (failed()) return;
    failure_ = stamp(running_) + std::string(text);
    trace(EventKind::failure, running_, text);
}

void World::trace(EventKind kind, const Node* node, Bytes content) {
    trace_.add(static_cast<std::uint64_t>(kind) << 32 | (node ? node->index() + 1 : 0));
    trace_.add(content);
}

void World::keep_log(const Node& node, env::LogLevel level, std::string_view line) {
    trace(EventKind::log, &node, line);
    recent_log_.push_back(stamp(&node) + "EWID"[static_cast<std::size_t>(level)] + ' ' + std::string(line));
    if (recent_log_.size() > log_lines_kept) recent_log_.pop_front();
    if (options_.print_log) std::fprintf(stderr, "%s\n", recent_log_.back().c_str());
}

}  // namespace rivulet::sim
