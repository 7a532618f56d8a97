// ASSIGN and COMMIT, as members of consumer groups and those who commit for them send them. What members are told and sent: membership.cpp.
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::size_t client_text_bytes_max = 64;  // of client and instance, each of which a member's id may begin with
constexpr std::size_t topics_max = 32;             // of one member
constexpr std::size_t subscription_bytes_max = 4096;
constexpr std::uint64_t timeout_ms_max = INT32_MAX;
constexpr std::uint64_t auto_commit_ms_min = 100;

std::int64_t timeout_of(std::uint64_t ms) { return static_cast<std::int64_t>(ms < timeout_ms_max ? ms : timeout_ms_max); }

// As Kafka's members say it, each topic once.
Status write_subscription(const frames::List<frames::TopicName>& topics, Writer& out) {
    std::string_view names[topics_max];
    std::size_t count = 0;
    for (const frames::TopicName& topic : topics) {
        if (!config::valid_topic_name(topic.name)) return fail(Error::invalid_topic);
        std::size_t i = 0;
        while (i < count && names[i] != topic.name) ++i;
        if (i < count) continue;
        if (count == topics_max) return fail(Error::limit_reached, topics_max);
        names[count++] = topic.name;
    }
    broker::encode_subscription_head(out, count);
    for (std::size_t i = 0; i < count; ++i) broker::encode_subscription_topic(out, names[i]);
    broker::encode_subscription_end(out);
    return out.ok() ? Status() : Status(fail(Error::limit_reached, subscription_bytes_max));
}

}  // namespace

Membership* Session::find_membership(std::uint64_t correlation) {
    for (Request* request = requests_.front(); request; request = requests_.next(*request))
        if (request->type == Request::Type::membership && request->correlation == correlation) return static_cast<Membership*>(request);
    return nullptr;
}

GroupSlot* Session::find_slot(Membership& member, std::uint64_t number, GroupSlot* after) {
    const auto search = [&](GroupSlot* slot) {
        while (slot && (slot->number != number || !slot->told)) slot = member.slots.next(*slot);
        return slot;
    };
    GroupSlot* const found = after ? search(member.slots.next(*after)) : nullptr;
    return found ? found : search(member.slots.front());
}

bool Session::names_too_many(Membership& member, std::size_t named) {
    for (GroupSlot* slot = member.slots.front(); slot && named != 0; slot = member.slots.next(*slot)) --named;
    return named != 0;
}

Session::Progress Session::handle_assign(const frames::FrameView& frame) {
    const auto wanted = frames::decode_assign(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (!s_.groups) return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)), "feature groups is not agreed");
    if (wanted->what == frames::MemberRequest::join) return join_group(frame, *wanted);
    Membership* const member = find_membership(frame.correlation);
    // It has ended; the two may cross.
    if (!member || member->over) return Progress::done;
    if (wanted->what == frames::MemberRequest::topics) return change_topics(*member, *wanted);
    if (wanted->what == frames::MemberRequest::release) return release_slots(*member, *wanted);
    return seek(*member, *wanted);
}

