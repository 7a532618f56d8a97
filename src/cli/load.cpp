#include "cli/load.h"

#include <cstdio>

namespace rivulet::cli {

namespace {

constexpr std::int64_t tick_ns = 10 * ns_per_ms;

std::string rounded(const char* format, double value) {
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

std::string latency_text(std::uint64_t us) {
    return us < 1000 ? std::to_string(us) + " us" : rounded(us < 100'000 ? "%.2f ms" : "%.0f ms", static_cast<double>(us) / 1000);
}

}  // namespace

std::uint64_t Histogram::percentile(double part) const {
    auto left = static_cast<std::uint64_t>(part * static_cast<double>(total_));
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        if (counts_[i] > left) return upper(i) < most_ ? upper(i) : most_;
        left -= counts_[i];
    }
    return most_;
}

std::uint64_t Histogram::upper(std::size_t bucket) {
    const std::size_t fine = std::size_t{1} << fine_bits;
    if (bucket < fine) return bucket;
    const auto shift = static_cast<unsigned>(bucket / fine - 1);
    return ((fine + bucket % fine + 1) << shift) - 1;
}

LoadOptions load_options_of(Arguments& arguments) {
    LoadOptions options;
    const std::string_view protocol = arguments.text("protocol", "compact");
    options.kafka = protocol == "kafka";
    if (!options.kafka && protocol != "compact") arguments.refuse("--protocol is compact or kafka");
    options.bootstrap = bootstrap_of(arguments, options.kafka);
    options.topic = arguments.operands()[0];
    options.connections = static_cast<std::size_t>(arguments.number("connections", 1, 1, static_cast<std::int64_t>(load_connections_max)));
    options.records = static_cast<std::uint64_t>(arguments.number("records", 0, 1, INT64_MAX));
    options.duration_ms = arguments.duration_ms("duration", options.records == 0 ? load_duration_ms : 0, 1);
    return options;
}

int LoadRun::drive() {
    const Interrupts interrupts(context_);
    started_ = shown_ = counted_at_ = context_.env.now();
    begin();
    context_.env.arm(*this, started_ + tick_ns);
    while ((connections_open_ != 0 || !over_) && context_.loop.run_once()) {
        if (interrupts.count() != 0) finish();
        if (interrupts.count() > 1) break;
    }
    return code_;
}

void LoadRun::finish() {
    if (over_) return;
    over_ = true;
    ended_at_ = context_.env.now();
    on_over();
}

void LoadRun::failed(int code, std::string_view text) {
    if (code_ == exit_done) {
        code_ = code;
        output_.error(text);
    }
    finish();
}

void LoadRun::ended(const client::Ending& ending) {
    --connections_open_;
    if (!over_) failed(exit_could_not, options_.kafka ? explain(ending, kafka_listener_name) : explain(ending));
}

void LoadRun::on_timer() {
    const Instant now = context_.env.now();
    if (!over_) {
        if (options_.duration_ms != 0 && now - started_ >= options_.duration_ms * ns_per_ms) finish();
        else on_tick(now - started_);
        if (now - shown_ >= ns_per_s) show(now);
    }
    context_.env.arm(*this, now + tick_ns);
}

void LoadRun::show(Instant now) {
    const double seconds = static_cast<double>(now - shown_) / 1e9;
    std::string line = rounded("%.0f s  ", static_cast<double>(now - started_) / 1e9) + rounded("%.0f records/s", static_cast<double>(records_ - records_shown_) / seconds);
    if (recent_.count() != 0) line += "  p50 " + latency_text(recent_.percentile(0.5)) + "  p99 " + latency_text(recent_.percentile(0.99));
    output_.progress(line);
    records_shown_ = records_;
    shown_ = now;
    recent_ = {};
}

void LoadRun::tell(bool json, const Histogram& latency) {
    const double seconds = static_cast<double>(ended_at_ - started_) / 1e9;
    const double rate = seconds > 0 ? static_cast<double>(records_) / seconds : 0;
    const double mib = seconds > 0 ? static_cast<double>(bytes_) / seconds / (1 << 20) : 0;
    if (json) {
        Json out;
        out.object().pair("records", records_).pair("bytes", bytes_).pair("ms", static_cast<std::int64_t>(seconds * 1000)).pair("records_per_s", static_cast<std::uint64_t>(rate));
        out.pair("bytes_per_s", static_cast<std::uint64_t>(mib * (1 << 20)));
        if (latency.count() != 0) {
            out.key("latency_us").object().pair("p50", latency.percentile(0.5)).pair("p99", latency.percentile(0.99)).pair("p999", latency.percentile(0.999));
            out.pair("max", latency.most()).end();
        }
        output_ << out.end().text() << "\n";
        return;
    }
    output_ << verb_ << " " << records_ << " records in " << rounded("%.2f s: ", seconds) << rounded("%.0f records/s, ", rate) << rounded("%.2f MiB/s\n", mib);
    if (latency.count() == 0) return;
    output_ << "ack latency p50 " << latency_text(latency.percentile(0.5)) << ", p99 " << latency_text(latency.percentile(0.99)) << ", p99.9 "
            << latency_text(latency.percentile(0.999)) << ", max " << latency_text(latency.most()) << "\n";
}

}  // namespace rivulet::cli
