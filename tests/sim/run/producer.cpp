#include "sim/run/producer.h"

#include <algorithm>

namespace rivulet::sim {

namespace {

constexpr std::uint32_t more_after_healing = 3;
constexpr std::size_t backlog_max = 16 * 1024;
constexpr const char* phase_names[] = {"down", "connecting", "opening", "open", "leaving", "closing"};

ClientOptions options_of(const Plan& plan, std::uint16_t number) {
    ClientOptions options;
    options.tick_ns = plan.producers[number].tick_ns;
    options.frame_bytes_max = 1024;
    options.name = "producer " + std::to_string(number);
    return options;
}

}  // namespace

Producer::Producer(NodeEnv& env, History& history, const Plan& plan, std::uint16_t number, std::uint64_t life)
    : Client(env, env.world().random(options_of(plan, number).name, life), options_of(plan, number)), history_(history), plan_(plan),
      own_(plan.producers[number]), number_(number), incarnation_(history.new_incarnation(number)), incarnation_on_wire_(static_cast<std::uint32_t>(random_.next())),
      aliases_(own_.aliases.size()) {}

void Producer::finish() {
    Client::finish();
    more_left_ = more_after_healing;
}

bool Producer::done(bool refusing) const {
    if (finishing_ && refusing && std::all_of(own_.aliases.begin(), own_.aliases.end(), [&](const AliasPlan& alias) { return plan_.topics[alias.topic].refuses(); })) return true;
    if (!finishing_ || oldest_ != next_) return false;
    const bool hopeless = std::none_of(own_.aliases.begin(), own_.aliases.end(), [&](const AliasPlan& alias) { return history_.topic(alias.topic).there; });
    return more_left_ == 0 || hopeless;
}

std::string Producer::state() const {
    std::string text = options_.name + ": " + std::string(phase_names[static_cast<std::size_t>(phase_)]) + ", oldest " + std::to_string(oldest_) + ", sent " +
                       std::to_string(cursor_ - 1) + " of " + std::to_string(next_ - 1) + ", credit " + std::to_string(puts_.credit());
    for (std::size_t i = 0; i < aliases_.size(); ++i) {
        text += ", " + plan_.topics[own_.aliases[i].topic].name + (aliases_[i].usable ? " usable" : aliases_[i].answered ? " refused" : " asked");
    }
    return text;
}

// ---- the connection ----

frames::Open Producer::make_open() {
    if (own_.gives_up && !finishing_ && next_ - oldest_ > 1 && random_.chance(1, 8)) {
        // Its store of readings is full, the oldest go.
        const std::uint64_t until = oldest_ + 1 + random_.below(next_ - oldest_ - 1);
        for (; oldest_ < until; ++oldest_) history_.at(id(oldest_)).state = Sent::given_up;
    }
    cursor_ = oldest_;
    frames::Open open;
    open.session = own_.session;
    open.incarnation = incarnation_on_wire_;
    open.base_sequence = oldest_;
    open.base_time = random_.chance(1, 2) ? Timestamp(0) : world_.true_wall();
    puts_ = frames::PutState(open);
    connected_at_ = world_.now();
    return open;
}

void Producer::on_connection() {
    for (AliasState& alias : aliases_) alias.answered = alias.usable = false;
    if (!own_.eager) return;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, aliases_.size()); ++i) send_alias(i);
    if (!own_.confirm) pump();
}

void Producer::send_alias(std::size_t index) {
    const AliasPlan& plan = own_.aliases[index];
    frames::Alias alias;
    alias.id = index;
    alias.placement = plan.placement;
    alias.acks = plan.acks;
    alias.confirm = true;
    alias.topic = plan_.topics[plan.topic].name;
    alias.partition = plan.partition;
    alias.key = as_bytes(plan.key);
    emit(512, [&](Writer& out) { frames::encode_alias(out, up_, alias); });
    aliases_[index].answered = false;
    aliases_[index].life = history_.life(plan.topic);
}

void Producer::on_opened(const frames::Opened& opened) {
    using frames::SessionState;
    if ((opened.session_state == SessionState::none) != (own_.session == 0)) return broken("session state " + std::to_string(static_cast<int>(opened.session_state)));
    // Never more than what came before the base sequence: all from there on is sent again.
    if (opened.last_sequence >= oldest_) {
        return broken("OPEN's answer knows reading " + std::to_string(opened.last_sequence) + " of session " + std::to_string(own_.session) + ", whose base is " +
                      std::to_string(oldest_));
    }
    if (opened.aliases_max < aliases_.size()) return broken("fewer aliases than configured");
    if (opened.session_state == SessionState::fresh || opened.session_state == SessionState::forgotten) {
        for (std::uint64_t s = oldest_; s <= sent_; ++s) history_.at(id(s)).may_repeat = true;
    }
    puts_.grant(opened.credit);
    for (std::size_t i = own_.eager ? 2 : 0; i < aliases_.size(); ++i) send_alias(i);
    pump();
}

