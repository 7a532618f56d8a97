// Topics come and go while a checkpoint is captured; the next start has them all, and no others.
#include <doctest/doctest.h>

#include "unit/broker/broker_harness.h"

namespace rivulet::test {
namespace {

std::vector<std::string> names(ServedBroker& served) {
    std::vector<std::string> out;
    for (std::uint32_t rank = 0; rank < served.broker().topics().count(); ++rank) out.emplace_back(served.broker().topics().at(rank).name.view());
    return out;
}

// Appends until a checkpoint has begun to capture, calls `change`, goes on until it is there; kills the process and starts it again.
template <class Change>
void change_during_checkpoint(ServedBroker& served, Change change) {
    bool capturing = false;
    served.server_node->disk().observer = [&](const sim::DiskCall& call, std::uint64_t) {
        capturing |= call.op == sim::DiskOp::write && call.path.find("checkpoint") != std::string_view::npos && call.position != 0;
    };
    const std::uint64_t before = served.broker().store().state().checkpoint_sequence;
    const std::string value(3000, 'v');
    for (int i = 0; i < 20'000 && !capturing; ++i) {
        static_cast<void>(served.put(served.partition("temps"), value));
        served.run(200'000);
    }
    REQUIRE(capturing);
    REQUIRE(served.broker().store().state().checkpoint_sequence == before);
    change();
    REQUIRE(served.until([&] { return served.broker().store().state().checkpoint_sequence != before; }));
    served.run(2 * ns_per_s);
    served.server_node->disk().observer = nullptr;
    const std::vector<std::string> expected = names(served);
    served.server_node->kill();
    served.server_node->boot();
    REQUIRE(served.program != nullptr);
    CHECK(names(served) == expected);
    CHECK(served.broker().store().state().damage.corrupt_groups == 0);
}

// Latencies that do not vary: the checkpoint's first slice is written well before its last is encoded.
ServedBroker& settled(ServedBroker& served) {
    served.world.latency() = sim::Latency({.fixed_ns = {2 * ns_per_ms, 2 * ns_per_ms, 2 * ns_per_ms}}, sim::Random(3));
    served.run(ns_per_s);
    return served;
}

TEST_CASE("catalogue: at limits.topics one is created, deleted and another created while a checkpoint is captured") {
    std::string config = small_config;
    config.replace(config.find("topics = 16"), 11, "topics = 5");
    ServedBroker served(config);
    settled(served);
    for (int i = 0; served.broker().topics().count() < 4; ++i) {
        REQUIRE(served.create("t" + std::to_string(i)) == Error::none);
        served.run(ns_per_s);
    }
    change_during_checkpoint(served, [&] {
        REQUIRE(served.create("x") == Error::none);
        REQUIRE(served.remove("x") == Error::none);
        REQUIRE(served.create("y") == Error::none);
        REQUIRE(served.remove("y") == Error::none);
        REQUIRE(served.create("z") == Error::none);
    });
}

TEST_CASE("catalogue: a name is given again while a checkpoint is captured") {
    for (const bool known_before : {false, true}) {
        CAPTURE(known_before);
        ServedBroker served;
        settled(served);
        if (known_before) {
            REQUIRE(served.create("x") == Error::none);
            served.run(ns_per_s);
        }
        change_during_checkpoint(served, [&] {
            if (!known_before) REQUIRE(served.create("x") == Error::none);
            REQUIRE(served.remove("x") == Error::none);
            REQUIRE(served.create("x") == Error::none);
        });
    }
}

TEST_CASE("catalogue: topics that are deleted after their entries were captured stay deleted") {
    ServedBroker served;
    settled(served);
    REQUIRE(served.create("a") == Error::none);
    REQUIRE(served.create("b") == Error::none);
    served.run(ns_per_s);
    change_during_checkpoint(served, [&] {
        REQUIRE(served.remove("a") == Error::none);
        served.run(20 * ns_per_ms);
        REQUIRE(served.remove("b") == Error::none);
        REQUIRE(served.create("a") == Error::none);
    });
}

}  // namespace
}  // namespace rivulet::test
