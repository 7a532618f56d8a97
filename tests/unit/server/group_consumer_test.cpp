// The client's group consumer against a served broker, which is killed, cut and restarted meanwhile.
#include "client/group_consumer.h"

#include <doctest/doctest.h>

#include <optional>

#include "client/batches.h"
#include "sim/guard.h"
#include "unit/server/members.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

class Consumer final : public client::GroupConsumerHandler {
public:
    Consumer(Served& served, std::string_view name, std::multiset<std::pair<std::string, std::int64_t>>& processed, std::uint64_t auto_commit_ms = 1000)
        : served_(served), name_(name), processed_(processed) {
        options_.channel.receive_bytes = 128 * 1024;
        options_.channel.send_bytes = 4096;
        options_.join.group = "g";
        options_.join.client = name_;
        options_.join.assignor = client::protocol::AssignBy::sticky;
        options_.join.start = client::protocol::StartAt::earliest;
        options_.join.session_timeout_ms = 30'000;
        options_.join.rebalance_timeout_ms = 10'000;
        options_.join.auto_commit_ms = auto_commit_ms;
        options_.join.credit = 4000;
        options_.topics = {&topic_, 1};
        options_.retry_ms = 60'000;
        options_.partitions_max = 16;
        memory_.resize(client::GroupConsumer::memory_bytes(options_));
        arena_.emplace(memory_);
        consumer_.emplace(*served.client_node->env(), options_, *arena_, *this);
        char buffer[64];
        Text text(buffer);
        text << served.server_node->address(9192);
        bootstrap_text_ = text.view();
        consumer_->start(*client::Bootstrap::parse(bootstrap_text_));
    }
    void stop() { consumer_->stop(); }

    std::set<std::uint64_t> has;
    std::uint64_t records = 0;
    std::uint64_t generation = 0;
    std::uint64_t records_max = 0;  // 0: no limit
    int interruptions = 0;
    bool ended = false;
    Failure why{Error::none, 0};

private:
    void on_assigned(const client::GroupPartition& partition) override {
        const sim::AllocationGuard::SimCode scope;
        has.insert(partition.partition);
    }
    void on_revoked(const client::GroupPartition& partition) override {
        const sim::AllocationGuard::SimCode scope;
        CHECK(has.erase(partition.partition) == 1);
    }
    Offset on_batches(const client::GroupPartition& partition, const client::protocol::Data& data) override {
        const sim::AllocationGuard::SimCode scope;
        CHECK(has.count(partition.partition) == 1);
        client::Batches batches(data.batches, data.offset);
        Offset done = data.offset;
        while (records_max == 0 || records < records_max) {
            const auto record = batches.next();
            if (!record) break;
            processed_.insert({std::string(partition.topic) + "/" + std::to_string(partition.partition), record->offset.value});
            done = record->offset + 1;
            ++records;
        }
        CHECK(batches.error() == Error::none);
        if (records_max != 0 && records == records_max) stop();
        return done;
    }
    void on_generation(std::uint64_t now) override { generation = now; }
    void on_interrupted(const client::Ending&) override {
        const sim::AllocationGuard::SimCode scope;
        ++interruptions;
        has.clear();
    }
    void on_ended(const client::Ending& ending) override {
        CHECK(!ended);
        ended = true;
        why = ending.failure;
    }

    Served& served_;
    std::string name_;
    std::string bootstrap_text_;
    std::multiset<std::pair<std::string, std::int64_t>>& processed_;
    std::string_view topic_ = "temps";
    client::GroupConsumerOptions options_;
    std::vector<std::uint8_t> memory_;
    std::optional<Arena> arena_;
    std::optional<client::GroupConsumer> consumer_;
};

using Processed = std::multiset<std::pair<std::string, std::int64_t>>;

std::size_t distinct(const Processed& processed) { return std::set<std::pair<std::string, std::int64_t>>(processed.begin(), processed.end()).size(); }

}  // namespace

TEST_CASE("two consumers share, one leaves cleanly: each record once") {
    Served served;
    Client& writer = writer_of(served);
    Processed processed;
    Consumer first(served, "first", processed);
    REQUIRE(served.until([&] { return first.has.size() == 4; }));
    fill(served, writer, "temps", {0, 1, 2, 3}, 20);
    Consumer second(served, "second", processed);
    REQUIRE(served.until([&] { return first.has.size() == 2 && second.has.size() == 2; }));
    fill(served, writer, "temps", {0, 1, 2, 3}, 20);
    REQUIRE(served.until([&] { return processed.size() == 160; }));
    CHECK(second.records >= 40);
    second.stop();
    REQUIRE(served.until([&] { return second.ended; }));
    CHECK(second.why.error == Error::canceled);
    REQUIRE(served.until([&] { return first.has.size() == 4; }));
    fill(served, writer, "temps", {0, 1, 2, 3}, 5);
    REQUIRE(served.until([&] { return processed.size() == 180; }));
    CHECK(distinct(processed) == 180);
    first.stop();
    REQUIRE(served.until([&] { return first.ended; }));
    for (std::int64_t p = 0; p < 4; ++p) CHECK(committed(served, "temps", p) == 45);
}

TEST_CASE("who stops in the middle of a batch commits just that") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {2}, 30);
    Processed processed;
    Consumer some(served, "some", processed);
    some.records_max = 7;
    REQUIRE(served.until([&] { return some.ended; }));
    CHECK(committed(served, "temps", 2) == 7);
    Consumer rest(served, "rest", processed);
    REQUIRE(served.until([&] { return processed.size() == 30; }));
    CHECK(distinct(processed) == 30);
    rest.stop();
    REQUIRE(served.until([&] { return rest.ended; }));
}

TEST_CASE("killed and cut brokers: consumers come back, nothing is lost, and generations go on") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        Served served(small_config, seed);
        Processed processed;
        Consumer first(served, "first", processed, 200);
        Consumer second(served, "second", processed, 200);
        std::size_t wanted = 0;
        std::uint64_t generation = 0;
        for (int round = 0; round < 4; ++round) {
            Client& writer = writer_of(served);
            fill(served, writer, "temps", {0, 1, 2, 3}, 10);
            wanted += 40;
            // In the middle of whatever goes on.
            served.run(static_cast<std::int64_t>(seed * 37 + static_cast<std::uint64_t>(round) * 211) * ns_per_ms);
            if (round % 2 == 0) served.server_node->power_cut();
            else served.server_node->kill();
            served.run(300 * ns_per_ms);
            served.server_node->boot();
            REQUIRE(served.until([&] { return distinct(processed) == wanted; }, 120 * ns_per_s));
            REQUIRE(served.until([&] { return first.has.size() + second.has.size() == 4 && first.generation == second.generation; }, 120 * ns_per_s));
            CHECK(first.generation > generation);
            generation = first.generation;
        }
        CHECK(!first.ended);
        CHECK(!second.ended);
        for (Consumer* consumer : {&first, &second}) {
            consumer->stop();
            REQUIRE(served.until([&] { return consumer->ended; }));
        }
        for (std::int64_t p = 0; p < 4; ++p) CHECK(committed(served, "temps", p) == 40);
    }
}

TEST_CASE("a consumer that is refused says why") {
    Served served;
    TestGroupMember other(served);
    other.join.assignor = frames::AssignBy::range;
    other.enter();
    Processed processed;
    Consumer consumer(served, "sticky", processed);
    REQUIRE(served.until([&] { return consumer.ended; }));
    CHECK(consumer.why.error == Error::inconsistent_group_protocol);
    CHECK(processed.empty());
}
