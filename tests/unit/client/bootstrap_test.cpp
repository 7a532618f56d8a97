#include "client/bootstrap.h"

#include <doctest/doctest.h>

#include <string>

using namespace rivulet;
using client::Bootstrap;

TEST_CASE("bootstrap: names, addresses, ports") {
    const auto list = Bootstrap::parse("board1, 10.0.0.7:19192 ,[fe80::1]:1,[::1],b-2.local:65535");
    REQUIRE(list);
    const auto e = list->endpoints();
    REQUIRE(e.size() == 5);
    CHECK(e[0].text == "board1");
    CHECK(e[0].host == "board1");
    CHECK(e[0].port == 9192);
    CHECK_FALSE(e[0].numeric);
    CHECK(e[1].numeric);
    CHECK(e[1].text == "10.0.0.7:19192");
    CHECK(e[1].address.port == 19192);
    CHECK(e[2].numeric);
    CHECK(e[2].address.v6);
    CHECK(e[2].address.port == 1);
    CHECK(e[3].address.port == 9192);
    CHECK(e[4].host == "b-2.local");
    CHECK(e[4].port == 65535);
}

TEST_CASE("bootstrap: which entry is wrong") {
    const auto wrong = [](std::string_view text) {
        const auto list = Bootstrap::parse(text);
        REQUIRE_FALSE(list.ok());
        CHECK(list.error() == Error::invalid_argument);
        return list.failure().detail;
    };
    CHECK(wrong("") == 0);
    CHECK(wrong("  ") == 0);
    CHECK(wrong("a,") == 2);
    CHECK(wrong(",a") == 1);
    CHECK(wrong("a:0") == 1);
    CHECK(wrong("a:65536") == 1);
    CHECK(wrong("a:12x") == 1);
    CHECK(wrong("a:") == 1);
    CHECK(wrong("a,b c") == 2);
    CHECK(wrong("[::1") == 1);
    CHECK(wrong("[nope]:1") == 1);
    CHECK(wrong("[::1]9192") == 1);
    CHECK(wrong("a,b,c,d,e,f,g,h,i") == client::bootstrap_max + 1);
    CHECK(wrong(std::string(254, 'a')) == 1);
}