void Producer::on_down() { cursor_ = oldest_; }

void Producer::on_left() {
    if (cursor_ > oldest_) broken("CLOSE is answered, but reading " + std::to_string(oldest_) + " of " + std::to_string(cursor_ - 1) + " is not settled");
}

void Producer::on_tick() {
    if (phase_ != Phase::open) return;
    if (!finishing_ && own_.connection_ns != 0 && world_.now() - connected_at_ > own_.connection_ns && random_.chance(1, 4)) {
        return hang_up(random_.chance(2, 3));
    }
    for (std::size_t i = 0; i < aliases_.size(); ++i) {
        const bool again = aliases_[i].answered && (!aliases_[i].usable ? random_.chance(1, 8) : random_.chance(1, 500));
        if (again) send_alias(i);
    }
    make_readings();
    pump();
}

// ---- frames ----

void Producer::on_frame(const frames::FrameView& frame) {
    if (frame.kind == frames::Kind::alias) return take_alias(frame);
    if (frame.kind == frames::Kind::ack) return take_ack(frame);
    broken("an answer that was not asked for");
}

void Producer::take_alias(const frames::FrameView& frame) {
    const auto answer = frames::decode_aliased(frame.body);
    if (!answer || answer->id >= aliases_.size()) return broken("the answer to ALIAS");
    AliasState& state = aliases_[static_cast<std::size_t>(answer->id)];
    const AliasPlan& plan = own_.aliases[static_cast<std::size_t>(answer->id)];
    const TopicPlan& topic = plan_.topics[plan.topic];
    state.answered = true;
    state.usable = answer->error == Error::none;
    if (answer->error != Error::none) {
        const History::Topic& known = history_.topic(plan.topic);
        const bool fair = answer->error == Error::unknown_topic_or_partition && (!known.there || state.life < 0 || known.ever_deleted || known.ever_uncertain);
        const bool full = answer->error == Error::limit_reached && plan.key.size() > 24;
        if (!fair && !full) broken("ALIAS for " + topic.name + ": " + std::string(error_info(answer->error).name));
        return;
    }
    if (answer->partition < 0 || answer->partition >= topic.partitions) return broken("ALIAS: partition " + std::to_string(answer->partition));
    if (plan.placement == frames::Placement::partition && static_cast<std::uint64_t>(answer->partition) != plan.partition) return broken("ALIAS: another partition than asked");
    const bool moved = state.partition >= 0 && own_.session != 0 && state.partition != answer->partition;
    if (moved) return broken("ALIAS: the partition of a session moved from " + std::to_string(state.partition) + " to " + std::to_string(answer->partition));
    state.partition = static_cast<std::int32_t>(answer->partition);
    if (answer->reading_bytes_max + 32 < plan.style.reading_max) broken("ALIAS: reading limit " + std::to_string(answer->reading_bytes_max));
    pump();
}

void Producer::take_ack(const frames::FrameView& frame) {
    const auto ack = frames::decode_ack(frame, puts_);
    if (!ack) return broken("ACK of what was not sent");
    for (std::uint64_t i = 0; i < ack->refusal.count; ++i) {
        const std::uint64_t sequence = ack->refusal.first + i;
        if (sequence >= next_) return broken("refusal of what was not sent");
        if (sequence >= oldest_) history_.refused(id(sequence), ack->refusal.error);
    }
    settle_through(ack->sequence);
    pump();
}

void Producer::settle_through(std::uint64_t sequence) {
    for (; oldest_ <= sequence; ++oldest_) history_.settled(id(oldest_), connected_at_);
    cursor_ = std::max(cursor_, oldest_);
}

// ---- readings ----

void Producer::make_readings() {
    std::uint64_t n = finishing_ ? more_left_ : random_.below(own_.burst_max + 1);
    for (; n != 0 && next_ - oldest_ < own_.window && next_ < UINT32_MAX; --n) {
        std::size_t index = static_cast<std::size_t>(random_.below(aliases_.size()));
        for (std::size_t tries = 0; tries < aliases_.size() && own_.confirm && !aliases_[index].usable; ++tries) index = (index + 1) % aliases_.size();
        if (own_.confirm && !aliases_[index].usable) return;
        // Without a key a session has one partition; without a session one for each connection.
        const bool fixed = own_.session != 0 || own_.aliases[index].placement == frames::Placement::partition;
        const std::int32_t partition = own_.aliases[index].placement == frames::Placement::partition ? static_cast<std::int32_t>(own_.aliases[index].partition)
                                                                                                    : fixed ? aliases_[index].partition : -1;
        history_.make(id(next_), index, static_cast<std::int16_t>(partition));
        ++next_;
        if (finishing_) --more_left_;
    }
}

