// ListGroups: the groups of this broker, of the states (KIP-518) and types (KIP-848) that are asked for.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/list_groups.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::ListGroupsRequest;
using wire::kafka::ListGroupsResponse;

constexpr std::string_view type_of_all = "classic";
constexpr std::size_t filter_words_max = 32;
constexpr std::size_t group_bytes = 48;  // of an answer, beside its names

// Kafka's clients write states and types in cases of their own.
bool same_word(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

// An empty filter lets all through.
bool passes(const Array<std::string_view>& filter, std::string_view word) {
    if (filter.empty()) return true;
    for (const std::string_view wanted : filter)
        if (same_word(wanted, word)) return true;
    return false;
}

struct Source {
    broker::Coordinator& groups;
    const ListGroupsRequest& request;
    std::uint32_t slot = 0;

    void operator()(std::size_t index, ListGroupsResponse::Group& item) {
        if (index == 0) slot = 0;
        broker::Group* const group = next();
        RIVULET_CHECK(group);
        const broker::GroupListing listing = groups.list(*group);
        item.group_id = listing.id;
        item.protocol_type = listing.protocol_type;
        item.group_state = broker::group_state_name(listing.state);
        item.group_type = type_of_all;
    }
    broker::Group* next() {
        while (broker::Group* const group = groups.next_group(slot))
            if (passes(request.states_filter, broker::group_state_name(groups.list(*group).state)) && passes(request.types_filter, type_of_all)) return group;
        return nullptr;
    }
};

}  // namespace

Progress handle_list_groups(Exchange& exchange) {
    const auto request = exchange.request<ListGroupsRequest>();
    if (!request) return exchange.fail(request.failure());
    // Each is looked at for each group; there are five states and one type.
    if (request->states_filter.size() > filter_words_max || request->types_filter.size() > filter_words_max) {
        ListGroupsResponse response;
        response.error_code = code_of(Error::malformed);
        return exchange.answer(response);
    }
    Source source{exchange.hub().groups(), *request};
    std::size_t count = 0;
    std::size_t bytes = Session::answer_room;
    while (const broker::Group* const group = source.next()) {
        const broker::GroupListing listing = source.groups.list(*group);
        bytes += group_bytes + listing.id.size() + listing.protocol_type.size();
        ++count;
    }
    Error error = source.groups.loading() ? Error::coordinator_loading : Error::none;
    if (bytes > exchange.hub().options().response_bytes) error = Error::frame_too_large;
    ListGroupsResponse response;
    response.error_code = code_of(error);
    if (error == Error::none) response.groups = Array<ListGroupsResponse::Group>::of(count, source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
