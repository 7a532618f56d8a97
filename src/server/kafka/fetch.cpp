#include "server/kafka/fetch.h"

#include <algorithm>

#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::FetchRequest;
using wire::kafka::FetchResponse;

constexpr std::size_t head_bytes = 64;        // of an answer
constexpr std::size_t partition_bytes = 48;   // of an answer, without batches
constexpr std::size_t topic_bytes = 16 + config::topic_name_bytes_max;
constexpr std::int16_t by_topic_id = 13;      // from this version on topics are named by their ids

// For reads that do not wait.
struct Looker final : store::ReadWaiter {
    void on_read_ready() override {}
};

}  // namespace

// ---- taking it in ----

Progress handle_fetch(Exchange& exchange) {
    const auto request = exchange.request<FetchRequest>();
    if (!request) return exchange.fail(request.failure());
    // Every request is answered in full (KIP-227): whoever believes in a session hears that there is none.
    if (request->session_id != 0 && request->session_epoch > 0) {
        FetchResponse response;
        response.error_code = code_of(Error::fetch_session_not_found);
        return exchange.answer(response);
    }
    return FetchPlan::begin(exchange, *request);
}

Progress FetchPlan::begin(Exchange& exchange, const FetchRequest& request) {
    Hub& hub = exchange.hub();
    std::size_t topics = 0;
    std::size_t cells = 0;
    for (const FetchRequest::Topic& topic : request.topics) {
        topics += !topic.partitions.empty();
        cells += topic.partitions.size();
    }
    if (cells > hub.options().fetch_partitions) return exchange.fail(fail(Error::limit_reached, static_cast<std::int64_t>(cells)), "more partitions in a fetch than limits.fetch_partitions");
    if (answer_bytes_max(topics, cells) > hub.options().response_bytes)
        return exchange.fail(fail(Error::frame_too_large, static_cast<std::int64_t>(cells)), "more partitions in a fetch than an answer of limits.kafka_response_bytes has room for");
    if (!exchange.session().may_take_cells(cells)) return Progress::blocked;
    return hub.take_plan()->start(exchange, request);
}

Progress FetchPlan::start(Exchange& exchange, const FetchRequest& request) {
    cells_ = topics_ = bytes_ = streams_ = 0;
    first_ = last_ = cursor_ = awaited_ = nullptr;
    by_id_ = exchange.version() >= by_topic_id;
    read_committed_ = request.isolation_level == 1;
    failed_ = over_ = full_ = reading_ = false;
    const auto positive = [](std::int32_t n) { return n < 0 ? std::size_t{0} : static_cast<std::size_t>(n); };
    bytes_max_ = std::min(positive(request.max_bytes), hub_.options().inflight_bytes);
    bytes_min_ = std::min(positive(request.min_bytes), bytes_max_);
    session = &exchange.session();
    add_all(request);
    since_ = hub_.env().now();
    const std::int64_t wait_ns = std::min(std::int64_t{request.max_wait_ms} * ns_per_ms, wait_ns_max);
    if (wait_ns > 0 && cells_ != 0) hub_.env().arm(*this, hub_.env().now() + wait_ns);
    else over_ = true;
    if (failed_) {
        // What names a topic that is not there does not stand longer than this call.
        const Progress progress = resume(exchange);
        if (progress != Progress::done) release();
        return progress;
    }
    exchange.session().park(*this, exchange.header());
    const Progress progress = resume(exchange);
    return progress == Progress::blocked ? Progress::parked : progress;
}

void FetchPlan::add_all(const FetchRequest& request) {
    broker::Broker& broker = hub_.broker();
    for (const FetchRequest::Topic& topic : request.topics) {
        const broker::Topic* const known = by_id_ ? broker.topics().find(topic.topic_id) : broker.find_topic(topic.topic);
        bool starts_topic = true;
        for (const FetchRequest::Partition& partition : topic.partitions) {
            FetchCell* const cell = hub_.take_cell();
            (last_ ? last_->next : first_) = cell;
            last_ = cell;
            ++cells_;
            topics_ += starts_topic;
            cell->plan = this;
            cell->next = nullptr;
            cell->offset = partition.fetch_offset;
            cell->leader_epoch = partition.current_leader_epoch;
            cell->partition = partition.partition;
            cell->bytes_max = partition.partition_max_bytes < 0 ? 0 : static_cast<std::uint32_t>(partition.partition_max_bytes);
            cell->starts_topic = starts_topic;
            cell->known = known != nullptr;
            cell->topic_id = known ? known->id : topic.topic_id;
            cell->unknown = known ? std::string_view() : topic.topic;
            cell->stream = nullptr;
            cell->error = !known && by_id_ ? Error::unknown_topic_id : judge(known, *cell);
            failed_ |= cell->error != Error::none;
            starts_topic = false;
        }
    }
    hub_.env().charge(cells_ * 128);
}

