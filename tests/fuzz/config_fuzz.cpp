// Configuration files and --set arguments as anyone may write them: they are accepted or refused, with a reason, and never anything else.
// An input is a file; what follows its first NUL byte are --set arguments, one per line.
#include <cstddef>
#include <cstdint>

#include "config/config.h"

namespace {

using namespace rivulet;
using namespace rivulet::config;

struct Problems : ProblemSink {
    std::size_t count = 0;
    void on_problem(std::string_view text) override {
        RIVULET_CHECK(!text.empty());
        for (const char c : text) RIVULET_CHECK(c != '\n' && c != '\0');
        ++count;
    }
};

struct Changes : ChangeSink {
    std::size_t count = 0;
    void on_change(const Change&) override { ++count; }
};

// What was accepted is printed, and every printed value is accepted again.
struct Retry : EntrySink {
    void on_entry(const Entry& entry) override {
        char buffer[1024];
        Text set(buffer);
        set << entry.section << '.' << entry.key << '=' << entry.value;
        RIVULET_CHECK(!set.cut());
        if (count < sets.size()) {
            RIVULET_CHECK(used + set.size() <= texts.size());
            copy(as_bytes(set.view()), std::span(texts).subspan(used, set.size()));
            sets[count++] = {reinterpret_cast<const char*>(texts.data()) + used, set.size()};
            used += set.size();
        }
    }
    std::array<std::uint8_t, 400'000> texts{};
    std::array<std::string_view, origins_max> sets{};
    std::size_t used = 0;
    std::size_t count = 0;
};

struct Compare : EntrySink {
    explicit Compare(const Retry& retry) : expected(retry) {}
    void on_entry(const Entry& entry) override {
        char buffer[1024];
        Text set(buffer);
        set << entry.section << '.' << entry.key << '=' << entry.value;
        RIVULET_CHECK(at < expected.count && set.view() == expected.sets[at]);
        ++at;
    }
    const Retry& expected;
    std::size_t at = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = as_text({data, size});
    const std::size_t nul = input.find('\0');
    std::array<std::string_view, 16> sets;
    std::size_t sets_count = 0;
    std::string_view left = nul == std::string_view::npos ? std::string_view() : input.substr(nul + 1);
    while (!left.empty() && sets_count < sets.size()) {
        const std::size_t end = left.find('\n');
        sets[sets_count++] = left.substr(0, end);
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    }

    static Config config;
    config = Config();
    Problems problems;
    // The part after the NUL stays in the file for every other input, so that NUL bytes are met there too.
    const std::string_view text = size % 2 == 0 ? input.substr(0, nul) : input;
    const Status status = parse(Source{as_bytes(text), "fuzz.conf", std::span(sets).first(sets_count)}, config, problems);
    RIVULET_CHECK(status.ok() == (problems.count == 0));
    RIVULET_CHECK(problems.count <= problems_max + 1);
    if (!status) return 0;

    static Retry retry;
    retry.used = retry.count = 0;
    list_entries(config, retry);
    static Config again;
    const Status second = parse(Source{{}, {}, std::span(retry.sets).first(retry.count)}, again, problems);
    RIVULET_CHECK(second.ok());
    Compare compare(retry);
    list_entries(again, compare);
    RIVULET_CHECK(compare.at == retry.count);

    static Config running;
    running = Config();
    Changes changes;
    if (!reload(running, config, changes, problems)) return 0;
    for (const TopicSection& topic : running.topics()) {
        std::uint8_t buffer[topic_config_bytes_max];
        Writer out(buffer);
        encode(topic.config, out);
        RIVULET_CHECK(out.ok());
        TopicConfig decoded;
        Reader in(out.written());
        RIVULET_CHECK(decode(in, running.defaults.config, decoded).ok() && decoded == topic.config);
    }
    return 0;
}