Session::Progress Session::join_group(const frames::FrameView& frame, const frames::Assign& wanted) {
    const frames::JoinGroup& join = wanted.join;
    if (join.credit > subscription_credit_max) return fail(rivulet::fail(Error::invalid_argument), "credit");
    if (find_subscription(frame.correlation) || find_membership(frame.correlation)) return fail(rivulet::fail(Error::invalid_argument), "the correlation is in use");
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(answer_room)) return Progress::blocked;
    if (s_.frame_bytes_max < frames::member_frame_bytes_least) return answer_failure(frame, rivulet::fail(Error::frame_too_large, frames::member_frame_bytes_least), "frame limit of a member");
    if (join.client.size() > client_text_bytes_max || join.instance.size() > client_text_bytes_max) return answer_failure(frame, rivulet::fail(Error::invalid_argument), "client and instance: 64 bytes");
    if (join.auto_commit_ms != 0 && join.auto_commit_ms < auto_commit_ms_min) return answer_failure(frame, rivulet::fail(Error::invalid_argument), "automatic commits: 0, or at least every 100 ms");
    if (const Status status = hub_.groups().prepare(); !status) return answer_failure(frame, status.failure());
    std::uint8_t subscription[subscription_bytes_max];
    Writer topics(subscription);
    if (const Status status = write_subscription(wanted.topics, topics); !status) return answer_failure(frame, status.failure(), "topics of one member");

    Membership* const member = hub_.memberships().take();
    FetchRequest* const fetch = member ? take_fetch() : nullptr;
    if (!fetch) {
        if (member) hub_.memberships().give(*member);
        return answer_failure(frame, rivulet::fail(Error::busy), "limits.parked_fetches is reached");
    }
    char peer_buffer[64];
    Text peer(peer_buffer);
    peer << connection_->peer();
    const auto endpoint = env::parse_endpoint(peer.view());
    char host_buffer[80];
    Text host(host_buffer);
    host << '/' << (endpoint ? endpoint->host : std::string_view());
    const broker::JoinProtocol protocol{broker::assignor_name(static_cast<broker::Assignor>(join.assignor)), topics.written()};
    broker::JoinRequest request;
    request.group = join.group;
    request.instance = join.instance;
    request.client_id = join.client;
    request.client_host = host.view();
    request.protocol_type = broker::compact_protocol_type;
    request.protocols = {&protocol, 1};
    request.session_timeout_ms = timeout_of(join.session_timeout_ms);
    request.rebalance_timeout_ms = timeout_of(join.rebalance_timeout_ms);
    if (const Status status = hub_.groups().join(request, *member); !status) {
        hub_.give_fetch(*fetch);
        hub_.memberships().give(*member);
        return answer_failure(frame, status.failure());
    }
    own(*member, frame);
    member->state = Request::State::idle;
    member->fetch = fetch;
    member->reading = nullptr;
    member->slots_given = 0;
    member->generation = member->told_generation = -1;
    member->start = join.start;
    member->auto_commit_ns = timeout_of(join.auto_commit_ms) * ns_per_ms;
    member->commit_due = hub_.env().now() + member->auto_commit_ns;
    member->over = false;
    fetch->membership = member;
    fetch->session = this;
    fetch->kind = frames::Kind::data;
    fetch->correlation = frame.correlation;
    fetch->state = Request::State::idle;
    fetch->outcome = {Error::none, 0};
    fetch->credit = static_cast<std::int64_t>(join.credit);
    fetch->counted = fetch->started = fetch->over = false;
    requests_.push_back(*fetch);
    return Progress::done;
}

// What cannot be ends the membership: the client would otherwise not know what it is subscribed to.
Session::Progress Session::change_topics(Membership& member, const frames::Assign& wanted) {
    broker::Coordinator& groups = hub_.groups();
    if (!member.is_member()) return Progress::done;  // it is about to be told
    std::uint8_t subscription[subscription_bytes_max];
    Writer topics(subscription);
    Status status = write_subscription(wanted.topics, topics);
    if (status) status = groups.change(topics.written(), member);
    if (!status) end_membership(member, status.failure());
    return Progress::done;
}

Session::Progress Session::release_slots(Membership& member, const frames::Assign& wanted) {
    if (names_too_many(member, wanted.slots.size())) return fail(rivulet::fail(Error::invalid_argument), "release: more slots than the member has");
    // First all are looked at: what is committed on the way is committed for all of them.
    GroupSlot* slot = nullptr;
    for (const frames::Slot& number : wanted.slots) {
        slot = find_slot(member, number.number, slot);
        if (!slot || !slot->revoked_told) return fail(rivulet::fail(Error::invalid_argument, static_cast<std::int64_t>(number.number & INT64_MAX)), "a slot that was not revoked");
    }
    commit_processed(member);
    if (member.over) return Progress::done;
    slot = nullptr;
    for (const frames::Slot& number : wanted.slots) {
        GroupSlot* const released = slot && slot->number == number.number ? slot : find_slot(member, number.number);
        if (!released) continue;
        slot = member.slots.next(*released);
        give_slot(*released);
    }
    for (slot = member.slots.front(); slot; slot = member.slots.next(*slot))
        if (slot->revoked) return Progress::done;
    hub_.groups().release(member);
    return Progress::done;
}

Session::Progress Session::seek(Membership& member, const frames::Assign& wanted) {
    GroupSlot* const slot = find_slot(member, wanted.slot);
    if (!slot) return fail(rivulet::fail(Error::invalid_argument, static_cast<std::int64_t>(wanted.slot & INT64_MAX)), "no such slot");
    const store::Log* const log = hub_.broker().store().find(slot->log);
    Offset offset = wanted.offset;
    slot->sought = true;
    slot->seek_failure = {Error::none, 0};
    if (slot->revoked) {
        slot->seek_failure = rivulet::fail(Error::illegal_generation);
    } else if (!log) {
        slot->seek_failure = rivulet::fail(Error::unknown_topic_or_partition);
    } else {
        if (offset.value == frames::fetch_latest) offset = log->high_watermark();
        else if (offset.value == frames::fetch_earliest) offset = log->start;
        if (offset < log->start || offset > log->end) {
            slot->seek_failure = rivulet::fail(Error::offset_out_of_range, (offset < log->start ? log->start : log->end).value);
        } else {
            stop_reading(*slot);
            slot->position = offset;
            slot->processed = Offset(-1);
        }
    }
    on_ready(member);
    push_on(member);
    return Progress::done;
}

