// Damaged records of topics: what was acknowledged is served, under its name where that is known, and nothing deleted takes its place.
#include <doctest/doctest.h>

#include "unit/broker/broker_harness.h"

namespace rivulet::test {
namespace {

using store::RecordType;

constexpr std::string_view journal = "rivulet-data/journal";

std::string with(std::string_view what, std::string_view by) {
    std::string text = small_config;
    REQUIRE(text.find(what) != text.npos);
    return text.replace(text.find(what), what.size(), by);
}

struct Damaged : ServedBroker {
    explicit Damaged(const std::string& text = small_config) : ServedBroker(text) {
        world.on_log = [this](sim::Node&, env::LogLevel, std::string_view line) { log.append(line).append("\n"); };
        run(ns_per_s);
    }
    // A topic with so many records in its only partition, durable in a group of its own.
    LogId make(std::string_view name, int records) {
        REQUIRE(create(name) == Error::none);
        run(ns_per_s);
        add(name, records);
        return broker().find_topic(name)->first_log();
    }
    // A topic of two partitions without records; the first log.
    LogId make_two(std::string_view name) {
        REQUIRE(create(name, 2) == Error::none);
        run(ns_per_s);
        return broker().find_topic(name)->first_log();
    }
    void add(std::string_view name, int records) {
        for (int i = 0; i < records; ++i) REQUIRE(put(partition(name), std::string(100, 'v')) == Error::none);
        run(ns_per_s);
    }
    void drop(std::string_view name) {
        REQUIRE(remove(name) == Error::none);
        run(ns_per_s);
    }
    void alter(std::string_view name) {
        char buffer[300];
        Text why(buffer);
        broker::Topic& topic = *broker().find_topic(name);
        config::TopicConfig config = topic.config;
        config.retention_ms = 86'400'000;
        config.overrides |= 1U << (static_cast<unsigned>(config::TopicKey::retention_ms) - 1);
        REQUIRE(act([&] { return broker().alter_topic(topic, config, topic.partitions, why).error(); }) == Error::none);
        run(ns_per_s);
    }
    // The first of the new logs.
    LogId grow(std::string_view name, std::int64_t partitions) {
        char buffer[300];
        Text why(buffer);
        broker::Topic& topic = *broker().find_topic(name);
        const LogId first = broker().store().next_log_id();
        REQUIRE(act([&] { return broker().grow_topic(topic, partitions, why).error(); }) == Error::none);
        run(ns_per_s);
        return first;
    }
    store::Log& last_partition(std::string_view name) {
        broker::Topic& topic = *broker().find_topic(name);
        return *broker().partition(topic, topic.partitions - 1);
    }
    void add_to_last(std::string_view name, int records) {
        for (int i = 0; i < records; ++i) REQUIRE(put(last_partition(name), std::string(100, 'v')) == Error::none);
        run(ns_per_s);
    }
    // The record of this type about this log, and all that lies in its group.
    void damage(RecordType type, LogId first) {
        damage([&](const store::JournalRecord& record) {
            return record.type == type && (type == RecordType::log_create ? record.log_create.first : record.log_delete.first) == first;
        });
    }
    template <class Match>
    void damage(Match match) {
        const store::State& state = broker().store().state();
        const store::Geometry& geometry = state.geometry;
        const auto bytes = server_node->disk().contents(journal);
        std::size_t damaged = 0;
        for (Lsn at = geometry.first_group(state.head.first_live); at < state.head.previous_end;) {
            const std::uint64_t position = geometry.file_position(at);
            const auto header = store::decode_group_header(Bytes(bytes).subspan(position, store::group_header_bytes), at, geometry);
            if (!header) {
                at = geometry.first_group(geometry.sequence(at) + 1);
                continue;
            }
            store::TableReader table(*header, Bytes(bytes).subspan(position + store::group_header_bytes, header->table_bytes));
            store::Extent extent;
            bool here = false;
            if (table.next(extent) && extent.log == store::control_log) {
                store::RecordsReader records(Bytes(bytes).subspan(position + header->payload_position() + extent.position, extent.bytes));
                for (store::JournalRecord record; records.next(record);) here |= match(record);
            }
            if (here) {
                server_node->disk().flip_bit(journal, position + 90, 3);
                ++damaged;
            }
            at = header->end();
        }
        REQUIRE(damaged == 1);
    }
    void checkpoint() {
        const std::uint64_t before = broker().store().state().checkpoint_sequence;
        const std::string value(3000, 'v');
        for (int i = 0; i < 20'000 && broker().store().state().checkpoint_sequence == before; ++i) {
            static_cast<void>(put(partition("temps"), value));
            run(2 * ns_per_ms);
        }
        REQUIRE(broker().store().state().checkpoint_sequence != before);
        run(ns_per_s);
    }
    void lose_checkpoints() {
        for (const std::string_view name : {"rivulet-data/checkpoint.0", "rivulet-data/checkpoint.1"}) server_node->disk().overwrite(name, 0, std::vector<std::uint8_t>(store::page_bytes));
    }
    void set_config(const std::string& text) {
        server_node->program = [this, text](sim::NodeEnv& env) {
            auto made = std::make_unique<ServerProgram>(env, text, &refused);
            program = made.get();
            return made;
        };
    }
    void restart(const std::string& text = small_config) {
        set_config(text);
        run(20 * ns_per_s);  // marked: all is proved
        server_node->kill();
        log.clear();
        server_node->boot();
        REQUIRE(program != nullptr);
        REQUIRE(refused == Error::none);
    }
    void expect(std::string_view name, LogId first, int records) {
        INFO(log);
        CAPTURE(name);
        const broker::Topic* topic = broker().find_topic(name);
        REQUIRE(topic != nullptr);
        CHECK(topic->first_log() == first);
        REQUIRE(broker().partition(*topic, 0) != nullptr);
        CHECK(partition(name).start == Offset(0));
        CHECK(partition(name).end == Offset(records));
    }
    // Each log is of one topic, and each topic has its logs.
    void expect_whole() {
        INFO(log);
        std::uint32_t logs = 0;
        for (std::uint32_t rank = 0; rank < broker().topics().count(); ++rank) {
            const broker::Topic& topic = broker().topics().at(rank);
            logs += topic.partitions;
            for (std::uint32_t p = 0; p < topic.partitions; ++p) {
                CHECK(broker().partition(topic, p) != nullptr);
                CHECK(broker().topics().find_log(topic.log_of(p)) == &topic);
            }
        }
        CHECK(logs == broker().store().log_count());
    }
    std::string log;
    Error refused = Error::none;
};

TEST_CASE("damaged catalogue: a name that was given again proves that the topic before it was deleted") {
    for (const bool checkpointed : {false, true}) {
        CAPTURE(checkpointed);
        Damaged served;
        const LogId old = served.make("a", 5);
        if (checkpointed) served.checkpoint();
        served.drop("a");
        const LogId fresh = served.make("a", 9);
        served.damage(RecordType::log_delete, old);
        for (int start = 0; start < 3; ++start) {
            served.restart();
            served.expect("a", fresh, 9);
            served.expect_whole();
            CHECK(served.broker().find_topic("recovered." + std::to_string(old.value)) == nullptr);
            CHECK(served.broker().store().find(old) == nullptr);
        }
        // It lasts once the damage is behind a checkpoint.
        served.checkpoint();
        served.restart();
        served.expect("a", fresh, 9);
        served.expect_whole();
    }
}

TEST_CASE("damaged catalogue: the message of a lost deletion says what happened") {
    Damaged served;
    const LogId old = served.make("a", 5);
    served.drop("a");
    served.make("a", 9);
    served.damage(RecordType::log_delete, old);
    served.restart();
    INFO(served.log);
    CHECK(served.log.find("topic a: the record of its deletion is damaged") != std::string::npos);
    CHECK(served.log.find("cannot") == std::string::npos);
    CHECK(served.log.find("limits.topics") == std::string::npos);
}

TEST_CASE("damaged catalogue: a name is given again and again, and several deletions are lost") {
    Damaged served;
    const LogId first = served.make("a", 5);
    served.drop("a");
    const LogId second = served.make("a", 6);
    served.alter("a");
    served.drop("a");
    const LogId third = served.make("a", 7);
    served.alter("a");
    served.damage(RecordType::log_delete, first);
    served.damage(RecordType::log_delete, second);
    served.restart();
    served.expect("a", third, 7);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: an altered topic whose creation is lost has its name, its logs and its ids") {
    for (const bool deletion_lost : {false, true})
        for (const bool written : {false, true}) {
            CAPTURE(deletion_lost);
            CAPTURE(written);
            Damaged served;
            served.checkpoint();
            const LogId old = served.make("a", 5);
            served.drop("a");
            const LogId fresh = served.make("a", written ? 4 : 0);
            served.alter("a");
            served.damage(RecordType::log_create, fresh);
            if (deletion_lost) served.damage(RecordType::log_delete, old);
            if (written) served.add("a", 5);
            served.restart();
            served.expect_whole();
            if (written) served.expect("a", fresh, 9);
            CHECK(served.broker().find_topic("a")->config.retention_ms == 86'400'000);
            // No log is given to two topics.
            served.make("b", 3);
            CHECK(served.broker().find_topic("b")->first_log() > fresh);
            served.expect_whole();
            served.restart();
            served.expect_whole();
        }
}

TEST_CASE("damaged catalogue: a topic whose creation is lost is recovered, though a later one was created before its first record") {
    for (const bool checkpointed : {false, true}) {
        CAPTURE(checkpointed);
        Damaged served;
        if (checkpointed) served.checkpoint();
        const LogId lost = served.make("a", 0);
        const LogId later = served.make("b", 2);
        served.add("a", 5);
        served.damage(RecordType::log_create, lost);
        for (int start = 0; start < 2; ++start) {
            served.restart();
            served.expect("recovered." + std::to_string(lost.value), lost, 5);
            served.expect("b", later, 2);
            served.expect_whole();
        }
    }
}

TEST_CASE("damaged catalogue: a topic whose creation is lost has all its partitions, whichever was written to first") {
    for (const bool another : {false, true})
        for (const std::uint64_t written : {0U, 1U}) {
            CAPTURE(another);
            CAPTURE(written);
            Damaged served;
            served.checkpoint();
            const LogId first = served.make_two("a");
            if (another) served.make("b", 2);
            const auto put = [&](std::uint64_t p) {
                REQUIRE(served.put(*served.broker().store().find(first + p), "v") == Error::none);
                served.run(ns_per_s);
            };
            put(written);
            served.alter("a");
            put(1 - written);
            served.damage(RecordType::log_create, first);
            for (int start = 0; start < 2; ++start) {
                served.restart();
                served.expect_whole();
                for (std::uint64_t p = 0; p < 2; ++p) CHECK(served.broker().store().find(first + p)->end == Offset(1 + start));
                put(0);
                put(1);
            }
        }
}

TEST_CASE("damaged catalogue: a later topic whose creation is lost is recovered beside the one whose deletion is") {
    Damaged served;
    const LogId old = served.make("a", 5);
    served.drop("a");
    const LogId fresh = served.make("a", 9);
    served.damage(RecordType::log_create, fresh);
    served.damage(RecordType::log_delete, old);
    served.restart();
    CHECK(served.broker().find_topic("a")->first_log() == old);
    served.expect("recovered." + std::to_string(fresh.value), fresh, 9);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: a deletion takes all that came back of a topic whose creation is lost") {
    Damaged served;
    const LogId first = served.make_two("a");
    for (std::uint64_t p = 0; p < 2; ++p) REQUIRE(served.put(*served.broker().store().find(first + p), "v") == Error::none);
    served.run(ns_per_s);
    served.drop("a");
    served.damage(RecordType::log_create, first);
    served.restart();
    CHECK(served.broker().topics().count() == 2);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: at limits.topics and limits.partitions a topic that was made again has the place of the one before") {
    for (const std::string& text : {with("topics = 16", "topics = 4"), with("topics = 16\npartitions = 16", "topics = 8\npartitions = 8")}) {
        Damaged served(text);
        served.make("b", 3);
        const LogId old = served.make("a", 5);
        REQUIRE(served.create("c") == Error::limit_reached);
        served.drop("a");
        const LogId fresh = served.make("a", 9);
        REQUIRE(served.create("c") == Error::limit_reached);
        served.damage(RecordType::log_delete, old);
        served.restart(text);
        served.expect("a", fresh, 9);
        served.expect_whole();
    }
}

TEST_CASE("damaged catalogue: recovered topics give way to one that was created, at limits.topics") {
    const std::string text = with("topics = 16", "topics = 4");
    Damaged served(text);
    const LogId lost = served.make("lost", 5);
    served.make("gone", 1);
    served.drop("gone");
    const LogId last = served.make("last", 9);
    served.damage(RecordType::log_create, lost);
    served.lose_checkpoints();
    served.restart(text);
    served.expect("last", last, 9);
    served.expect("recovered." + std::to_string(lost.value), lost, 5);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: what has no room because a deletion is lost comes back once it has") {
    const std::string text = with("topics = 16", "topics = 4");
    for (const bool checkpointed : {false, true}) {
        CAPTURE(checkpointed);
        Damaged served(text);
        const LogId b = served.make("b", 3);
        served.make("a", 5);
        served.drop("b");
        const LogId c = served.make("c", 9);
        served.damage(RecordType::log_delete, b);
        served.restart(text);
        CHECK(served.broker().find_topic("c") == nullptr);
        CHECK(served.log.find("topic c: limits.topics = 4 is less than this store has: at least 5 is needed") != std::string::npos);
        if (checkpointed) served.checkpoint();
        served.restart(with("topics = 16", "topics = 5"));
        // Its name was in the journal alone.
        served.expect(checkpointed ? "recovered." + std::to_string(c.value) : "c", c, 9);
        served.expect_whole();
    }
}

TEST_CASE("damaged catalogue: what is recovered takes no name that a topic has") {
    for (const bool altered : {false, true}) {
        CAPTURE(altered);
        Damaged served;
        const LogId lost = served.make("t", 7);
        const std::string name = "recovered." + std::to_string(lost.value);
        const LogId users = served.make(name, 5);
        const LogId next = served.make(name + ".1", 4);
        if (altered) served.alter(name);
        served.damage(RecordType::log_create, lost);
        served.lose_checkpoints();
        for (int start = 0; start < 3; ++start) {
            served.restart();
            served.expect(name, users, 5);
            served.expect(name + ".1", next, 4);
            served.expect(name + ".2", lost, 7);
            served.expect_whole();
            if (start == 1) served.checkpoint();
        }
        // Also where the user's comes first.
        served.lose_checkpoints();
    }
}

TEST_CASE("damaged catalogue: a recovered topic that was deleted and made anew by the user") {
    Damaged served;
    const LogId lost = served.make("t", 7);
    const std::string name = "recovered." + std::to_string(lost.value);
    served.damage(RecordType::log_create, lost);
    served.lose_checkpoints();
    served.restart();
    served.expect(name, lost, 7);
    served.drop(name);
    const LogId users = served.make(name, 3);
    served.restart();
    served.expect(name, users, 3);
    served.damage(RecordType::log_delete, lost);
    served.restart();
    served.expect(name, users, 3);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: the record of a growth is lost, a later one of the topic has its logs") {
    // Without a checkpoint logs that have no records do not come back.
    for (const bool checkpointed : {false, true}) {
        CAPTURE(checkpointed);
        Damaged served;
        const LogId first = served.make("a", 5);
        served.make("b", 0);
        if (checkpointed) served.checkpoint();
        const LogId grown = served.grow("a", checkpointed ? 3 : 2);
        served.alter("a");
        served.damage(RecordType::log_create, grown);
        served.add("a", 2);
        served.add_to_last("a", 4);
        for (int start = 0; start < 3; ++start) {
            served.restart();
            served.expect("a", first, 7);
            REQUIRE(served.broker().find_topic("a")->partitions == (checkpointed ? 3 : 2));
            CHECK(served.last_partition("a").end == Offset(4));
            served.expect_whole();
            if (start == 1) served.checkpoint();
        }
    }
}

TEST_CASE("damaged catalogue: the record of a growth is lost, what was stored there comes back by itself") {
    Damaged served;
    const LogId first = served.make("a", 5);
    served.make("b", 0);
    const LogId grown = served.grow("a", 2);
    served.damage(RecordType::log_create, grown);
    served.add("a", 2);
    served.add_to_last("a", 4);
    for (int start = 0; start < 2; ++start) {
        served.restart();
        served.expect("a", first, 7);
        CHECK(served.broker().find_topic("a")->partitions == 1);
        served.expect("recovered." + std::to_string(grown.value), grown, 4);
        served.expect_whole();
    }
    // The topic grows again, elsewhere.
    CHECK(served.grow("a", 2) > grown);
    served.restart();
    CHECK(served.broker().find_topic("a")->partitions == 2);
    served.expect_whole();
}

TEST_CASE("damaged catalogue: the creation of a topic is lost, the record of its growth has all of it") {
    Damaged served;
    const LogId first = served.make("a", 5);
    served.make("b", 0);
    served.grow("a", 3);
    served.add_to_last("a", 4);
    served.damage(RecordType::log_create, first);
    served.lose_checkpoints();
    served.restart();
    served.expect("a", first, 5);
    REQUIRE(served.broker().find_topic("a")->partitions == 3);
    CHECK(served.last_partition("a").end == Offset(4));
    served.expect_whole();
}

TEST_CASE("damaged catalogue: the deletion of a topic that had grown is lost, its name was given again") {
    Damaged served;
    const LogId first = served.make("a", 5);
    served.make("b", 0);
    const LogId grown = served.grow("a", 3);
    served.add_to_last("a", 4);
    served.drop("a");
    const LogId fresh = served.make("a", 9);
    served.damage(RecordType::log_delete, first);
    for (int start = 0; start < 2; ++start) {
        served.restart();
        served.expect("a", fresh, 9);
        CHECK(served.broker().store().find(first) == nullptr);
        CHECK(served.broker().store().find(grown) == nullptr);
        served.expect_whole();
    }
}

TEST_CASE("catalogue: limits.topics below what the store has is refused, with the value that is needed") {
    for (const bool checkpointed : {false, true}) {
        CAPTURE(checkpointed);
        Damaged served;
        for (int i = 0; i < 4; ++i) served.make("t" + std::to_string(i), 1);
        if (checkpointed) served.checkpoint();
        served.server_node->kill();
        served.log.clear();
        served.set_config(with("topics = 16", "topics = 3"));
        served.server_node->boot();
        INFO(served.log);
        CHECK(served.refused == Error::limit_reached);
        CHECK(served.log.find(checkpointed ? "limits.topics = 3 is less than this store has: at least 6 is needed" : "limits.topics = 3 is less than this store has: at least 4 is needed") !=
              std::string::npos);
        CHECK(served.log.find("skipped") == std::string::npos);
    }
}

}  // namespace
}  // namespace rivulet::test