Error FetchPlan::judge(const broker::Topic* topic, FetchCell& cell) const {
    const store::Log* const found = topic && cell.partition >= 0 ? hub_.broker().partition(*topic, static_cast<std::uint64_t>(cell.partition)) : nullptr;
    if (!found) return Error::unknown_topic_or_partition;
    cell.log = found->id;
    if (const Error error = check_epoch(*found, cell.leader_epoch); error != Error::none) return error;
    if (cell.offset < found->start || cell.offset > found->end) return Error::offset_out_of_range;
    return Error::none;
}

// ---- reading ----

FetchPlan::Gathered FetchPlan::gather() {
    give_streams();
    bytes_ = 0;
    full_ = false;
    for (FetchCell* cell = first_; cell; cell = cell->next) cell->read = false;
    FetchCell* pending = nullptr;  // the one to load for
    bool looked = false;           // for it
    Looker looker;
    const auto look = [&](FetchCell& cell, bool loads) {
        cell.read = true;
        // The others must not overwrite how far the plan looked for the one that it waits for: the store may forget that.
        const Found found = &cell == awaited_ ? read(cell, *this, false) : read(cell, looker, false);
        if (found == Found::pending && !pending && (loads || streams_ == 0)) pending = &cell;
        return found != Found::no_stream;
    };
    if (awaited_) {
        looked = true;
        if (!look(*awaited_, true)) return Gathered::waits;
        awaited_ = nullptr;
    }
    for (FetchCell* cell = first_; cell;) {
        if (cell->error != Error::none || cell->read) {
            cell = cell->next;
            continue;
        }
        if (streams_ == streams_max || (streams_ != 0 && bytes_ >= bytes_max_)) {
            full_ = true;
            break;
        }
        const store::Log* const known = looked ? nullptr : hub_.broker().store().find(cell->log);
        const bool loads = known && (cell->offset < known->ram_start || cell->offset < known->clean_end);
        looked |= loads;
        if (!look(loads ? rearmost(*cell) : *cell, loads)) return Gathered::waits;
    }
    hub_.env().charge(cells_ * 64);
    // Not before: its window may take the place of one that others were still to find theirs in.
    if (!pending) return Gathered::all;
    const Found found = read(*pending, *this, true);
    if (reading_) awaited_ = pending;
    return reading_ || found == Found::no_stream ? Gathered::waits : Gathered::all;
}

// `turn`, which is read from flash, or whichever is read from a place before it, no farther off than one scan goes for both.
FetchCell& FetchPlan::rearmost(FetchCell& turn) const {
    store::Store& store = hub_.broker().store();
    const auto whereabouts = [&](const FetchCell& cell) {
        const store::Log* const known = cell.error == Error::none && !cell.read ? store.find(cell.log) : nullptr;
        return known ? store.whereabouts(*known, cell.offset) : Lsn(0);
    };
    FetchCell* found = &turn;
    const Lsn here = whereabouts(turn);
    Lsn lowest = here;
    for (FetchCell* cell = first_; cell && here != Lsn(0); cell = cell->next) {
        const Lsn lsn = whereabouts(*cell);
        if (lsn == Lsn(0) || lsn >= lowest || here - lsn > store::WindowSet::convoy_bytes) continue;
        found = cell;
        lowest = lsn;
    }
    hub_.env().charge(cells_ * 64);
    return *found;
}

FetchPlan::Found FetchPlan::read(FetchCell& cell, store::ReadWaiter& waiter, bool waits) {
    store::Store& store = hub_.broker().store();
    store::Log* const found = store.find(cell.log);
    if (!found) {
        cell.error = by_id_ ? Error::unknown_topic_id : Error::unknown_topic_or_partition;
        failed_ = true;
        return Found::done;
    }
    if (cell.offset >= found->high_watermark() && cell.offset <= found->end) return Found::done;
    const bool alone = streams_ == 0 && !failed_;  // nothing else is answered
    Stream* const stream = hub_.take_stream();
    if (!stream) {
        if (alone) session->wait_for_stream();
        full_ = !alone;
        return alone ? Found::no_stream : Found::done;
    }
    const std::size_t left = bytes_max_ - std::min(bytes_, bytes_max_);
    Found outcome = Found::done;
    switch (store.read(*found, cell.offset, std::min<std::size_t>(cell.bytes_max, left), stream->view, waiter, waits)) {
        case store::ReadOutcome::data:
            // The first batch comes whole whatever its size, but only one.
            if (streams_ != 0 && stream->view.bytes > left) {
                full_ = true;
                break;
            }
            cell.stream = stream;
            bytes_ += stream->view.bytes;
            ++streams_;
            return Found::done;
        case store::ReadOutcome::end:
            break;
        case store::ReadOutcome::pending:
            // It is loaded all the same, if it is the one to be loaded for.
            outcome = Found::pending;
            full_ |= !alone;
            reading_ = alone && waits;
            if (!reading_) store.cancel(waiter);
            break;
        case store::ReadOutcome::out_of_range:
            cell.error = Error::offset_out_of_range;
            failed_ = true;
            break;
    }
    hub_.give_stream(*stream);
    return outcome;
}

bool FetchPlan::enough() const { return bytes_ >= bytes_min_ || failed_ || over_ || full_; }

