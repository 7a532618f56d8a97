#include "sim/run/hostile.h"

namespace rivulet::sim {

namespace {

constexpr std::size_t attacks_max = 12;
constexpr std::size_t idlers_max = 6;

void append(std::vector<std::uint8_t>& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

}  // namespace

// One connection: it sends what was prepared, reads whatever comes, and goes after a while.
class Hostile::Attack final : public env::ConnectionHandler {
public:
    Attack(Hostile& owner, Random random, std::int64_t until) : until_(until), env_(owner.env_), plan_(owner.plan_), random_(random) {
        if (owner.idle_) prepare_open(random_.chance(1, 2) ? 64 : 1024);
        else prepare();
        const Result<env::Connection*> made = env_.network().connect(env_.world().node("broker").address(broker_port), *this);
        if (made) connection_ = *made;
    }

    void close() {
        if (connection_ && !closing_) connection_->close();
        closing_ = true;
    }
    bool gone() const { return connection_ == nullptr; }
    std::int64_t until() const { return until_; }

private:
    void on_connected() override {
        if (bytes_.empty()) return;
        const Bytes all(bytes_);
        (void)connection_->send({&all, 1});
    }
    MutableBytes receive_buffer() override { return sink_; }
    void on_received(std::size_t) override {}
    void on_sent() override {}
    void on_closed(Error) override { connection_ = nullptr; }

    template <class F>
    void frame(F&& code) {
        std::uint8_t buffer[2048];
        Writer out(buffer);
        code(out);
        bytes_.insert(bytes_.end(), buffer, buffer + out.size());
    }
    void prepare_open(std::uint64_t name) {
        open_.session = random_.chance(1, 2) ? 0 : random_.next();
        open_.features = frames::feature::integrity;
        open_.frame_bytes_max = 1024;
        const std::string text(name <= frames::name_bytes_max ? name : 8, 'h');
        open_.name = text;
        frame([&](Writer& out) { frames::encode_open(out, up_, open_); });
        open_.name = {};
        puts_ = frames::PutState(open_);
    }
    void prepare_put(std::size_t value_bytes) {
        const std::string topic = plan_.topics[random_.below(plan_.topics.size())].name;
        frame([&](Writer& out) { frames::encode_alias(out, up_, {0, frames::Placement::partition, frames::Acks::leader, false, topic, 0, {}}); });
        std::vector<std::uint8_t> value(std::max(value_bytes, mark_bytes));
        write_mark({hostile_producer, 0, 1}, value);
        frames::Reading reading;
        reading.value = value;
        const std::size_t before = bytes_.size();
        frame([&](Writer& out) { (void)frames::encode_put(out, up_, puts_, 0, reading).ok(); });
        // One bit is wrong: the check, or the reading under it. Not the length, which would only make it wait.
        const std::size_t from = before + 3;
        bytes_[from + static_cast<std::size_t>(random_.below(bytes_.size() - from))] ^= static_cast<std::uint8_t>(1U << random_.below(8));
    }
    void noise(std::size_t n) {
        const std::size_t before = bytes_.size();
        bytes_.resize(before + n);
        random_.fill(MutableBytes(bytes_).subspan(before));
    }
    void prepare() {
        switch (random_.below(14)) {
            case 0: noise(random_.between(1, 3000)); break;
            case 1: append(bytes_, "GET / HTTP/1.1\r\nHost: broker\r\n\r\n"); break;
            case 2: break;  // not a word
            case 3: prepare_open(8); bytes_.resize(bytes_.size() / 2); break;
            case 4: prepare_open(8); noise(random_.between(1, 600)); break;
            case 5: prepare_open(8); prepare_put(random_.between(8, 200)); break;
            case 6: prepare_open(8); bytes_.insert(bytes_.end(), {0xff, 0xff, 0xff, 0x7f, 3}); break;  // a length beyond all limits
            case 7: prepare_open(8); bytes_.insert(bytes_.end(), {0xf0, 0x07, 3, 0, 'x'}); break;       // 1008 bytes that never come
            case 8: prepare_open(8); bytes_.insert(bytes_.end(), {2, 19, 0}); break;                   // a reserved kind
            case 9:
                prepare_open(8);
                prepare_open(8);
                break;
            case 10:  // more than the credit, and no alias
                prepare_open(8);
                for (int i = 0; i < 40; ++i) frame([&](Writer& out) { write_plain_put(out); });
                break;
            case 11: prepare_open(8); for (int i = 0; i < 40; ++i) ask(); break;  // more requests than may be outstanding
            case 12: prepare_open(8); bytes_[2 + random_.below(bytes_.size() - 2)] ^= 0x10; break;
            default: prepare_open(8); for (int i = 0; i < 4; ++i) ask(); break;   // asks and does not stay for the answer
        }
    }
    // A PUT by hand: what the encoder would refuse.
    void write_plain_put(Writer& out) {
        std::uint8_t value[60] = {};
        write_mark({hostile_producer, 0, 2}, value);
        frames::FrameEncoder put(out, frames::Kind::put, frames::flag::put_unstamped);
        put.body().varint(7);
        put.body().bytes(value);
        put.finish(up_);
    }
    void ask() {
        const std::string topic = plan_.topics[random_.below(plan_.topics.size())].name;
        frames::Fetch fetch;
        fetch.topic = topic;
        fetch.offset = Offset(static_cast<std::int64_t>(random_.below(200)));
        fetch.bytes_max = 100'000;
        fetch.bytes_min = random_.chance(1, 2) ? 1 : 100'000;
        fetch.wait_ms_max = random_.below(4000);
        frame([&](Writer& out) { frames::encode_fetch(out, random_.below(100'000), fetch); });
    }

    std::int64_t until_;
    NodeEnv& env_;
    const Plan& plan_;
    Random random_;
    env::Connection* connection_ = nullptr;
    bool closing_ = false;
    frames::RunningCrc up_;
    frames::PutState puts_;
    frames::Open open_;
    std::vector<std::uint8_t> bytes_;
    std::uint8_t sink_[512] = {};
};

Hostile::Hostile(NodeEnv& env, const Plan& plan, bool idle, std::uint64_t life)
    : env_(env), plan_(plan), random_(env.world().random(idle ? "idle" : "hostile", life)), idle_(idle) {
    env_.arm(*this, env_.now());
}

Hostile::~Hostile() { env_.disarm(*this); }

void Hostile::finish() {
    finishing_ = true;
    for (const auto& attack : attacks_) attack->close();
}

void Hostile::on_timer() {
    std::erase_if(attacks_, [](const auto& attack) { return attack->gone(); });
    const std::int64_t now = env_.world().now();
    for (const auto& attack : attacks_)
        if (now >= attack->until()) attack->close();
    if (!finishing_ && attacks_.size() < (idle_ ? idlers_max : attacks_max)) {
        const bool many = !idle_ && random_.chance(1, 12);
        for (std::size_t n = many ? attacks_max - attacks_.size() : 1; n != 0; --n) {
            const std::int64_t stays = static_cast<std::int64_t>(random_.below((idle_ ? 20 : 4) * ns_per_s));
            attacks_.push_back(std::make_unique<Attack>(*this, random_.split("attack", random_.next()), now + stays));
        }
    }
    env_.arm(*this, env_.now() + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>((idle_ ? 2000 : 500) * ns_per_ms))));
}

}  // namespace rivulet::sim
