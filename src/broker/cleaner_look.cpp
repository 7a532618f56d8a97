// What is near the ring's tail or worth a pass, how the share of the ring is divided, and what follows for appends.
#include <algorithm>

#include "broker/broker.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

// No pass is worth less: of the ring, one part in so many.
constexpr std::uint64_t least_share = 256;
// Of one partition in one look.
constexpr int drops_max = 8;
constexpr std::int64_t told_again_ns = 60 * ns_per_s;
// Of the ring, that goes by beside what passes write: starts, and what groups say, which is not held. A few dozen commits of a page or two.
constexpr std::uint64_t aside_bytes = 128U << 10;

}  // namespace

void Cleaner::look() {
    const store::State& state = broker_.store().state();
    if (broker_.stopping()) return;
    if (state.index_loaded_from > state.head.first_live) return wait_for_index();
    head_ = state.geometry.sequence(state.head.previous_end - 1);
    count();
    take_in(stock_.kept + stock_.refusing > share()                                        ? store::Log::Intake::refused
            : stock_.alive + stock_.refusing > 2 * share() && phase_ != Phase::idle ? store::Log::Intake::held
                                                                                                       : store::Log::Intake::open);
    Look found;
    if (phase_ != Phase::idle) found.pressing = remaining();
    for (std::uint32_t rank = 0; rank < broker_.topics().count(); ++rank) {
        const Topic& topic = broker_.topics().at(rank);
        for (std::uint32_t p = 0; keeps(topic) && p < topic.partitions; ++p)
            if (store::Log* const part = broker_.partition(topic, p); part && part->start < part->durable_end) look_at(topic, *part, found);
    }
    broker_.env().charge(stock_.parts * 1024 + broker_.topics().count() * 16);
    // What is near the tail comes first.
    store::Log* const next = found.begun && found.due_left == UINT64_MAX ? found.begun : found.due;
    if (phase_ == Phase::idle && next && broker_.env().now() >= begin_at_) begin(*next, found.quota);
    hold(found);
}

// Where the ring's tail is near to something is not known yet, and a start may follow another one: nobody else gets further ahead meanwhile.
void Cleaner::wait_for_index() {
    bool any = false;
    for (std::uint32_t rank = 0; rank < broker_.topics().count(); ++rank) any = any || keeps(broker_.topics().at(rank));
    broker_.hold_appends(Broker::Holder::cleaner, any);
    broker_.env().charge(broker_.topics().count() * 16);
    broker_.env().arm(retry_, broker_.env().now() + retry_ns);
}

void Cleaner::count() {
    stock_ = {};
    for (std::uint32_t rank = 0; rank < broker_.topics().count(); ++rank) {
        const Topic& topic = broker_.topics().at(rank);
        for (std::uint32_t p = 0; keeps(topic) && p < topic.partitions; ++p) {
            const store::Log* const part = broker_.partition(topic, p);
            if (!part || part->start >= part->durable_end) continue;
            ++stock_.parts;
            if (cleans(topic)) {
                const store::Store::Parts parts = broker_.store().parts_of(*part);
                stock_.alive += parts.clean_bytes + parts.own_bytes;
                stock_.kept += parts.clean_bytes;
                continue;
            }
            const std::uint64_t alive = broker_.store().alive_bytes(*part);
            if (refuses(topic)) stock_.refusing += alive;
            else stock_.yielding += alive, ++stock_.yielding_parts;
        }
    }
}

bool Cleaner::waits(LogId part) const {
    return std::ranges::any_of(failed_, [&](const Failed& one) { return one.log == part && broker_.env().now() < one.again_at; });
}

void Cleaner::look_at(const Topic& topic, store::Log& part, Look& found) {
    if (cleans(topic) && keys_max_ == 0) return;
    store::Store::Parts parts = broker_.store().parts_of(part);
    const bool may = !waits(part.id);
    if (may && pins(topic)) decide_pinned(topic, part, parts, found);
    if (may && cleans(topic)) decide_cleaned(topic, part, parts, found);
    if (may && broker_.store().clean_begun(part)) found.begun = &part;
    found.least_left = std::min(found.least_left, parts.segments_left);
}

// The nearer to the ring's tail, the more pressing.
void Cleaner::want(store::Log& part, const store::Store::Parts& parts, std::uint64_t bytes, std::uint64_t quota, Look& found) const {
    if (phase_ == Phase::idle || part.id != log) found.pressing += bytes;
    if (parts.segments_left >= found.due_left) return;
    found.due = &part;
    found.due_left = parts.segments_left;
    found.quota = quota;
}

// Near the tail; else if there is enough to clean, and the more the sooner.
void Cleaner::decide_cleaned(const Topic& topic, store::Log& part, const store::Store::Parts& parts, Look& found) const {
    const std::uint64_t all = parts.clean_bytes + parts.own_bytes;
    if (parts.segments_left < reach()) return want(part, parts, all, UINT64_MAX, found);
    if (found.due_left != UINT64_MAX) return;
    const bool worth = parts.own_bytes >= journal_bytes() / least_share;
    const bool dirty = worth && parts.own_bytes * 1000 >= all * topic.config.min_cleanable_dirty_permille;
    const bool crowded = worth && 2 * (stock_.alive + stock_.refusing) > 3 * share();
    if ((!dirty && !crowded) || parts.own_bytes < found.due_own_bytes) return;
    found.due = &part;
    found.due_own_bytes = parts.own_bytes;
}

