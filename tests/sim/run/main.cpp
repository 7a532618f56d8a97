// sim_run: the simulation by seeds. --seeds N: 1 to N; --seeds A-B; --trace: every event; --verbose: plan, log lines, each seed's hash; --jobs N: processes.
// Its last line is "N passed, M failed"; each seed that failed prints the one command that replays it.
#include <charconv>
#include <cstdio>
#include <cstring>

#include "sim/abort_report.h"
#include "sim/run/workers.h"

namespace {

using namespace rivulet::sim;

constexpr const char* usage = "usage: sim_run [--seeds N | --seeds A-B] [--trace] [--verbose] [--jobs N]\n";

bool number(std::string_view text, std::uint64_t& out) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
    return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

bool range(std::string_view text, std::uint64_t& first, std::uint64_t& last) {
    const std::size_t dash = text.find('-');
    first = 1;
    if (dash == std::string_view::npos) return number(text, last);
    return number(text.substr(0, dash), first) && number(text.substr(dash + 1), last) && first <= last;
}

void print_totals(const Totals& totals) {
    const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    const HostCounts& host = totals.host;
    std::printf("%.1f virtual hours, %llu events; %llu readings, %llu acknowledged, %llu records read, %llu topics altered, %llu searches by time\n", static_cast<double>(totals.virtual_ns) / 3.6e12, n(totals.events),
                n(totals.readings), n(totals.acknowledged), n(totals.records_read), n(totals.alterations), n(totals.searches));
    std::printf("%llu starts (%llu failed as planned), %llu clean stops, %llu power cuts, %llu times offline; %llu commits, %llu segments filled, %llu reads from flash, %llu connections refused at the limit (%llu for not opening), at most %llu bytes "
                "of work in a turn; %llu seeds ran twice\n",
                n(host.starts), n(host.failed_starts), n(host.clean_stops), n(host.power_cuts), n(host.times_offline), n(host.commits), n(host.segments), n(host.windows),
                n(host.refused), n(host.silent), n(host.turn_work_max), n(totals.replays));
    std::printf("Kafka clients: %llu records acknowledged, %llu batches that had come before, %llu generations of groups, %llu commits acknowledged, %llu refused as they must be; __consumer_offsets written anew %llu times\n",
                n(totals.kafka_records), n(host.repeats), n(totals.generations), n(totals.commits), n(totals.fenced), n(host.rewrites));
    std::printf("topics that outlive the ring: cleaned or moved %llu times, %llu of them on from where a start or a failure had left them, %llu records dropped by their keys, %llu bytes of pinned ones beyond the share, %llu records refused there; %llu compressed batches acknowledged\n",
                n(host.cleanings), n(host.cleanings_resumed), n(host.records_cleaned), n(host.bytes_dropped), n(totals.refused), n(totals.compressed));
    std::printf("faults:");
    for (std::size_t k = 0; k < fault_kind_count; ++k) {
        const std::string_view name = name_of(static_cast<FaultKind>(k));
        std::printf("%s %.*s %llu", k == 0 ? "" : ",", static_cast<int>(name.size()), name.data(), n(totals.faults[k]));
    }
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    RunOptions options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        std::uint64_t jobs = 0;
        if (argument == "--seeds" && i + 1 < argc && range(argv[i + 1], options.first, options.last)) ++i;
        else if (argument == "--trace") options.seed.print_trace = true;
        else if (argument == "--verbose") options.verbose = options.seed.print_log = options.seed.print_plan = true;
        else if (argument == "--jobs" && i + 1 < argc && number(argv[i + 1], jobs) && jobs >= 1 && jobs <= 64) options.jobs = static_cast<std::size_t>(jobs), ++i;
        else {
            std::fputs(usage, stderr);
            return 2;
        }
    }
    set_replay_command("make sim SEEDS=%llu-%llu");
    const RunResult result = run_seeds(options);
    print_totals(result.totals);
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(result.passed), static_cast<unsigned long long>(result.failed));
    return result.failed == 0 ? 0 : 1;
}