Session::Progress Session::credit_member(Membership& member, const frames::Credit& credit) {
    if (member.over) return Progress::done;
    if (names_too_many(member, credit.positions.size())) return fail(rivulet::fail(Error::invalid_argument), "processed: more slots than the member has");
    GroupSlot* slot = nullptr;
    for (const frames::Position& position : credit.positions) {
        slot = find_slot(member, position.slot, slot);
        if (!slot || position.offset > slot->position)
            return fail(rivulet::fail(Error::invalid_argument, static_cast<std::int64_t>(position.slot & INT64_MAX)), "processed: no such slot, or beyond what was sent");
        slot->processed = position.offset;
    }
    if (credit.end) {
        end_membership(member, rivulet::fail(Error::none));
        return Progress::done;
    }
    FetchRequest& fetch = *member.fetch;
    if (credit.bytes > subscription_credit_max || fetch.credit + static_cast<std::int64_t>(credit.bytes) > subscription_credit_max)
        return fail(rivulet::fail(Error::invalid_argument), "credit");
    fetch.credit += static_cast<std::int64_t>(credit.bytes);
    push_on(member);
    return Progress::done;
}

Session::Progress Session::handle_commit(const frames::FrameView& frame) {
    const auto wanted = frames::decode_commit(frame.body, frame.flags);
    if (!wanted) return fail(wanted.failure());
    if (!s_.groups) return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)), "feature groups is not agreed");
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(answer_room)) return Progress::blocked;
    broker::Coordinator& groups = hub_.groups();
    broker::Coordinator::CommitScope scope;
    Membership* member = nullptr;
    if (wanted->by_slot) {
        member = find_membership(wanted->member);
        if (!member || member->over || !member->is_member()) return answer_failure(frame, rivulet::fail(Error::unknown_member));
        if (names_too_many(*member, wanted->slots.size())) return answer_failure(frame, rivulet::fail(Error::invalid_argument), "COMMIT: more slots than the member has");
        scope = groups.begin_commit(*member);
    } else {
        if (const Status status = groups.prepare(); !status) return answer_failure(frame, status.failure());
        const auto begun = groups.begin_commit(broker::MemberRef{wanted->group, {}, {}, -1});
        if (!begun) return answer_failure(frame, begun.failure());
        scope = *begun;
    }
    TopicRequest* const request = hub_.topic_requests().take();
    if (!request) return answer_failure(frame, rivulet::fail(Error::busy), "too many changes at once");
    request->ticket = 0;
    std::int64_t index = 0;
    const auto take = [&](std::string_view topic, std::uint64_t partition, const broker::OffsetCommit& commit) {
        const auto done = groups.commit(scope, topic, static_cast<std::int64_t>(partition & INT64_MAX), commit);
        if (done) request->ticket = *done;
        else request->refused = rivulet::fail(done.error(), index);
        ++index;
        return done.ok();
    };
    if (member) {
        GroupSlot* slot = nullptr;
        for (const frames::SlotCommit& commit : wanted->slots) {
            slot = find_slot(*member, commit.slot, slot);
            const store::Log* const log = slot ? hub_.broker().store().find(slot->log) : nullptr;
            if (!log) {
                request->refused = rivulet::fail(slot ? Error::unknown_topic_or_partition : Error::invalid_argument, index);
                break;
            }
            const broker::Topic& topic = hub_.broker().topics().at_slot(log->owner);
            if (!take(topic.name.view(), topic.partition_of(slot->log), {commit.offset, log->epoch, Timestamp(-1), commit.metadata})) break;
        }
    } else {
        for (const frames::CommitEntry& entry : wanted->entries)
            if (!take(entry.topic, entry.partition, {entry.offset, entry.epoch, Timestamp(-1), entry.metadata})) break;
    }
    hub_.env().charge(static_cast<std::uint64_t>(index) * 512);
    own(*request, frame);
    hub_.broker().wait_for_commit(*request);
    return Progress::done;
}

}  // namespace rivulet::server::compact
