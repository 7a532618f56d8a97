#include "sim/run/admin.h"

#include <algorithm>

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
        history.altered(t, History::Altered::perhaps);
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
    if (ask_ == Ask::alter && !bad_alteration_) history_.altered(topic_, History::Altered::perhaps);
    ask_ = Ask::nothing;
    follow_up_ = false;
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
    if (finishing_) return;
    if (follow_up_) {
        correlation_asked_ = next_correlation();
        follow_up_ = next_search_ >= 0;
        if (!follow_up_) return describe(known_.topic, known_.partition);
        search(known_.topic, known_.partition, next_search_);
        next_search_ = -1;
        return;
    }
    if (world_.now() < next_at_) return;
    next_at_ = world_.now() + static_cast<std::int64_t>(random_.below(ns_per_s));
    const auto t = static_cast<std::size_t>(random_.below(plan_.topics.size()));
    const History::Topic& topic = history_.topic(t);
    const std::uint64_t partition = random_.below(plan_.topics[t].partitions);
    const std::uint64_t dice = random_.below(20);
    correlation_asked_ = next_correlation();
    first_found_ = -1;
    if (dice < 3) return describe(t, partition);
    if (dice < 5 && plan_.deletes && topic.there && !topic.ever_uncertain && !plan_.topics[t].configured) return remove(t);
    if (dice == 5) {
        ask_ = Ask::list;
        emit(512, [&](Writer& out) { frames::encode_topic_list(out, correlation_asked_, {"", 0}); });
    } else if (dice == 6) {
        ask_ = Ask::metadata;
        emit(512, [&](Writer& out) { frames::encode_metadata(out, correlation_asked_); });
    } else if (dice == 7) {
        ask_offsets(t, partition);
    } else if (dice < 12) {
        const std::int64_t one = history_.some_time(t, partition, random_);
        const std::int64_t other = history_.some_time(t, partition, random_);
        next_search_ = std::max(one, other);
        follow_up_ = true;
        search(t, partition, std::min(one, other));
    } else if (dice < 14 && topic.there) {
        alter(t);
    } else if (dice < 18) {
        ask_growth();
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

void Admin::describe(std::size_t t, std::uint64_t partition) {
    ask_ = Ask::describe;
    topic_ = t;
    known_ = history_.known(t, partition);
    emit(512, [&](Writer& out) { frames::encode_topic_describe(out, correlation_asked_, {plan_.topics[t].name, known_.partition, 1}); });
}

void Admin::ask_offsets(std::size_t t, std::uint64_t partition) {
    ask_ = Ask::offsets;
    topic_ = t;
    known_ = history_.known(t, partition);
    emit(512, [&](Writer& out) { frames::encode_offsets(out, correlation_asked_, {plan_.topics[t].name, partition, frames::fetch_latest}); });
}

void Admin::search(std::size_t t, std::uint64_t partition, std::int64_t at) {
    ask_ = Ask::search;
    topic_ = t;
    at_ = at;
    known_ = history_.known(t, partition);
    emit(512, [&](Writer& out) { frames::encode_offsets(out, correlation_asked_, {plan_.topics[t].name, partition, at}); });
}

// Some settings at once; or among them one that must not be, and then none of them.
void Admin::alter(std::size_t t) {
    const TopicPlan& topic = plan_.topics[t];
    const auto pick = [&](std::initializer_list<const char*> values) { return std::string(*(values.begin() + random_.below(values.size()))); };
    std::map<std::string, std::string> pairs;
    // An empty value is the default. The plan's limit is the least that fits the readings that are to be taken.
    if (random_.chance(1, 2)) pairs["commit.interval.ms"] = pick({"", "0", "5", "20", "100", "1000"});
    if (random_.chance(1, 4) && !topic.pinned) pairs["retention.bytes"] = pick({"", "-1", "2000", "20000", "100000"});
    if (random_.chance(1, 4)) pairs["message.timestamp.type"] = pick({"", "CreateTime", "LogAppendTime"});
    if (random_.chance(1, 4)) pairs["max.message.bytes"] = random_.chance(1, 2) ? std::to_string(random_.between(topic.batch_bytes_max, plan_.batch_bytes)) : random_.chance(1, 2) ? "" : std::to_string(topic.batch_bytes_max);
    if (topic.pinned && !topic.rejects && random_.chance(1, 8)) pairs["pinned"] = pick({"true", "false"});
    if (random_.chance(1, 4)) pairs["pack.ms"] = pick({"", "0", "1", "200"});
    bad_alteration_ = random_.chance(1, 4);
    expected_ = Error::none;
    frames::TopicAlter wanted;
    wanted.name = topic.name;
    std::vector<frames::ConfigPair> sent;
    for (const auto& [key, value] : pairs) sent.push_back({key, value});
    if (bad_alteration_) {
        switch (random_.below(4)) {
            case 0: sent.push_back({"no.such.key", "1"}); expected_ = Error::invalid_config; break;
            case 1: sent.push_back({"durability", topic.memory ? "disk" : "memory"}); expected_ = Error::invalid_config; break;
            case 2: sent.push_back({"retention.ms", "yesterday"}); expected_ = Error::invalid_config; break;
            default:
                wanted.partitions = topic.partitions > 1 ? topic.partitions - 1 : 100'000;
                expected_ = topic.partitions > 1 ? Error::invalid_partitions : Error::limit_reached;
                break;
        }
    } else {
        history_.altering(t, pairs);
    }
    ask_ = Ask::alter;
    topic_ = t;
    emit(1024, [&](Writer& out) { frames::encode_topic_alter(out, correlation_asked_, wanted, sent); });
}

void Admin::ask_growth() {
    constexpr std::uint64_t partitions_most = 16;  // the plan's topics leave as many of limits.partitions
    History::Growth& growth = history_.growth();
    const std::uint64_t most = growth.asked.empty() ? 0 : *growth.asked.rbegin();
    if (!growth.exists) {
        ask_ = Ask::make_growing;
        growth.asked.insert(partitions_ = 1);
        frames::TopicCreate wanted;
        wanted.name = History::growing_name;
        wanted.partitions = partitions_;
        emit(512, [&](Writer& out) { frames::encode_topic_create(out, correlation_asked_, wanted, {}); });
    } else if (most < partitions_most && random_.chance(1, 2)) {
        ask_ = Ask::grow;
        growth.asked.insert(partitions_ = random_.between(most + 1, std::min(most + 3, partitions_most)));
        const frames::ConfigPair pair{"retention.bytes", "20000"};
        emit(512, [&](Writer& out) { frames::encode_topic_alter(out, correlation_asked_, {History::growing_name, partitions_, {}}, {&pair, random_.below(2)}); });
    } else {
        ask_ = Ask::look_at_growing;
        emit(512, [&](Writer& out) { frames::encode_topic_describe(out, correlation_asked_, {History::growing_name, 0, 1}); });
    }
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
        case 4: pairs.push_back({"overflow", "reject"}); expected_ = Error::invalid_config; break;
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
        case Ask::offsets:
        case Ask::search: return take_offsets(answer);
        case Ask::alter: return take_alter(answer);
        case Ask::make_growing:
        case Ask::grow:
        case Ask::look_at_growing: return take_growth(answer, frame);
        case Ask::wrong:
            if (answer.error != expected_ && !passing(answer.error)) broken("a wrong request was answered with " + error + " and not " + std::string(error_info(expected_).name));
            return;
        case Ask::nothing: return;
    }
}

