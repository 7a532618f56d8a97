// The board with the broker: starts it, ends it in every way there is, starts it again. What must not happen on the way ends the run.
// Owns:     its node, what is planned for it. Thread: none of a node's: called from events of the harness.
#pragma once

#include "sim/run/broker_program.h"
#include "sim/run/history.h"

namespace rivulet::sim {

struct HostCounts {
    std::uint64_t power_cuts = 0;
    std::uint64_t starts = 0;
    std::uint64_t failed_starts = 0;  // by planned faults
    std::uint64_t clean_stops = 0;
    std::uint64_t times_offline = 0;
    std::uint64_t commits = 0;
    std::uint64_t segments = 0;       // filled
    std::uint64_t windows = 0;        // read from flash for consumers that lag
    std::uint64_t repeats = 0;        // batches of idempotent producers that had come before
    std::uint64_t rewrites = 0;       // of partitions of __consumer_offsets
    std::uint64_t cleanings = 0;      // passes over partitions of compacted topics
    std::uint64_t cleanings_resumed = 0;  // of these, on from where a start or a failure had left them
    std::uint64_t records_cleaned = 0;  // dropped by them
    std::uint64_t bytes_dropped = 0;    // of pinned topics, beyond their share
    std::uint64_t refused = 0;        // connections past the limit
    std::uint64_t silent = 0;         // of them: for not opening
    std::uint64_t turn_work_max = 0;  // bytes of work in one turn of the loop
    void add(const HostCounts& other);
};

class BrokerHost {
public:
    BrokerHost(World& world, const Plan& plan, const BrokerSetup& setup, History& history);
    ~BrokerHost();
    BrokerHost(const BrokerHost&) = delete;
    BrokerHost& operator=(const BrokerHost&) = delete;

    void begin();
    // Each of them does nothing if the broker is not in a state for it; true if it was done. The broker comes back by itself.
    bool power_cut(bool again_in_recovery);
    bool kill();
    bool restart();
    bool sync_error();
    bool write_error(Error error);
    bool pause(std::int64_t ns);
    bool reload();
    // At random: mostly of what is proved, which is then reported. What hits the last commit is of class C.
    bool damage();
    bool tail_damage();
    // The power goes once that happens.
    bool cut_at(FaultKind kind);
    bool lying_flush();
    void jump_clock();
    // No more trouble from here on; what was planned and has not happened yet still may.
    void heal();

    bool up() const { return node_.running() && !stopping_ && !offline_; }
    bool full();
    // Whether a cleaning pass has gone on from where a start or a failure had left it.
    bool passes_resumed();
    // What outlives the ring has its share of it: topics that refuse what is more do.
    bool refusing();
    Node& node() { return node_; }
    const HostCounts& counts() const { return counts_; }
    std::string state();

private:
    void boot();
    void boot_later();
    void power_off(const CrashPlan* plan);
    void power_off_after(std::int64_t ns);
    void on_moment(Moment moment);
    void cut_soon();
    void watch_journal(FaultKind kind, std::int64_t until);
    void watch_stop(std::uint64_t number, std::int64_t deadline);
    void go_on_after_offline();
    void on_end();
    void on_log(env::LogLevel level, std::string_view line);
    BrokerProgram* program() { return static_cast<BrokerProgram*>(node_.running_program()); }
    std::vector<std::uint64_t> unproved_pages();
    void noise(std::string_view path, std::uint64_t position, std::size_t bytes);

    World& world_;
    const Plan& plan_;
    const BrokerSetup& setup_;
    History& history_;
    Random random_;
    Node& node_;
    HostCounts counts_;
    std::uint64_t boot_number_ = 0;  // pending wishes of an earlier process are void
    bool booting_ = false;
    bool boot_planned_ = false;
    bool stopping_ = false;
    bool offline_ = false;
    bool errors_planned_ = false;    // the disk may refuse: a start may fail
    int failures_in_a_row_ = 0;      // starts
    bool cut_in_recovery_ = false;
    bool power_failing_ = false;     // power goes during this start or soon after
    FaultKind awaited_ = FaultKind::power_cut;  // a cut that waits for its moment; power_cut: none
    std::uint64_t last_write_ = 0;   // of the journal
    std::uint64_t last_write_bytes_ = 0;
};

}  // namespace rivulet::sim
