#include "server/check_config.h"

#include "server/arguments.h"

namespace rivulet::server {

namespace {

constexpr std::size_t name_columns = 18;
constexpr std::size_t number_columns = 13;

class Output final : public config::LineSink {
public:
    explicit Output(Host& host) : host_(host) {}
    void on_line(std::string_view line) override {
        if (!host_.write_output(line) || !host_.write_output("\n")) failed = true;
    }
    bool failed = false;

private:
    Host& host_;
};

void right(Text& out, std::uint64_t number, std::size_t columns) {
    char buffer[24];
    Text digits(buffer);
    digits << number;
    for (std::size_t n = digits.size(); n < columns; ++n) out << ' ';
    out << digits.view();
}

void left(Text& out, std::string_view text, std::size_t columns) {
    out << text;
    for (std::size_t n = text.size(); n < columns; ++n) out << ' ';
}

void blank(Text& out, std::size_t columns) {
    for (std::size_t n = 0; n < columns; ++n) out << ' ';
}

void print_line(const BudgetLine& line, config::LineSink& sink) {
    char buffer[240];
    Text text(buffer);
    left(text, line.name, name_columns);
    if (line.each != 0 && line.count != 1) {
        right(text, line.count, 8);
        text << " x";
        right(text, line.each, 9);
    } else {
        blank(text, 8 + 2 + 9);
    }
    right(text, line.bytes, number_columns);
    text << "  " << line.note;
    if (!line.keys.empty()) text << (line.note.empty() ? "(" : " (") << line.keys << ')';
    sink.on_line(text.view());
}

void print_total(std::string_view name, std::uint64_t bytes, std::string_view note, config::LineSink& sink) {
    char buffer[240];
    Text text(buffer);
    left(text, name, name_columns);
    blank(text, 8 + 2 + 9);
    right(text, bytes, number_columns);
    text << "  " << note;
    sink.on_line(text.view());
}

void quote_json(Text& out, std::string_view text) {
    if (text.empty()) return static_cast<void>(out << "null");
    out << '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') out << '\\' << c;
        else if (static_cast<unsigned char>(c) < 0x20) (out << "\\u").hex(static_cast<unsigned char>(c), 4);
        else out << c;
    }
    out << '"';
}

// The array of problems, each as it comes; end() closes it.
class JsonProblems final : public config::ProblemSink {
public:
    explicit JsonProblems(config::LineSink& sink) : sink_(sink) {}
    void on_problem(std::string_view text) override { on_problem_parts({{}, 0, {}, text}, text); }
    void on_problem_parts(const config::ProblemParts& parts, std::string_view) override {
        char buffer[4096];
        Text line(buffer);
        line << (any_ ? ", " : " \"problems\": [") << "{\"file\": ";
        quote_json(line, parts.file);
        line << ", \"line\": ";
        if (parts.line > 0) line << parts.line;
        else line << "null";
        quote_json(line << ", \"key\": ", parts.key);
        quote_json(line << ", \"message\": ", parts.message);
        any_ = true;
        sink_.on_line((line << '}').view());
    }
    void end(bool last) {
        if (!any_) sink_.on_line(last ? " \"problems\": []" : " \"problems\": [],");
        else sink_.on_line(last ? " ]" : " ],");
    }

private:
    config::LineSink& sink_;
    bool any_ = false;
};

void print_lines_json(std::string_view name, std::span<const BudgetLine> lines, config::LineSink& sink) {
    char buffer[320];
    Text text(buffer);
    sink.on_line((text << " \"" << name << "\": [").view());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const BudgetLine& line = lines[i];
        text.clear();
        text << "  {\"name\": \"" << line.name << "\", \"count\": " << line.count << ", \"each\": " << line.each << ", \"bytes\": " << line.bytes << ", \"keys\": \"" << line.keys << "\"}"
             << (i + 1 == lines.size() ? "" : ",");
        sink.on_line(text.view());
    }
    sink.on_line(" ],");
}

}  // namespace

void print_budget(const Budget& budget, config::LineSink& sink) {
    sink.on_line("Memory, in bytes");
    for (const BudgetLine& line : budget.memory_lines()) print_line(line, sink);
    print_total("total", budget.total, "memory.total; taken at start, never exceeded", sink);
    sink.on_line("");
    sink.on_line("The kernel's socket buffers, beside it");
    if (budget.sockets_bytes != 0) print_total("sockets", budget.sockets_bytes, "at most, with all connections in use (send_buffer, receive_buffer of the listeners, limits.bulk_senders)", sink);
    else sink.on_line("sockets           by the system's defaults: set send_buffer and receive_buffer of each listener to bound them");
    sink.on_line("");
    sink.on_line("Flash, in bytes");
    for (const BudgetLine& line : budget.flash_lines()) print_line(line, sink);
    print_total("total", budget.flash_total, "reserved at the first start, never exceeded", sink);
}

void print_budget_json(const Budget& budget, config::LineSink& sink) {
    print_lines_json("memory", budget.memory_lines(), sink);
    print_lines_json("flash", budget.flash_lines(), sink);
    char buffer[240];
    Text text(buffer);
    text << " \"memory_total\": " << budget.total << ", \"arena\": " << budget.arena_bytes << ", \"sockets\": " << budget.sockets_bytes
         << ", \"flash_total\": " << budget.flash_total;
    sink.on_line(text.view());
}

namespace {

int check_config_json(const Arguments& arguments, Host& host) {
    Output output(host);
    JsonProblems problems(output);
    config::Config config;
    output.on_line("{");
    Status status;
    {
        std::uint8_t text[config_text_bytes_max];
        status = load_config(host.disk(), arguments.source(), text, config, problems);
    }
    if (status) {
        Budget budget;
        status = make_budget(config, host.costs(env_needs(config)), host.software(), budget, problems);
        problems.end(false);
        print_budget_json(budget, output);
    } else {
        problems.end(true);
    }
    output.on_line("}");
    return !status ? exit_usage : output.failed ? exit_failed : exit_done;
}

}  // namespace

int check_config(std::span<const std::string_view> given, Host& host) {
    Arguments arguments;
    if (!parse_arguments("check-config", given, host, arguments)) return exit_usage;
    if (arguments.json) return check_config_json(arguments, host);
    PrintedProblems problems(host);
    config::Config config;
    {
        std::uint8_t text[config_text_bytes_max];
        if (!load_config(host.disk(), arguments.source(), text, config, problems)) return exit_usage;
    }
    Budget budget;
    const Status status = make_budget(config, host.costs(env_needs(config)), host.software(), budget, problems);
    Output output(host);
    // With what is wrong on standard error, the lines show where the memory goes.
    print_budget(budget, output);
    if (!status) return exit_usage;
    return output.failed ? exit_failed : exit_done;
}

}  // namespace rivulet::server
