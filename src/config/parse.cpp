// parse(): defaults, then the file, then the --set list, then the cross-checks, on a copy.
#include "config/cross_check.h"
#include "config/ini_text.h"
#include "config/keys.h"
#include "config/nearest.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {


std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool valid_listener_name(std::string_view name) {
    if (name.empty() || name.size() > decltype(Listener::name)::capacity) return false;
    for (const char c : name) {
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
    }
    return true;
}

const SectionInfo* find_section(std::string_view name) {
    for (const SectionInfo& info : sections()) {
        if (info.name == name) return &info;
    }
    return nullptr;
}

std::string_view refused_reason(const SectionInfo& info, std::string_view key) {
    if (info.id == SectionId::cluster) return "clusters come in a later version, this one runs on a single board";
    if (!info.topic_level) return {};
    for (const RefusedKey& refused : refused_topic_keys()) {
        if (refused.name == key) return refused.why;
    }
    return {};
}

class Loader final : public IniHandler {
public:
    Loader(Config& config, std::string_view file, Problems& problems) : config_(config), file_(file), problems_(problems) {}

    void on_section(int line, std::string_view name) override {
        any_section_ = true;
        in_section_ = declare(line, name);
        if (!in_section_) return;
        int& first = section_lines_[static_cast<std::size_t>(place_.section)][place_.instance];
        if (first != 0) Problem(problems_, file_, line) << '[' << name << "]: section given twice, first at line " << first;
        else first = line;
    }
    void on_value(int line, std::string_view key, std::string_view value) override {
        if (in_section_) assign_key(line, key, value);
        else if (!any_section_) Problem(problems_, file_, line).quote(key) << ": stands before any [section]";
    }
    void on_bad_line(int line, std::string_view why, bool section) override {
        Problem(problems_, file_, line) << why;
        if (!section) return;
        any_section_ = true;
        in_section_ = false;
    }
    void on_set(std::string_view argument);

private:
    // Makes place_ the section of that name; false if there is none, or none can be.
    bool declare(Origin origin, std::string_view name);
    bool say_bad_section(Origin origin, std::string_view name, std::string_view why, std::string_view meant = {});
    bool check_instance(Origin origin, const SectionInfo& info, std::string_view name, std::string_view instance);
    void assign_key(Origin origin, std::string_view key, std::string_view value);
    void say_unknown_key(Origin origin, std::string_view key);
    void print_subject(Text& out, std::string_view key) { print_section(config_, place_, out) << '.' << key; }

    Config& config_;
    std::string_view file_;
    Problems& problems_;
    Place place_;
    bool any_section_ = false;
    bool in_section_ = false;  // false: the keys that come belong to nothing
    std::array<std::array<int, topic_sections_max>, sections_count> section_lines_{};
};

bool Loader::say_bad_section(Origin origin, std::string_view name, std::string_view why, std::string_view meant) {
    const bool brackets = origin != origin_set;
    Problem problem(problems_, file_, origin);
    if (brackets) problem << '[';
    problem.quote(name);
    problem << (brackets ? "]: " : ": ") << why;
    if (!meant.empty()) problem << ", did you mean " << (brackets ? "[" : "") << meant << (brackets ? "]?" : "?");
    return false;
}

bool Loader::check_instance(Origin origin, const SectionInfo& info, std::string_view name, std::string_view instance) {
    if (info.id == SectionId::listener && !valid_listener_name(instance)) return say_bad_section(origin, name, "a listener's name is 1 to 32 of a-z, 0-9, - and _");
    if (info.id == SectionId::topic && !valid_topic_name(instance)) {
        return say_bad_section(origin, name, "a topic's name is 1 to 249 of a-z, A-Z, 0-9, ., - and _");
    }
    if (find_instance(config_, info.id, instance, place_) || add_instance(config_, info.id, instance, place_)) return true;
    return say_bad_section(origin, name, info.id == SectionId::listener ? "more than 4 listeners" : "more than 64 topic sections");
}

bool Loader::declare(Origin origin, std::string_view name) {
    name = trim(name);
    const std::size_t dot = name.find('.');
    const std::string_view kind = name.substr(0, dot);
    const SectionInfo* const info = find_section(kind);
    if (!info) {
        Nearest nearest(kind);
        for (const SectionInfo& known : sections()) nearest.offer(known.name);
        char buffer[section_text_max + 8];
        Text meant(buffer);
        meant << nearest.name();
        const SectionInfo* const near = find_section(nearest.name());
        if (near && near->named) meant << (dot == std::string_view::npos ? std::string_view(".NAME") : name.substr(dot));
        return say_bad_section(origin, name, "unknown section", meant.view());
    }
    if (!info->named && dot != std::string_view::npos) return say_bad_section(origin, name, "unknown section", info->name);
    if (info->named && dot == std::string_view::npos) {
        return say_bad_section(origin, name, info->id == SectionId::listener ? "needs a name, as in [listener.compact]" : "needs a name, as in [topic.temps]");
    }
    if (info->named) return check_instance(origin, *info, name, name.substr(dot + 1));
    place_ = {info->id, 0};
    return true;
}

