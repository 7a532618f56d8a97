// What each sensor session has in each log: the last sequence appended, so that a resend is recognised. A session is known as a whole or not at all.
// Owns:     limits.sessions pairs of session and log, and as many sessions, from the arena; found by (session, log), by session, and by log.
// Bounds:   with no pair or session free, the session least recently used goes, with all its pairs; none that is held, none with readings that are not durable yet: neither
//           pending for a trailer nor in a commit in flight. busy: some would go after a commit; too_many_sessions: all others are held.
//           Calls are O(1) or O(pairs touched); a pair that goes was once made. Making room walks past the busy sessions, which a commit ends. work() counts both since it was
//           asked last, for who charges.
// Guarantee: a pair's state goes to flash in the same commit group as the readings it counts (session_trailer.h). A session of which a part may be missing is told so by
//           resume(), again after a restart (FORMAT.md, section 8, "Sessions").
// Thread:   loop only. Algorithm: separate chaining with a fixed multiplicative hash; order never leaks into behaviour.
#pragma once

#include <utility>

#include "base/arena.h"
#include "store/log.h"
#include "store/session_trailer.h"

namespace rivulet::store {

class SessionTable;

// A session and a log.
struct Session {
    LogId log{0};                         // 0: unused
    std::uint64_t last_sequence = 0;      // appended, durable or not
    std::uint64_t ticket = 0;             // of the commit that makes last_sequence durable; set by Store
    std::uint64_t judged_before = 0;      // up to here a larger batch limit was in force (Log::batch_bytes_before)
    SessionIndex owner = no_session;      // the SessionHead
    SessionIndex hash_next = no_session;
    SessionIndex pending_next = no_session;  // in its log's list of sessions with readings not gathered yet
    SessionIndex log_next = no_session;      // among the pairs of its log, and of logs with the same hash
    SessionIndex log_previous = no_session;
    SessionIndex sibling_next = no_session;  // among those of its session
    SessionIndex sibling_previous = no_session;
    bool pending = false;
};

struct SessionHead {
    std::uint64_t id = 0;
    std::uint64_t untold = 0;             // who opens it with a base sequence up to this is told that a part may be missing; 0: it is whole
    std::uint32_t incarnation = 0;
    std::uint32_t commit = 0;             // the one that took its last trailer
    std::uint32_t holders = 0;            // while it has any, it is not in the list of those that may go
    std::uint32_t pending = 0;            // pairs
    SessionIndex first = no_session;      // pair, the one with the highest index
    SessionIndex hash_next = no_session;
    SessionIndex lru_next = no_session;
    SessionIndex lru_previous = no_session;
};

// A connection that has a session open: the session stays while it is held. To be released before it goes away.
class SessionHold {
public:
    void release();

private:
    friend class SessionTable;
    SessionTable* table_ = nullptr;
    SessionIndex head_ = no_session;
    SessionIndex pair_ = no_session;  // used last, if it still is what it was: looked at first
};

class SessionTable {
public:
    SessionTable(Arena& arena, std::uint32_t capacity);
    static constexpr std::size_t bytes_each = sizeof(Session) + sizeof(SessionHead);
    static std::size_t memory_bytes(std::uint32_t capacity);

    // nullptr: not known, or of another incarnation.
    Session* find(std::uint64_t session, std::uint32_t incarnation, LogId log);
    // The pair of (session, log), new with last_sequence 0 if there was none; counts as used, and holds the session. A different incarnation starts over at 0, in all logs.
    // `sequence`: of the reading that asks.
    Result<Session*> open(std::uint64_t session, std::uint32_t incarnation, LogId log, std::uint64_t sequence = 1, SessionHold* hold = nullptr);
    // Appended: moves last_sequence and queues the pair for the log's next trailer.
    void advance(Session& session, Log& log, std::uint64_t sequence);
    // Highest sequence of a session in any log, whether it is known at all, and whether nothing of it can be missing.
    struct Known {
        bool known = false;
        bool whole = false;
        std::uint64_t last_sequence = 0;
    };
    Known known(std::uint64_t session, std::uint32_t incarnation) const;
    // The same for OPEN: counts as used, holds it, and is what the client is told.
    Known resume(std::uint64_t session, std::uint32_t incarnation, std::uint64_t base_sequence, SessionHold& hold);
    // Nothing is known of a session, and cannot have been forgotten.
    bool never_forgot() const { return !forgot_; }
    // Recovery found less than there was: sessions that are met from here on may be known in part.
    void note_forgotten() { forgot_ = true; }

