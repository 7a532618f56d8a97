#include "broker/groups/group.h"

#include "base/crc32c.h"

namespace rivulet::broker {

std::string_view group_state_name(GroupState state) {
    switch (state) {
        case GroupState::empty: return "Empty";
        case GroupState::preparing_rebalance: return "PreparingRebalance";
        case GroupState::completing_rebalance: return "CompletingRebalance";
        case GroupState::stable: return "Stable";
        case GroupState::dead: break;
    }
    return "Dead";
}

bool ProtocolReader::next(JoinProtocol& out) {
    if (in_.at_end()) return false;
    out.name = in_.text();
    out.metadata = in_.block();
    return in_.ok();
}

std::uint64_t protocols_size(std::span<const JoinProtocol> protocols) {
    std::uint64_t size = 0;
    for (const JoinProtocol& protocol : protocols)
        size += varint_size(protocol.name.size()) + protocol.name.size() + varint_size(protocol.metadata.size()) + protocol.metadata.size();
    return size;
}

void encode_protocols(std::span<const JoinProtocol> protocols, Writer& out) {
    for (const JoinProtocol& protocol : protocols) {
        out.text(protocol.name);
        out.block(protocol.metadata);
    }
}

GroupTable::GroupTable(Arena& arena, std::uint32_t groups_max, std::uint32_t members_max, BlobPool& blobs)
    : groups_(arena.make_array<Group>(groups_max)), members_(arena.make_array<Member>(members_max)), blobs_(blobs) {
    for (std::uint32_t i = 0; i < groups_max; ++i) groups_[i].slot = i;
}

Group* GroupTable::find(std::string_view id) {
    const std::uint32_t hash = crc32c(as_bytes(id));
    for (Group& group : groups_)
        if (group.coordinator && group.hash == hash && blobs_.text(group.id) == id) return &group;
    return nullptr;
}

Group* GroupTable::add(std::string_view id, Coordinator& coordinator) {
    for (Group& group : groups_) {
        if (group.coordinator) continue;
        if (!blobs_.assign(group.id, id)) return nullptr;
        group.coordinator = &coordinator;
        group.hash = crc32c(as_bytes(id));
        ++group_count_;
        return &group;
    }
    return nullptr;
}

void GroupTable::remove(Group& group) {
    RIVULET_CHECK(group.coordinator && group.members.empty() && group.offset_count == 0 && !group.linked());
    blobs_.clear(group.id);
    blobs_.clear(group.protocol_type);
    const std::uint32_t slot = group.slot;
    ::new (static_cast<void*>(&group)) Group();
    group.slot = slot;
    --group_count_;
}

Member* GroupTable::add_member(Group& group) {
    for (Member& member : members_) {
        if (member.group) continue;
        member.group = &group;
        group.members.push_back(member);
        ++member_count_;
        return &member;
    }
    return nullptr;
}

void GroupTable::remove_member(Member& member) {
    RIVULET_CHECK(member.group && !member.join && !member.sync);
    List<Member, MemberTag>::remove(member);
    for (Blob* const blob : {&member.id, &member.instance, &member.client_id, &member.client_host, &member.protocols, &member.assignment}) blobs_.clear(*blob);
    ::new (static_cast<void*>(&member)) Member();
    --member_count_;
}

Member* GroupTable::find_member(Group& group, std::string_view id) {
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (blobs_.text(member->id) == id) return member;
    return nullptr;
}

Member* GroupTable::find_instance(Group& group, std::string_view instance) {
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (member->instance.size != 0 && blobs_.text(member->instance) == instance) return member;
    return nullptr;
}

Bytes GroupTable::metadata(const Member& member, std::string_view protocol) const {
    JoinProtocol entry;
    for (ProtocolReader in(blobs_.view(member.protocols)); in.next(entry);)
        if (entry.name == protocol) return entry.metadata;
    return {};
}

bool GroupTable::supports(const Member& member, std::string_view protocol) const {
    JoinProtocol entry;
    for (ProtocolReader in(blobs_.view(member.protocols)); in.next(entry);)
        if (entry.name == protocol) return true;
    return false;
}

bool GroupTable::supports(Group& group, std::span<const JoinProtocol> protocols) {
    for (const JoinProtocol& protocol : protocols) {
        bool all = true;
        for (Member* member = group.members.front(); member && all; member = group.members.next(*member)) all = member->pending || supports(*member, protocol.name);
        if (all) return true;
    }
    return false;
}

bool GroupTable::matches(const Member& member, std::span<const JoinProtocol> protocols) const {
    JoinProtocol entry;
    ProtocolReader in(blobs_.view(member.protocols));
    for (const JoinProtocol& protocol : protocols)
        if (!in.next(entry) || entry.name != protocol.name || !equal(entry.metadata, protocol.metadata)) return false;
    return !in.next(entry);
}

std::string_view GroupTable::select_protocol(Group& group) {
    struct Candidate {
        std::string_view name;
        std::uint32_t votes = 0;
    };
    std::array<Candidate, join_protocols_max> candidates;
    std::size_t count = 0;
    JoinProtocol entry;
    Member* first = group.members.front();
    while (first && first->pending) first = group.members.next(*first);
    RIVULET_CHECK(first);
    for (ProtocolReader in(blobs_.view(first->protocols)); in.next(entry) && count < candidates.size();) {
        const JoinProtocol alone{entry.name, {}};
        if (supports(group, {&alone, 1})) candidates[count++].name = entry.name;
    }
    for (Member* member = first; member; member = group.members.next(*member)) {
        if (member->pending) continue;
        bool voted = false;
        for (ProtocolReader in(blobs_.view(member->protocols)); !voted && in.next(entry);) {
            for (std::size_t i = 0; i < count && !voted; ++i) {
                if (candidates[i].name != entry.name) continue;
                ++candidates[i].votes;
                voted = true;
            }
        }
    }
    const Candidate* best = nullptr;
    for (const Candidate& candidate : std::span(candidates).first(count))
        if (!best || candidate.votes > best->votes) best = &candidate;
    return best ? best->name : std::string_view();
}

}  // namespace rivulet::broker
