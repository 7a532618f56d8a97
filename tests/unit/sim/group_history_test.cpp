#include <doctest/doctest.h>

#include "sim/run/kafka_history.h"
#include "sim/world.h"

using namespace rivulet;
using sim::KafkaHistory;
using sim::Plan;
using sim::World;

namespace {

// One group, which reads a topic of one partition.
Plan one_group() {
    Plan plan;
    plan.kafka.topics.resize(1);
    plan.kafka.topics[0].name = "k0";
    plan.kafka.producers.resize(1);
    plan.kafka.groups.resize(1);
    plan.kafka.groups[0] = {"group0", {0}};
    return plan;
}

struct Fixture {
    void acknowledge(std::size_t records) {
        const sim::KafkaId first = history.make(0, 0, 0, 0);
        for (std::size_t n = 1; n < records; ++n) history.make(0, 0, 0, 0);
        history.sending(first, records);
        history.acknowledged(first, records, 0);
    }
    std::uint64_t commit(std::int64_t offset) { return history.committing(0, 0, 0, offset, 1, "member", ""); }
    void find(std::uint64_t number, std::int64_t offset) { history.found(0, 0, 0, world.now(), offset, "c" + std::to_string(number)); }

    Plan plan = one_group();
    World world{plan.world};
    KafkaHistory history{world, plan};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a group is done when the commit of the last record is acknowledged") {
    CHECK(history.groups_done());
    acknowledge(5);
    CHECK(!history.groups_done());
    history.committed(commit(2), true);
    CHECK(history.undone() == "group group0, k0[0]: 2 of 5 is committed");
    history.committed(commit(5), true);
    CHECK(history.groups_done());
    CHECK(world.failure().empty());
}

TEST_CASE_FIXTURE(Fixture, "a group is done, too, when that commit is read though its acknowledgement was lost: its members commit it no more") {
    acknowledge(5);
    history.committed(commit(2), true);
    const std::uint64_t lost = commit(5);
    CHECK(!history.groups_done());
    find(lost, 5);
    CHECK(history.groups_done());
    CHECK(world.failure().empty());
}

TEST_CASE_FIXTURE(Fixture, "a group is not done by a commit that was refused, nor by what it had committed before") {
    acknowledge(5);
    const std::uint64_t before = commit(2);
    history.committed(before, true);
    history.committed(commit(5), false);
    find(before, 2);
    CHECK(!history.groups_done());
    CHECK(world.failure().empty());
}
