#include "server/kafka/offset_search.h"

#include "server/kafka/hub.h"

namespace rivulet::server::kafka {

void OffsetSearch::begin(Session& session) {
    session_ = &session;
    first_ = last_ = current_ = cursor_ = nullptr;
    due_ = opening_ = false;
}

void OffsetSearch::add(std::size_t place, const store::Log& searched, Timestamp time) {
    FetchCell* const cell = hub_.take_cell();
    (last_ ? last_->next : first_) = cell;
    last_ = cell;
    cell->next = nullptr;
    cell->log = searched.id;
    cell->time = time;
    cell->partition = static_cast<std::int32_t>(place);
    cell->offset = Offset(-1);
    cell->error = Error::none;
}

void OffsetSearch::start() {
    cursor_ = first_;
    current_ = first_;
    search();
}

// The partition at hand, or the one after it.
void OffsetSearch::search() {
    for (; current_; current_ = current_->next) {
        const store::Log* const found = hub_.broker().store().find(current_->log);
        if (!found) {
            current_->error = Error::unknown_topic_or_partition;
            continue;
        }
        newest_ = current_->time == newest_time;
        newest_found_ = {};
        sought_ = current_->time;
        log = found->id;
        offset = newest_ ? hub_.broker().store().newest_hint(*found) : hub_.broker().store().time_hint(*found, sought_);
        bytes_max = hub_.options().inflight_bytes;
        bytes_min = 1;
        wait_ns_max = 0;
        current_->time = Timestamp(-1);
        due_ = true;
        break;
    }
    session_->wake();
}

void OffsetSearch::on_fetched(Failure outcome) {
    FetchCell& cell = *current_;
    const store::Log* const found = hub_.broker().store().find(cell.log);
    bool further = false;
    if (outcome.error == Error::offset_out_of_range && found && offset < found->start) {
        offset = found->start;
        further = true;
    } else if (outcome.error == Error::unknown_topic_or_partition || !found) {
        cell.error = Error::unknown_topic_or_partition;
    } else if (outcome.error == Error::none && !view.empty()) {
        further = look(cell);
    } else if (newest_ && newest_found_.time.value >= 0) {
        // All headers were seen: now the record. A batch that claims a time which none of its records has, or that cannot be opened, stands for itself.
        newest_ = false;
        cell.offset = newest_found_.offset;
        cell.time = sought_ = newest_found_.time;
        offset = newest_found_.offset;
        further = true;
    }
    if (!opening_) go_on_with(cell, further);
}

void OffsetSearch::on_searched(Outcome outcome) {
    FetchCell& cell = *current_;
    opening_ = false;
    if (outcome != Outcome::none) take(cell, sought.offset, sought.time);
    offset = sought.behind;
    go_on_with(cell, cell.offset.value < 0);
}

void OffsetSearch::go_on_with(FetchCell& cell, bool further) {
    if (further) {
        due_ = true;
        return session_->wake();
    }
    current_ = cell.next;
    search();
}

void OffsetSearch::go_on() {
    if (std::exchange(due_, false)) hub_.broker().fetch(*this);
}

bool OffsetSearch::look(FetchCell& cell) {
    const Offset begin = offset;
    offset = view.next;
    if (newest_) {
        if (const auto newer = broker::find_newest(hub_.broker(), view, begin, newest_found_.time)) newest_found_ = *newer;
        hub_.broker().release(view);
        return true;
    }
    const auto found = broker::find_time(hub_.broker(), view, begin, sought_);
    hub_.broker().release(view);
    if (!found) return cell.offset.value < 0;
    opening_ = found->closed && broker::search_batch(hub_.broker(), *this, cell.log, *found, begin, sought_);
    if (!opening_) take(cell, found->offset, found->time);
    return false;
}

// Of a closed batch that was sought by its largest time, what is found is its first, and that time stays.
void OffsetSearch::take(FetchCell& cell, Offset found, Timestamp time) {
    cell.offset = found;
    if (cell.time < time) cell.time = time;
}

const FetchCell* OffsetSearch::result(std::size_t place) {
    if (place == 0) cursor_ = first_;
    if (!cursor_ || cursor_->partition != static_cast<std::int32_t>(place)) return nullptr;
    return std::exchange(cursor_, cursor_->next);
}

void OffsetSearch::drop() {
    if (current_) hub_.broker().cancel(static_cast<broker::Fetch&>(*this));
    if (std::exchange(opening_, false)) hub_.broker().cancel(static_cast<broker::RecordWaiter&>(*this));
    current_ = nullptr;
    while (FetchCell* const cell = first_) {
        first_ = cell->next;
        hub_.give_cell(*cell);
    }
    last_ = nullptr;
    session_ = nullptr;
    hub_.give_search(*this);
}

}  // namespace rivulet::server::kafka
