// The library against the real broker in the simulated world: its connection is cut after every byte that goes up, after every byte that comes
// down, at every event between the first and the last, by resets, process kills and power cuts. Each time the sensor comes back and finishes;
// then the log is read. What must hold: each reading once, and in order within its partition.
#include "unit/server/served.h"

#include <algorithm>
#include <functional>

#include "record/batch.h"
#include "record/record.h"
#include "sensor/rivulet_sensor.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

constexpr int readings_max = 14;
constexpr std::size_t never = SIZE_MAX;

// One connection of the sensor.
class Link final : public env::ConnectionHandler {
public:
    Link(Served& served, rvs_sensor& sensor, std::size_t up, std::size_t down) : served_(served), sensor_(sensor), up_(up), down_(down) {
        const auto made = served.client_node->env()->network().connect(served.server_node->address(9192), *this);
        REQUIRE(made.ok());
        connection_ = *made;
    }
    std::uint32_t now() const { return static_cast<std::uint32_t>(served_.world.now() / ns_per_ms); }
    void on_connected() override {
        connected_ = true;
        rvs_open(&sensor_, now());
    }
    MutableBytes receive_buffer() override { return buffer_; }
    void on_received(std::size_t n) override {
        if (cut_) return;
        n = std::min(n, down_ - came_down);
        came_down += n;
        rvs_receive(&sensor_, buffer_, n, now());
        if (came_down == down_) cut();
    }
    void on_sent() override {
        if (!cut_) rvs_poll(&sensor_, now());
    }
    void on_closed(Error) override {
        connected_ = false;
        closed = true;
    }
    int write(const std::uint8_t* bytes, std::size_t n) {
        if (!connected_ || cut_) return -1;
        if (connection_->sending()) return 0;
        n = std::min(n, up_ - went_up);
        went_up += n;
        lent_.assign(bytes, bytes + n);
        const Bytes all(lent_);
        if (n != 0) REQUIRE(connection_->send({&all, 1}) == n);
        if (went_up == up_) cut();
        return static_cast<int>(n);
    }
    // What is under way still arrives, as the broker's kernel has it.
    void cut() {
        if (cut_ || closed) return;
        cut_ = true;
        connection_->close();
    }
    bool closed = false;
    std::size_t went_up = 0;
    std::size_t came_down = 0;

private:
    Served& served_;
    rvs_sensor& sensor_;
    std::size_t up_, down_;  // cut after so many
    env::Connection* connection_ = nullptr;
    bool connected_ = false;
    bool cut_ = false;
    std::uint8_t buffer_[512];
    std::vector<std::uint8_t> lent_;
};

struct Cut {
    std::size_t up = never;
    std::size_t down = never;
};

class World {
public:
    World() : served(test::small_config) {
        client_ = &served.connect();
        client_->open();
        REQUIRE(served.until(*client_, Kind::open));
        tick();
    }