bool Admin::may_be_missing() const {
    const History::Topic& topic = history_.topic(topic_);
    return !topic.there || topic.ever_deleted || topic.ever_uncertain;
}

void Admin::take_offsets(const frames::Answer& answer) {
    const bool searched = ask_ == Ask::search;
    const bool passes = (answer.error == Error::unknown_topic_or_partition && may_be_missing()) || (searched && passing(answer.error));
    if (passes) {
        follow_up_ = false;
        return;
    }
    const auto found = frames::decode_offset_found(answer.rest);
    if (answer.error != Error::none || !found) return broken("OFFSETS: " + std::string(error_info(answer.error).name));
    if (!searched) {
        if (found->time.value != -1) return broken("OFFSETS: the latest has a time");
        return static_cast<void>(history_.ends(known_, {-1, found->offset.value, found->offset.value, found->offset.value, found->epoch.value}));
    }
    if (!history_.found(known_, at_, found->offset.value, found->time.value, found->epoch.value)) return;
    if (first_found_ >= 0) (void)history_.check_ascends(first_known_, first_found_, known_, found->offset.value);
    first_known_ = known_;
    first_found_ = found->offset.value;
    follow_up_ = true;
}

void Admin::take_alter(const frames::Answer& answer) {
    using Altered = History::Altered;
    const std::string text = "TOPIC_ALTER " + plan_.topics[topic_].name + ": " + std::string(error_info(answer.error).name) + " " + std::string(answer.text);
    const bool missing = answer.error == Error::unknown_topic_or_partition && may_be_missing();
    if (bad_alteration_) {
        if (answer.error != expected_ && !missing && !passing(answer.error)) broken(text);
        return;
    }
    const bool none = missing || answer.error == Error::busy;
    if (answer.error != Error::none && !none && !passing(answer.error)) return broken(text);
    history_.altered(topic_, answer.error == Error::none ? Altered::yes : none ? Altered::no : Altered::perhaps);
}

void Admin::take_growth(const frames::Answer& answer, const frames::FrameView& frame) {
    History::Growth& growth = history_.growth();
    if (answer.error == Error::unknown_topic_or_partition) {
        growth.exists = false;
        return static_cast<void>(history_.check_growth(0));
    }
    if (ask_ == Ask::look_at_growing) {
        const auto page = answer.error == Error::none ? frames::decode_topic_described(answer.rest, frame.flags) : Result<frames::TopicDescribed>(fail(answer.error));
        if (!page) return broken("TOPIC_DESCRIBE of what grows: " + std::string(error_info(page.error()).name));
        return static_cast<void>(history_.check_growth(page->topic.partitions));
    }
    if (answer.error == Error::none) {
        growth.exists = true;
        growth.answered = std::max(growth.answered, partitions_);
        return;
    }
    // By an earlier request whose answer was lost; or topics came between eight times, or recovered ones have taken the room.
    const bool fair = answer.error == Error::limit_reached || (ask_ == Ask::make_growing && answer.error == Error::topic_exists);
    growth.exists |= answer.error == Error::topic_exists;
    if (!fair && !passing(answer.error)) broken("TOPIC_ALTER of what grows: " + std::string(error_info(answer.error).name) + " " + std::string(answer.text));
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
    if (answer.error == Error::unknown_topic_or_partition && may_be_missing()) return;
    if (answer.error != Error::none) return broken("TOPIC_DESCRIBE: " + std::string(error_info(answer.error).name));
    const auto page = frames::decode_topic_described(answer.rest, frame.flags);
    if (!page || page->partitions.size() != 1 || page->partitions.front().partition != known_.partition) return broken("TOPIC_DESCRIBE: another page than asked");
    for (const frames::ConfigPair& pair : page->config)
        if (!history_.check_setting(topic_, pair.key, pair.value)) return;
    const Ends ends = ends_of(page->partitions.front());
    if (history_.ends(known_, ends)) history_.described_after(known_, ends);
}

}  // namespace rivulet::sim
