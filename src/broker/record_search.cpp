#include "broker/record_search.h"

#include "broker/broker.h"
#include "broker/view_cursor.h"
#include "env/log.h"

namespace rivulet::broker {

bool RecordSearch::begin(RecordWaiter& waiter) {
    if (!opener_.possible()) return false;
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
    header = record::decode_header(bytes);
    // Retention or a fence has taken it since.
    if (!read || header.base_offset != current_->sought.batch) return settle(RecordWaiter::Outcome::none);
    what = record::BatchDecoder::What::times;
    from_at_ = current_->sought.from;
    at_ = current_->sought.at;
    piece_ = 0;
    found_ = gone_ = false;
    state_ = State::decoding;
    opener_.open(*this);
}

Bytes RecordSearch::next_piece() {
    return piece_ < view.piece_count ? view.pieces[piece_++] : Bytes();
}

bool RecordSearch::on_record(const record::DecodedRecord& record) {
    if (record.offset < from_at_ || record.time < at_) return true;
    found_ = true;
    found_offset_ = record.offset;
    found_time_ = record.time;
    return false;
}

// False, too, if the log was truncated or deleted meanwhile.
bool RecordSearch::refill() {
    gone_ = !view.more() || !broker_.refill(view);
    piece_ = 0;
    return !gone_;
}

void RecordSearch::on_opened(Error error) {
    if (!current_ || gone_) return settle(RecordWaiter::Outcome::none);
    if (error != Error::none) {
        report(*current_, error);
        return settle(RecordWaiter::Outcome::closed);
    }
    ++opened_;
    if (!found_) return settle(RecordWaiter::Outcome::none);
    current_->sought.offset = found_offset_;
    current_->sought.time = found_time_;
    settle(RecordWaiter::Outcome::found);
}

void RecordSearch::settle(RecordWaiter::Outcome outcome) {
    if (!view.empty()) broker_.release(view);
    RecordWaiter* const waiter = std::exchange(current_, nullptr);
    state_ = State::decoding;  // for as long as the callback takes, which may come with more
    if (waiter) waiter->on_searched(outcome);
    start_next();
}

void RecordSearch::report(const RecordWaiter& waiter, Error error) {
    env::Env& env = broker_.env();
    if (!closed_.add(env.now())) return;
    const store::Log* const searched = broker_.store().find(waiter.sought.log);
    env::LogLine line(env, env::LogLevel::warning);
    line << "a compressed batch was not opened for a search by time, which gives its first record: ";
    if (searched) line << broker_.topics().at_slot(searched->owner).name.view() << ", ";
    line << "offset " << waiter.sought.batch.value << ": " << error_info(error).name << "; " << closed_.total() << " since the start";
}

}  // namespace rivulet::broker