std::size_t FetchPlan::answer_bytes_max(std::size_t topics, std::size_t cells) { return head_bytes + topics * topic_bytes + cells * partition_bytes; }

Progress FetchPlan::resume(Exchange& exchange) {
    if (reading_) return Progress::parked;
    stop_waiting();
    // Room first: nothing is read, and held, that could not be sent.
    if (!exchange.session().reserve(answer_bytes_max(topics_, cells_))) return Progress::blocked;
    if (gather() == Gathered::waits) return Progress::parked;
    if (!enough()) {
        give_streams();
        wait();
        return Progress::parked;
    }
    return answer(exchange);
}

// ---- waiting ----

void FetchPlan::wait() {
    store::Store& store = hub_.broker().store();
    for (FetchCell* cell = first_; cell; cell = cell->next)
        if (store::Log* const found = store.find(cell->log)) hub_.broker().watch(*found, *cell);
    hub_.parked().push_back(*this);
}

void FetchPlan::stop_waiting() {
    if (ListNode<FetchPlan, ParkedTag>& node = *this; node.linked()) List<FetchPlan, ParkedTag>::remove(*this);
    for (FetchCell* cell = first_; cell; cell = cell->next) broker::LogWatches::cancel(*cell);
}

void FetchCell::on_readable() { plan->on_readable(); }
void FetchPlan::on_readable() { session->wake(); }

void FetchPlan::on_timer() {
    over_ = true;
    session->wake();
}

// Not before it has stood for a while: its client asks again at once, and all of them together would never rest.
bool FetchPlan::hurry() {
    const Instant due = since_ + hurry_ns_min;
    if (hub_.env().now() < due) {
        if (armed() && this->due() > due) {
            hub_.env().disarm(*this);
            hub_.env().arm(*this, due);
        }
        return true;
    }
    over_ = true;
    session->wake();
    return true;
}

void FetchPlan::on_read_ready() {
    reading_ = false;
    session->wake();
}

// ---- answering ----

Progress FetchPlan::answer(Exchange& exchange) {
    for (FetchCell* cell = first_; cell; cell = cell->next) {
        // Many others have been deleted since.
        const bool named = by_id_ || !cell->known || !hub_.broker().topics().name_of(cell->topic_id).empty();
        if (!named) return exchange.fail(fail(Error::unknown_topic_or_partition), "a topic was deleted while a fetch waited for it");
    }
    FetchResponse response;
    response.responses = Array<FetchResponse::Topic>::of(topics_, *this);
    const Progress progress = exchange.answer(response);
    if (progress != Progress::done) return progress;
    Session& to = exchange.session();
    for (FetchCell* cell = first_; cell; cell = cell->next) {
        if (!cell->stream) continue;
        hub_.count().fetched_bytes += cell->stream->view.bytes;
        to.insert(*cell->stream, to.outbox().last_answer() + cell->stream_position);
        cell->stream = nullptr;
    }
    to.unpark();
    release();
    return Progress::done;
}

void FetchPlan::operator()(std::size_t index, FetchResponse::Topic& topic) {
    if (index == 0) cursor_ = first_;
    topic.topic_id = cursor_->topic_id;
    topic.topic = cursor_->known ? hub_.broker().topics().name_of(cursor_->topic_id) : cursor_->unknown;
    std::size_t partitions = 1;
    for (const FetchCell* cell = cursor_->next; cell && !cell->starts_topic; cell = cell->next) ++partitions;
    topic.partitions = Array<FetchResponse::Partition>::of(partitions, *this);
}

void FetchPlan::operator()(std::size_t, FetchResponse::Partition& partition) {
    FetchCell& cell = *cursor_;
    cursor_ = cell.next;
    partition.partition_index = cell.partition;
    partition.error_code = code_of(cell.error);
    partition.high_watermark = partition.last_stable_offset = partition.log_start_offset = Offset(-1);
    if (!read_committed_) partition.aborted_transactions = Array<FetchResponse::AbortedTransaction>::none();
    if (const store::Log* const found = cell.error == Error::none || cell.error == Error::offset_out_of_range ? hub_.broker().store().find(cell.log) : nullptr) {
        partition.high_watermark = partition.last_stable_offset = found->high_watermark();
        partition.log_start_offset = found->start;
    }
    if (!cell.stream) return;
    partition.records.length = cell.stream->view.bytes;
    partition.records.position = &cell.stream_position;
}

// ---- the end ----

void FetchPlan::give_streams() {
    for (FetchCell* cell = first_; cell; cell = cell->next)
        if (Stream* const stream = std::exchange(cell->stream, nullptr)) hub_.give_stream(*stream);
    streams_ = 0;
}

void FetchPlan::drop() {
    if (reading_) hub_.broker().store().cancel(*this);
    release();
}

void FetchPlan::release() {
    hub_.env().disarm(*this);
    stop_waiting();
    give_streams();
    while (FetchCell* const cell = first_) {
        first_ = cell->next;
        hub_.give_cell(*cell);
    }
    last_ = nullptr;
    session = nullptr;
    hub_.give_plan(*this);
}

}  // namespace rivulet::server::kafka
