// Who gets what: range and round-robin as Kafka's, sticky evens out and keeps.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "broker/groups/assignors.h"
#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::broker;

namespace {

struct Case {
    std::vector<AssignedTopic> topics;
    std::vector<Assignee> members;
    std::vector<OwnerIndex> owners;

    Case(std::vector<std::uint32_t> partitions, std::vector<std::uint64_t> subscriptions) {
        std::uint32_t first = 0;
        for (const std::uint32_t count : partitions) {
            topics.push_back({first, count});
            first += count;
        }
        for (const std::uint64_t mask : subscriptions) members.push_back({mask});
        owners.assign(first, no_owner);
    }
    // "001-2": the owner of each partition.
    std::string run(Assignor assignor) {
        assign(assignor, topics, members, owners);
        std::string text;
        for (const OwnerIndex owner : owners) text += owner == no_owner ? '-' : static_cast<char>('0' + owner);
        return text;
    }
    std::size_t topic_of(std::size_t p) const {
        std::size_t t = 0;
        while (t + 1 < topics.size() && topics[t + 1].first <= p) ++t;
        return t;
    }
    bool takes(std::size_t m, std::size_t t) const { return (members[m].topics >> t & 1) != 0; }
    std::size_t load(std::size_t m) const { return static_cast<std::size_t>(std::ranges::count(owners, static_cast<OwnerIndex>(m))); }
    void check_complete() const {
        for (std::size_t p = 0; p < owners.size(); ++p) {
            bool anybody = false;
            for (std::size_t m = 0; m < members.size(); ++m) anybody |= takes(m, topic_of(p));
            CHECK((owners[p] != no_owner) == anybody);
            if (owners[p] != no_owner) CHECK(takes(owners[p], topic_of(p)));
        }
    }
    // Nobody could take over from somebody who has two more.
    void check_even() const {
        for (std::size_t p = 0; p < owners.size(); ++p)
            for (std::size_t m = 0; owners[p] != no_owner && m < members.size(); ++m)
                if (takes(m, topic_of(p))) CHECK(load(owners[p]) < load(m) + 2);
    }
};

}  // namespace

TEST_CASE("range gives each topic in runs, the first members one more, as in Kafka's documentation") {
    CHECK(Case({3, 3}, {3, 3}).run(Assignor::range) == "001001");
    CHECK(Case({7}, {1, 1, 1}).run(Assignor::range) == "0001122");
    CHECK(Case({2}, {1, 1, 1}).run(Assignor::range) == "01");
    // Not everybody wants everything.
    CHECK(Case({4, 2, 1}, {1, 3, 0}).run(Assignor::range) == "001111-");
    CHECK(Case({3}, {}).run(Assignor::range) == "---");
}

TEST_CASE("round-robin goes over all partitions, and passes over who is not subscribed, as in Kafka's documentation") {
    CHECK(Case({3, 3}, {3, 3}).run(Assignor::round_robin) == "010101");
    // t0 with 1, t1 with 2, t2 with 3 partitions; C0: t0, C1: t0 t1, C2: all.
    CHECK(Case({1, 2, 3}, {1, 3, 7}).run(Assignor::round_robin) == "012222");
    CHECK(Case({2}, {0, 1}).run(Assignor::round_robin) == "11");
    CHECK(Case({2}, {0}).run(Assignor::round_robin) == "--");
}

TEST_CASE("sticky keeps what is there, and moves no more than it must") {
    Case group({8}, {1});
    CHECK(group.run(Assignor::sticky) == "00000000");
    group.members.push_back({1});
    CHECK(group.run(Assignor::sticky) == "11110000");
    group.members.push_back({1});
    group.run(Assignor::sticky);
    group.check_even();
    // 3, 3, 2: two of the eight have moved.
    const std::string before = "11110000";
    std::size_t moved = 0;
    for (std::size_t p = 0; p < 8; ++p) moved += group.owners[p] != static_cast<OwnerIndex>(before[p] - '0');
    CHECK(moved == 2);
    CHECK(group.load(2) == 2);
    // Whoever is gone leaves what it had to the others, who keep theirs.
    std::vector<OwnerIndex> kept = group.owners;
    for (OwnerIndex& owner : group.owners) owner = owner == 0 ? no_owner : owner - 1;
    group.members.resize(2);
    group.run(Assignor::sticky);
    for (std::size_t p = 0; p < 8; ++p)
        if (kept[p] != 0) CHECK(group.owners[p] == kept[p] - 1);
    CHECK(group.load(0) == 4);
}

TEST_CASE("sticky takes from those who have most, not from whoever comes first") {
    Case group({15}, {1, 1, 1, 1});
    for (std::size_t p = 0; p < 15; ++p) group.owners[p] = static_cast<OwnerIndex>(p / 5);
    const std::vector<OwnerIndex> before = group.owners;
    group.run(Assignor::sticky);
    std::size_t moved = 0;
    for (std::size_t p = 0; p < 15; ++p) moved += group.owners[p] != before[p];
    CHECK(moved == 3);
    group.check_even();
}

TEST_CASE("whatever members are subscribed to, each partition has one owner who is, and sticky is even") {
    test::Random random(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::uint32_t> partitions;
        for (std::size_t t = 1 + random.below(5); t-- != 0;) partitions.push_back(1 + static_cast<std::uint32_t>(random.below(9)));
        std::vector<std::uint64_t> subscriptions;
        for (std::size_t m = random.below(7); m-- != 0;) subscriptions.push_back(random.below(2) == 0 ? (std::uint64_t{1} << partitions.size()) - 1 : random.below(std::uint64_t{1} << partitions.size()));
        for (const Assignor assignor : {Assignor::range, Assignor::round_robin, Assignor::sticky}) {
            Case group(partitions, subscriptions);
            for (OwnerIndex& owner : group.owners) owner = random.below(3) == 0 ? no_owner : static_cast<OwnerIndex>(random.below(8));
            group.run(assignor);
            group.check_complete();
            if (assignor != Assignor::sticky) continue;
            group.check_even();
            // Once even it stays as it is.
            const std::vector<OwnerIndex> settled = group.owners;
            group.run(assignor);
            CHECK(group.owners == settled);
        }
    }
}

TEST_CASE("assignors are found by the names that Kafka gives them") {
    for (const Assignor assignor : {Assignor::range, Assignor::round_robin, Assignor::sticky}) CHECK(find_assignor(assignor_name(assignor)) == assignor);
    CHECK(!find_assignor("cooperative-sticky"));
}
