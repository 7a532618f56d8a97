#include "sim/run/admin.h"

#include "sim/run/consumer.h"

namespace rivulet::sim {

namespace {

ClientOptions options_of(Random random) {
    ClientOptions options;
    options.tick_ns = 100 * ns_per_ms;
    options.frame_bytes_max = random.chance(1, 2) ? 4096 : 2048;
    options.name = "admin";
    return options;
}

}  // namespace

Admin::Admin(NodeEnv& env, History& history, const Plan& plan, std::uint64_t life)
    : Client(env, env.world().random("admin", life), options_of(env.world().random("admin options", life))), history_(history), plan_(plan) {
    // What the process before this one had asked was not answered.
    for (std::size_t t = 0; t < plan.topics.size(); ++t) {
        if (!history.topic(t).asked) continue;
        topic_ = t;
        not_answered();
    }
}

bool Admin::done() const {
    if (ask_ != Ask::nothing) return false;
    for (std::size_t t = 0; t < plan_.topics.size(); ++t)
        if (const History::Topic& topic = history_.topic(t); !topic.abandoned && !(topic.there && (topic.assured || topic.hoped))) return false;
    return true;
}

// What may come of any request while something is wrong with the broker.
bool Admin::passing(Error error) const {
    return error == Error::busy || error == Error::store_offline || error == Error::shutting_down || error == Error::canceled || error == Error::io || error == Error::no_space;
}

void Admin::on_down() {
    if (ask_ == Ask::create || ask_ == Ask::remove) not_answered();
    ask_ = Ask::nothing;
    // A disk error that was armed before the healing may have come in between: ask again.
    for (std::size_t t = 0; t < plan_.topics.size(); ++t) history_.topic(t).hoped = false;
}

// Done or not, now or later.
void Admin::not_answered() {
    History::Topic& topic = history_.topic(topic_);
    topic.asked = false;
    topic.ever_uncertain = true;
    topic.abandoned |= topic.deleting;
    topic.deleting = false;
}

void Admin::on_tick() {
    if (phase_ != Phase::open || ask_ != Ask::nothing) return;
    for (std::size_t t = 0; t < plan_.topics.size(); ++t) {
        const History::Topic& topic = history_.topic(t);
        const bool missing = !topic.there || (finishing_ && !topic.assured && !topic.hoped);
        if (missing && !topic.abandoned && (finishing_ || random_.chance(1, 4))) return create(t);
    }
    if (finishing_ || world_.now() < next_at_) return;
    next_at_ = world_.now() + static_cast<std::int64_t>(random_.below(2 * ns_per_s));
    const auto t = static_cast<std::size_t>(random_.below(plan_.topics.size()));
    const History::Topic& topic = history_.topic(t);
    const std::uint64_t dice = random_.below(10);
    correlation_asked_ = next_correlation();
    if (dice < 3) return describe(t);
    if (dice < 5 && plan_.deletes && topic.there && !topic.ever_uncertain && !plan_.topics[t].configured) return remove(t);
    if (dice == 5) {
        ask_ = Ask::list;
        emit(512, [&](Writer& out) { frames::encode_topic_list(out, correlation_asked_, {"", 0}); });
    } else if (dice == 6) {
        ask_ = Ask::metadata;
        emit(512, [&](Writer& out) { frames::encode_metadata(out, correlation_asked_); });
    } else if (dice == 7) {
        ask_ = Ask::offsets;
        topic_ = t;
        known_ = history_.known(t, 0);
        emit(512, [&](Writer& out) { frames::encode_offsets(out, correlation_asked_, {plan_.topics[t].name, 0, frames::fetch_latest}); });
    } else {
        ask_wrong();
    }
}

void Admin::create(std::size_t t) {
    const TopicPlan& topic = plan_.topics[t];
    std::vector<frames::ConfigPair> pairs;
    for (const auto& [key, value] : topic.config) pairs.push_back({key, value});
    frames::TopicCreate wanted;
    wanted.name = topic.name;
    wanted.partitions = topic.partitions;
    wanted.replication_factor = random_.below(2);
    ask_ = Ask::create;
    history_.topic(t).asked = true;
    topic_ = t;
    correlation_asked_ = next_correlation();
    emit(1024, [&](Writer& out) { frames::encode_topic_create(out, correlation_asked_, wanted, pairs); });
}

void Admin::remove(std::size_t t) {
    history_.deleting(t);
    history_.topic(t).asked = history_.topic(t).deleting = true;
    ask_ = Ask::remove;
    topic_ = t;
    emit(512, [&](Writer& out) { frames::encode_topic_delete(out, correlation_asked_, {plan_.topics[t].name}); });
}

void Admin::describe(std::size_t t) {
    ask_ = Ask::describe;
    topic_ = t;
    known_ = history_.known(t, random_.below(plan_.topics[t].partitions));
    emit(512, [&](Writer& out) { frames::encode_topic_describe(out, correlation_asked_, {plan_.topics[t].name, known_.partition, 1}); });
}

void Admin::ask_wrong() {
    ask_ = Ask::wrong;
    frames::TopicCreate wanted;
    wanted.name = "wrong";
    std::vector<frames::ConfigPair> pairs;
    switch (random_.below(6)) {
        case 0: wanted.name = "no/such name"; expected_ = Error::invalid_topic; break;
        case 1: wanted.partitions = 100'000; expected_ = Error::limit_reached; break;
        case 2: wanted.replication_factor = 3; expected_ = Error::invalid_replication_factor; break;
        case 3: pairs.push_back({"no.such.key", "1"}); expected_ = Error::invalid_config; break;
        case 4: pairs.push_back({"overflow", "reject"}); expected_ = Error::unsupported; break;
        default:
            expected_ = Error::unknown_topic_or_partition;
            return emit(512, [&](Writer& out) { frames::encode_topic_delete(out, correlation_asked_, {"nobody-made-this"}); });
    }
    emit(1024, [&](Writer& out) { frames::encode_topic_create(out, correlation_asked_, wanted, pairs); });
}

// ---- answers ----

void Admin::on_frame(const frames::FrameView& frame) {
    const auto answer = frames::decode_answer(frame.body);
    if (!frames::kind_info(frame.kind).correlation || !answer || ask_ == Ask::nothing || frame.correlation != correlation_asked_) {
        return broken("an answer that was not asked for");
    }
    take(*answer, frame);
    ask_ = Ask::nothing;
}

void Admin::take(const frames::Answer& answer, const frames::FrameView& frame) {
    const std::string error(error_info(answer.error).name);
    switch (ask_) {
        case Ask::create: return take_create(answer);
        case Ask::remove: return take_remove(answer);
        case Ask::describe: return take_describe(answer, frame);
        case Ask::list:
            if (answer.error != Error::none || !frames::decode_topic_listed(answer.rest, frame.flags)) broken("TOPIC_LIST: " + error);
            return;
        case Ask::metadata: {
            const auto metadata = frames::decode_metadata_answer(answer.rest);
            if (answer.error != Error::none || !metadata || metadata->nodes.size() != 1) broken("METADATA: " + error);
            return;
        }
        case Ask::offsets: {
            const History::Topic& topic = history_.topic(topic_);
            if (answer.error == Error::unknown_topic_or_partition && (!topic.there || topic.ever_deleted || topic.ever_uncertain)) return;
            const auto found = frames::decode_offset_found(answer.rest);
            if (answer.error != Error::none || !found) return broken("OFFSETS: " + error);
            (void)history_.ends(known_, {-1, found->offset.value, found->offset.value, found->offset.value, found->epoch.value});
            return;
        }
        case Ask::wrong:
            if (answer.error != expected_ && !passing(answer.error)) broken("a wrong request was answered with " + error + " and not " + std::string(error_info(expected_).name));
            return;
        case Ask::nothing: return;
    }
}

void Admin::take_create(const frames::Answer& answer) {
    History::Topic& topic = history_.topic(topic_);
    topic.asked = false;
    const std::string& name = plan_.topics[topic_].name;
    if (answer.error == Error::none) {
        const auto created = frames::decode_topic_created(answer.rest);
        if (!created || created->partitions != plan_.topics[topic_].partitions || created->id.is_nil()) return broken("TOPIC_CREATE " + name);
        if (topic.there && topic.assured && history_.strict()) return broken("TOPIC_CREATE " + name + " succeeded where there was one");
        if (topic.there || !history_.strict()) history_.deleting(topic_);  // it is not the one that was there before
        return history_.created(topic_, true);
    }
    if (answer.error == Error::topic_exists) {
        // By an earlier request whose answer was lost, from the configuration, or it came back with damage.
        const bool fair = topic.there || topic.ever_uncertain || plan_.topics[topic_].configured || !history_.strict();
        if (!fair) return broken("TOPIC_CREATE " + name + ": it exists already");
        if (!topic.there) history_.created(topic_, plan_.topics[topic_].configured);
        // Nothing goes wrong any more: what is there has been, or will soon be, committed.
        topic.hoped = finishing_;
        return;
    }
    if (!passing(answer.error)) broken("TOPIC_CREATE " + name + ": " + std::string(error_info(answer.error).name) + " " + std::string(answer.text));
    if (answer.error != Error::busy) topic.ever_uncertain = true;
}

void Admin::take_remove(const frames::Answer& answer) {
    History::Topic& topic = history_.topic(topic_);
    topic.asked = topic.deleting = false;
    if (answer.error == Error::none) return;
    if (answer.error == Error::unknown_topic_or_partition && !history_.strict()) return;
    if (!passing(answer.error)) return broken("TOPIC_DELETE " + plan_.topics[topic_].name + ": " + std::string(error_info(answer.error).name));
    topic.abandoned = true;
}

void Admin::take_describe(const frames::Answer& answer, const frames::FrameView& frame) {
    const History::Topic& topic = history_.topic(topic_);
    if (answer.error == Error::unknown_topic_or_partition && (!topic.there || topic.ever_deleted || topic.ever_uncertain)) return;
    if (answer.error != Error::none) return broken("TOPIC_DESCRIBE: " + std::string(error_info(answer.error).name));
    const auto page = frames::decode_topic_described(answer.rest, frame.flags);
    if (!page || page->partitions.size() != 1 || page->partitions.front().partition != known_.partition) return broken("TOPIC_DESCRIBE: another page than asked");
    (void)history_.ends(known_, ends_of(page->partitions.front()));
}

}  // namespace rivulet::sim
