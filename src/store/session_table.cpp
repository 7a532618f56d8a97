#include "store/session_table.h"

#include <bit>

namespace rivulet::store {

namespace {

std::size_t bucket_count(std::uint32_t capacity) { return std::bit_ceil(std::size_t{capacity} < 2 ? 2 : std::size_t{capacity}); }

// Fibonacci hashing (Knuth, volume 3, 6.4): the upper bits of a product with 2^64 / phi.
std::uint64_t mix(std::uint64_t v) { return v * 0x9e3779b97f4a7c15ULL; }

}  // namespace

SessionTable::SessionTable(Arena& arena, std::uint32_t capacity)
    : entries_(reinterpret_cast<Session*>(arena.take_bytes(capacity * sizeof(Session), alignof(Session)).data()), capacity),
      buckets_(arena.make_array<SessionIndex>(bucket_count(capacity))),
      log_buckets_(arena.make_array<SessionIndex>(bucket_count(capacity))),
      shift_(64U - static_cast<unsigned>(std::countr_zero(bucket_count(capacity)))) {
    for (SessionIndex& first : buckets_) first = no_session;
    for (SessionIndex& first : log_buckets_) first = no_session;
}

std::size_t SessionTable::memory_bytes(std::uint32_t capacity) {
    return std::size_t{capacity} * sizeof(Session) + 2 * bucket_count(capacity) * sizeof(SessionIndex) + 2 * alignof(Session);
}

std::size_t SessionTable::bucket(std::uint64_t session, LogId log) const {
    return static_cast<std::size_t>(mix(mix(session) ^ std::rotl(log.value, 32) ^ log.value) >> shift_);
}

std::size_t SessionTable::log_bucket(LogId log) const { return static_cast<std::size_t>(mix(log.value) >> shift_); }

Session* SessionTable::find(std::uint64_t session, LogId log) {
    for (SessionIndex i = buckets_[bucket(session, log)]; i != no_session; i = entries_[i].hash_next)
        if (entries_[i].id == session && entries_[i].log == log) return &entries_[i];
    return nullptr;
}

Result<Session*> SessionTable::open(std::uint64_t session, std::uint32_t incarnation, LogId log) {
    RIVULET_CHECK(log.value != 0);
    Session* found = find(session, log);
    if (!found) {
        const SessionIndex index = take();
        if (index == no_session) return fail(Error::too_many_sessions);
        found = &entries_[index];
        *found = Session{};
        found->id = session;
        found->log = log;
        found->incarnation = incarnation;
        link(index);
    } else if (found->incarnation != incarnation) {
        found->incarnation = incarnation;
        found->last_sequence = 0;
    }
    touch(index_of(*found));
    return found;
}

void SessionTable::advance(Session& session, Log& log, std::uint64_t sequence) {
    RIVULET_CHECK(session.log == log.id);
    session.last_sequence = sequence;
    touch(index_of(session));
    if (session.pending) return;
    if (!busy(session)) ++busy_;
    session.pending = true;
    session.pending_next = log.pending_sessions;
    log.pending_sessions = index_of(session);
    ++log.pending_session_count;
    ++pending_;
}

SessionTable::Known SessionTable::known(std::uint64_t session, std::uint32_t incarnation) const {
    Known result;
    for (std::uint32_t i = 0; i < untouched_; ++i) {
        const Session& entry = entries_[i];
        if (entry.id != session || entry.incarnation != incarnation || entry.log.value == 0) continue;
        if (!result.known || entry.last_sequence > result.last_sequence) result = {true, entry.last_sequence};
    }
    return result;
}

// ---- trailers ----

bool SessionTable::take_trailer(Log& log, Writer& out) {
    const std::size_t before = out.size();
    if (!out.ok()) return false;
    encode_trailer_count(log.pending_session_count, out);
    for (SessionIndex i = log.pending_sessions; i != no_session; i = entries_[i].pending_next)
        encode_trailer_entry({entries_[i].id, entries_[i].incarnation, entries_[i].last_sequence}, out);
    if (!out.ok()) {
        out.rewind(before);
        return false;
    }
    while (log.pending_sessions != no_session) {
        Session& session = entries_[log.pending_sessions];
        log.pending_sessions = session.pending_next;
        session.pending = false;
        session.pending_next = no_session;
        session.commit = commit_;
        --pending_;
    }
    log.pending_session_count = 0;
    return true;
}

std::size_t SessionTable::trailer_bytes_max(const Log& log) const {
    return varint_size(log.pending_session_count) + std::size_t{log.pending_session_count} * trailer_entry_bytes_max;
}

void SessionTable::commit_done() {
    ++commit_;
    busy_ = pending_;
}

Status SessionTable::apply_trailer(Bytes trailer, LogId log) {
    TrailerReader reader(trailer);
    TrailerEntry entry;
    while (reader.next(entry)) RIVULET_TRY(restore({entry.session, entry.incarnation, log, entry.last_sequence}));
    if (!reader.ok()) return fail(Error::corrupt);
    return {};
}

Status SessionTable::restore(const SessionImage& image) {
    if (image.log.value == 0) return fail(Error::corrupt);
    RIVULET_TRY_ASSIGN(Session* const session, open(image.session, image.incarnation, image.log));
    session->last_sequence = image.last_sequence;
    return {};
}

bool SessionTable::image_at(std::uint32_t index, SessionImage& out) const {
    if (index >= untouched_) return false;
    const Session& entry = entries_[index];
    if (entry.log.value == 0) return false;
    out = {entry.id, entry.incarnation, entry.log, entry.last_sequence};
    return true;
}

// ---- entries ----

SessionIndex SessionTable::take() {
    if (first_free_ != no_session) {
        const SessionIndex index = first_free_;
        first_free_ = entries_[index].hash_next;
        return index;
    }
    if (untouched_ == entries_.size()) return evict();
    ::new (static_cast<void*>(&entries_[untouched_])) Session();
    return untouched_++;
}

// Entries that are busy were used not long ago, so the first that is not lies near the front of the list.
SessionIndex SessionTable::evict() {
    if (busy_ == used_) return no_session;
    SessionIndex index = lru_first_;
    while (busy(entries_[index])) index = entries_[index].lru_next;
    erase(index);
    ++evictions_;
    first_free_ = entries_[index].hash_next;
    return index;
}

void SessionTable::link(SessionIndex index) {
    Session& entry = entries_[index];
    SessionIndex& first = buckets_[bucket(entry.id, entry.log)];
    entry.hash_next = first;
    first = index;
    SessionIndex& of_log = log_buckets_[log_bucket(entry.log)];
    entry.log_next = of_log;
    entry.log_previous = no_session;
    if (of_log != no_session) entries_[of_log].log_previous = index;
    of_log = index;
    link_lru(index);
    ++used_;
}

// The entry is in no log's pending list.
void SessionTable::erase(SessionIndex index) {
    Session& entry = entries_[index];
    SessionIndex* at = &buckets_[bucket(entry.id, entry.log)];
    while (*at != index) at = &entries_[*at].hash_next;
    *at = entry.hash_next;
    if (entry.log_previous != no_session) entries_[entry.log_previous].log_next = entry.log_next;
    else log_buckets_[log_bucket(entry.log)] = entry.log_next;
    if (entry.log_next != no_session) entries_[entry.log_next].log_previous = entry.log_previous;
    unlink_lru(index);
    if (busy(entry)) --busy_;
    entry = Session{};
    entry.hash_next = first_free_;
    first_free_ = index;
    --used_;
}

void SessionTable::remove_log(Log& log) {
    while (log.pending_sessions != no_session) {
        Session& session = entries_[log.pending_sessions];
        log.pending_sessions = session.pending_next;
        session.pending = false;
        --pending_;
        if (!busy(session)) --busy_;
    }
    log.pending_session_count = 0;
    for (SessionIndex i = log_buckets_[log_bucket(log.id)]; i != no_session;) {
        const SessionIndex next = entries_[i].log_next;
        if (entries_[i].log == log.id) erase(i);
        i = next;
    }
}

void SessionTable::link_lru(SessionIndex index) {
    Session& entry = entries_[index];
    entry.lru_previous = lru_last_;
    entry.lru_next = no_session;
    if (lru_last_ != no_session) entries_[lru_last_].lru_next = index;
    else lru_first_ = index;
    lru_last_ = index;
}

void SessionTable::unlink_lru(SessionIndex index) {
    const Session& entry = entries_[index];
    if (entry.lru_previous != no_session) entries_[entry.lru_previous].lru_next = entry.lru_next;
    else lru_first_ = entry.lru_next;
    if (entry.lru_next != no_session) entries_[entry.lru_next].lru_previous = entry.lru_previous;
    else lru_last_ = entry.lru_previous;
}

void SessionTable::touch(SessionIndex index) {
    if (lru_last_ == index) return;
    unlink_lru(index);
    link_lru(index);
}

}  // namespace rivulet::store
