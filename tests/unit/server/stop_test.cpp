// How signals end a broker: cleanly, or at once.
#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

TEST_CASE("a stop that is asked for twice within milliseconds is one stop, and clean") {
    Served served;
    Client& client = served.connect();
    client.open();
    client.alias(0, "temps", 0);
    REQUIRE(served.until(client, Kind::alias));
    CHECK(client.put(0, "x"));
    served.send(client);
    served.run(10 * ns_per_ms);
    test::ServerProgram* const program = served.program;
    Status status = fail(Error::unknown);
    served.server_node->on_end = [&](sim::Node&) {
        status = program->stop_status;
        served.program = nullptr;
    };
    served.program->server->request_stop();
    CHECK(served.program->server->stopping());
    served.world.after(3 * ns_per_ms, [&] {
        if (served.program) served.program->server->request_stop();
    });
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    CHECK(status.ok());
    CHECK(client.acks.back().sequence == 1);
    CHECK(client.count(Kind::close) == 1);
}

TEST_CASE("a stop that has to wait: a repeat is ignored, another request ends it at once") {
    Served served;
    served.connect_idle_reader();  // a stop has to wait for it
    test::ServerProgram* const program = served.program;
    Status status;
    served.server_node->on_end = [&](sim::Node&) {
        status = program->stop_status;
        served.program = nullptr;
    };
    const std::int64_t asked = served.world.now();
    program->server->request_stop();
    served.world.after(499 * ns_per_ms, [&] { program->server->request_stop(); });
    served.run(600 * ns_per_ms);
    REQUIRE_FALSE(served.server_node->stopped());
    program->server->request_stop();
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    CHECK(served.world.now() - asked < 2 * ns_per_s);
}
