// SyncGroup: a member asks for its assignment, and the leader says what all have; answered when that is durable.
#include "server/kafka/group_wait.h"
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/sync_group.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::SyncGroupRequest;
using wire::kafka::SyncGroupResponse;

class Assignments final : public broker::AssignmentList {
public:
    explicit Assignments(const Array<SyncGroupRequest::Assignment>& array) : array_(array) {}
    std::size_t count() const override { return array_.size(); }
    void rewind() override { at_.reset(); }
    bool next(broker::Assignment& out) override {
        if (!at_) at_.emplace(array_.begin());
        else ++*at_;
        if (*at_ == array_.end()) return false;
        out = {(*at_)->member_id, (*at_)->assignment};
        return true;
    }

private:
    const Array<SyncGroupRequest::Assignment>& array_;
    std::optional<Array<SyncGroupRequest::Assignment>::Iterator> at_;
};

}  // namespace

Progress answer_sync(Exchange& exchange, const broker::SyncAnswer& answer) {
    SyncGroupResponse response;
    response.error_code = code_of(answer.error);
    if (answer.error == Error::none) {
        response.protocol_type = answer.protocol_type;
        response.protocol_name = answer.protocol;
        response.assignment = answer.assignment;
    }
    return exchange.answer(response);
}

Progress handle_sync_group(Exchange& exchange) {
    const auto request = exchange.request<SyncGroupRequest>();
    if (!request) return exchange.fail(request.failure());
    if (!exchange.reserve(Session::answer_room)) return Progress::blocked;
    Assignments assignments(request->assignments);
    broker::SyncRequest sync;
    sync.member = {request->group_id, request->member_id, request->group_instance_id.value_or(std::string_view()), request->generation_id};
    sync.protocol_type = request->protocol_type.value_or(std::string_view());
    sync.protocol = request->protocol_name.value_or(std::string_view());
    sync.assignments = &assignments;
    return exchange.hub().take_group_wait()->sync(exchange, sync);
}

}  // namespace rivulet::server::kafka
