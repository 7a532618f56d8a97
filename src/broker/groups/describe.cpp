// What others may see of groups.
#include "broker/groups/coordinator.h"

namespace rivulet::broker {

Result<Group*> Coordinator::look(std::string_view group) {
    RIVULET_TRY(check(group));
    return groups_.find(group);
}

Group* Coordinator::next_group(std::uint32_t& slot) {
    while (slot < groups_.groups().size()) {
        Group& group = groups_.groups()[slot++];
        if (group.coordinator) return &group;
    }
    return nullptr;
}

const Member* Coordinator::next_member(Group& group, const Member* member) {
    Member* next = member ? group.members.next(const_cast<Member&>(*member)) : group.members.front();
    while (next && next->pending) next = group.members.next(*next);
    return next;
}

MemberDescription Coordinator::describe(const Member& member) const {
    MemberDescription out;
    out.id = blobs_.text(member.id);
    out.instance = blobs_.text(member.instance);
    out.client_id = blobs_.text(member.client_id);
    out.client_host = blobs_.text(member.client_host);
    if (member.group->state != GroupState::stable) return out;
    out.metadata = groups_.metadata(member, member.group->protocol.view());
    out.assignment = blobs_.view(member.assignment);
    return out;
}

bool Coordinator::subscribed(Group& group, std::string_view topic) {
    if (group.member_count == 0) return false;
    if (group.protocol.empty() || (blobs_.text(group.protocol_type) != consumer_protocol_type && !is_compact(group))) return true;
    for (const Member* member = next_member(group, nullptr); member; member = next_member(group, member)) {
        const Result<bool> found = subscribes(groups_.metadata(*member, group.protocol.view()), topic);
        if (!found || *found) return true;
    }
    return false;
}

}  // namespace rivulet::broker
