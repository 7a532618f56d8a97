// A session's resend, cut between every two of its steps: a sensor with several readings under way loses its connection, comes again and sends again; after every event
// of the world from there on the run is repeated with a fault at that place.
#include <doctest/doctest.h>

#include <set>

#include "record/batch.h"
#include "record/record.h"
#include "unit/server/served.h"

using namespace rivulet;
using rivulet::test::Client;
using rivulet::test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

constexpr std::uint64_t session = 0x5e55;
constexpr std::uint64_t readings = 10;
constexpr std::uint64_t window = 4;
constexpr std::uint64_t partitions = 2;
constexpr std::int64_t retry_ns = 5 * ns_per_ms;
constexpr std::int64_t silence_ns = 200 * ns_per_ms;  // then the sensor takes its connection for dead
constexpr std::int64_t down_ns = 10 * ns_per_ms;

const std::string config = R"(
[memory]
total = 2M
ring_min = 128K
[storage]
size = 1M
segment_bytes = 64K
checkpoint_bytes_max = 64K
commit_bytes = 16K
[defaults]
max.message.bytes = 16K
[limits]
connections = 8
tls_connections = 1
tls_handshakes = 1
topics = 4
partitions = 4
sessions = 16
producers = 16
aliases_per_connection = 4
batch_bytes = 16K
frame_bytes = 4K
credit_bytes = 8K
inflight_bytes = 16K
receive_pool_bytes = 32K
compact_keys = 64
index_bytes = 16K
read_windows = 2
parked_fetches = 4
groups = 4
members = 16
group_members = 8
group_bytes = 16K
committed_offsets = 64
[listener.compact]
bind = 0.0.0.0:9192
[topic.quick]
partitions = 2
commit.interval.ms = 3
)";

enum class Fault : std::uint8_t { power_cut, power_cut_all_lost, kill, reset, client_restart };
constexpr Fault faults[] = {Fault::power_cut, Fault::power_cut_all_lost, Fault::kill, Fault::reset, Fault::client_restart};
constexpr const char* fault_names[] = {"power cut", "power cut, nothing kept", "kill", "reset", "client restart"};

struct Cut {
    Fault fault;
    std::uint64_t after;  // events after the cut before; of the first: after the loss of the connection
};

// eager: OPEN, ALIAS and PUTs in one go; otherwise each waits for its answer. lost_after: events of the first connection.
struct Variant {
    bool eager;
    std::uint64_t lost_after;
};

std::uint64_t partition_of(std::uint64_t sequence) { return sequence % 3 == 0 ? 1 : 0; }
std::string value_of(std::uint64_t sequence) { return "reading " + std::to_string(sequence); }

class Run {
public:
    explicit Run(const Variant& variant) : served_(config, 1, 16), variant_(variant) { served_.run(ns_per_s); }

    // Everything sent and acknowledged, with a fault at each of these places.
    void go(std::span<const Cut> cuts) {
        while (!all_acknowledged() && events_ < variant_.lost_after) step();
        if (variant_.lost_after != UINT64_MAX) strike(Fault::reset);
        steps_.clear();
        for (const Cut& cut : cuts) {
            while (!all_acknowledged() && events_ < cut.after) step();
            strike(cut.fault);
        }
        while (!all_acknowledged()) step();
    }
    std::uint64_t events() const { return events_; }  // since the last fault
    const std::set<std::string>& steps() const { return steps_; }

    // What is on flash: all readings are acknowledged, so each must be there once and in order.
    void check() {
        if (!served_.server_node->running()) REQUIRE(served_.until([&] { return served_.server_node->running(); }));
        served_.server_node->power_cut(sim::CrashPlan::all_lost());
        served_.server_node->boot();
        Client& reader = served_.connect();
        reader.open();
        for (std::uint64_t p = 0; p < partitions; ++p) {
            reader.fetch(p, "quick", p, 0);
            REQUIRE(served_.until(reader, Kind::fetch, p + 1));
            std::string expected;
            for (std::uint64_t s = 1; s <= readings; ++s)
                if (partition_of(s) == p) expected += value_of(s) + "; ";
            REQUIRE(values(reader.last(Kind::fetch)) == expected);
        }
    }

private:
    bool all_acknowledged() const { return oldest_ > readings; }

