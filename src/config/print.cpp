// print-config and the sample.
#include "config/keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

constexpr std::size_t columns = 110;

void print_origin(const Config& config, Place place, std::size_t ordinal, Text& out) {
    const Origin origin = origin_at(config, place, ordinal);
    if (origin > 0) out << config.file_name.view() << ':' << origin;
    else if (origin == origin_set) out << "--set";
    else if (place.section == SectionId::topic) out << "[defaults]";
    else out << "default";
}

class ConfigLines final : public EntrySink {
public:
    explicit ConfigLines(LineSink& sink) : sink_(sink) {}
    void on_entry(const Entry& entry) override {
        char buffer[1200];
        Text line(buffer);
        line << entry.section << '.' << entry.key << " = " << entry.value;
        do line << ' ';
        while (line.size() < 56);
        sink_.on_line((line << "# " << entry.origin).view());
    }

private:
    LineSink& sink_;
};

// "# words words", as many lines as it takes.
void print_comment(LineSink& sink, std::string_view text) {
    while (!text.empty()) {
        std::size_t n = text.size();
        if (n > columns) {
            n = text.rfind(' ', columns);
            if (n == std::string_view::npos) n = text.size();
        }
        char buffer[512];
        Text line(buffer);
        sink.on_line((line << "# " << text.substr(0, n)).view());
        text.remove_prefix(n < text.size() ? n + 1 : n);
    }
}

void print_sample_key(LineSink& sink, const Key& key) {
    char buffer[480];
    Text text(buffer);
    text << key.why << " (";
    print_domain(key, text);
    print_comment(sink, (text << (key.reloadable ? "; reloadable)" : ")")).view());
    text.clear();
    text << '#' << key.name << " =";
    if (!key.default_text.empty()) text << ' ' << key.default_text;
    sink.on_line(text.view());
}

// The other listener that is there by default: the same keys.
void print_sample_kafka(LineSink& sink) {
    sink.on_line("");
    sink.on_line("[listener.kafka]");
    for (std::size_t i = 0; i < keys_count(SectionId::listener); ++i) {
        const Key& key = key_at(SectionId::listener, i);
        const std::string_view value = key.name == "bind"             ? kafka_bind
                                       : key.name == "protocol"       ? kafka_listener
                                       : key.name == "receive_buffer" ? kafka_receive_buffer_text
                                                                      : key.default_text;
        char buffer[96];
        Text text(buffer);
        text << '#' << key.name << " =";
        if (!value.empty()) text << ' ' << value;
        sink.on_line(text.view());
    }
}

void print_sample_section(LineSink& sink, const SectionInfo& info) {
    sink.on_line("");
    print_comment(sink, info.why);
    if (info.id == SectionId::topic) {
        for (const char* line : {"#[topic.temps]", "#partitions = 4", "#retention.ms = 7d"}) sink.on_line(line);
        return;
    }
    char buffer[64];
    Text header(buffer);
    header << '[' << info.name << (info.named ? ".compact]" : "]");
    sink.on_line(header.view());
    for (std::size_t i = 0; i < keys_count(info.id); ++i) print_sample_key(sink, key_at(info.id, i));
    if (info.id == SectionId::listener) print_sample_kafka(sink);
}

}  // namespace

void list_entries(const Config& config, EntrySink& sink) {
    for (const SectionInfo& info : sections()) {
        for (std::uint32_t instance = 0; instance < instances(config, info.id); ++instance) {
            const Place place{info.id, instance};
            char section_buffer[section_text_max];
            Text section(section_buffer);
            print_section(config, place, section);
            for (std::size_t i = 0; i < keys_count(info.id); ++i) {
                const Key& key = key_at(info.id, i);
                char value_buffer[path_bytes_max];
                char origin_buffer[path_bytes_max + 16];
                Text value(value_buffer);
                Text origin(origin_buffer);
                print_value(key, object_at(config, place, i), value);
                print_origin(config, place, i, origin);
                sink.on_entry({section.view(), key.name, value.view(), origin.view(), key.reloadable});
            }
        }
    }
}

void print_config(const Config& config, LineSink& sink) {
    ConfigLines lines(sink);
    list_entries(config, lines);
}

void print_sample(LineSink& sink) {
    print_comment(sink, "rivulet.conf: every key, what it does, what it takes (in parentheses) and its default.");
    print_comment(sink, "Remove the # before a key to set it. Other comments need a line of their own, too.");
    print_comment(sink, "Sizes are 64K 16M 4G (powers of 1024), durations 500ms 10s 5m 2h 7d. What is reloadable changes at SIGHUP,");
    print_comment(sink, "the rest at the next start. Each key can be given as: rivulet serve -c FILE --set section.key=value");
    print_comment(sink, "rivulet check-config -c FILE says whether all is well, and what it costs in memory and flash.");
    for (const SectionInfo& info : sections()) print_sample_section(sink, info);
}

}  // namespace rivulet::config
