// Commits, deletions, rebalances and power cuts at random, by seed, while partitions are written anew and the ring goes round: what was durable is there, and nothing else.
#include <map>

#include "unit/base/random.h"
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

class Model {
public:
    explicit Model(std::uint64_t seed) : random_(seed), world_(options(), seed) {
        world_.create("t", 4);
        world_.create("filler", 1);
    }

    void step() {
        switch (random_.below(16)) {
            case 0: return cut();
            case 1: return remove();
            case 2: return fill();
            case 3: return rejoin();
            case 4:
            case 5: world_.run(static_cast<std::int64_t>(random_.below(200)) * ns_per_ms); return settle();
            default: return commit();
        }
    }
    void finish() {
        cut();
        CHECK(world_.groups().journal().loader().skipped() == 0);
    }
    std::uint64_t rewrites = 0;

private:
    struct Values {
        std::vector<std::pair<std::uint64_t, std::int64_t>> written;  // ticket and offset, -1: deleted; the first is durable
    };
    using Key = std::pair<std::string, int>;

    static broker::GroupOptions options() {
        broker::GroupOptions options = groups_options();
        options.rewrite_bytes_min = 4'000;
        return options;
    }
    std::string group() { return "g" + std::to_string(random_.below(5)); }

    void commit() {
        TestMember alone;
        alone.group = group();
        for (std::size_t n = 1 + random_.below(8); n > 0; --n) {
            const int partition = static_cast<int>(random_.below(4));
            const std::int64_t offset = ++last_;
            const std::string metadata(random_.below(40), 'm');
            if (world_.commit(alone, "t", partition, offset, metadata, false) == Error::none) note({alone.group, partition}, world_.groups().offsets_ticket(alone.group), offset);
        }
    }
    void remove() {
        const std::string id = group();
        const auto ticket = world_.act([&] { return world_.groups().delete_group(id); });
        if (!ticket) return;
        for (int partition = 0; partition < 4; ++partition) note({id, partition}, *ticket, -1);
    }
    // Makes the ring go round.
    void fill() {
        store::Log& log = *world_.broker().partition(*world_.broker().find_topic("filler"), 0);
        const std::string value(8000, 'f');
        record::Reading reading;
        reading.value = as_bytes(value);
        for (int i = 0; i < 30; ++i) {
            if (!world_.act([&] { return world_.broker().append(log, reading, {}).ok(); })) world_.run(50 * ns_per_ms);
            world_.run(2 * ns_per_ms);
        }
        settle();
    }
    // A member of a group of its own comes and settles, or joins again.
    void rejoin() {
        member_.group = "members";
        member_.session_ms = 30 * 60'000;
        if (member_.id.empty() || world_.heartbeat(member_) != Error::none) {
            member_.id.clear();
            world_.settle(member_);
            generation_ = member_.generation;
            return;
        }
        const TestJoin& again = world_.joined(member_);  // the leader: another generation, which a power cut may find without its assignments
        CHECK(again.generation == generation_ + 1);
        if (random_.below(2) == 0) return;
        TestSync sync;
        REQUIRE(world_.sync(member_, sync, {{member_.id, "a"}}) == Error::none);
        REQUIRE(world_.until([&] { return sync.answers == 1; }));
        REQUIRE(sync.error == Error::none);
        generation_ = member_.generation;
    }
    void cut() {
        rewrites += world_.groups().journal().rewriter().rewrites();
        settle();
        world_.cut();
        world_.boot();
        for (auto& [key, values] : values_) {
            CAPTURE(key.first);
            CAPTURE(key.second);
            const std::int64_t found = world_.committed("t", key.second, key.first);
            bool known = false;
            for (const auto& [ticket, offset] : values.written) known |= offset == found;
            CHECK(known);
            values.written = {{0, found}};
        }
        // A generation whose assignments were told goes on, or one after it.
        if (generation_ >= 0) {
            REQUIRE(world_.state("members") != GroupState::dead);
            CHECK(world_.generation("members") >= generation_);
        }
        // Its session ends, so that it may come anew.
        if (generation_ >= 0) world_.run(31 * 60 * ns_per_s);
        member_.id.clear();
        generation_ = -1;
    }
    void note(const Key& key, std::uint64_t ticket, std::int64_t offset) {
        Values& values = values_[key];
        if (values.written.empty()) values.written.push_back({0, -1});
        values.written.push_back({ticket, offset});
        settle();
    }
    void settle() {
        const std::uint64_t durable = world_.broker().durable_ticket();
        for (auto& [key, values] : values_)
            while (values.written.size() > 1 && values.written[1].first <= durable) values.written.erase(values.written.begin());
    }

    Random random_;
    Groups world_;
    std::map<Key, Values> values_;
    std::int64_t last_ = 0;
    TestMember member_;
    std::int32_t generation_ = -1;
};

TEST_CASE("groups at random: what is durable outlives power cuts, whatever is written anew meanwhile") {
    std::uint64_t rewrites = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Model model(seed);
        for (int i = 0; i < 200; ++i) model.step();
        model.finish();
        rewrites += model.rewrites;
    }
    CHECK(rewrites > 20);
}

}  // namespace
}  // namespace rivulet::test
