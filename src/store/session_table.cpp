#include "store/session_table.h"

#include <algorithm>

#include "store/chained_hash.h"

namespace rivulet::store {

namespace {

constexpr std::uint64_t any_base = UINT64_MAX;

}  // namespace

SessionTable::SessionTable(Arena& arena, std::uint32_t capacity)
    : pairs_(room_for<Session>(arena, capacity)),
      heads_(room_for<SessionHead>(arena, capacity)),
      buckets_(arena.make_array<SessionIndex>(bucket_count(capacity))),
      log_buckets_(arena.make_array<SessionIndex>(bucket_count(capacity))),
      head_buckets_(arena.make_array<SessionIndex>(bucket_count(capacity))),
      shift_(bucket_shift(capacity)) {
    for (const auto buckets : {buckets_, log_buckets_, head_buckets_})
        for (SessionIndex& first : buckets) first = no_session;
}

std::size_t SessionTable::memory_bytes(std::uint32_t capacity) {
    return std::size_t{capacity} * bytes_each + 3 * bucket_count(capacity) * sizeof(SessionIndex) + alignof(Session) + alignof(SessionHead);
}

std::size_t SessionTable::bucket(std::uint64_t session, LogId log) const {
    return static_cast<std::size_t>(mix(mix(session) ^ std::rotl(log.value, 32) ^ log.value) >> shift_);
}

std::size_t SessionTable::log_bucket(LogId log) const { return static_cast<std::size_t>(mix(log.value) >> shift_); }

std::size_t SessionTable::head_bucket(std::uint64_t session) const { return static_cast<std::size_t>(mix(session) >> shift_); }

SessionIndex SessionTable::find_head(std::uint64_t session) const {
    SessionIndex head = head_buckets_[head_bucket(session)];
    while (head != no_session && heads_[head].id != session) head = heads_[head].hash_next;
    return head;
}

SessionIndex SessionTable::find_pair(SessionIndex head, LogId log) const {
    SessionIndex pair = buckets_[bucket(heads_[head].id, log)];
    while (pair != no_session && (pairs_[pair].owner != head || pairs_[pair].log != log)) pair = pairs_[pair].hash_next;
    return pair;
}

Session* SessionTable::find(std::uint64_t session, std::uint32_t incarnation, LogId log) {
    const SessionIndex head = find_head(session);
    if (head == no_session || heads_[head].incarnation != incarnation) return nullptr;
    const SessionIndex pair = find_pair(head, log);
    return pair != no_session ? &pairs_[pair] : nullptr;
}

Result<Session*> SessionTable::open(std::uint64_t session, std::uint32_t incarnation, LogId log, std::uint64_t sequence, SessionHold* holder) {
    RIVULET_CHECK(log.value != 0);
    if (Session* const last = last_used(holder, session, incarnation, log)) return last;
    SessionIndex head = find_head(session);
    if (head != no_session && heads_[head].incarnation != incarnation) start_over(head, incarnation, sequence);
    SessionIndex pair = head != no_session ? find_pair(head, log) : no_session;
    if (pair == no_session) {
        while (free_pair_ == no_session && pairs_touched_ == pairs_.size()) RIVULET_TRY(evict(head));
        // Those without pairs are held.
        while (head == no_session && free_head_ == no_session && heads_touched_ == heads_.size()) RIVULET_TRY(evict(head));
        if (head == no_session) {
            head = make_head(session);
            start_over(head, incarnation, sequence);
        }
        pair = take_pair();
        pairs_[pair].log = log;
        link(pair, head);
    }
    touch(head);
    hold(head, holder);
    if (holder && holder->head_ == head) holder->pair_ = pair;
    return &pairs_[pair];
}

// A connection's readings mostly come by many for one log. What is held needs no touch.
Session* SessionTable::last_used(const SessionHold* holder, std::uint64_t session, std::uint32_t incarnation, LogId log) {
    if (!holder || !holder->table_ || holder->pair_ == no_session) return nullptr;
    const SessionHead& head = heads_[holder->head_];
    Session& pair = pairs_[holder->pair_];
    const bool same = head.id == session && head.incarnation == incarnation && pair.owner == holder->head_ && pair.log == log;
    return same ? &pair : nullptr;
}

// What was known of the session is void. If it may have been here before and was forgotten, its client is to be told, until it has got further than now: it may not read
// the first answer that says so.
void SessionTable::start_over(SessionIndex index, std::uint32_t incarnation, std::uint64_t sequence) {
    SessionHead& head = heads_[index];
    head.incarnation = incarnation;
    head.untold = forgot_ ? sequence : 0;
    if (head.first == no_session) return;
    const auto drop = [&](SessionIndex i) {
        // One that is pending stays in its log's list.
        if (pairs_[i].pending) pairs_[i].last_sequence = pairs_[i].judged_before = 0;
        else erase(i);
    };
    for (SessionIndex i = pairs_[head.first].sibling_next; i != no_session;) drop(std::exchange(i, pairs_[i].sibling_next));
    drop(head.first);
}

void SessionTable::advance(Session& session, Log& log, std::uint64_t sequence) {
    RIVULET_CHECK(session.log == log.id);
    session.last_sequence = sequence;
    touch(session.owner);
    if (session.pending) return;
    session.pending = true;
    session.pending_next = log.pending_sessions;
    log.pending_sessions = index_of(session);
    ++log.pending_session_count;
    ++heads_[session.owner].pending;
}

SessionTable::Known SessionTable::known(std::uint64_t session, std::uint32_t incarnation) const {
    const SessionIndex index = find_head(session);
    if (index == no_session || heads_[index].incarnation != incarnation || heads_[index].first == no_session) return {};
    Known result{true, heads_[index].untold == 0, 0};
    for (SessionIndex i = heads_[index].first; i != no_session; i = pairs_[i].sibling_next)
        if (pairs_[i].last_sequence > result.last_sequence) result.last_sequence = pairs_[i].last_sequence;
    return result;
}

SessionTable::Known SessionTable::resume(std::uint64_t session, std::uint32_t incarnation, std::uint64_t base_sequence, SessionHold& holder) {
    Known result = known(session, incarnation);
    if (!result.known) return result;
    const SessionIndex index = find_head(session);
    SessionHead& head = heads_[index];
    for (SessionIndex i = head.first; i != no_session; i = pairs_[i].sibling_next) ++work_;
    touch(index);
    hold(index, &holder);
    // A client whose base sequence has moved since it was told has read an acknowledgement, which came behind the answer to OPEN.
    if (base_sequence > head.untold) head.untold = 0;
    else head.untold = base_sequence;
    result.whole = head.untold == 0;
    return result;
}

// ---- trailers and images ----

bool SessionTable::take_trailer(Log& log, Writer& out) {
    const std::size_t before = out.size();
    if (!out.ok()) return false;
    encode_trailer_count(log.pending_session_count, out);
    for (SessionIndex i = log.pending_sessions; i != no_session; i = pairs_[i].pending_next) {
        const SessionHead& head = heads_[pairs_[i].owner];
        encode_trailer_entry({head.id, head.incarnation, pairs_[i].last_sequence}, out);
    }
    if (!out.ok()) {
        out.rewind(before);
        return false;
    }
    while (log.pending_sessions != no_session) {
        Session& session = pairs_[log.pending_sessions];
        log.pending_sessions = session.pending_next;
        session.pending = false;
        session.pending_next = no_session;
        heads_[session.owner].commit = commit_;
        --heads_[session.owner].pending;
    }
    log.pending_session_count = 0;
    return true;
}

std::size_t SessionTable::trailer_bytes_max(const Log& log) const {
    return varint_size(log.pending_session_count) + std::size_t{log.pending_session_count} * trailer_entry_bytes_max;
}

Status SessionTable::apply_trailer(Bytes trailer, LogId log) {
    TrailerReader reader(trailer);
    TrailerEntry entry;
    while (reader.next(entry)) RIVULET_TRY(restore(entry, log));
    if (!reader.ok()) return fail(Error::corrupt);
    return {};
}

Status SessionTable::restore(const TrailerEntry& entry, LogId log) {
    if (log.value == 0) return fail(Error::corrupt);
    const Result<Session*> session = open(entry.session, entry.incarnation, log, any_base);
    if (session) {
        (*session)->last_sequence = entry.last_sequence;
        return {};
    }
    // Nothing is pending or held yet, so it fills the table by itself.
    note_forgotten();
    heads_[find_head(entry.session)].untold = any_base;
    return {};
}

Status SessionTable::restore(const SessionImage& image) {
    if (image.session == 0) {
        note_forgotten();
        return {};
    }
    RIVULET_TRY(restore(TrailerEntry{image.session, image.incarnation, image.last_sequence}, image.log));
    SessionHead& head = heads_[find_head(image.session)];
    if (image.partial) head.untold = any_base;
    else if (evictions_ == 0) head.untold = 0;  // the last of its images; with evictions, those before may have gone
    return {};
}

// Between two calls a session may go. So all its images but the last say that it is known in part. The one behind the pairs says that something was forgotten.
bool SessionTable::image_at(std::uint32_t index, SessionImage& out) const {
    if (index == capacity()) {
        out = {};
        out.partial = true;
        return forgot_;
    }
    if (index >= pairs_touched_ || pairs_[index].log.value == 0) return false;
    const Session& pair = pairs_[index];
    const SessionHead& head = heads_[pair.owner];
    out = {head.id, head.incarnation, pair.log, pair.last_sequence, head.first != index || head.untold != 0};
    return true;
}

void SessionTable::remove_log(Log& log) {
    while (log.pending_sessions != no_session) {
        Session& session = pairs_[log.pending_sessions];
        log.pending_sessions = session.pending_next;
        session.pending = false;
        --heads_[session.owner].pending;
    }
    log.pending_session_count = 0;
    for (SessionIndex i = log_buckets_[log_bucket(log.id)]; i != no_session;) {
        const SessionIndex next = pairs_[i].log_next;
        const SessionIndex head = pairs_[i].owner;
        if (pairs_[i].log == log.id) {
            erase(i);
            if (heads_[head].first == no_session && heads_[head].holders == 0) erase_head(head);
        }
        i = next;
    }
}

void SessionTable::forget_log(Log& log) {
    for (SessionIndex i = log_buckets_[log_bucket(log.id)]; i != no_session; i = pairs_[i].log_next) {
        if (pairs_[i].log != log.id) continue;
        heads_[pairs_[i].owner].untold = any_base;
        note_forgotten();
    }
    remove_log(log);
}

void SessionTable::note_limit(const Log& log) {
    for (SessionIndex i = log_buckets_[log_bucket(log.id)]; i != no_session; i = pairs_[i].log_next, ++work_)
        if (pairs_[i].log == log.id) pairs_[i].judged_before = pairs_[i].last_sequence;
}

// ---- pairs ----

SessionIndex SessionTable::take_pair() {
    if (free_pair_ == no_session) {
        ::new (static_cast<void*>(&pairs_[pairs_touched_])) Session();
        return pairs_touched_++;
    }
    return std::exchange(free_pair_, pairs_[free_pair_].hash_next);
}

void SessionTable::link(SessionIndex index, SessionIndex head) {
    Session& pair = pairs_[index];
    SessionHead& owner = heads_[head];
    pair.owner = head;
    SessionIndex& first = buckets_[bucket(owner.id, pair.log)];
    pair.hash_next = std::exchange(first, index);
    SessionIndex& of_log = log_buckets_[log_bucket(pair.log)];
    if (of_log != no_session) pairs_[of_log].log_previous = index;
    pair.log_next = std::exchange(of_log, index);
    add_sibling(index);
    ++used_;
}

// The one with the highest index comes first.
void SessionTable::add_sibling(SessionIndex index) {
    Session& pair = pairs_[index];
    SessionHead& owner = heads_[pair.owner];
    const bool leads = owner.first == no_session || owner.first < index;
    pair.sibling_previous = leads ? no_session : owner.first;
    SessionIndex& at = leads ? owner.first : pairs_[owner.first].sibling_next;
    if (at != no_session) pairs_[at].sibling_previous = index;
    pair.sibling_next = std::exchange(at, index);
}

void SessionTable::remove_sibling(SessionIndex index) {
    const Session& pair = pairs_[index];
    SessionHead& owner = heads_[pair.owner];
    (pair.sibling_previous != no_session ? pairs_[pair.sibling_previous].sibling_next : owner.first) = pair.sibling_next;
    if (pair.sibling_next != no_session) pairs_[pair.sibling_next].sibling_previous = pair.sibling_previous;
    if (pair.sibling_previous != no_session || owner.first == no_session) return;
    SessionIndex highest = owner.first;
    for (SessionIndex i = highest; i != no_session; i = pairs_[i].sibling_next, ++work_) highest = std::max(highest, i);
    if (highest == owner.first) return;
    remove_sibling(highest);
    add_sibling(highest);
}

// The pair is in no log's pending list.
void SessionTable::erase(SessionIndex index) {
    Session& pair = pairs_[index];
    SessionHead& owner = heads_[pair.owner];
    SessionIndex* at = &buckets_[bucket(owner.id, pair.log)];
    while (*at != index) at = &pairs_[*at].hash_next;
    *at = pair.hash_next;
    if (pair.log_previous != no_session) pairs_[pair.log_previous].log_next = pair.log_next;
    else log_buckets_[log_bucket(pair.log)] = pair.log_next;
    if (pair.log_next != no_session) pairs_[pair.log_next].log_previous = pair.log_previous;
    remove_sibling(index);
    pair = Session{};
    pair.hash_next = std::exchange(free_pair_, index);
    --used_;
    ++work_;
}

// ---- sessions ----

// Those that are busy were used not long ago, so the first that is not lies near the front of the list.
Status SessionTable::evict(SessionIndex but) {
    bool wait = false;
    for (SessionIndex head = lru_first_; head != no_session; head = heads_[head].lru_next, ++work_) {
        if (head == but) continue;
        if (busy(heads_[head])) {
            wait = true;
            continue;
        }
        const SessionIndex first = heads_[head].first;
        while (first != no_session && pairs_[first].sibling_next != no_session) erase(pairs_[first].sibling_next);
        if (first != no_session) erase(first);
        erase_head(head);
        ++evictions_;
        note_forgotten();
        return {};
    }
    return fail(wait ? Error::busy : Error::too_many_sessions, wait ? 0 : static_cast<std::int64_t>(capacity()));
}

SessionIndex SessionTable::make_head(std::uint64_t session) {
    SessionIndex index = free_head_;
    if (index == no_session) index = heads_touched_++;
    else free_head_ = heads_[index].hash_next;
    SessionHead& head = *::new (static_cast<void*>(&heads_[index])) SessionHead();
    head.id = session;
    head.hash_next = std::exchange(head_buckets_[head_bucket(session)], index);
    link_lru(index);
    return index;
}

// It has no pairs, and nobody holds it.
void SessionTable::erase_head(SessionIndex index) {
    SessionHead& head = heads_[index];
    SessionIndex* at = &head_buckets_[head_bucket(head.id)];
    while (*at != index) at = &heads_[*at].hash_next;
    *at = head.hash_next;
    unlink_lru(index);
    head.hash_next = std::exchange(free_head_, index);
}

void SessionTable::hold(SessionIndex index, SessionHold* holder) {
    if (!holder || holder->table_) return;
    holder->table_ = this;
    holder->head_ = index;
    if (heads_[index].holders++ == 0) unlink_lru(index);
}

void SessionTable::release(SessionIndex index) {
    SessionHead& head = heads_[index];
    if (--head.holders != 0) return;
    link_lru(index);
    if (head.first == no_session) erase_head(index);
}

void SessionHold::release() {
    if (table_) std::exchange(table_, nullptr)->release(head_);
}

void SessionTable::link_lru(SessionIndex index) {
    SessionHead& head = heads_[index];
    head.lru_previous = lru_last_;
    head.lru_next = no_session;
    if (lru_last_ != no_session) heads_[lru_last_].lru_next = index;
    else lru_first_ = index;
    lru_last_ = index;
}

void SessionTable::unlink_lru(SessionIndex index) {
    const SessionHead& head = heads_[index];
    if (head.lru_previous != no_session) heads_[head.lru_previous].lru_next = head.lru_next;
    else lru_first_ = head.lru_next;
    if (head.lru_next != no_session) heads_[head.lru_next].lru_previous = head.lru_previous;
    else lru_last_ = head.lru_previous;
}

void SessionTable::touch(SessionIndex index) {
    if (lru_last_ == index || heads_[index].holders != 0) return;
    unlink_lru(index);
    link_lru(index);
}

}  // namespace rivulet::store