    // Sends all readings as a new incarnation. The first connections are cut as `cuts` says; `disturb` is asked before every event.
    void run(const std::vector<Cut>& cuts, const std::function<void(std::size_t)>& disturb = {}) {
        ++incarnation;
        links_.clear();
        steps = 0;
        rvs_config config{};
        config.ring = ring_;
        config.ring_bytes = sizeof ring_;
        config.out = out_;
        config.out_bytes = sizeof out_;
        config.write = [](void* me, const std::uint8_t* bytes, std::size_t n) { return static_cast<World*>(me)->links_.back()->write(bytes, n); };
        config.event = [](void* me, const rvs_event* event) {
            if (event->kind == RVS_EVENT_REFUSED || event->kind == RVS_EVENT_FORGOTTEN || event->kind == RVS_EVENT_DROPPED) ++static_cast<World*>(me)->surprises;
        };
        config.context = this;
        config.session = 0xabcdef;
        config.incarnation = incarnation;
        config.eager = eager;
        REQUIRE(rvs_init(&sensor_, &config) == RVS_OK);
        rvs_alias fixed{}, keyed{};
        fixed.topic = keyed.topic = "temps";
        fixed.placement = RVS_PARTITION;
        fixed.partition = incarnation % 4;
        keyed.placement = RVS_BY_KEY;
        fixed.acks = keyed.acks = RVS_ACKS_LEADER;
        REQUIRE(rvs_add_alias(&sensor_, &fixed) == 0);
        REQUIRE(rvs_add_alias(&sensor_, &keyed) == 1);
        int put = 0;
        while (put < readings_max / 2) this->put(put++);
        const std::int64_t deadline = served.world.now() + 120 * ns_per_s;
        connect(cuts);
        while (put < readings_max || rvs_waiting(&sensor_) != 0) {
            REQUIRE(served.world.now() < deadline);
            if (disturb) disturb(steps);
            ++steps;
            REQUIRE(served.world.step());
            if (links_.back()->closed) {
                rvs_disconnected(&sensor_);
                connect(cuts);
            } else if (rvs_state(&sensor_) == RVS_BROKEN) {
                links_.back()->cut();
            } else if (rvs_state(&sensor_) == RVS_OPENED && put < readings_max && steps % 8 == 0) {
                this->put(put++);
                rvs_flush(&sensor_, links_.back()->now());
            }
        }
        links_.back()->cut();
        for (const auto& link : links_) REQUIRE(served.until([&] { return link->closed; }));
        check();
    }

    Served served;
    std::uint32_t incarnation = 0;
    std::size_t steps = 0;
    std::size_t surprises = 0;
    std::uint8_t eager = 0;
    std::size_t up(std::size_t link = 0) const { return links_.at(link)->went_up; }
    std::size_t down(std::size_t link = 0) const { return links_.at(link)->came_down; }
    std::size_t links() const { return links_.size(); }

private:
    void tick() {
        if (!links_.empty() && !links_.back()->closed) rvs_poll(&sensor_, links_.back()->now());
        served.world.after(200 * ns_per_ms, [this] { tick(); });
    }
    void put(int i) {
        const std::string value = std::to_string(incarnation) + ":" + std::to_string(i);
        const std::string key = "key" + std::to_string(i % 3);
        const bool keyed = i % 5 == 4;
        const std::uint64_t time = i % 7 == 6 ? RVS_UNSTAMPED : 1'750'000'000'000 + static_cast<unsigned>(i) * 1000U;
        REQUIRE(rvs_put(&sensor_, keyed, keyed ? key.data() : nullptr, keyed ? key.size() : 0, value.data(), value.size(), time) == RVS_OK);
    }
    void connect(const std::vector<Cut>& cuts) {
        const Cut cut = links_.size() < cuts.size() ? cuts[links_.size()] : Cut{};
        links_.push_back(std::make_unique<Link>(served, sensor_, cut.up, cut.down));
    }
    // All that the log has gained.
    void check() {
        std::vector<int> seen;
        for (std::uint64_t partition = 0; partition < 4; ++partition) {
            int last = -1;  // over both aliases
            for (;;) {
                const Bytes batches = fetch(partition);
                if (batches.empty()) break;
                for (Bytes left = batches; !left.empty();) {
                    const record::BatchHeader header = record::decode_header(left);
                    record::RecordReader reader(left.subspan(record::batch_header_bytes, header.body_bytes()), header.record_count);
                    while (const auto record = reader.next()) {
                        const std::string value(record->value.begin(), record->value.end());
                        const std::size_t colon = value.find(':');
                        REQUIRE(colon != std::string::npos);
                        REQUIRE(value.substr(0, colon) == std::to_string(incarnation));  // nothing of earlier runs comes late
                        const int i = std::stoi(value.substr(colon + 1));
                        seen.push_back(i);
                        const bool keyed = record->has_key;
                        REQUIRE(keyed == (i % 5 == 4));
                        if (!keyed) REQUIRE(partition == incarnation % 4);
                        REQUIRE(i > last);
                        last = i;
                        if (i % 7 != 6) REQUIRE(header.timestamp_of(record->timestamp_delta).value == 1'750'000'000'000 + i * 1000);
                    }
                    REQUIRE(reader.error() == Error::none);
                    next_[partition] = header.last_offset().value + 1;
                    left = left.subspan(header.total_bytes());
                }
            }
        }
        std::sort(seen.begin(), seen.end());
        std::vector<int> all;
        for (int i = 0; i < readings_max; ++i) all.push_back(i);
        REQUIRE(seen == all);
    }
    Bytes fetch(std::uint64_t partition) {
        for (int attempt = 0; attempt < 5; ++attempt) {
            const std::size_t before = client_->count(Kind::fetch);
            if (!client_->closed) {
                client_->fetch(1, "temps", partition, next_[partition]);
                served.send(*client_);
                REQUIRE(served.until([&] { return client_->closed || client_->count(Kind::fetch) > before; }));
            }
            if (client_->closed) {  // its connection was cut like the sensor's
                client_ = &served.connect();
                client_->open();
                served.send(*client_);
                served.until([&] { return client_->closed || client_->count(Kind::open) != 0; });
                continue;
            }
            const auto answer = frames::decode_answer(client_->last(Kind::fetch).body);
            REQUIRE(answer.ok());
            REQUIRE(answer->error == Error::none);
            const auto fetched = frames::decode_fetched(answer->rest);
            REQUIRE(fetched.ok());
            return fetched->batches;
        }
        FAIL("no answer");
        return {};
    }

