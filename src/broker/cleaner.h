// Moves ahead of the ring's tail what topics have that outlive it: of compacted ones (cleanup.policy = compact) the latest record of each key, with its offset, of pinned ones all.
// Owns:     a table of keys, one fetch, one stage. Bounds: one partition at a time, one view of it; a turn of the loop takes turn_records or turn_bytes, and ends at the end of a record;
//           BrokerOptions::compact_keys keys for one pass: where there are more, it ends earlier, or, near the ring's tail, keeps what it has no room for.
// Errors:   none: a pass that fails is given up and goes on later, as one does after a start. What it cannot open, a batch that is compressed, it keeps whole.
// Guarantee: readers see a partition's old part or its new one, never a half (store::Store::finish_clean). What is alive does not leave the ring: passes begin early enough, if
//           appends come faster than a pass gets on they are held, and what the power interrupts goes on where it was (but see src/DESIGN.md on the smallest rings).
//           When more stays than live_share of the ring, appends to compacted topics and to those with overflow = reject are refused, and other pinned ones lose their oldest records, when
//           the ring comes to them.
// Thread:   loop only.
#pragma once

#include <optional>

#include "base/siphash.h"
#include "broker/key_offsets.h"
#include "broker/topic.h"
#include "broker/view_cursor.h"
#include "broker/waiters.h"

namespace rivulet::broker {

class Broker;

class Cleaner final : private Fetch, private RoomWaiter {
public:
    // Of the ring, that records of compacted and of pinned topics may take for good: one part in so many.
    static constexpr std::uint64_t live_share = 6;

    Cleaner(Broker& broker, Arena& arena, std::uint32_t keys_max);
    static std::size_t memory_bytes(std::uint32_t keys_max) { return KeyOffsets::memory_bytes(keys_max); }
    bool possible() const { return keys_max_ != 0; }
    // Of what it goes through in one turn of the loop: well below 1 ms on the smallest board.
    static constexpr std::uint32_t turn_records = 256;
    static constexpr std::size_t turn_bytes = 32U << 10;
    // Topics of users whose records outlive the ring: the latest of each key (cleanup.policy = compact), or all (pinned), of which those with overflow = reject refuse what is too much.
    static bool keeps(const Topic& topic);
    static bool cleans(const Topic& topic);
    static bool pins(const Topic& topic);
    static bool refuses(const Topic& topic);
    store::Log::Intake intake_of(const Topic& topic) const;
    std::uint64_t alive_bytes_of(const Topic& topic) const;
    // What topics that refuse may still get, as of the last look.
    std::uint64_t room() const;

    void start();
    void stop();
    // After each commit.
    void on_commit();
    // Each second.
    void on_tick();

    struct Statistics {
        std::uint64_t passes = 0;
        std::uint64_t passes_resumed = 0;  // of these, on from where they had been given up, or the run before had ended
        std::uint64_t read_bytes = 0;
        std::uint64_t written_bytes = 0;
        std::uint64_t records_kept = 0;
        std::uint64_t records_dropped = 0;
        std::uint64_t batches_closed = 0;  // kept whole, since they cannot be opened
        std::uint64_t dropped_bytes = 0;   // of pinned topics, beyond their share
    };
    const Statistics& statistics() const { return statistics_; }

private:
    static constexpr std::int64_t retry_ns = 10 * ns_per_ms;
    enum class Phase : std::uint8_t { idle, marking, mapping, copying, durable };
    // more: goes on at once; turn: on the next turn; done: with what is read next, which begins with the batch at hand once more if that is not done.
    enum class Step : std::uint8_t { more, turn, done, wait, failed };
    enum class Mapped : std::uint8_t { done, full, bad };

    // What a look finds.
    struct Look {
        store::Log* due = nullptr;               // to be cleaned, by how pressing it is
        store::Log* begun = nullptr;             // whose pass was begun, by an earlier run perhaps, and not finished
        std::uint64_t due_left = UINT64_MAX;     // its segments to the tail, if that is near
        std::uint64_t due_own_bytes = 0;
        std::uint64_t quota = UINT64_MAX;        // if it is pinned: what may stay
        std::uint64_t least_left = UINT64_MAX;   // segments, of what is nearest to the tail
        std::uint64_t pressing = 0;              // bytes of all that is near
    };

    struct Retry final : env::Timer {
        explicit Retry(Cleaner& cleaner) : cleaner_(cleaner) {}
        void on_timer() override { cleaner_.on_retry(); }
        Cleaner& cleaner_;
    };

    void on_fetched(Failure outcome) override;
    void on_room() override;

