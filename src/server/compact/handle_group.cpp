// GROUP: consumer groups as they are, and changes of what those without members have committed.
#include <utility>

#include "broker/groups/subscription.h"
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::size_t page_room = 1900;       // a head with one entry of any length, of Session::output_bytes
constexpr std::size_t text_bytes_max = 255;   // of names that are shown alone; longer ones are cut
constexpr std::size_t page_entries_max = 32;  // that are sought in one walk

static_assert(static_cast<int>(broker::GroupState::stable) == static_cast<int>(frames::GroupState::stable) &&
              static_cast<int>(broker::GroupState::dead) == static_cast<int>(frames::GroupState::dead));
frames::GroupState group_state(const broker::Group& group) { return static_cast<frames::GroupState>(group.state); }

// At the boundary of a character.
std::string_view cut(std::string_view text) {
    std::size_t size = text.size() < text_bytes_max ? text.size() : text_bytes_max;
    while (size != 0 && size < text.size() && (static_cast<std::uint8_t>(text[size]) & 0xc0U) == 0x80) --size;
    return text.substr(0, size);
}

// The first ones, in their order, of all that are added; each once.
template <class T>
class Smallest {
public:
    void add(const T& item) {
        if (full() && !(item < items_[count_ - 1])) {
            complete_ = complete_ && !(items_[count_ - 1] < item);
            return;
        }
        std::size_t at = count_;
        while (at != 0 && item < items_[at - 1]) --at;
        if (at != 0 && !(items_[at - 1] < item)) return;
        if (full()) complete_ = false;
        else ++count_;
        for (std::size_t i = count_ - 1; i > at; --i) items_[i] = items_[i - 1];
        items_[at] = item;
    }
    std::size_t count() const { return count_; }
    const T& operator[](std::size_t i) const { return items_[i]; }
    // All that were added are here.
    bool complete() const { return complete_; }

private:
    bool full() const { return count_ == page_entries_max; }

    T items_[page_entries_max];
    std::size_t count_ = 0;
    bool complete_ = true;
};

struct NamedGroup {
    std::string_view id;
    broker::Group* group = nullptr;
    bool operator<(const NamedGroup& other) const { return id < other.id; }
};

struct TopicPlace {
    std::string_view topic;
    std::uint64_t partition = 0;
    std::string_view member{};
    bool operator<(const TopicPlace& other) const { return topic != other.topic ? topic < other.topic : partition < other.partition; }
};

// Of groups of consumers, of either protocol.
bool has_assignments(const broker::Coordinator& groups, const broker::Group& group) {
    return groups.list(group).protocol_type == broker::consumer_protocol_type && group.state == broker::GroupState::stable;
}

// Partitions that a member was assigned; -1: cannot be read.
std::int64_t assigned(Bytes assignment) {
    broker::AssignmentReader in(assignment);
    std::int64_t count = 0;
    while (in.next()) ++count;
    return in.ok() ? count : -1;
}

std::int64_t high_watermark(broker::Broker& broker, std::string_view topic_name, std::uint64_t partition) {
    const broker::Topic* const topic = broker.find_topic(topic_name);
    const store::Log* const log = topic ? broker.partition(*topic, partition) : nullptr;
    return log ? log->high_watermark().value : -1;
}

