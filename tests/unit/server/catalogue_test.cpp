// The catalogue of topics always fits a checkpoint: creation refuses before it would not.
#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    REQUIRE(text.find(what) != text.npos);
    return text.replace(text.find(what), what.size(), by);
}

// Room for more topics than names of the longest kind fit into the checkpoint.
std::string many_topics() {
    std::string text = replaced(test::small_config, "topics = 16", "topics = 200");
    text = replaced(text, "partitions = 16", "partitions = 200");
    text = replaced(text, "checkpoint_bytes_max = 128K", "checkpoint_bytes_max = 176K");
    return replaced(text, "total = 4M", "total = 6M");
}

std::string longest_name(std::size_t number) {
    const std::string digits = std::to_string(number);
    return digits + std::string(config::topic_name_bytes_max - digits.size(), 'x');
}

frames::Answer create(Served& served, Client& client, std::string_view name) {
    const frames::ConfigPair settings[] = {{"retention.ms", "86400000"}, {"retention.bytes", "1073741824"}, {"commit.interval.ms", "250"}};
    const std::size_t before = client.count(Kind::topic_create);
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 1, {name, 1, 1, {}}, settings); });
    REQUIRE(served.until(client, Kind::topic_create, before + 1));
    const auto answer = frames::decode_answer(client.last(Kind::topic_create).body);
    REQUIRE(answer.ok());
    return *answer;
}

void remove(Served& served, Client& client, std::string_view name) {
    const std::size_t before = client.count(Kind::topic_delete);
    client.encode([&](Writer& w) { frames::encode_topic_delete(w, 1, {name}); });
    REQUIRE(served.until(client, Kind::topic_delete, before + 1));
    REQUIRE(frames::decode_answer(client.last(Kind::topic_delete).body)->error == Error::none);
}

std::size_t fill(Served& served, Client& client) {
    std::size_t created = 0;
    for (; created < 200; ++created) {
        const frames::Answer answer = create(served, client, longest_name(created));
        if (answer.error == Error::none) continue;
        CHECK(answer.error == Error::limit_reached);
        CHECK(answer.text.find("checkpoint_bytes_max") != answer.text.npos);
        break;
    }
    return created;
}

// Until so many bytes of checkpoints are written. Meanwhile, if asked for, the oldest topics go and new ones come.
void checkpoints(Served& served, Client& client, std::uint64_t bytes, std::size_t* oldest = nullptr, std::size_t* next = nullptr) {
    store::Store& store = served.program->server->broker().store();
    const std::uint64_t enough = store.checkpoint_bytes() + bytes;
    for (int round = 0; round < 1000 && store.checkpoint_bytes() < enough; ++round) {
        while (client.put(0, std::string(900, 'v'))) {}
        served.send(client);
        if (oldest) {
            remove(served, client, longest_name((*oldest)++));
            REQUIRE(create(served, client, longest_name((*next)++)).error == Error::none);
        }
        served.run(20 * ns_per_ms);
    }
    CHECK(store.checkpoint_bytes() >= enough);
    CHECK_FALSE(store.offline());
}

Client& sensor(Served& served) {
    Client& client = served.connect();
    client.open();
    client.alias(0, "temps", 0);
    REQUIRE(served.until(client, Kind::alias));
    return client;
}

void expect_topics(Served& served, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) CHECK(served.program->server->broker().find_topic(longest_name(i)) != nullptr);
    CHECK(served.program->server->broker().topics().count() == to - from + 2);
}

}  // namespace

TEST_CASE("catalogue: topics with the longest names until refused; all are there after a stop and after a power cut") {
    Served served(many_topics());
    Client& client = sensor(served);
    const std::size_t created = fill(served, client);
    CHECK(created > 20);
    CHECK(created < 198);
    checkpoints(served, client, 3 * 64 * 1024);
    served.program->server->stop();
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    served.server_node->boot();
    expect_topics(served, 0, created);
    Client& again = sensor(served);
    CHECK(create(served, again, longest_name(created)).error == Error::limit_reached);
    checkpoints(served, again, 3 * 64 * 1024);
    served.server_node->power_cut();
    served.server_node->boot();
    expect_topics(served, 0, created);
    // What is deleted makes room again.
    Client& third = sensor(served);
    remove(served, third, longest_name(0));
    CHECK(create(served, third, longest_name(created)).error == Error::none);
    CHECK(create(served, third, longest_name(created + 1)).error == Error::limit_reached);
}

TEST_CASE("catalogue: where recovered topics have taken all places, a configured one does not keep it from starting") {
    for (const std::string prefix : {"recovered.", "other."}) {
        const std::string text = replaced(test::small_config, "partitions = 16", "partitions = 64");
        Served served(text);
        Client& client = sensor(served);
        std::size_t n = served.program->server->broker().topics().count();
        for (; n < 16; ++n) REQUIRE(create(served, client, prefix + std::to_string(n)).error == Error::none);
        served.run(ns_per_s);
        served.server_node->kill();
        Error refused = Error::none;
        served.server_node->program = [&](sim::NodeEnv& env) {
            auto made = std::make_unique<test::ServerProgram>(env, text + "[topic.late]\npartitions = 1\n", &refused);
            served.program = made.get();
            return made;
        };
        served.server_node->boot();
        const bool starts = prefix == "recovered.";
        CHECK(refused == (starts ? Error::none : Error::limit_reached));
        if (!starts) continue;
        CHECK(served.program->server->broker().find_topic("late") == nullptr);
        remove(served, sensor(served), "recovered.15");
        served.run(ns_per_s);
        served.server_node->kill();
        served.server_node->boot();
        CHECK(served.program->server->broker().find_topic("late") != nullptr);
    }
}

TEST_CASE("catalogue: full, while topics come and go under a checkpoint") {
    Served served(many_topics());
    Client& client = sensor(served);
    std::size_t next = fill(served, client);
    std::size_t oldest = 0;
    // The log ids of those that come later take more bytes.
    remove(served, client, longest_name(oldest++));
    checkpoints(served, client, 6 * 64 * 1024, &oldest, &next);
    CHECK(oldest > 5);
    served.server_node->power_cut();
    served.server_node->boot();
    expect_topics(served, oldest, next);
}