    void step() {
        const bool goes_on = served_.world.step() && served_.world.now() < 30 * ns_per_s;
        if (!goes_on) FAIL("readings from ", oldest_, " on are not acknowledged");
        ++events_;
        sense();
    }

    // The sensor's turn. It is outside of the nodes: what it remembers survives its machine.
    void sense() {
        if (!served_.client_node->running()) return;
        const std::int64_t now = served_.world.now();
        if (client_ && client_->closed) lose_connection();
        if (!client_) {
            if (now < retry_at_) return;
            client_ = &served_.connect();
            stage_ = Stage::connecting;
            heard_ = 0;
            sent_ = oldest_ - 1;
            watch();
        }
        if (heard_ != client_->arrived.size()) {
            heard_ = client_->arrived.size();
            watch();
        } else if (now >= silent_at_) {
            client_->connection->close();
            return lose_connection();
        }
        if (client_->connected) talk();
        note_steps();
    }
    void talk() {
        if (stage_ == Stage::connecting) {
            client_->open(session, oldest_);
            stage_ = Stage::opening;
            if (variant_.eager) give_aliases();
            client_->push();
        }
        if (stage_ == Stage::opening && client_->count(Kind::open) != 0) give_aliases();
        if (stage_ == Stage::naming && (variant_.eager || client_->count(Kind::alias) == partitions)) stage_ = Stage::putting;
        if (stage_ == Stage::opening || stage_ == Stage::naming) return;
        if (client_->puts.acked() >= oldest_) {
            const bool known = client_->opened.session_state == frames::SessionState::resumed || first_of_connection_ == 1;
            CHECK_MESSAGE(known, "the session was forgotten");
            oldest_ = client_->puts.acked() + 1;
        }
        if (client_->refused != 0) FAIL("a refusal");
        while (sent_ < readings && sent_ + 1 < oldest_ + window) {
            REQUIRE(client_->put(partition_of(sent_ + 1), value_of(sent_ + 1)));
            client_->push();  // a packet of its own, if the one before has left
            ++sent_;
        }
    }
    void give_aliases() {
        for (std::uint64_t p = 0; p < partitions; ++p) client_->alias(p, "quick", p);
        client_->push();
        stage_ = Stage::naming;
        first_of_connection_ = oldest_;
    }
    void watch() {
        silent_at_ = served_.world.now() + silence_ns;
        served_.world.at(silent_at_, [] {});
    }
    void lose_connection() {
        client_ = nullptr;
        retry_at_ = served_.world.now() + retry_ns;
        served_.world.at(retry_at_, [] {});
    }

    void strike(Fault fault) {
        if (all_acknowledged()) return;
        events_ = 0;
        sim::Node& server = *served_.server_node;
        sim::Node& machine = *served_.client_node;
        const auto boot_later = [&](sim::Node& node) {
            served_.world.after(down_ns, [&node] { node.boot(); });
        };
        switch (fault) {
            case Fault::reset: static_cast<void>(served_.world.network().reset_connections(server, machine)); break;
            case Fault::client_restart:
                if (!machine.running()) return;
                machine.kill();
                client_ = nullptr;
                retry_at_ = 0;
                boot_later(machine);
                break;
            default:
                if (!server.running()) return;
                if (fault == Fault::power_cut) server.power_cut();
                else if (fault == Fault::power_cut_all_lost) server.power_cut(sim::CrashPlan::all_lost());
                else server.kill();
                boot_later(server);
        }
    }

    // What a cut can come behind.
    void note_steps() {
        if (client_ && client_->connected) steps_.insert("connected");
        if (client_ && stage_ != Stage::connecting) steps_.insert("OPEN sent");
        if (client_ && client_->count(Kind::open) != 0) steps_.insert("OPEN answered");
        if (client_ && (stage_ == Stage::naming || stage_ == Stage::putting)) steps_.insert("ALIAS sent");
        if (client_ && client_->count(Kind::alias) != 0) steps_.insert("ALIAS answered");
        if (client_ && sent_ >= oldest_) steps_.insert("PUT " + std::to_string(sent_) + " sent");
        if (served_.program) {
            server::Server& server = *served_.program->server;
            const auto& hub = server.hub().statistics();
            steps_.insert("received " + std::to_string(hub.readings));
            if (hub.duplicates != 0) steps_.insert("recognised " + std::to_string(hub.duplicates));
            steps_.insert("commit " + std::to_string(server.broker().durable_ticket()));
        }
        steps_.insert("ACK " + std::to_string(oldest_ - 1));
    }

