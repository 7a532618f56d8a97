#include "server/check_config.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "server/arguments.h"
#include "server/load_config.h"

using namespace rivulet;

namespace {

// Files in memory, read alone.
class Files final : public env::Disk {
public:
    Result<env::File*> open(std::string_view path, env::OpenMode) override {
        const auto found = contents.find(std::string(path));
        if (found == contents.end()) return fail(Error::not_found);
        return reinterpret_cast<env::File*>(&found->second);
    }
    void close(env::File&) override { ++closed; }
    Status lock(env::File&) override { return {}; }
    Result<std::uint64_t> size(env::File& file) override { return reinterpret_cast<std::string&>(file).size(); }
    Status allocate(env::File&, std::uint64_t) override { return {}; }
    Result<std::size_t> read(env::File& file, std::uint64_t position, MutableBytes into) override {
        const std::string& text = reinterpret_cast<std::string&>(file);
        const std::size_t n = std::min(into.size(), text.size() - static_cast<std::size_t>(position));
        copy(as_bytes(text).subspan(static_cast<std::size_t>(position), n), into);
        return n;
    }
    Status write(env::File&, std::uint64_t, std::span<const Bytes>) override { return fail(Error::read_only); }
    Status sync(env::File&) override { return {}; }
    Status make_directory(std::string_view) override { return {}; }
    Status sync_directory(std::string_view) override { return {}; }
    Status remove(std::string_view) override { return {}; }
    Result<bool> exists(std::string_view path) override { return contents.count(std::string(path)) != 0; }

    std::map<std::string, std::string> contents;
    int closed = 0;
};

class TestHost final : public server::Host {
public:
    std::string_view software() const override { return "rivulet test"; }
    env::Disk& disk() override { return files; }
    Status write_output(std::string_view text) override {
        output += text;
        return {};
    }
    void write_error(std::string_view text) override { errors += text; }
    server::PlatformCosts costs(const server::EnvNeeds&) const override { return {2048 * 1024, 48 * 1024, 512}; }
    Result<Started> start(std::size_t, bool, const server::EnvNeeds&, env::LogLevel) override { return fail(Error::unsupported); }
    void run() override {}
    void set_log_level(env::LogLevel) override {}

    int check(std::initializer_list<std::string_view> arguments) {
        output.clear();
        errors.clear();
        return server::check_config(std::span(arguments.begin(), arguments.size()), *this);
    }
    Files files;
    std::string output;
    std::string errors;
};

}  // namespace

TEST_CASE("check-config prints every line of the sum, and says yes") {
    TestHost host;
    CHECK(host.check({}) == 0);
    CHECK(host.errors.empty());
    for (const char* line : {"process", "ring blocks", "Kafka sessions", "read windows", "journal", "checkpoints", "33554432", "limits.kafka_connections"})
        CHECK_MESSAGE(host.output.find(line) != std::string::npos, line);
    host.files.contents["a.conf"] = "[memory]\ntotal = 40M\n";
    CHECK(host.check({"-c", "a.conf", "--set", "storage.size=64M"}) == 0);
    CHECK(host.output.find("41943040") != std::string::npos);
    CHECK(host.output.find("67108864") != std::string::npos);
    CHECK(host.files.closed == 1);
    CHECK(host.check({"--config=a.conf", "--json"}) == 0);
    CHECK(host.output.front() == '{');
}

TEST_CASE("what is wrong is said, all at once, exit 2") {
    TestHost host;
    CHECK(host.check({"-c", "nowhere.conf"}) == 2);
    CHECK(host.errors.find("nowhere.conf: no such file") != std::string::npos);
    host.files.contents["bad.conf"] = "[memory]\ntotl = 1\n[limits]\nconnections = none\n";
    CHECK(host.check({"-c", "bad.conf"}) == 2);
    CHECK(host.errors.find("bad.conf:2") != std::string::npos);
    CHECK(host.errors.find("bad.conf:4") != std::string::npos);
    CHECK(host.check({"--set", "memory.total=9M"}) == 2);
    CHECK(host.errors.find("memory.total = 9M") != std::string::npos);
    CHECK_FALSE(host.output.empty());
    CHECK(host.check({"-c", "bad.conf", "--json"}) == 2);
    CHECK(host.errors.empty());
    CHECK(host.output ==
          "{\n \"problems\": [{\"file\": \"bad.conf\", \"line\": 2, \"key\": \"memory.totl\", \"message\": \"memory.totl: unknown key, did you mean memory.total?\"}\n"
          ", {\"file\": \"bad.conf\", \"line\": 4, \"key\": \"limits.connections\", \"message\": \"limits.connections = none: not a whole number\"}\n ]\n}\n");
    CHECK(host.check({"-c", "no\"where.conf", "--json"}) == 2);
    CHECK(host.output.find("{\"file\": \"no\\\"where.conf\", \"line\": null, \"key\": null, \"message\": \"no such file") != std::string::npos);
    CHECK(host.check({"--set", "memory.totl=9M", "--json"}) == 2);
    CHECK(host.output.find("{\"file\": \"--set\", \"line\": null, \"key\": \"memory.totl\", ") != std::string::npos);
    CHECK(host.check({"--set", "memory.total=9M", "--json"}) == 2);
    CHECK(host.output.find("\"key\": \"memory.total\"") != std::string::npos);
    CHECK(host.output.find("\"memory_total\"") != std::string::npos);
    host.files.contents["long.conf"] = std::string(server::config_text_bytes_max, '#');
    CHECK(host.check({"-c", "long.conf"}) == 2);
    CHECK(host.errors.find("longer than") != std::string::npos);
    for (const std::initializer_list<std::string_view> wrong : {std::initializer_list<std::string_view>{"-c"}, {"--set"}, {"nonsense"}, {"--jsonx"}, {"-c", ""}}) {
        CHECK(host.check(wrong) == 2);
        CHECK(host.errors.find("usage: rivulet check-config") != std::string::npos);
    }
}
