#include "server/kafka/exchange.h"

#include "server/kafka/hub.h"

namespace rivulet::server::kafka {

broker::Broker& Exchange::broker() { return hub_.broker(); }

bool Exchange::reserve(std::size_t bytes) { return session_.reserve(bytes < hub_.options().response_bytes ? bytes : hub_.options().response_bytes); }

Progress Exchange::reserve_whole(std::size_t bytes) {
    if (bytes > hub_.options().response_bytes) return fail(rivulet::fail(Error::frame_too_large, static_cast<std::int64_t>(bytes)), "the answer could be larger than limits.kafka_response_bytes");
    return session_.reserve(bytes) ? Progress::done : Progress::blocked;
}

Progress Exchange::answer_with(Encode encode, void* message, const Done& done) { return session_.answer(header_, encode, message, done); }

Progress Exchange::fail(Failure failure, std::string_view text) { return session_.fail(failure, text); }

std::int16_t code_of(Error error) { return error_info(error).kafka_code; }

Error check_epoch(const store::Log& log, Epoch believed) {
    if (believed.value < 0 || believed == log.epoch) return Error::none;
    return believed < log.epoch ? Error::fenced_epoch : Error::unknown_epoch;
}

}  // namespace rivulet::server::kafka
