// What a member of a consumer group is told and sent: its slots, and DATA for one after the other under one credit.
// A membership is a Request that is not forgotten when something was said: idle -> ready (there is news) -> idle ...; its fetch goes idle -> waiting -> ready -> sending -> idle ..., or starved.
// What is processed is committed by auto_commit_ns, when something is released, and at the end, however that comes.
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

void GroupSlot::on_readable() { membership->session->on_readable(*this); }
void Membership::on_assignment() { session->on_assignment(*this); }
Instant Membership::heard() const { return session->heard(); }

// What was committed at the end.
void Membership::on_committed(Error) { session->on_ready(*this); }

// ---- slots ----

bool Session::take_slot(Membership& member, std::string_view topic, std::uint32_t partition, store::Log& log) {
    GroupSlot* const slot = hub_.group_slots().take();
    if (!slot) return false;
    slot->membership = &member;
    slot->log = log.id;
    slot->number = member.slots_given++;
    slot->processed = slot->committed = Offset(-1);
    slot->seek_failure = {Error::none, 0};
    slot->told = slot->revoked = slot->revoked_told = slot->sought = false;
    slot->found = true;
    const auto committed = hub_.groups().fetch_offset(hub_.groups().group_id(member), topic, partition);
    slot->position = committed ? committed->offset : Offset(-1);
    if (slot->position.value >= 0 && slot->position < log.start) slot->position = log.start;
    if (slot->position.value < 0 || slot->position > log.end) {
        slot->position = member.start == frames::StartAt::none ? Offset(-1) : member.start == frames::StartAt::earliest ? log.start : log.high_watermark();
        // From here on nothing is to be missed, even if it is another member that begins with it.
        slot->processed = slot->position;
    }
    member.slots.push_back(*slot);
    return true;
}

void Session::give_slot(GroupSlot& slot) {
    stop_reading(slot);
    List<GroupSlot, SlotTag>::remove(slot);
    hub_.group_slots().give(slot);
}

// Nothing more is sent of it, but for what is on its way out.
void Session::stop_reading(GroupSlot& slot) {
    broker::LogWatches::cancel(slot);
    if (ListNode<GroupSlot, ReadySlotTag>& node = slot; node.linked()) List<GroupSlot, ReadySlotTag>::remove(slot);
    Membership& member = *slot.membership;
    if (member.reading != &slot) return;
    member.reading = nullptr;
    FetchRequest& fetch = *member.fetch;
    if (fetch.state == Request::State::sending) return;
    if (fetch.state == Request::State::waiting) hub_.broker().cancel(static_cast<broker::Fetch&>(fetch));
    if (!fetch.view.empty()) drop_view(fetch);
    fetch.state = Request::State::idle;
}

void Session::look_at(GroupSlot& slot) {
    if (slot.revoked || slot.sought || !slot.told || slot.position.value < 0) return;
    // It is looked at again once that is over.
    if (slot.membership->reading == &slot || static_cast<broker::LogWatch&>(slot).linked()) return;
    if (ListNode<GroupSlot, ReadySlotTag>& node = slot; !node.linked()) slot.membership->ready.push_back(slot);
}

// `after`: where the last one was. Assignments come in the order of the slots for the most part, so that it is one step.
GroupSlot* Session::find_log(Membership& member, GroupSlot* after, LogId log) {
    const auto search = [&](GroupSlot* slot) {
        while (slot && (slot->log != log || slot->revoked)) slot = member.slots.next(*slot);
        return slot;
    };
    GroupSlot* const found = after ? search(member.slots.next(*after)) : nullptr;
    return found ? found : search(member.slots.front());
}

void Session::on_assignment(Membership& member) {
    if (member.over) return;
    broker::Coordinator& groups = hub_.groups();
    if (!member.is_member()) return end_membership(member, rivulet::fail(member.error()));
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) slot->found = false;
    const bool settled = groups.settled(member);
    if (settled) member.generation = groups.generation(member);
    bool room = true;
    std::uint64_t looked = 0;
    GroupSlot* at = nullptr;
    for (broker::AssignmentReader in = groups.assignment(member); in.next(); ++looked) {
        const broker::Topic* const topic = hub_.broker().find_topic(in.topic());
        store::Log* const log = topic && in.partition() >= 0 ? hub_.broker().partition(*topic, static_cast<std::uint64_t>(in.partition())) : nullptr;
        if (!log) continue;  // deleted: it is about to be taken away
        if (GroupSlot* const slot = find_log(member, at, log->id)) (at = slot)->found = true;
        else if (settled && room) room = take_slot(member, in.topic(), static_cast<std::uint32_t>(in.partition()), *log);
    }
    hub_.env().charge(looked * 128 + 64);
    if (!room) return end_membership(member, rivulet::fail(Error::limit_reached, static_cast<std::int64_t>(hub_.options().group_slots)));
    bool to_release = false;
    for (GroupSlot* slot = member.slots.front(); slot;) {
        GroupSlot* const next = member.slots.next(*slot);
        if (!slot->found && !slot->revoked) {
            if (!slot->told) {
                give_slot(*slot);
                slot = next;
                continue;
            }
            stop_reading(*slot);
            slot->revoked = true;
        }
        to_release |= slot->revoked;
        slot = next;
    }
    if (!to_release) groups.release(member);
    if (has_news(member)) on_ready(member);
    push_on(member);
}

