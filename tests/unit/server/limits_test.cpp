// Every limit of the sample profiles reached at once: connections, sessions, aliases, partitions, parked fetches, credit and with it the ring.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

std::string profile(const char* path, std::uint32_t partitions) {
    std::ifstream in(path);
    REQUIRE(in.good());
    std::string text(std::istreambuf_iterator<char>(in), {});
    const std::string size = "size = 256M";
    text.replace(text.find(size), size.size(), "size = 64M");
    const std::string listener = "[listener.compact]";
    if (text.find(listener) == text.npos) text += listener + "\n";
    text.insert(text.find(listener) + listener.size(), "\nbind = 0.0.0.0:9192\n");
    return text + "\n[defaults]\npartitions = 1\n[topic.t]\npartitions = " + std::to_string(partitions) + "\n";
}

// `written`: of the aliases, those that are written to; connections x written is about limits.sessions.
void fill(const char* path, std::size_t connections, std::uint32_t partitions, std::size_t aliases, std::size_t written, std::size_t parked) {
    Served served(profile(path, partitions), 1, connections + 16);
    std::vector<Client*> clients;
    for (std::size_t i = 0; i < connections; ++i) {
        Client& client = served.connect();
        client.open(1000 + i);
        for (std::size_t a = 0; a < aliases; ++a) client.alias(a, "t", (i + a) % partitions);
        clients.push_back(&client);
        if (i % 64 == 63) served.run(ns_per_ms);
    }
    const bool all_open = served.until([&] { return served.program->server->hub().sessions_open() == connections; });
    CHECK_MESSAGE(!served.world.failed(), served.world.failure());
    CHECK(served.program->server->hub().sessions_open() == connections);
    REQUIRE(all_open);
    for (Client* client : clients) REQUIRE(served.until(*client, Kind::alias, aliases));
    for (std::size_t i = 0; i < parked; ++i) {
        clients[i]->fetch(1, "t", i % partitions, -1, 60'000);
        served.send(*clients[i]);
    }
    const std::string value(800, 'v');
    std::vector<std::uint64_t> sent(connections);
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < connections; ++i) {
        // Some of each, until the ring is full several times over.
        for (std::size_t n = 0; n < 16 && clients[i]->put(n % written, value); ++n) ++sent[i];
        all += sent[i];
        served.send(*clients[i]);
    }
    REQUIRE(served.until([&] {
        for (std::size_t i = 0; i < connections; ++i)
            if (clients[i]->acks.empty() || clients[i]->acks.back().sequence != sent[i]) return false;
        return true;
    }, 300 * ns_per_s));
    for (std::size_t i = 0; i < parked; ++i) REQUIRE(served.until(*clients[i], Kind::fetch));
    CHECK(served.program->server->hub().statistics().readings == all);
    CHECK(served.program->server->broker().store().log_count() == partitions);
    const store::SessionTable& sessions = served.program->server->broker().store().sessions();
    CHECK(sessions.used() == connections * written);
    CHECK(sessions.never_forgot());
    for (Client* client : clients) {
        CHECK(client->refused == 0);
        CHECK_FALSE(client->closed);
    }
    // The limit of sessions itself: whoever comes past it is told, the others stay.
    const std::size_t spare = sessions.capacity() - sessions.used();
    for (std::size_t i = 0; i <= spare; ++i) {
        REQUIRE(clients[i]->put(written, value));
        served.send(*clients[i]);
        if (i < spare) REQUIRE(served.until([&] { return clients[i]->acks.back().sequence == sent[i] + 1; }, 300 * ns_per_s));
    }
    REQUIRE(served.until(*clients[spare], Kind::error));
    CHECK(frames::decode_error(clients[spare]->last(Kind::error).body)->error == Error::too_many_sessions);
    CHECK(sessions.used() == sessions.capacity());
    CHECK(sessions.never_forgot());
    REQUIRE(served.until([&] { return clients[spare]->closed; }));
    CHECK(std::count_if(clients.begin(), clients.end(), [](const Client* client) { return client->closed; }) == 1);
    served.program->server->stop();
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
}

}  // namespace

TEST_CASE("the 8M profile, full") { fill("config/profile-8M.conf", 128, 64, 4, 2, 28); }
TEST_CASE("the 32M profile, full") { fill("config/profile-32M.conf", 1000, 1000, 16, 4, 500); }
