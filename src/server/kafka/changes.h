// Requests that change several things: one by one, in the order of the request, while the answer is encoded, so that nothing of any is kept.
// The handler counts what its answer takes (expect), begins, and answers from a Source that asks may() before each change and note()s what came of it.
// Owns:     nothing.
// Bounds:   limits.kafka_response_bytes: a change whose answer would leave no room for those of the others is not made. Nor is one after a busy. Both are timed_out for the client (REQUEST_TIMED_OUT).
// Guarantee: blocked only before anything was changed, so that nothing is changed twice.
// Thread:   loop only.
#pragma once

#include "server/kafka/hub.h"

namespace rivulet::server::kafka {

constexpr std::size_t message_bytes_max = 240;  // of an error
constexpr std::size_t message_room = message_bytes_max + 4;

class Changes {
public:
    // The answer of one item: `least` without a message and whatever else it may have, `more` with it.
    void expect(std::size_t least, std::size_t more) {
        least_ += least;
        more_ += more;
    }
    // done: go on. Otherwise that is the handler's.
    Progress begin(Exchange& exchange) {
        const std::size_t bytes_max = exchange.hub().options().response_bytes;
        if (least_ + head_bytes > bytes_max) return exchange.fail(fail(Error::frame_too_large), "more in a request than an answer of limits.kafka_response_bytes has room for");
        if (!exchange.reserve(least_ + more_ + head_bytes)) return Progress::blocked;
        room_ = bytes_max - least_ - head_bytes;
        return Progress::done;
    }
    // Whether the next item may be done, if its answer takes so much more.
    bool may(std::size_t more) {
        if (stopped_ || more > room_) return false;
        room_ -= more;
        return true;
    }
    // The error to answer with.
    Error note(const Result<std::uint64_t>& ticket) {
        if (ticket) {
            changed_ = true;
            if (*ticket > done_.ticket) done_.ticket = *ticket;
            return Error::none;
        }
        if (ticket.error() != Error::busy) return ticket.error();
        stopped_ = true;
        done_.blocked = !changed_;
        return Error::timed_out;
    }
    Error note(const Result<broker::Broker::TopicChanged>& changed) {
        return note(changed ? Result<std::uint64_t>(changed->ticket) : Result<std::uint64_t>(changed.failure()));
    }
    template <class Response>
    Progress answer(Exchange& exchange, Response& response) {
        const Progress progress = exchange.answer(response, done_);
        if (done_.blocked) exchange.session().wait_for_room();
        return progress;
    }

private:
    static constexpr std::size_t head_bytes = 64;  // of the answer, and of its first array

    std::size_t least_ = 0;
    std::size_t more_ = 0;
    std::size_t room_ = 0;
    bool changed_ = false;
    bool stopped_ = false;
    Done done_;
};

// What a client is told beside a code: the reason that was given, or what the error says by itself.
inline std::optional<std::string_view> message_of(Error error, const Text& why) {
    if (error == Error::none) return {};
    return why.size() != 0 ? why.view() : error_info(error).text;
}

}  // namespace rivulet::server::kafka