void Session::on_readable(GroupSlot& slot) {
    look_at(slot);
    push_on(*slot.membership);
}

// ---- DATA ----

void Session::push_on(Membership& member) {
    if (member.over || member.reading || !member.fetch || member.fetch->state == Request::State::sending) return;
    FetchRequest& fetch = *member.fetch;
    if (fetch.credit <= 0) {
        if (fetch.state != Request::State::starved) fetch.starved_since = hub_.env().now();
        fetch.state = Request::State::starved;
        return;
    }
    fetch.state = Request::State::idle;
    while (GroupSlot* const slot = member.ready.pop_front()) {
        const store::Log* const log = hub_.broker().store().find(slot->log);
        if (!log) continue;
        if (slot->position >= log->high_watermark()) {
            hub_.broker().watch(*log, *slot);
            continue;
        }
        member.reading = slot;
        List<Request, OwnedTag>::remove(fetch);
        requests_.push_back(fetch);
        const std::size_t room = most_batches();
        fetch.log = slot->log;
        fetch.offset = slot->position;
        fetch.bytes_max = static_cast<std::uint64_t>(fetch.credit) < room ? static_cast<std::size_t>(fetch.credit) : room;
        fetch.bytes_min = 1;
        fetch.wait_ns_max = 0;
        return look_up(fetch);
    }
}

// True: there is nothing to send for this slot.
bool Session::takes_up_slot(FetchRequest& fetch) {
    Membership& member = *fetch.membership;
    GroupSlot& slot = *member.reading;
    const store::Log* const log = hub_.broker().store().find(slot.log);
    if (fetch.outcome.error == Error::none && !fetch.view.empty()) return false;
    member.reading = nullptr;
    fetch.state = Request::State::idle;
    if (log && fetch.outcome.error == Error::offset_out_of_range && slot.position < log->start) {
        slot.position = log->start;
        look_at(slot);
    } else if (log) {
        hub_.broker().watch(*log, slot);
    }
    fetch.outcome = {Error::none, 0};
    push_on(member);
    return true;
}

void Session::write_slot(FetchRequest& fetch, Writer& out) {
    Membership& member = *fetch.membership;
    if (fetch.outcome.error != Error::none) return end_membership(member, fetch.outcome);  // larger than the client takes
    GroupSlot& slot = *member.reading;
    const store::Log* const log = hub_.broker().store().find(slot.log);
    if (!log) {
        stop_reading(slot);
        return push_on(member);
    }
    const std::size_t before = out.size();
    frames::Data data;
    data.offset = fetch.offset;
    data.high_watermark = log->high_watermark() < fetch.offset ? fetch.offset : log->high_watermark();
    data.slot = slot.number;
    frames::encode_data_head(out, fetch.correlation, data, fetch.view.bytes);
    fetch.credit -= static_cast<std::int64_t>(out.size() - before + fetch.view.bytes);
    // What is sent the client may process, and say so, before the connection lets go of it.
    slot.position = fetch.view.next;
    start_stream(fetch, out);
}

// Its DATA has left.
void Session::slot_pushed(FetchRequest& fetch) {
    Membership* const member = fetch.membership;
    if (!member || s_.phase == Phase::ending) return forget(fetch);
    drop_view(fetch);
    fetch.state = Request::State::idle;
    if (GroupSlot* const slot = std::exchange(member->reading, nullptr)) look_at(*slot);
    push_on(*member);
    retry_deferred();
}

// ---- news ----

bool Session::has_news(Membership& member) {
    if (member.over) return !static_cast<broker::CommitWaiter&>(member).linked();
    if (!member.is_member()) return false;
    if (member.told_generation != member.generation) return true;
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot))
        if (!slot->told || slot->sought || (slot->revoked && !slot->revoked_told)) return true;
    return false;
}

