// One request of a Kafka client in the hands of its handler.
// Owns:     nothing; stands during one call. Views of the request are views of the receive buffer, which keeps it until the handler is done with it.
// Bounds:   an answer is encoded whole, into the connection's output buffer or, where that is too small, into one of the few large ones (limits.kafka_response_bytes).
// Errors:   what has no answer in Kafka's protocol ends the connection, with a line in the log.
// Guarantee: answers leave in the order of the requests; one with a ticket not before that is durable. If the store goes offline before, the connection ends without it.
// Thread:   loop only.
#pragma once

#include "broker/broker.h"
#include "wire/kafka/apis.h"

namespace rivulet::server::kafka {

class Hub;
class Session;

enum class Progress : std::uint8_t {
    done,
    blocked,  // called again, from the start, when what it waits for is there
    parked,   // answered later: the connection's next request waits (parked.h)
    more,     // not of handlers: the request is not there whole
    ended,    // the connection is
};

// What the Source of an answer has done by the time that the answer is encoded: requests that change several things carry them out item by item (changes.h).
struct Done {
    std::uint64_t ticket = 0;  // must be durable before the answer leaves
    bool blocked = false;      // nothing was done, and there is no answer yet
};

class Exchange {
public:
    Exchange(Hub& hub, Session& session, const wire::kafka::RequestHeader& header, Bytes body) : hub_(hub), session_(session), header_(header), body_(body) {}

    Hub& hub() { return hub_; }
    Session& session() { return session_; }
    broker::Broker& broker();
    const wire::kafka::RequestHeader& header() const { return header_; }
    std::int16_t version() const { return header_.version; }

    template <class Request>
    Result<Request> request() const { return wire::kafka::decode<Request>(body_, header_.version, header_.flexible, wire::kafka::Rest::passed_over); }
    std::size_t request_bytes() const { return body_.size(); }

    // Room for an answer of so many bytes; false: return blocked. For handlers that change something: before they do, so that they are not called again afterwards.
    bool reserve(std::size_t bytes);
    // Likewise for handlers that do what they are asked while the answer, which tells of it, is encoded: it must fit the first time. Not done: what to return.
    Progress reserve_whole(std::size_t bytes);
    // blocked: no room for it now.
    template <class Response>
    Progress answer(Response& response, std::uint64_t ticket = 0) {
        const Done done{ticket};
        return answer(response, done);
    }
    // `done` is looked at once the answer is encoded.
    template <class Response>
    Progress answer(Response& response, const Done& done) {
        return answer_with([](void* message, wire::kafka::Codec& codec) { static_cast<Response*>(message)->describe(codec); }, &response, done);
    }
    // In another version than that of the request: where that is not known.
    template <class Response>
    Progress answer_as(Response& response, std::int16_t version) {
        wire::kafka::RequestHeader header = header_;
        header.version = version;
        header.flexible = wire::kafka::api_info(header.api).flexible(version);
        return Exchange(hub_, session_, header, body_).answer(response);
    }
    // Ends the connection.
    Progress fail(Failure failure, std::string_view text = {});

private:
    using Encode = void (*)(void* message, wire::kafka::Codec& codec);
    Progress answer_with(Encode encode, void* message, const Done& done);

    Hub& hub_;
    Session& session_;
    const wire::kafka::RequestHeader& header_;
    Bytes body_;
};

// The code that Kafka's clients know an error by.
std::int16_t code_of(Error error);
// What a client believes to be the epoch of a log; -1: it does not say (KIP-320).
Error check_epoch(const store::Log& log, Epoch believed);

}  // namespace rivulet::server::kafka