    // Gathering: encodes the trailer of the sessions pending in a log and clears the list. False if `out` is too small; nothing changed then.
    bool take_trailer(Log& log, Writer& out);
    std::size_t trailer_bytes_max(const Log& log) const;
    // The commit that took trailers has ended (there is one in flight at most): its sessions may go again.
    void commit_done() { ++commit_; }
    // Recovery and replicas: states as the trailer says.
    Status apply_trailer(Bytes trailer, LogId log);
    Status restore(const SessionImage& image);
    // The log is gone, with all that its sessions have there.
    void remove_log(Log& log);
    // Recovery or a truncation cut the log: what its sessions have in what is left is not known.
    void forget_log(Log& log);
    // What the log has was judged under its batch limit until now.
    void note_limit(const Log& log);

    // For the checkpoint: images by index, in a fixed order, below images(); false: none there.
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(pairs_.size()); }
    std::uint32_t images() const { return capacity() + 1; }
    bool image_at(std::uint32_t index, SessionImage& out) const;
    std::uint32_t used() const { return used_; }           // pairs
    std::uint64_t evictions() const { return evictions_; }  // sessions
    // Pairs that went, or were looked through, since the last call.
    std::uint64_t work() { return std::exchange(work_, 0); }

private:
    friend class SessionHold;
    std::size_t bucket(std::uint64_t session, LogId log) const;
    std::size_t log_bucket(LogId log) const;
    std::size_t head_bucket(std::uint64_t session) const;
    SessionIndex find_head(std::uint64_t session) const;
    SessionIndex find_pair(SessionIndex head, LogId log) const;
    Session* last_used(const SessionHold* hold, std::uint64_t session, std::uint32_t incarnation, LogId log);
    bool busy(const SessionHead& head) const { return head.pending != 0 || head.commit == commit_; }
    SessionIndex index_of(const Session& session) const { return static_cast<SessionIndex>(&session - pairs_.data()); }
    Status restore(const TrailerEntry& entry, LogId log);
    SessionIndex take_pair();
    Status evict(SessionIndex but);
    SessionIndex make_head(std::uint64_t session);
    void start_over(SessionIndex head, std::uint32_t incarnation, std::uint64_t sequence);
    void link(SessionIndex index, SessionIndex head);
    void erase(SessionIndex index);
    void add_sibling(SessionIndex index);
    void remove_sibling(SessionIndex index);
    void erase_head(SessionIndex head);
    void hold(SessionIndex head, SessionHold* hold);
    void release(SessionIndex head);
    void link_lru(SessionIndex head);
    void unlink_lru(SessionIndex head);
    void touch(SessionIndex head);

    std::span<Session> pairs_;
    std::span<SessionHead> heads_;
    std::span<SessionIndex> buckets_;       // pairs by session and log, a power of two of them
    std::span<SessionIndex> log_buckets_;   // pairs by log
    std::span<SessionIndex> head_buckets_;  // heads by session
    unsigned shift_ = 0;                    // 64 - log2 of the number of buckets
    SessionIndex free_pair_ = no_session;
    SessionIndex free_head_ = no_session;
    SessionIndex lru_first_ = no_session;
    SessionIndex lru_last_ = no_session;
    std::uint32_t used_ = 0;
    std::uint32_t pairs_touched_ = 0;       // those from here on were never used
    std::uint32_t heads_touched_ = 0;
    std::uint32_t commit_ = 1;              // the one that takes trailers now
    std::uint64_t evictions_ = 0;
    std::uint64_t work_ = 0;
    bool forgot_ = false;
};

}  // namespace rivulet::store
