#include "broker/batch_opener.h"

#include <utility>

namespace rivulet::broker {

bool ClosedCount::add(Instant now) {
    ++total_;
    if (now < due_) return false;
    due_ = now + report_ns;
    return true;
}

void BatchOpener::open(BatchVisit& visit) {
    RIVULET_CHECK(possible_);
    line_.push_back(visit);
    if (!busy_) start_next();
}

void BatchOpener::start_next() {
    current_ = line_.pop_front();
    busy_ = current_ != nullptr;
    if (!current_) return;
    decoder_.begin(current_->header, current_->what, content_bytes_max);
    skip_ = record::batch_header_bytes;
    fed_ = enough_ = false;
    env_.submit(*this);
}

void BatchOpener::run(env::Disk&) {
    const std::uint64_t turn_end = decoder_.content_bytes() + turn_bytes;
    while (decoder_.error() == Error::none && !decoder_.ended()) {
        if (!fed_) {
            const Bytes piece = current_->next_piece();
            if (piece.empty()) return;
            const std::size_t skipped = skip_ < piece.size() ? skip_ : piece.size();
            skip_ -= skipped;
            if (skipped == piece.size()) continue;
            decoder_.feed(piece.subspan(skipped));
            fed_ = true;
        }
        while (const auto record = decoder_.next()) {
            enough_ = !current_->on_record(*record);
            if (enough_ || decoder_.content_bytes() >= turn_end) return;
        }
        fed_ = false;
    }
}

void BatchOpener::done() {
    if (enough_ || decoder_.ended() || !current_->goes_on()) return settle(Error::none);
    if (decoder_.error() != Error::none) return settle(decoder_.error());
    if (!fed_ && !current_->refill()) return settle(Error::invalid_record);
    env_.submit(*this);
}

void BatchOpener::settle(Error error) {
    std::exchange(current_, nullptr)->on_opened(error);
    start_next();
}

}  // namespace rivulet::broker
