#include "broker/record_search.h"

#include "broker/broker.h"
#include "broker/view_cursor.h"
#include "env/log.h"

namespace rivulet::broker {

bool RecordSearch::begin(RecordWaiter& waiter) {
    if (bytes_ == 0) return false;
    waiters_.push_back(waiter);
    if (state_ == State::idle) start_next();
    return true;
}

void RecordSearch::cancel(RecordWaiter& waiter) {
    if (waiter.linked()) List<RecordWaiter>::remove(waiter);
    if (current_ != &waiter) return;
    current_ = nullptr;
    if (state_ != State::reading) return;  // the job ends by itself
    broker_.cancel(static_cast<Fetch&>(*this));
    start_next();
}

void RecordSearch::start_next() {
    current_ = waiters_.pop_front();
    state_ = current_ ? State::reading : State::idle;
    if (!current_) return;
    log = current_->sought.log;
    offset = current_->sought.batch;
    bytes_max = bytes_min = 1;  // one batch, whole
    wait_ns_max = 0;
    broker_.fetch(*this);
}

void RecordSearch::on_fetched(Failure outcome) {
    if (outcome.error != Error::none || view.empty()) return settle(RecordWaiter::Outcome::none);
    std::uint8_t bytes[record::batch_header_bytes];
    ViewCursor in(broker_, view);
    const bool read = in.read(bytes);
    const record::BatchHeader header = record::decode_header(bytes);
    // Retention or a fence has taken it since.
    if (!read || header.base_offset != current_->sought.batch) return settle(RecordWaiter::Outcome::none);
    decoder_.begin(header, record::BatchDecoder::What::times, content_bytes_max);
    from_at_ = current_->sought.from;
    at_ = current_->sought.at;
    piece_ = 0;
    skip_ = record::batch_header_bytes;
    fed_ = found_ = false;
    state_ = State::decoding;
    broker_.env().submit(*this);
}

void RecordSearch::run(env::Disk&) {
    const std::uint64_t turn_end = decoder_.content_bytes() + turn_bytes;
    while (piece_ < view.piece_count) {
        const Bytes piece = view.pieces[piece_];
        if (!fed_) {
            const std::size_t skipped = skip_ < piece.size() ? skip_ : piece.size();
            skip_ -= skipped;
            decoder_.feed(piece.subspan(skipped));
            fed_ = true;
        }
        while (const auto record = decoder_.next()) {
            if (record->offset >= from_at_ && record->time >= at_) {
                found_ = true;
                found_offset_ = record->offset;
                found_time_ = record->time;
                return;
            }
            if (decoder_.content_bytes() >= turn_end) return;
        }
        if (decoder_.error() != Error::none) return;
        fed_ = false;
        ++piece_;
    }
}

void RecordSearch::done() {
    if (!current_) return settle(RecordWaiter::Outcome::none);
    if (found_) {
        current_->sought.offset = found_offset_;
        current_->sought.time = found_time_;
        return settle(RecordWaiter::Outcome::found);
    }
    if (decoder_.error() != Error::none) return settle(RecordWaiter::Outcome::closed);
    if (decoder_.ended()) return settle(RecordWaiter::Outcome::none);
    if (piece_ == view.piece_count) {
        // The log was truncated or deleted meanwhile.
        if (!view.more() || !broker_.refill(view)) return settle(RecordWaiter::Outcome::none);
        piece_ = 0;
    }
    broker_.env().submit(*this);
}

void RecordSearch::settle(RecordWaiter::Outcome outcome) {
    if (!view.empty()) broker_.release(view);
    RecordWaiter* const waiter = std::exchange(current_, nullptr);
    if (outcome == RecordWaiter::Outcome::closed) report(*waiter);
    else if (outcome == RecordWaiter::Outcome::found || (state_ == State::decoding && decoder_.ended())) ++statistics_.opened;
    state_ = State::decoding;  // for as long as the callback takes, which may come with more
    if (waiter) waiter->on_searched(outcome);
    start_next();
}

void RecordSearch::report(const RecordWaiter& waiter) {
    ++statistics_.closed;
    env::Env& env = broker_.env();
    if (env.now() < report_due_) return;
    report_due_ = env.now() + report_ns;
    const store::Log* const searched = broker_.store().find(waiter.sought.log);
    env::LogLine line(env, env::LogLevel::warning);
    line << "a compressed batch was not opened for a search by time, which gives its first record: ";
    if (searched) line << broker_.topics().at_slot(searched->owner).name.view() << ", ";
    line << "offset " << waiter.sought.batch.value << ": " << error_info(decoder_.error()).name << "; " << statistics_.closed << " since the start";
}

}  // namespace rivulet::broker
