#include "server/compact/aliases.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;
using server::compact::Alias;
using server::compact::AliasPool;
using server::compact::CellIndex;
using server::compact::no_cell;

TEST_CASE("aliases: found by number, replaced, with keys of any length, given back") {
    std::vector<std::uint8_t> block(AliasPool::memory_bytes(12));
    Arena arena{MutableBytes(block)};
    AliasPool pool(arena, 12);
    CellIndex mine = no_cell;
    CellIndex other = no_cell;
    std::uint8_t scratch[AliasPool::key_bytes_max];
    for (const std::size_t bytes : {0, 1, 24, 25, 80, 81, 192}) {
        const std::string key(bytes, 'k');
        Alias alias;
        alias.id = 3;
        alias.first_log = LogId(bytes);
        alias.placement = wire::compact::Placement::key;
        REQUIRE(pool.put(mine, alias, as_bytes(key)).ok());
        const Alias* found = pool.find(mine, 3);
        REQUIRE(found);
        CHECK(found->first_log.value == bytes);
        CHECK(as_text(pool.key(mine, scratch)) == key);
    }
    CHECK(pool.taken() == 5);  // 24 bytes beside the alias, the rest in four cells of 44
    for (std::uint16_t id = 10; id < 14; ++id) REQUIRE(pool.put(other, {LogId(id), 1, 0, Error::none, id, 0, {}, false}, {}).ok());
    for (std::uint16_t id = 10; id < 14; ++id) CHECK(pool.find(other, id)->first_log.value == id);
    CHECK_FALSE(pool.find(other, 3));
    CHECK_FALSE(pool.find(other, 14));
    CHECK(pool.taken() == 9);
    const Alias failed{LogId(0), 0, -1, Error::unknown_topic_or_partition, 11, 0, wire::compact::Placement::partition, false};
    const Alias largest{LogId((std::uint64_t{1} << 33) + 5), 10'000, 9'999, Error::none, 12, 0, wire::compact::Placement::key, true};
    REQUIRE(pool.put(other, failed, {}).ok());
    REQUIRE(pool.put(other, largest, {}).ok());
    CHECK(pool.find(other, 11)->error == Error::unknown_topic_or_partition);
    CHECK(pool.find(other, 11)->placement == wire::compact::Placement::partition);
    CHECK(pool.find(other, 12)->error == Error::none);
    CHECK(pool.find(other, 12)->first_log == largest.first_log);
    CHECK(pool.find(other, 12)->partitions == 10'000);
    CHECK(pool.find(other, 12)->partition == 9'999);
    CHECK(pool.find(other, 12)->settles_at_once);
    for (CellIndex* chain : {&mine, &other}) pool.give(*chain);
    CHECK(pool.taken() == 0);
    CHECK(mine == no_cell);
}

TEST_CASE("aliases: long keys take no room from others, and a connection has a quarter of theirs") {
    constexpr std::size_t connections = 40;
    constexpr std::size_t each = 16;
    std::vector<std::uint8_t> block(AliasPool::memory_bytes(connections * each));
    CHECK(block.size() <= connections * each * 64 + 64);
    Arena arena{MutableBytes(block)};
    AliasPool pool(arena, connections * each);
    std::vector<CellIndex> chains(connections, no_cell);
    const std::string longest(AliasPool::key_bytes_max, 'k');
    const std::string beside(AliasPool::key_bytes_here, 'k');
    const auto put = [&](std::size_t connection, std::size_t id, std::string_view key) {
        return pool.put(chains[connection], {LogId(id), 1, 0, Error::none, static_cast<std::uint16_t>(id), 0, wire::compact::Placement::key, false}, as_bytes(key)).ok();
    };
    std::size_t first = 0;
    std::size_t all = 0;
    for (std::size_t c = 0; c < connections; ++c) {
        for (std::size_t id = 0; id < each; ++id) {
            const bool fits = put(c, id, longest);
            if (!fits) REQUIRE(put(c, id, beside));
            all += fits;
            first += fits && c == 0;
        }
    }
    CHECK(all == connections * each * 5 / 16 / 4);
    CHECK(first == all / 4);
    for (std::size_t c = 0; c < connections; ++c)
        for (std::size_t id = 0; id < each; ++id) REQUIRE(put(c, id, beside));
    CHECK(pool.taken() == connections * each);
    CHECK(put(7, 3, longest));
    for (CellIndex& chain : chains) pool.give(chain);
    CHECK(pool.taken() == 0);
}

TEST_CASE("aliases: long keys of some connections leave every other alias its room, on each connection") {
    Served served;  // 8 connections, 4 aliases each
    const auto alias = [](Client& client, std::uint64_t id, std::string_view key) {
        const frames::Alias a{id, frames::Placement::key, frames::Acks::leader, true, "temps", 0, as_bytes(key)};
        client.encode([&](Writer& w) { frames::encode_alias(w, client.sum, a); });
    };
    std::vector<Client*> clients;
    std::size_t refused = 0;
    for (int i = 0; i < 8; ++i) {
        Client& client = *clients.emplace_back(&served.connect());
        client.open();
        const bool greedy = i < 7;
        for (std::uint64_t id = 0; id < 4; ++id) alias(client, id, greedy ? std::string(192, 'k') : std::string(24, 'k'));
        REQUIRE(served.until(client, Kind::alias, 4));
        CHECK(client.count(Kind::error) == 0);
        for (const auto& frame : client.arrived) {
            if (frame.kind != Kind::alias) continue;
            const auto answer = frames::decode_aliased(frame.body);
            REQUIRE(answer.ok());
            CHECK((answer->error == Error::none || (greedy && answer->error == Error::limit_reached)));
            refused += answer->error != Error::none;
        }
    }
    CHECK(refused == 7 * 4 - 2);  // room for ten cells, of which a longest key takes four
    Client& good = *clients.back();
    REQUIRE(good.put(3, "21.5"));
    served.send(good);
    REQUIRE(served.until([&] { return !good.acks.empty() && good.acks.back().sequence == 1; }));
    CHECK(good.refused == 0);
    // Those that go give back what they had.
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 7; ++i) clients[static_cast<std::size_t>(i)]->connection->close();
        REQUIRE(served.until([&] { return served.program->server->hub().connections() == 1; }));
        CHECK(served.program->server->hub().aliases().taken() == 4);
        for (int i = 0; i < 7; ++i) {
            Client& client = *(clients[static_cast<std::size_t>(i)] = &served.connect());
            client.open();
            for (std::uint64_t id = 0; id < 4; ++id) alias(client, id, std::string(24, 'k'));
            REQUIRE(served.until(client, Kind::alias, 4));
        }
        CHECK(served.program->server->hub().aliases().taken() == 32);
    }
}
