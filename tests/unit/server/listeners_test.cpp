// What differs by the listener that a connection came by.
#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

struct Address {
    std::string host;
    std::uint64_t port = 0;
};

Address told(Served& served, std::uint16_t port) {
    Client& client = served.connect(port);
    client.open();
    client.encode([](Writer& w) { frames::encode_metadata(w, 1); });
    REQUIRE(served.until(client, Kind::metadata));
    const auto answer = frames::decode_answer(client.last(Kind::metadata).body);
    REQUIRE(answer.ok());
    const auto metadata = frames::decode_metadata_answer(answer->rest);
    REQUIRE(metadata.ok());
    REQUIRE(metadata->nodes.size() == 1);
    return {std::string(metadata->nodes.front().host), metadata->nodes.front().port};
}

}  // namespace

TEST_CASE("METADATA: each listener tells what it advertises, else the address that was connected to") {
    Served served(test::small_config + R"(
[listener.named]
bind = 0.0.0.0:9193
protocol = compact
advertise = broker-3.example.org:19192
[listener.v6]
bind = 0.0.0.0:9194
protocol = compact
advertise = [fd00::7]:29192
[listener.longest]
bind = 0.0.0.0:9195
protocol = compact
advertise = )" + std::string(122, 'h') + R"(:65535
)");
    const Address local = told(served, 9192);
    CHECK(local.host.starts_with("10."));
    CHECK(local.port == 9192);
    const Address named = told(served, 9193);
    CHECK(named.host == "broker-3.example.org");
    CHECK(named.port == 19192);
    const Address v6 = told(served, 9194);
    CHECK(v6.host == "fd00::7");
    CHECK(v6.port == 29192);
    const Address longest = told(served, 9195);
    CHECK(longest.host == std::string(122, 'h'));
    CHECK(longest.port == 65535);
}