// All is looked at first, so that nothing is done if it cannot be done whole, unless the log fails in between. The detail of a failure: entries before it that are done.
// Offsets are set in groups without members alone, and forgotten where no member is subscribed, as with Kafka's OffsetDelete.
Result<std::uint64_t> set_offsets(Hub& hub, const frames::GroupRequest& wanted, std::string_view& why) {
    broker::Coordinator& groups = hub.groups();
    RIVULET_TRY_ASSIGN(broker::Group* const group, groups.look(wanted.group));
    bool forgets = false;
    std::uint64_t entries = 0;
    std::uint64_t more = 0;
    std::string_view before;
    for (const frames::TopicOffsets& of : wanted.offsets) {
        why = of.topic;
        // What a topic costs, a request with the same one many times would cost as often.
        if (of.topic <= before) return fail(Error::invalid_argument);
        before = of.topic;
        const broker::Topic* const topic = hub.broker().find_topic(of.topic);
        for (const frames::PartitionOffset& at : of.partitions) {
            if (!topic || at.partition >= topic->partitions) return fail(Error::unknown_topic_or_partition);
            if (entries++ == 0) forgets = at.offset == frames::no_offset;
            if (forgets != (at.offset == frames::no_offset)) return fail(Error::invalid_argument);
            more += !forgets && !(group && groups.has_offset(*group, *topic, static_cast<std::uint32_t>(at.partition)));
        }
        if (forgets) RIVULET_TRY(groups.begin_delete(wanted.group, of.topic));
    }
    hub.env().charge(entries * 64);
    why = {};
    if (!forgets && group && group->state != broker::GroupState::empty) return fail(Error::non_empty_group);
    if (!groups.has_room(more)) return fail(Error::too_many_offsets);
    Result<broker::Coordinator::CommitScope> scope = broker::Coordinator::CommitScope();
    if (!forgets) scope = groups.begin_commit({wanted.group, {}, {}, -1});
    RIVULET_TRY(scope);
    std::uint64_t ticket = 0;
    std::int64_t done = 0;
    for (const frames::TopicOffsets& of : wanted.offsets) {
        why = of.topic;
        for (const frames::PartitionOffset& at : of.partitions) {
            const auto partition = static_cast<std::int64_t>(at.partition);
            const auto written = forgets ? groups.delete_offset(*group, of.topic, partition)
                                         : groups.commit(*scope, of.topic, partition, {Offset(at.offset), Epoch(-1), Timestamp(-1), {}});
            if (!written) return fail(written.error(), done);
            if (*written > ticket) ticket = *written;
            ++done;
        }
    }
    return ticket;
}

}  // namespace

Session::Progress Session::handle_group(const frames::FrameView& frame) {
    if (!s_.groups) return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)), "feature groups is not agreed");
    const auto wanted = frames::decode_group_request(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (hub_.groups().loading()) return answer_failure(frame, rivulet::fail(Error::coordinator_loading));
    switch (wanted->operation) {
        case frames::GroupOperation::list: return list_groups(frame, *wanted);
        case frames::GroupOperation::describe: return describe_group(frame, *wanted);
        case frames::GroupOperation::offsets: return list_group_offsets(frame, *wanted);
        case frames::GroupOperation::set:
        case frames::GroupOperation::remove: break;
    }
    return change_group(frame, *wanted);
}

Session::Progress Session::change_group(const frames::FrameView& frame, const frames::GroupRequest& wanted) {
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(text_bytes_max + 64)) return Progress::blocked;
    TopicRequest* const slot = hub_.topic_requests().take();
    if (!slot) return answer_failure(frame, rivulet::fail(Error::busy), "too many changes at once");
    std::string_view why;
    const auto committed_with = wanted.operation == frames::GroupOperation::set ? set_offsets(hub_, wanted, why) : hub_.groups().delete_group(wanted.group);
    if (!committed_with) {
        hub_.topic_requests().give(*slot);
        return answer_failure(frame, committed_with.failure(), why);
    }
    own(*slot, frame);
    slot->ticket = *committed_with;
    hub_.broker().wait_for_commit(*slot);
    return Progress::done;
}

// A page with nothing on it would be asked for again and again.
Session::Progress Session::finish_page(const Writer& out, frames::GroupPageEncoder& page, const frames::FrameView& frame, std::uint64_t listed, bool more) {
    if (more && listed == 0) return answer_failure(frame, rivulet::fail(Error::frame_too_large), "the answer does not fit the frame limit of the client");
    page.finish(more);
    hub_.env().charge(out.size() + 1024);
    written(out);
    return Progress::done;
}

Session::Progress Session::list_groups(const frames::FrameView& frame, const frames::GroupRequest& wanted) {
    if (!output_room(page_room)) return Progress::blocked;
    broker::Coordinator& groups = hub_.groups();
    Smallest<NamedGroup> next;
    std::uint32_t slot = 0;
    while (broker::Group* const group = groups.next_group(slot))
        if (const std::string_view id = groups.list(*group).id; id > wanted.group) next.add({id, group});
    hub_.env().charge(groups.groups().group_count() * 16);
    Writer out = output();
    frames::GroupPageEncoder page(out, frame.correlation, s_.frame_bytes_max);
    std::size_t listed = 0;
    bool more = !next.complete();
    for (; listed < next.count(); ++listed) {
        const broker::Group& group = *next[listed].group;
        if ((wanted.entries_max != 0 && listed == wanted.entries_max) ||
            !page.add(frames::GroupEntry{next[listed].id, cut(groups.list(group).protocol_type), group_state(group), group.member_count})) {
            more = true;
            break;
        }
    }
    return finish_page(out, page, frame, listed, more);
}