void Loader::say_unknown_key(Origin origin, std::string_view key) {
    Problem problem(problems_, file_, origin);
    print_section(config_, place_, problem.text());
    problem << '.';
    problem.quote(key);
    const SectionInfo& here = section_info(place_.section);
    if (const std::string_view why = refused_reason(here, key); !why.empty()) {
        problem << ": " << why;
        return;
    }
    problem << ": unknown key";
    // The same name in another section is nearer than another name in this one.
    for (const SectionInfo& info : sections()) {
        if (info.id == here.id || find_key(info.id, key) == no_key) continue;
        problem << ", did you mean " << info.name << (info.named ? ".NAME." : ".") << key << '?';
        return;
    }
    Nearest nearest(key);
    for (std::size_t i = 0; i < keys_count(here.id); ++i) nearest.offer(key_at(here.id, i).name);
    if (nearest.name().empty()) {
        problem << "; rivulet print-config shows all";
        return;
    }
    problem << ", did you mean ";
    print_section(config_, place_, problem.text());
    problem << '.' << nearest.name() << '?';
}

void Loader::assign_key(Origin origin, std::string_view name, std::string_view value) {
    const std::size_t ordinal = find_key(place_.section, name);
    if (ordinal == no_key) {
        say_unknown_key(origin, name);
        return;
    }
    Origin& at = origin_at(config_, place_, ordinal);
    if (origin > 0 && at > 0) {
        Problem problem(problems_, file_, origin);
        print_subject(problem.text(), name);
        problem << ": given twice, first at line " << at;
        return;
    }
    const Key& key = key_at(place_.section, ordinal);
    void* const object = object_at(config_, place_, ordinal);
    char buffer[256];
    Text why(buffer);
    if (assign(key, object, value, why)) {
        at = origin;
        if (key.number != 0) static_cast<TopicConfig*>(object)->overrides |= 1U << (key.number - 1U);
        return;
    }
    at = origin_bad;
    Problem problem(problems_, file_, origin);
    print_subject(problem.text(), name);
    problem << " = ";
    problem.quote(value) << ": " << why.view();
    if (value.find(" ;") != std::string_view::npos || value.find(" #") != std::string_view::npos) problem << "; comments need a line of their own";
}

// Where section and key part: plain sections have no dot and listeners' names have none, topics' names and keys may have several.
struct SetPath {
    std::string_view section;
    std::string_view key;  // empty: not to be told
};

SetPath split_path(std::string_view path) {
    const std::size_t first = path.find('.');
    if (first == std::string_view::npos) return {path, {}};
    const SectionInfo* const info = find_section(path.substr(0, first));
    if (!info || !info->named) return {path.substr(0, first), path.substr(first + 1)};
    std::size_t last = std::string_view::npos;
    std::size_t near = std::string_view::npos;
    for (std::size_t dot = path.find('.', first + 1); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
        const std::string_view key = path.substr(dot + 1);
        if (find_key(info->id, key) != no_key || !refused_reason(*info, key).empty()) return {path.substr(0, dot), key};
        Nearest nearest(key);
        for (std::size_t i = 0; i < keys_count(info->id); ++i) nearest.offer(key_at(info->id, i).name);
        if (near == std::string_view::npos && !nearest.name().empty()) near = dot;
        last = dot;
    }
    const std::size_t dot = near != std::string_view::npos ? near : last;
    if (dot == std::string_view::npos) return {path, {}};
    return {path.substr(0, dot), path.substr(dot + 1)};
}

void Loader::on_set(std::string_view argument) {
    const std::size_t equals = argument.find('=');
    const SetPath path = split_path(trim(argument.substr(0, equals)));
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : trim(argument.substr(equals + 1));
    bool control = false;
    for (const char c : argument) control |= (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    if (equals == std::string_view::npos || path.key.empty() || control) {
        Problem(problems_, file_, origin_set).quote(argument) << (control ? ": control character" : ": expected section.key=value");
        return;
    }
    if (declare(origin_set, path.section)) assign_key(origin_set, path.key, value);
}

}  // namespace

static void settle_topics(Config& config) {
    for (std::uint32_t i = 0; i < config.topic_count; ++i) {
        const Place place{SectionId::topic, i};
        TopicSection& topic = config.topic_slots[i];
        if (origin_at(config, place, find_key(SectionId::topic, "partitions")) == origin_default) topic.partitions = config.defaults.partitions;
        if (origin_at(config, place, find_key(SectionId::topic, "replication.factor")) == origin_default) {
            topic.replication_factor = config.defaults.replication_factor;
        }
        follow(topic.config, config.defaults.config);
    }
}

Status parse(const Source& source, Config& out, ProblemSink& sink) {
    Problems problems(sink);
    Config config;
    config.listener_count = 0;
    if (!config.file_name.assign(source.file_name)) Problem(problems, {}, origin_default).quote(source.file_name) << ": name longer than 255 bytes";
    Loader loader(config, config.file_name.view(), problems);
    parse_ini(source.text, loader);
    for (const std::string_view argument : source.sets) loader.on_set(argument);
    if (config.listener_count == 0) add_default_listeners(config);
    settle_topics(config);
    cross_check(config, problems);
    RIVULET_TRY(problems.finish());
    out = config;
    return {};
}

}  // namespace rivulet::config