    void on_retry();
    // cleaner_look.cpp
    void look();
    void wait_for_index();
    void count();
    bool waits(LogId part) const;
    void look_at(const Topic& topic, store::Log& part, Look& found);
    void decide_cleaned(const Topic& topic, store::Log& part, const store::Store::Parts& parts, Look& found) const;
    void decide_pinned(const Topic& topic, store::Log& part, store::Store::Parts& parts, Look& found);
    void want(store::Log& part, const store::Store::Parts& parts, std::uint64_t bytes, std::uint64_t quota, Look& found) const;
    std::uint64_t quota_of(const Topic& topic, std::uint64_t alive) const;
    std::uint64_t drop_front(store::Log& part, store::Store::Parts& parts, std::uint64_t alive, std::uint64_t quota);
    void tell_dropped(const store::Log& part, std::uint64_t bytes);
    void take_in(store::Log::Intake intake);
    std::uint64_t share() const { return journal_bytes() / live_share; }
    std::uint64_t reach() const;
    bool under_way() const;
    std::uint64_t remaining() const { return pass_bytes_ > appended_ ? pass_bytes_ - appended_ : 0; }
    void hold(const Look& found);
    void begin(store::Log& cleaned, std::uint64_t quota);
    void begin_pinned(const store::Log& cleaned, const store::Log& made);
    void next_view();
    void wait_for_room();
    bool make_room();
    void give_up(bool failed = true);
    void end_copying();
    void try_finish();
    // cleaner_pass.cpp
    void begin_view();
    void end_view();
    void go_on();
    Step go_through();
    Step enter();
    Step leave();
    bool turn_is_over() const;
    Offset limit() const { return phase_ == Phase::marking ? mark_end_ : end_; }
    Step read_on();
    Step end_marking();
    Mapped mark_record(ViewCursor& in);
    Step end_mapping();
    Step begin_batch();
    Step drop_skipped();
    Step copy_on();
    Step end_batch(bool sound);
    void count_batch();
    Mapped map_record(ViewCursor& in);
    bool copy_record(ViewCursor& in);
    bool copy_body(ViewCursor& in, std::uint64_t bytes, SipHash128* hash);
    Step append();
    void put(Bytes bytes);
    std::uint64_t journal_bytes() const;

    Broker& broker_;
    std::uint32_t keys_max_;
    KeyOffsets keys_;
    std::uint64_t hash_keys_[2] = {};
    store::Stage stage_;
    Retry retry_{*this};
    Phase phase_ = Phase::idle;
    Offset end_{0};              // of what the pass goes through
    Offset last_{-1};            // of the last batch that was relocated
    std::uint64_t resumed_bytes_ = 0;  // that the pass had relocated when it was given up, or the run before ended
    bool pressed_ = false;       // it began because the ring's tail is near
    std::uint64_t own_bytes_ = 0;      // of what came since the last, as far as it has read
    Offset all_end_{0};                // of all that had come when it began
    std::uint64_t all_bytes_ = 0;      // as much as that counted for then
    bool pinned_ = false;        // all that is in it stays
    std::uint64_t quota_ = 0;    // pinned: how much may
    std::uint64_t counted_ = 0;  // pinned, and about more than the quota: how much there is
    std::uint64_t skip_ = 0;     // of that, what goes and is still to come
    std::size_t wanted_bytes_ = 0;     // of the batch that found no room for its stage; 0: none
    std::uint64_t pass_bytes_ = 0;     // that it has to write at most
    std::uint64_t appended_ = 0;
    std::int64_t delete_retention_ms_ = 0;
    Timestamp too_old_{-1};            // what is older goes: cleanup.policy = compact,delete
    Offset start_{0};            // of the log, as far as the pass has it
    Offset mark_end_{0};         // of what the last pass kept
    std::uint32_t marks_left_ = 0;
    bool marks_deletes_ = false; // marking: of tombstones whose horizon has come
    Offset doubled_from_{INT64_MAX};  // marking: of all from there on; then, from where a pass goes on
    bool deletes_kept_ = false;  // what it has written has tombstones with a horizon
    bool closed_kept_ = false;   // it has kept a batch whole of which it does not know the keys
    Offset horizon_for_{-1};     // batch that gets a delete horizon: it has been found to have a tombstone without
    Offset whole_for_{-1};       // batch that is kept whole: it has been found to be no sound one
    // The view that it goes through.
    std::optional<ViewCursor> in_;
    bool view_due_ = false;          // it is to be fetched
    std::size_t batches_left_ = 0;
    std::uint64_t turn_end_ = 0;     // of bytes
    std::uint32_t turn_left_ = 0;    // of records
    // The batch at hand.
    bool inside_ = false;
    bool whole_ = false;             // kept as it is
    bool time_unknown_ = false;
    record::BatchHeader header_;
    record::BatchHeader out_;        // as it will be
    std::uint64_t behind_ = 0;       // where in the view it ends
    std::int32_t records_left_ = 0;
    std::uint32_t records_dropped_ = 0;
    bool wants_horizon_ = false;
    bool tombstones_expired_ = false;
    bool horizons_ = false;          // the clock can tell one
    std::uint32_t body_crc_ = 0;
    std::uint64_t head_ = 0;     // segment at the last look
    // What outlives the ring, as of the last look.
    struct Stock {
        std::uint64_t alive = 0;         // of compacted topics, at most
        std::uint64_t kept = 0;          // of these, what passes have kept
        std::uint64_t refusing = 0;      // of pinned topics that refuse more
        std::uint64_t yielding = 0;      // of those whose oldest records go
        std::uint32_t yielding_parts = 0;
        std::uint32_t parts = 0;
    };
    Stock stock_;
    store::Log::Intake intake_ = store::Log::Intake::open;
    bool room_told_ = false;
    bool refusal_told_ = false;
    Instant refusal_again_at_{INT64_MIN};  // not told more often
    Instant dropped_again_at_{INT64_MIN};
    std::uint64_t dropped_untold_ = 0;
    Instant begin_at_{INT64_MIN};  // no pass before
    struct Failed {
        LogId log{0};
        Instant again_at{INT64_MIN};
    };
    static constexpr std::size_t failed_max = 4;
    Failed failed_[failed_max];    // whose passes were given up, and not begun again before; no other's either where there are more
    Statistics statistics_;
};

}  // namespace rivulet::broker
