// Fetches that wait: for data of their log, for flash, for their deadline.
#include "broker/broker.h"

namespace rivulet::broker {

void Broker::fetch(Fetch& fetch) {
    RIVULET_CHECK(!fetch.queued());
    fetch.broker_ = this;
    fetch.parked_ = fetch.reading_ = fetch.deadline_passed_ = false;
    if (fetch.wait_ns_max > 0) env_.arm(fetch, env_.now() + fetch.wait_ns_max);
    else fetch.deadline_passed_ = true;
    fresh_.push_back(fetch);
    wake_soon();
}

void Broker::cancel(Fetch& fetch) {
    if (fetch.queued()) List<Fetch, FetchTag>::remove(fetch);
    if (fetch.reading_) store_.cancel(fetch);
    env_.disarm(fetch);
    fetch.parked_ = fetch.reading_ = false;
}

void Broker::finish(Fetch& fetch, Failure outcome) {
    cancel(fetch);
    fetch.on_fetched(outcome);
}

void Broker::try_fetch(Fetch& fetch) {
    fetch.parked_ = fetch.reading_ = false;
    store::Log* const log = store_.find(fetch.log);
    if (!log) return finish(fetch, fail(Error::unknown_topic_or_partition));
    store::ReadWaiter& waiter = fetch;
    switch (store_.read(*log, fetch.offset, fetch.bytes_max, fetch.view, waiter)) {
        case store::ReadOutcome::out_of_range:
            return finish(fetch, fail(Error::offset_out_of_range, (fetch.offset < log->start ? log->start : log->end).value));
        case store::ReadOutcome::pending:
            fetch.reading_ = true;
            return;
        case store::ReadOutcome::data: {
            const std::size_t wanted = fetch.bytes_min < fetch.bytes_max ? fetch.bytes_min : fetch.bytes_max;
            if (fetch.view.bytes >= wanted || fetch.deadline_passed_ || fetch.view.next < log->high_watermark()) return finish(fetch, {Error::none, 0});
            store_.release(fetch.view);
            break;
        }
        case store::ReadOutcome::end:
            if (fetch.deadline_passed_) return finish(fetch, {Error::none, 0});
            break;
    }
    fetch.parked_ = true;
    parked_.push_back(fetch);
}

// Parked fetches of this log are tried again on this turn's wake.
void Broker::on_readable(store::Log& log) {
    if (watches_.note(log.slot)) wake_soon();
    for (Fetch* fetch = parked_.front(); fetch;) {
        Fetch* const next = parked_.next(*fetch);
        if (fetch->log == log.id) {
            List<Fetch, FetchTag>::remove(*fetch);
            fetch->parked_ = false;
            fresh_.push_back(*fetch);
            wake_soon();
        }
        fetch = next;
    }
}

void Fetch::on_read_ready() {
    reading_ = false;
    broker_->fresh_.push_back(*this);
    broker_->wake_soon();
}

void Fetch::on_timer() {
    deadline_passed_ = true;
    // One that is being read from flash answers when that is done.
    if (!parked_) return;
    List<Fetch, FetchTag>::remove(*this);
    parked_ = false;
    broker_->fresh_.push_back(*this);
    broker_->wake_soon();
}

}  // namespace rivulet::broker
