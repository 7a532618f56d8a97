// OPEN: who it is, what is known of its session, and the limits that hold from now on.
#include <algorithm>

#include "env/log.h"
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

struct Standing {
    frames::SessionState state = frames::SessionState::none;
    std::uint64_t last_sequence = 0;
};

// "Every reading up to it is settled" must hold of what is durable, over all logs that the session writes to. A power cut may have taken what it had last in one of them, with all that
// was known of it there, and spared another. So no more is claimed than what the client itself does not send again; what it does send again is recognised, log by log.
Standing standing_of(Hub& hub, const frames::Open& open, store::SessionHold& hold) {
    if (open.session == 0) return {};
    store::Store& store = hub.broker().store();
    const auto known = store.resume_session(open.session, open.incarnation, open.base_sequence, hold);
    // To a client that has sent nothing yet it is all the same; of one that has, nothing may be left.
    const bool fresh = !known.known && open.base_sequence == 1 && store.sessions().never_forgot();
    if (fresh) return {frames::SessionState::fresh, 0};
    if (!known.whole) return {frames::SessionState::forgotten, 0};
    return {frames::SessionState::resumed, std::min(known.last_sequence, open.base_sequence - 1)};
}

}  // namespace

Session::Progress Session::handle_open(const frames::FrameView& frame) {
    const auto open = frames::decode_open(frame.body);
    if (!open) return fail(open.failure(), "in OPEN");
    if ((open->features & frames::feature::integrity) == 0) return fail(rivulet::fail(Error::invalid_argument), "feature integrity is needed without TLS");
    if (hub_.broker().stopping()) return fail(rivulet::fail(Error::shutting_down));
    if (!output_room(frames::frame_bytes_before_open)) return Progress::blocked;

    if (open->session != 0) hub_.drop_older(*this, *open);
    const HubOptions& options = hub_.options();
    const Standing standing = standing_of(hub_, *open, hold_);
    frames::Opened answer;
    answer.features = open->features & frames::feature::known;
    answer.session_state = standing.state;
    answer.last_sequence = standing.last_sequence;
    answer.credit = options.credit_bytes - frames::credit_initial;
    answer.time = hub_.broker().wall();
    answer.clock_trusted = hub_.broker().clock_trusted();
    answer.frame_bytes_max = options.frame_bytes;
    answer.aliases_max = options.aliases_per_connection;
    answer.requests_max = requests_max;
    answer.idle_ms_max = idle_ns_max / ns_per_ms;
    answer.software = options.software;

    s_.phase = Phase::open;
    hub_.no_longer_fresh(*this);
    s_.id = open->session;
    s_.incarnation = open->incarnation;
    s_.frame_bytes_max = static_cast<std::uint32_t>(open->frame_bytes_max < UINT32_MAX ? open->frame_bytes_max : UINT32_MAX);
    s_.push = (answer.features & frames::feature::push) != 0;
    s_.groups = (answer.features & frames::feature::groups) != 0;
    s_.puts = frames::PutState(*open);
    s_.puts.grant(answer.credit);
    s_.settling = Settling(open->base_sequence);
    s_.reader.set_frame_bytes_max(options.frame_bytes);
    s_.reader.set_integrity(true);
    Writer out = output();
    frames::encode_opened(out, s_.output_sum, answer);
    written(out);
    env::LogLine(hub_.env(), env::LogLevel::debug) << connection_->peer() << ": open, session " << open->session << ", from reading " << open->base_sequence;
    return Progress::done;
}

}  // namespace rivulet::server::compact