std::size_t Producer::frame_bytes_max() const {
    return phase_ == Phase::open ? static_cast<std::size_t>(opened_.frame_bytes_max) : frames::frame_bytes_least;
}

void Producer::pump() {
    if (phase_ != Phase::open && !(phase_ == Phase::opening && own_.eager)) return;
    if (own_.confirm) {
        for (const AliasState& alias : aliases_)
            if (!alias.answered) return;
    }
    while (cursor_ < next_ && backlog() < backlog_max) {
        if (puts_.sequence_next() != cursor_) return broken("the count of readings got out of step: " + std::to_string(puts_.sequence_next()) + " and " + std::to_string(cursor_));
        // In an OPEN that is not answered yet, aliases beyond the first two were not given.
        if (phase_ == Phase::opening && history_.at(id(cursor_)).alias >= 2) return;
        const std::uint64_t before = cursor_;
        const bool went = own_.packed && random_.chance(7, 8) ? (own_.regular && put_regular()) || put_packed() : put_one();
        if (!went) return;
        for (std::uint64_t s = before; s < puts_.sequence_next(); ++s) history_.sending(id(s), aliases_[history_.at(id(s)).alias].life);
        cursor_ = puts_.sequence_next();
        sent_ = std::max(sent_, cursor_ - 1);
    }
}

bool Producer::put_one() {
    const std::uint8_t alias = history_.at(id(cursor_)).alias;
    const Content content = make_reading(plan_.seed, id(cursor_), own_.aliases[alias].style);
    const frames::Reading reading = content.reading();
    const std::size_t bytes = frames::put_frame_bytes(up_, puts_, alias, reading);
    if (bytes > frame_bytes_max()) {
        if (phase_ == Phase::open) broken("a frame limit of " + std::to_string(frame_bytes_max()) + " where " + std::to_string(plan_.frame_bytes) + " is configured");
        return false;
    }
    bool ok = false;
    emit(bytes + 16, [&](Writer& out) { ok = frames::encode_put(out, up_, puts_, alias, reading).ok(); });
    return ok;
}

bool Producer::put_packed() {
    const std::uint8_t alias = history_.at(id(cursor_)).alias;
    std::size_t count = 0;
    std::vector<Content> contents;  // the encoder copies at add()
    emit(frame_bytes_max() + 64, [&](Writer& out) {
        frames::PackedPutEncoder frame(out, up_, puts_, alias, frame_bytes_max());
        for (std::uint64_t s = cursor_; s < next_ && history_.at(id(s)).alias == alias; ++s) {
            const Content content = make_reading(plan_.seed, id(s), own_.aliases[alias].style);
            if (!frame.add(content.reading())) break;
        }
        count = frame.count();
        frame.finish();
        if (count == 0) out.rewind(0);
    });
    return count != 0 || put_one();
}

bool Producer::put_regular() {
    const std::uint8_t alias = history_.at(id(cursor_)).alias;
    std::vector<std::uint8_t> values;
    std::size_t count = 0;
    std::size_t each = 0;
    bool stamped = false;
    std::int64_t first = 0;
    std::int64_t step = 0;
    for (std::uint64_t s = cursor_; s < next_ && count < 8 && history_.at(id(s)).alias == alias; ++s) {
        const Content content = make_reading(plan_.seed, id(s), own_.aliases[alias].style);
        if (content.has_key || content.header_count != 0 || !content.has_value || content.value.empty()) break;
        if (count != 0 && (content.value.size() != each || content.stamped != stamped)) break;
        if (count == 0) first = content.time;
        // Some times are at the limits: steps wrap.
        const auto time = static_cast<std::uint64_t>(content.time), begin = static_cast<std::uint64_t>(first);
        if (count == 1) step = static_cast<std::int64_t>(time - begin);
        if (count != 0 && time != begin + count * static_cast<std::uint64_t>(step) && content.stamped) break;
        each = content.value.size();
        stamped = content.stamped;
        if (values.size() + each + 64 > frame_bytes_max()) break;
        values.insert(values.end(), content.value.begin(), content.value.end());
        ++count;
    }
    if (count == 0) return false;
    bool ok = false;
    emit(values.size() + 64, [&](Writer& out) {
        ok = frames::encode_put_regular(out, up_, puts_, alias, stamped, Timestamp(first), step, each, values).ok();
    });
    return ok;
}

}  // namespace rivulet::sim
