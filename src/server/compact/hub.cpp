#include "server/compact/hub.h"

namespace rivulet::server::compact {

std::size_t HubOptions::output_buffers() const {
    // One is held from an answer to the end of the turn, longer by readers that do not keep up.
    const std::size_t some = connections / 8;
    return some < 16 ? 16 : some;
}

Hub::Hub(env::Env& env, Arena& arena, broker::Broker& broker, broker::Coordinator& groups, const HubOptions& options)
    : ConnectionHub(env, arena, options.for_connections()),
      broker_(broker),
      groups_(groups),
      options_(options),
      aliases_(arena, options.aliases()),
      fetches_(arena, options.parked_fetches),
      topic_requests_(arena, topic_requests_max),
      memberships_(arena, options.parked_fetches),
      group_slots_(arena, options.group_slots) {
    char buffer[40];
    Text text(buffer);
    text << "limits.connections = " << options.connections;
    Writer out(refusal_);
    frames::encode_error(out, fail(Error::too_many_connections, static_cast<std::int64_t>(options.connections)), text.view());
    RIVULET_CHECK(out.ok());
    refusal_bytes_ = out.size();
}

FetchRequest* Hub::take_fetch(std::size_t held) {
    const bool scarce = fetches_.count() - fetches_.taken() <= fetches_.count() / 4;
    FetchRequest* const request = scarce && held >= few_requests ? nullptr : fetches_.take();
    if (!request) crowded_until_ = env().now() + crowded_ns;
    return request;
}

void Hub::drop_older(const Session& newer, const frames::Open& open) {
    env().charge(sessions_open() * 64);
    for (Session* at = open_sessions().front(); at; at = open_sessions().next(*at)) {
        if (at != &newer && at->is_session(open.session)) at->drain(at->incarnation() == open.incarnation ? Error::canceled : Error::session_moved);
    }
}

}  // namespace rivulet::server::compact
