// print-config: every key, its value and where it came from; or the commented sample.
#include <memory>

#include "cli/commands.h"
#include "cli/json.h"
#include "config/config.h"

namespace rivulet::cli {

namespace {

constexpr std::size_t file_bytes_max = 1U << 20;

class Lines final : public config::LineSink {
public:
    explicit Lines(Output& output) : output_(output) {}
    void on_line(std::string_view line) override { output_ << line << '\n'; }

private:
    Output& output_;
};

class Entries final : public config::EntrySink {
public:
    Entries() { json.array(); }
    void on_entry(const config::Entry& entry) override {
        json.object().pair("section", entry.section).pair("key", entry.key).pair("value", entry.value).pair("origin", entry.origin);
        json.pair("reloadable", entry.reloadable).end();
    }
    Json json;
};

class PrintedProblems final : public config::ProblemSink {
public:
    explicit PrintedProblems(Output& output) : output_(output) {}
    void on_problem(std::string_view text) override { output_.error(text); }

private:
    Output& output_;
};

Status read_file(env::Disk& disk, std::string_view path, std::vector<std::uint8_t>& bytes) {
    bytes.resize(file_bytes_max);
    RIVULET_TRY_ASSIGN(const std::size_t n, disk.read_file(path, bytes));
    bytes.resize(n);
    return {};
}

}  // namespace

int print_config(Arguments& arguments, CliContext& context, Output& output) {
    if (arguments.has("sample")) {
        Lines lines(output);
        config::print_sample(lines);
        return exit_done;
    }
    const std::string_view file_name = arguments.text("config");
    std::vector<std::uint8_t> text;
    if (!file_name.empty()) {
        const Status read = read_file(context.env.disk(), file_name, text);
        if (!read) {
            output.error(std::string(file_name) + ": " + explain(read.failure()));
            return exit_usage;
        }
        if (text.size() == file_bytes_max) {
            output.error(std::string(file_name) + ": too long for a configuration");
            return exit_usage;
        }
    }
    const std::vector<std::string_view> sets = arguments.all("set");
    const auto config = std::make_unique<config::Config>();
    PrintedProblems problems(output);
    if (!config::parse(config::Source{text, file_name, sets}, *config, problems)) return exit_usage;
    if (arguments.json()) {
        Entries entries;
        config::list_entries(*config, entries);
        output << entries.json.end().text() << '\n';
    } else {
        Lines lines(output);
        config::print_config(*config, lines);
    }
    return exit_done;
}

}  // namespace rivulet::cli
