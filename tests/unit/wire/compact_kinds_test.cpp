#include "wire/compact/kinds.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace rivulet;
using namespace rivulet::wire::compact;

TEST_CASE("compact kinds: the table is whole") {
    std::set<std::string> names;
    for (unsigned i = 1; i < kinds_max; ++i) {
        const KindInfo& info = kind_info(static_cast<Kind>(i));
        CHECK(static_cast<unsigned>(info.kind) == i);
        CHECK(info.text[0] != 0);
        CHECK(names.insert(info.name).second);
        CHECK(info.summed == (i <= 5));  // PROTOCOL.md says so
        CHECK(info.flags_up < 8);
        CHECK(info.flags_down < 8);
        // A request and its answer; DATA and CREDIT go one way, for a subscription.
        if (info.correlation) CHECK((info.sent_by == Side::either || info.kind == Kind::data || info.kind == Kind::credit));
    }
    CHECK(!kind_info(Kind::none).defined);
    CHECK(&kind_info(static_cast<Kind>(200)) == &kind_info(Kind::none));
}

TEST_CASE("compact kinds: what is admitted when") {
    using enum Admission;
    const auto at_broker = [](Kind kind, State state) { return admit(kind, Side::broker, state); };
    const auto at_client = [](Kind kind, State state) { return admit(kind, Side::client, state); };

    CHECK(at_broker(Kind::open, State::fresh) == take);
    CHECK(at_broker(Kind::open, State::open) == refuse);
    for (const Kind kind : {Kind::put, Kind::put_packed, Kind::alias, Kind::fetch, Kind::ping, Kind::topic_list}) {
        CHECK(at_broker(kind, State::fresh) == refuse);
        CHECK(at_broker(kind, State::open) == take);
        CHECK(at_broker(kind, State::closing) == discard);
    }
    CHECK(at_broker(Kind::ack, State::open) == refuse);
    CHECK(at_broker(Kind::data, State::open) == refuse);
    CHECK(at_client(Kind::credit, State::open) == refuse);
    CHECK(at_client(Kind::put, State::open) == refuse);
    CHECK(at_client(Kind::put_packed, State::closing) == refuse);
    CHECK(at_client(Kind::open, State::fresh) == take);
    CHECK(at_client(Kind::open, State::closing) == discard);
    CHECK(at_client(Kind::ack, State::fresh) == refuse);
    for (const Kind kind : {Kind::ack, Kind::fetch, Kind::pong, Kind::error, Kind::close}) {
        CHECK(at_client(kind, State::open) == take);
        CHECK(at_client(kind, State::closing) == take);
    }
    for (const State state : {State::fresh, State::open}) {
        CHECK(at_broker(Kind::error, state) == take);
        CHECK(at_broker(Kind::close, state) == take);
        for (const Kind reserved : {Kind::none, Kind::r_fetch, Kind::r_data, Kind::quorum, Kind::auth, Kind::extended}) {
            CHECK(at_broker(reserved, state) == refuse);
            CHECK(at_client(reserved, state) == refuse);
        }
    }
}
