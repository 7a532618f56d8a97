#include "env/address.h"

#include <doctest/doctest.h>

#include <string>

#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::env;

namespace {

std::string text_of(const Address& address) {
    char buffer[64];
    Text text(buffer);
    text << address;
    CHECK_FALSE(text.cut());
    return std::string(text.view());
}

std::string normal(std::string_view text) {
    const Result<Address> address = parse_address(text);
    return address ? text_of(*address) : "refused";
}

}  // namespace

TEST_CASE("address: IPv4") {
    CHECK(normal("127.0.0.1:9192") == "127.0.0.1:9192");
    CHECK(normal("0.0.0.0:0") == "0.0.0.0:0");
    CHECK(normal("255.255.255.255:65535") == "255.255.255.255:65535");
    const Address address = *parse_address("1.2.3.4:5");
    CHECK_FALSE(address.v6);
    CHECK(address.ip == std::array<std::uint8_t, 16>{1, 2, 3, 4});
    CHECK(address.port == 5);
    for (const char* bad : {"", ":", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3:80", "1.2.3.4.5:80", "1.2.3.256:80", "1.2.3.4:65536",
                            "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:80x", "1.2.3.4: 80", " 1.2.3.4:80", "1..3.4:80", "1.2.3.:80",
                            ".1.2.3:80", "a.b.c.d:80", "1.2.3.4x:80", "1.2.3.0004:80", "localhost:80", "1.2.3.4:99999999999",
                            "-1.2.3.4:80", "0x1.2.3.4:80"})
        CHECK_MESSAGE(normal(bad) == "refused", bad);
    CHECK(parse_address("nonsense").error() == Error::invalid_address);
}

TEST_CASE("address: IPv6") {
    CHECK(normal("[::1]:9192") == "[0:0:0:0:0:0:0:1]:9192");
    CHECK(normal("[::]:1") == "[0:0:0:0:0:0:0:0]:1");
    CHECK(normal("[fe80::1:2]:1") == "[fe80:0:0:0:0:0:1:2]:1");
    CHECK(normal("[2001:DB8::]:1") == "[2001:db8:0:0:0:0:0:0]:1");
    CHECK(normal("[1:2:3:4:5:6:7:8]:1") == "[1:2:3:4:5:6:7:8]:1");
    CHECK(normal("[1:2:3:4:5:6:7::]:1") == "[1:2:3:4:5:6:7:0]:1");
    CHECK(normal("[::2:3:4:5:6:7:8]:1") == "[0:2:3:4:5:6:7:8]:1");
    CHECK(normal("[1::8]:65535") == "[1:0:0:0:0:0:0:8]:65535");
    CHECK(parse_address("[::1]:1")->v6);
    for (const char* bad : {"[]:1", "[:]:1", "[:::]:1", "[1]:1", "[1:2:3:4:5:6:7]:1", "[1:2:3:4:5:6:7:8:9]:1", "[1::2::3]:1",
                            "[1:2:3:4:5:6:7:8::]:1", "[::1:2:3:4:5:6:7:8]:1", "[12345::]:1", "[g::]:1", "[1:]:1", "[:1]:1",
                            "[1:::2]:1", "[::1", "::1:80", "[::1]", "[::1]80", "[::1]:", "[::ffff:1.2.3.4]:1", "[0x1::]:1",
                            "[1 ::]:1", "[::1:]:1", "[::-1]:1", "[fe80::1%eth0]:1"})
        CHECK_MESSAGE(normal(bad) == "refused", bad);
}

TEST_CASE("address: what is printed is read back") {
    test::Random random(6);
    for (int round = 0; round < 2000; ++round) {
        Address address;
        address.v6 = random.below(2) == 0;
        for (std::size_t i = 0; i < (address.v6 ? 16U : 4U); ++i)
            address.ip[i] = static_cast<std::uint8_t>(random.below(3) == 0 ? 0 : random());
        address.port = static_cast<std::uint16_t>(random());
        const Result<Address> again = parse_address(text_of(address));
        REQUIRE(again.ok());
        REQUIRE(*again == address);
    }
}