    static std::string values(const test::Frame& frame) {
        const auto answer = frames::decode_answer(frame.body);
        REQUIRE(answer.ok());
        REQUIRE(answer->error == Error::none);
        const auto fetched = frames::decode_fetched(answer->rest);
        REQUIRE(fetched.ok());
        std::string out;
        for (Bytes left = fetched->batches; !left.empty();) {
            const record::BatchHeader header = record::decode_header(left);
            const Bytes body = left.subspan(record::batch_header_bytes, header.body_bytes());
            record::RecordReader reader(body, header.record_count);
            while (const auto record = reader.next()) out += std::string(as_text(record->value)) + "; ";
            left = left.subspan(header.total_bytes());
        }
        return out;
    }

    enum class Stage : std::uint8_t { connecting, opening, naming, putting };
    Served served_;
    Variant variant_;
    Client* client_ = nullptr;
    Stage stage_ = Stage::connecting;
    std::uint64_t oldest_ = 1;  // not acknowledged
    std::uint64_t sent_ = 0;
    std::uint64_t first_of_connection_ = 1;
    std::size_t heard_ = 0;
    std::int64_t retry_at_ = 0;
    std::int64_t silent_at_ = 0;
    std::uint64_t events_ = 0;
    std::set<std::string> steps_;
};

// How a sensor goes on, and where its first connection is lost.
std::vector<Variant> variants() {
    std::vector<Variant> out;
    for (const bool eager : {false, true}) {
        Run whole({eager, UINT64_MAX});
        whole.go({});
        whole.check();
        for (const std::uint64_t quarter : {1, 2, 3}) out.push_back({eager, whole.events() * quarter / 4});
    }
    return out;
}

void run_with(const Variant& variant, std::span<const Cut> cuts) {
    std::string places;
    for (const Cut& cut : cuts) places += std::string(", ") + fault_names[static_cast<std::size_t>(cut.fault)] + " after " + std::to_string(cut.after);
    INFO(std::string(variant.eager ? "eager" : "patient"), ", connection lost after ", variant.lost_after, places);
    Run run(variant);
    run.go(cuts);
    run.check();
}

std::size_t count(const std::set<std::string>& steps, std::string_view begin) {
    std::size_t n = 0;
    for (const std::string& step : steps) n += step.starts_with(begin);
    return n;
}

}  // namespace

TEST_CASE("a resend is cut after each of its steps: every reading is stored once and in order") {
    std::size_t recognised = 0;
    for (const Variant& variant : variants()) {
        Run uncut(variant);
        uncut.go({});
        uncut.check();
        for (const char* step : {"connected", "OPEN sent", "OPEN answered", "ALIAS sent", "ALIAS answered", "PUT "}) {
            INFO(step);
            CHECK(count(uncut.steps(), step) != 0);
        }
        CHECK(count(uncut.steps(), "received ") >= 2);
        CHECK(count(uncut.steps(), "commit ") >= 2);
        CHECK(count(uncut.steps(), "ACK ") >= 2);
        recognised += count(uncut.steps(), "recognised ");
        for (const Fault fault : faults) {
            for (std::uint64_t k = 0; k <= uncut.events(); ++k) {
                const Cut cut{fault, k};
                run_with(variant, {&cut, 1});
            }
        }
    }
    CHECK(recognised >= 6);
}

TEST_CASE("a resend is cut, and the one after it") {
    sim::Random random(11);
    for (const Variant& variant : variants()) {
        for (int i = 0; i < 90; ++i) {
            const auto any = [&](std::uint64_t events) { return Cut{faults[random.below(std::size(faults))], random.below(events)}; };
            const Cut cuts[] = {any(60), any(120)};
            run_with(variant, cuts);
        }
    }
}
