#include "sim/run/broker_program.h"

namespace rivulet::sim {

namespace {

class Collected final : public config::ProblemSink {
public:
    explicit Collected(std::string& out) : out_(out) {}
    void on_problem(std::string_view text) override {
        if (!out_.empty()) out_ += "; ";
        out_ += text;
    }

private:
    std::string& out_;
};

Status parse_sets(const std::vector<std::string>& sets, config::Config& out, config::ProblemSink& problems) {
    const std::vector<std::string_view> views(sets.begin(), sets.end());
    return config::parse(config::Source{{}, {}, views}, out, problems);
}

}  // namespace

// As little memory as these limits need, what they leave of the least total spent on what is reserved for TLS; then what the plan adds for the ring.
BrokerSetup::BrokerSetup(const Plan& plan) {
    constexpr std::uint64_t least = 2 << 20;
    constexpr std::uint64_t most = 16 << 20;
    constexpr std::uint64_t step = 16 << 10;
    std::uint64_t memory = least;
    std::uint32_t reserved = plan.connections;
    while (!make(plan, memory, reserved) && memory < most) {
        if (reserved != 0) --reserved;
        else memory += step;
    }
    (void)make(plan, memory + plan.ring_bytes, reserved);
    // All that is in memory may become one commit: half of the journal takes it, so that a checkpoint can be written beside it.
    const store::StoreOptions& store = budget_.broker.store;
    while (problem_.empty() && std::uint64_t{store.blocks} * store::block_bytes > (store.segment_count() / 2 - 2) * store.segment_bytes / 2) {
        journal_bytes_ = store.size + 4 * store.segment_bytes;
        (void)make(plan, memory + plan.ring_bytes, reserved);
    }
}

bool BrokerSetup::make(const Plan& plan, std::uint64_t memory_bytes, std::uint32_t reserved) {
    sets_ = plan.sets;
    sets_.push_back("memory.total=" + std::to_string(memory_bytes));
    sets_.push_back("limits.tls_connections=" + std::to_string(reserved));
    sets_.push_back("limits.tls_handshakes=1");
    if (journal_bytes_ != 0) sets_.push_back("storage.size=" + std::to_string(journal_bytes_));
    problem_.clear();
    Collected problems(problem_);
    return parse_sets(sets_, config_, problems) && server::make_budget(config_, {}, "simulated", budget_, problems);
}

Status BrokerSetup::changed(std::uint64_t retention_check_ms, config::Config& out) const {
    std::vector<std::string> sets = sets_;
    sets.push_back("retention.check_interval=" + std::to_string(retention_check_ms) + "ms");
    std::string text;
    Collected problems(text);
    return parse_sets(sets, out, problems);
}

BrokerProgram::BrokerProgram(NodeEnv& env, const BrokerSetup& setup, bool noise_in_memory) : env_(env), setup_(setup) {
    const auto bytes = static_cast<std::size_t>(setup.budget().arena_bytes);
    memory_ = std::make_unique<std::uint8_t[]>(bytes);  // zeros
    if (noise_in_memory) env.world().random("memory", static_cast<std::uint64_t>(env.world().now())).fill({memory_.get(), bytes});
    Arena arena({memory_.get(), bytes});
    server_ = &arena.make<server::Server>(env, arena, setup.config(), setup.budget(), static_cast<server::ServerListener&>(*this));
    arena.seal();
    const Status status = start();
    if (status) return;
    start_failure_ = status.failure();
    env.stop();
}

Status BrokerProgram::start() {
    RIVULET_TRY(server_->listen());
    RIVULET_TRY(server_->open());
    env_.serving();
    server_->serve();
    return {};
}

std::string BrokerProgram::state() {
    server::compact::Hub& hub = server_->hub();
    const auto pool = [](const char* name, std::size_t lent, std::size_t of) { return std::string(", ") + name + " " + std::to_string(lent) + "/" + std::to_string(of); };
    std::string out = ", " + std::to_string(hub.sessions_open()) + " connections";
    out += pool("receive buffers", hub.receive_pool().small_buffers().lent(), hub.receive_pool().small_buffers().count());
    out += pool("large", hub.receive_pool().large_buffers().lent(), hub.receive_pool().large_buffers().count());
    out += pool("output buffers", hub.output_pool().lent(), hub.output_pool().count());
    out += pool("fetches", hub.fetches().taken(), hub.fetches().count());
    out += pool("blocks free", server_->broker().store().state().blocks.free(), server_->broker().store().state().blocks.count());
    out += hub.receive_pool().starving() ? ", buffers wanted" : "";
    return out;
}

void BrokerProgram::stop() {
    env_.post_turn(0, EventKind::harness, [this] { env_.call([this] { server_->stop(); }); });
}

void BrokerProgram::reload(std::uint64_t retention_check_ms) {
    if (!setup_.changed(retention_check_ms, next_)) return env_.world().fail("the changed configuration is wrong");
    env_.post_turn(0, EventKind::harness, [this] {
        env_.call([this] {
            if (!server_->reload(next_)) env_.world().fail("a reload was refused");
        });
    });
}

void BrokerProgram::on_server_stopped(Status status) {
    stopped_ = true;
    if (!status) stop_failure_ = status.failure();
    env_.stop();
}

}  // namespace rivulet::sim