    Client* client_;
    rvs_sensor sensor_;
    std::vector<std::unique_ptr<Link>> links_;
    std::uint8_t ring_[600];
    std::uint8_t out_[256];
    std::int64_t next_[4] = {0, 0, 0, 0};
};

}  // namespace

TEST_CASE("sensor exactly once: the connection is cut after every byte up, and again while it sends again") {
    World world;
    world.run({});
    const std::size_t bytes = world.up();
    REQUIRE(bytes > 150);
    for (const std::uint8_t eager : {0, 1}) {
        world.eager = eager;
        for (std::size_t i = 1; i <= bytes; ++i) {
            CAPTURE(i);
            world.run({{i, never}});
            world.run({{bytes / 2, never}, {i, never}});
            CHECK(world.links() >= 2);
        }
    }
    CHECK(world.surprises == 0);
}

TEST_CASE("sensor exactly once: the connection is cut after every byte down, and again while it sends again") {
    World world;
    world.run({});
    const std::size_t bytes = world.down();
    REQUIRE(bytes > 50);
    for (const std::uint8_t eager : {0, 1}) {
        world.eager = eager;
        for (std::size_t i = 1; i <= bytes; ++i) {
            CAPTURE(i);
            world.run({{never, i}});
            world.run({{never, bytes / 2}, {never, i}, {never, i}});
        }
    }
    CHECK(world.surprises == 0);
}

TEST_CASE("sensor exactly once: a reset at every event") {
    World world;
    world.run({});
    const std::size_t steps = world.steps;
    for (std::size_t at = 0; at < steps; ++at) {
        CAPTURE(at);
        world.run({}, [&](std::size_t step) {
            if (step == at) world.served.world.network().reset_connections(*world.served.client_node, *world.served.server_node);
        });
    }
    CHECK(world.surprises == 0);
}

TEST_CASE("sensor exactly once: the broker is killed, or loses power, at every event") {
    World world;
    world.run({});
    const std::size_t steps = world.steps;
    for (std::size_t at = 0; at < 2 * steps; ++at) {
        CAPTURE(at);
        world.run({}, [&](std::size_t step) {
            if (step != at / 2) return;
            if (at % 2 == 0) world.served.server_node->kill();
            else world.served.server_node->power_cut();
            world.served.server_node->boot();
        });
    }
    CHECK(world.surprises == 0);
}