// Moved when the tail comes, and not before. What is more than its share goes then, as without being pinned.
void Cleaner::decide_pinned(const Topic& topic, store::Log& part, store::Store::Parts& parts, Look& found) {
    const bool at_hand = phase_ != Phase::idle && part.id == log;
    if (parts.segments_left >= reach() || at_hand) return;
    std::uint64_t alive = broker_.store().alive_bytes(part);
    const std::uint64_t quota = quota_of(topic, alive);
    if (alive > quota) alive = drop_front(part, parts, alive, quota);
    if (parts.segments_left < reach()) want(part, parts, std::min(alive, quota), quota, found);
}

// What a partition may keep that has so much: what the others leave, but at least its equal part.
std::uint64_t Cleaner::quota_of(const Topic& topic, std::uint64_t alive) const {
    if (refuses(topic)) return UINT64_MAX;
    const std::uint64_t others = stock_.yielding - std::min(stock_.yielding, alive);
    const std::uint64_t left = room();
    return std::max(left / std::max<std::uint32_t>(1, stock_.yielding_parts), left > others ? left - others : 0);
}

// Whole segments' worth, as long as the oldest is near and enough is left. Returns what is left.
std::uint64_t Cleaner::drop_front(store::Log& part, store::Store::Parts& parts, std::uint64_t alive, std::uint64_t quota) {
    std::uint64_t dropped = 0;
    for (int i = 0; i < drops_max && parts.segments_left < reach(); ++i) {
        const store::Store::Front front = broker_.store().front_of(part);
        if (front.end <= part.start || front.bytes + quota > alive || !broker_.store().set_start(part, front.end)) break;
        alive -= front.bytes;
        dropped += front.bytes;
        parts = broker_.store().parts_of(part);
    }
    stock_.yielding -= std::min(stock_.yielding, dropped);
    if (dropped != 0) tell_dropped(part, dropped);
    return alive;
}

void Cleaner::tell_dropped(const store::Log& part, std::uint64_t bytes) {
    statistics_.dropped_bytes += bytes;
    dropped_untold_ += bytes;
    if (broker_.env().now() < dropped_again_at_) return;
    dropped_again_at_ = broker_.env().now() + told_again_ns;
    const Topic& topic = broker_.topics().at_slot(part.owner);
    env::LogLine(broker_.env(), env::LogLevel::warning) << "pinned topics have more than their share, a " << live_share << "th of storage.size for all that outlives the ring: the oldest "
                                                        << dropped_untold_ << " bytes of them are gone, last of topic " << topic.name.view() << ", partition " << topic.partition_of(part.id)
                                                        << ", which starts at offset " << part.start.value;
    dropped_untold_ = 0;
}

std::uint64_t Cleaner::alive_bytes_of(const Topic& topic) const {
    std::uint64_t bytes = 0;
    for (std::uint32_t p = 0; p < topic.partitions; ++p)
        if (const store::Log* const part = broker_.partition(topic, p)) bytes += broker_.store().alive_bytes(*part);
    return bytes;
}

std::uint64_t Cleaner::room() const {
    const std::uint64_t firm = stock_.kept + stock_.refusing;
    return share() > firm ? share() - firm : 0;
}

store::Log::Intake Cleaner::intake_of(const Topic& topic) const {
    if (cleans(topic) || (refuses(topic) && intake_ == store::Log::Intake::refused)) return intake_;
    return store::Log::Intake::open;
}

void Cleaner::take_in(store::Log::Intake intake) {
    if (intake == intake_) return;
    const bool refused = intake == store::Log::Intake::refused;
    // Where retention makes room they take turns.
    if (refused && broker_.env().now() >= refusal_again_at_) {
        refusal_told_ = true;
        refusal_again_at_ = broker_.env().now() + told_again_ns;
        env::LogLine(broker_.env(), env::LogLevel::error) << "compacted topics and those with overflow = reject have " << stock_.kept + stock_.refusing << " bytes that stay, more than a "
                                                          << live_share << "th of storage.size: they take no more until some of it is deleted, or retention takes it";
    }
    if (!refused && std::exchange(refusal_told_, false)) env::LogLine(broker_.env(), env::LogLevel::info) << "compacted topics and those with overflow = reject take records again";
    intake_ = intake;
    broker_.set_intake();
}

// All that stays may have to be written anew before the tail comes.
std::uint64_t Cleaner::reach() const {
    const store::Geometry& geometry = broker_.store().state().geometry;
    const std::uint64_t stays = stock_.alive + stock_.refusing + std::min(stock_.yielding, room()) + aside_bytes;
    return std::min<std::uint64_t>(geometry.segment_count / 2, broker_.margin() + 2 + stays / geometry.segment_bytes);
}

// While a pass runs: whatever is that near is written, one pass after the other, before the nearest may go.
void Cleaner::hold(const Look& found) {
    const std::uint64_t segment_bytes = broker_.store().state().geometry.segment_bytes;
    const std::uint64_t needed = (found.pressing + aside_bytes + segment_bytes - 1) / segment_bytes;
    broker_.hold_appends(Broker::Holder::cleaner, phase_ != Phase::idle && found.least_left < broker_.margin() + needed);
    broker_.hold_offsets(phase_ != Phase::idle && found.least_left < needed);
}

}  // namespace rivulet::broker