Session::Progress Session::describe_group(const frames::FrameView& frame, const frames::GroupRequest& wanted) {
    if (!output_room(page_room)) return Progress::blocked;
    broker::Coordinator& groups = hub_.groups();
    const auto found = groups.look(wanted.group);
    if (!found) return answer_failure(frame, found.failure());
    broker::Group* const group = *found;
    if (!group) return answer_failure(frame, rivulet::fail(Error::group_not_found));
    const bool readable = has_assignments(groups, *group);
    Writer out = output();
    frames::GroupPageEncoder page(out, frame.correlation, s_.frame_bytes_max);
    std::uint64_t number = 0;
    std::uint64_t listed = 0;
    bool more = !page.head({group_state(*group), group->generation, cut(groups.list(*group).protocol_type), groups.protocol(*group), group->member_count});
    const broker::Member* member = nullptr;
    while (!more && (member = groups.next_member(*group, member))) {
        if (number++ < wanted.first) continue;
        const broker::MemberDescription d = groups.describe(*member);
        hub_.env().charge(d.assignment.size() / 4);
        more = (wanted.entries_max != 0 && listed == wanted.entries_max) ||
               !page.add(frames::GroupMember{d.id, cut(d.instance), cut(d.client_id), cut(d.client_host), readable ? assigned(d.assignment) : -1});
        listed += !more;
    }
    return finish_page(out, page, frame, listed, more);
}

// What is committed and what is assigned, merged.
Session::Progress Session::list_group_offsets(const frames::FrameView& frame, const frames::GroupRequest& wanted) {
    if (!output_room(page_room)) return Progress::blocked;
    broker::Coordinator& groups = hub_.groups();
    const auto found = groups.look(wanted.group);
    if (!found) return answer_failure(frame, found.failure());
    if (!*found) return answer_failure(frame, rivulet::fail(Error::group_not_found));
    const TopicPlace after{wanted.topic, wanted.partition < INT32_MAX ? wanted.partition : INT32_MAX};
    Smallest<TopicPlace> owned;
    const broker::Member* member = nullptr;
    while (has_assignments(groups, **found) && (member = groups.next_member(**found, member))) {
        const broker::MemberDescription d = groups.describe(*member);
        hub_.env().charge(d.assignment.size() / 2);
        for (broker::AssignmentReader in(d.assignment); in.next();) {
            // Names that no topic can have: the bytes are the client's own.
            if (in.partition() < 0 || in.topic().empty() || in.topic().size() > config::topic_name_bytes_max) continue;
            const TopicPlace place{in.topic(), static_cast<std::uint32_t>(in.partition()), d.id};
            if (wanted.topic.empty() || after < place) owned.add(place);
        }
    }
    broker::FetchedOffset committed;
    committed.topic = after.topic;
    committed.partition = static_cast<std::uint32_t>(after.partition);
    bool has_committed = groups.next_offset(wanted.group, committed);

    Writer out = output();
    frames::GroupPageEncoder page(out, frame.correlation, s_.frame_bytes_max);
    std::size_t taken = 0;  // of those that are owned
    std::uint64_t listed = 0;
    bool more = false;
    for (; has_committed || taken < owned.count(); ++listed) {
        const TopicPlace of_commit{committed.topic, committed.partition};
        const bool take_owned = taken < owned.count() && (!has_committed || !(of_commit < owned[taken]));
        const bool take_committed = has_committed && (!take_owned || !(owned[taken] < of_commit));
        // Beyond the owned ones that are known others may come first.
        more = (wanted.entries_max != 0 && listed == wanted.entries_max) || (taken == owned.count() && !owned.complete());
        if (more) break;
        const TopicPlace place = take_owned ? owned[taken] : of_commit;
        more = !page.add(frames::GroupPosition{place.topic, place.partition, take_committed ? committed.offset.value : frames::no_offset,
                                               high_watermark(hub_.broker(), place.topic, place.partition), place.member});
        if (more) break;
        taken += take_owned;
        if (take_committed) has_committed = groups.next_offset(wanted.group, committed);
    }
    return finish_page(out, page, frame, listed, more || !owned.complete());
}

}  // namespace rivulet::server::compact
