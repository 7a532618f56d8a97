// DescribeGroups: the state of groups, and their members. A group that is not there is "Dead", from version 6 on with an error (KIP-1043).
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/describe_groups.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DescribeGroupsRequest;
using wire::kafka::DescribeGroupsResponse;

constexpr std::int16_t not_found_from = 6;
constexpr std::size_t group_bytes = 96;   // of an answer, beside what its names take; with the text of an error
constexpr std::size_t member_bytes = 32;

struct Source {
    broker::Coordinator& groups;
    const DescribeGroupsRequest& request;
    std::int16_t version;
    std::size_t room;  // for what is described
    std::size_t left = 0;
    std::optional<Array<std::string_view>::Iterator> next{};
    broker::Group* group = nullptr;
    const broker::Member* member = nullptr;

    void operator()(std::size_t index, DescribeGroupsResponse::Group& item) {
        if (index == 0) {
            next.emplace(request.groups.begin());
            left = room;
        } else {
            ++*next;
        }
        item.group_id = **next;
        const auto found = groups.look(item.group_id);
        if (!found) {
            item.error_code = code_of(found.error());
            return;
        }
        group = *found;
        if (!group) {
            item.group_state = broker::group_state_name(broker::GroupState::dead);
            if (version >= not_found_from) refuse(item, Error::group_not_found);
            return;
        }
        const std::size_t bytes = described_bytes();
        if (bytes > left) return refuse(item, Error::frame_too_large);
        left -= bytes;
        const broker::GroupListing listing = groups.list(*group);
        item.group_state = broker::group_state_name(listing.state);
        item.protocol_type = listing.protocol_type;
        item.protocol_data = groups.protocol(*group);
        member = nullptr;
        item.members = Array<DescribeGroupsResponse::Member>::of(group->member_count, *this);
    }
    void operator()(std::size_t, DescribeGroupsResponse::Member& item) {
        member = groups.next_member(*group, member);
        RIVULET_CHECK(member);
        const broker::MemberDescription description = groups.describe(*member);
        item.member_id = description.id;
        if (!description.instance.empty()) item.group_instance_id = description.instance;
        item.client_id = description.client_id;
        item.client_host = description.client_host;
        item.member_metadata = description.metadata;
        item.member_assignment = description.assignment;
    }

    std::size_t described_bytes() {
        std::size_t bytes = groups.list(*group).protocol_type.size() + groups.protocol(*group).size();
        for (const broker::Member* at = groups.next_member(*group, nullptr); at; at = groups.next_member(*group, at)) {
            const broker::MemberDescription d = groups.describe(*at);
            bytes += member_bytes + d.id.size() + d.instance.size() + d.client_id.size() + d.client_host.size() + d.metadata.size() + d.assignment.size();
        }
        return bytes;
    }
    static void refuse(DescribeGroupsResponse::Group& item, Error error) {
        item.error_code = code_of(error);
        item.error_message = error_info(error).text;
    }
};

}  // namespace

Progress handle_describe_groups(Exchange& exchange) {
    const auto request = exchange.request<DescribeGroupsRequest>();
    if (!request) return exchange.fail(request.failure());
    std::size_t bytes = Session::answer_room;
    for (const std::string_view group : request->groups) bytes += group_bytes + group.size();
    const std::size_t most = exchange.hub().options().response_bytes;
    if (bytes > most) return exchange.fail(fail(Error::frame_too_large), "more groups to describe than an answer of limits.kafka_response_bytes has room for");
    Source source{exchange.hub().groups(), *request, exchange.version(), most - bytes};
    DescribeGroupsResponse response;
    response.groups = Array<DescribeGroupsResponse::Group>::of(request->groups.size(), source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