// One frame.
void Session::write_member(Membership& member, Writer& out) {
    const std::uint64_t number = member.correlation;
    const std::size_t room = s_.frame_bytes_max < member_room ? s_.frame_bytes_max : member_room;
    member.state = Request::State::idle;
    if (!has_news(member)) return;
    if (member.over) {
        frames::encode_data_end(out, number, member.outcome);
        return forget(member);
    }
    if (member.told_generation < 0) {
        frames::encode_joined(out, number, hub_.groups().member_id(member), static_cast<std::uint64_t>(member.generation));
        member.told_generation = 0;  // its partitions come next
        return on_ready(member);
    }
    bool revoked = false;
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) revoked |= slot->revoked && !slot->revoked_told;
    if (revoked) {
        frames::AssignedEncoder frame(out, number, room);
        for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) {
            if (!slot->revoked || slot->revoked_told) continue;
            if (!frame.add(slot->number)) break;
            slot->revoked_told = true;
        }
        frame.finish(false);
        return on_ready(member);
    }
    bool assigned = member.told_generation != member.generation;
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) assigned |= !slot->told;
    if (assigned) {
        member.told_generation = member.generation;
        frames::AssignedEncoder frame(out, number, room, static_cast<std::uint64_t>(member.generation));
        bool more = false;
        for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) {
            if (slot->told) continue;
            const store::Log* const log = hub_.broker().store().find(slot->log);
            frames::AssignedPartition partition;
            partition.slot = slot->number;
            partition.offset = slot->position.value;
            // Of a topic that is gone since: it is told, and taken away next, as any other.
            if (log) {
                const broker::Topic& topic = hub_.broker().topics().at_slot(log->owner);
                partition.topic = topic.name.view();
                partition.partition = topic.partition_of(slot->log);
                partition.epoch = log->epoch;
            }
            more = !frame.add(partition);
            if (more) break;
            slot->told = true;
            look_at(*slot);
        }
        frame.finish(more);
        on_ready(member);
        return push_on(member);
    }
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) {
        if (!slot->sought) continue;
        slot->sought = false;
        const store::Log* const log = hub_.broker().store().find(slot->log);
        if (!log && slot->seek_failure.error == Error::none) slot->seek_failure = rivulet::fail(Error::unknown_topic_or_partition);
        const bool failed = slot->seek_failure.error != Error::none;
        frames::encode_sought(out, number, slot->number, slot->seek_failure, failed ? Offset(0) : slot->position, failed ? Offset(0) : log->start, failed ? Offset(0) : log->high_watermark());
        look_at(*slot);
        on_ready(member);
        return push_on(member);
    }
}

// ---- what is processed, and the end ----

void Session::commit_processed(Membership& member) {
    if (member.auto_commit_ns == 0 || !member.is_member()) return;
    member.commit_due = hub_.env().now() + member.auto_commit_ns;
    broker::Coordinator::CommitScope scope = hub_.groups().begin_commit(member);
    for (GroupSlot* slot = member.slots.front(); slot; slot = member.slots.next(*slot)) {
        if (slot->processed.value < 0 || slot->processed == slot->committed) continue;
        const store::Log* const log = hub_.broker().store().find(slot->log);
        if (!log) continue;
        const broker::Topic& topic = hub_.broker().topics().at_slot(log->owner);
        const auto done = hub_.groups().commit(scope, topic.name.view(), topic.partition_of(slot->log), {slot->processed, log->epoch, Timestamp(-1), {}});
        if (done) {
            slot->committed = slot->processed;
            static_cast<broker::CommitWaiter&>(member).ticket = *done;
        } else if (done.error() != Error::coordinator_not_available && !member.over) {
            return end_membership(member, done.failure());  // too_many_offsets: it would never be known
        }
    }
}

void Session::end_membership(Membership& member, Failure why) {
    if (member.over) return;
    member.over = true;
    member.outcome = why;
    broker::CommitWaiter& commit = member;
    commit.ticket = 0;
    commit_processed(member);
    // Whoever asks for the end gives up its place; others may come back to it.
    if (why.error == Error::none) hub_.groups().leave(member);
    else hub_.groups().part(member);
    while (GroupSlot* const slot = member.slots.front()) give_slot(*slot);
    if (commit.ticket > hub_.broker().durable_ticket()) hub_.broker().wait_for_commit(commit);
    else on_ready(member);
}

void Session::check_members(Instant now) {
    for (Request* request = requests_.front(); request; request = requests_.next(*request)) {
        if (request->type != Request::Type::membership) continue;
        auto& member = static_cast<Membership&>(*request);
        if (!member.over && member.auto_commit_ns != 0 && member.commit_due <= now) commit_processed(member);
    }
}

// Its end has been told, or the connection is gone.
void Session::forget_member(Membership& member) {
    if (!member.over) {
        member.over = true;
        commit_processed(member);
        hub_.groups().part(member);
        while (GroupSlot* const slot = member.slots.front()) give_slot(*slot);
    }
    broker::Broker::cancel(static_cast<broker::CommitWaiter&>(member));
    if (FetchRequest* const fetch = std::exchange(member.fetch, nullptr)) {
        fetch->membership = nullptr;
        // What is on its way out goes on; the rest is forgotten with the connection, if that is what ends.
        if (s_.phase != Phase::gone && s_.phase != Phase::ending && s_.phase != Phase::parting && fetch->state != Request::State::sending) forget(*fetch);
    }
    hub_.memberships().give(member);
}

}  // namespace rivulet::server::compact
