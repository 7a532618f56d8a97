// What each sensor session has in each log: the last sequence appended, so that a resend is recognised.
// Owns:     limits.sessions entries from the arena, found by (session, log).
// Bounds:   a full table evicts the entry least recently used, but none with readings that are not durable yet: neither pending for a trailer nor in a
//           commit in flight. too_many_sessions if all are. All calls are O(1) or O(entries touched) but known().
// Guarantee: an entry's state goes to flash in the same commit group as the readings it counts (session_trailer.h).
// Thread:   loop only. Algorithm: separate chaining with a fixed multiplicative hash; order never leaks into behaviour.
#pragma once

#include "base/arena.h"
#include "store/log.h"
#include "store/session_trailer.h"

namespace rivulet::store {

struct Session {
    std::uint64_t id = 0;
    LogId log{0};
    std::uint64_t last_sequence = 0;      // appended, durable or not
    std::uint64_t commit = 0;             // the one that took its last trailer
    std::uint64_t ticket = 0;             // of the commit that makes last_sequence durable; set by Store
    std::uint32_t incarnation = 0;
    SessionIndex hash_next = no_session;
    SessionIndex lru_next = no_session;
    SessionIndex lru_previous = no_session;
    SessionIndex pending_next = no_session;  // in its log's list of sessions with readings not gathered yet
    SessionIndex log_next = no_session;      // among the entries of its log, and of logs with the same hash
    SessionIndex log_previous = no_session;
    bool pending = false;
};

class SessionTable {
public:
    SessionTable(Arena& arena, std::uint32_t capacity);
    static std::size_t memory_bytes(std::uint32_t capacity);

    Session* find(std::uint64_t session, LogId log);
    // The entry of (session, log), new with last_sequence 0 if there was none; counts as used. A different incarnation starts over at 0.
    Result<Session*> open(std::uint64_t session, std::uint32_t incarnation, LogId log);
    // Appended: moves last_sequence and queues the entry for the log's next trailer.
    void advance(Session& session, Log& log, std::uint64_t sequence);
    // Highest sequence of a session in any log and whether it is known at all; walks the table: for OPEN, charged by the caller.
    struct Known { bool known = false; std::uint64_t last_sequence = 0; };
    Known known(std::uint64_t session, std::uint32_t incarnation) const;

    // Gathering: encodes the trailer of the sessions pending in a log and clears the list. False if `out` is too small; nothing changed then.
    bool take_trailer(Log& log, Writer& out);
    std::size_t trailer_bytes_max(const Log& log) const;
    // The commit that took trailers has ended (there is one in flight at most): its entries may be evicted again.
    void commit_done();
    // Recovery and replicas: states as the trailer says.
    Status apply_trailer(Bytes trailer, LogId log);
    Status restore(const SessionImage& image);
    void remove_log(Log& log);

    // For the checkpoint: entries by index, in a fixed order; skips unused ones.
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(entries_.size()); }
    bool image_at(std::uint32_t index, SessionImage& out) const;
    // Of the commit that makes the entry's last_sequence durable; 0 after recovery.
    std::uint64_t ticket_at(std::uint32_t index) const { return entries_[index].ticket; }
    std::uint32_t used() const { return used_; }
    std::uint64_t evictions() const { return evictions_; }

private:
    std::size_t bucket(std::uint64_t session, LogId log) const;
    std::size_t log_bucket(LogId log) const;
    bool busy(const Session& session) const { return session.pending || session.commit == commit_; }
    SessionIndex index_of(const Session& session) const { return static_cast<SessionIndex>(&session - entries_.data()); }
    SessionIndex take();
    SessionIndex evict();
    void link(SessionIndex index);
    void erase(SessionIndex index);
    void link_lru(SessionIndex index);
    void unlink_lru(SessionIndex index);
    void touch(SessionIndex index);

    std::span<Session> entries_;
    std::span<SessionIndex> buckets_;      // by session and log, a power of two of them
    std::span<SessionIndex> log_buckets_;  // by log
    unsigned shift_ = 0;                   // 64 - log2 of the number of buckets
    SessionIndex first_free_ = no_session;
    SessionIndex lru_first_ = no_session;
    SessionIndex lru_last_ = no_session;
    std::uint32_t used_ = 0;
    std::uint32_t untouched_ = 0;          // entries from here on were never used
    std::uint64_t commit_ = 1;             // the one that takes trailers now
    std::uint32_t pending_ = 0;            // entries that are pending
    std::uint32_t busy_ = 0;               // entries that are pending or in flight
    std::uint64_t evictions_ = 0;
};

}  // namespace rivulet::store
