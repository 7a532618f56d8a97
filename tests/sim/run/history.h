// What happened, as the clients saw it, and whether it may have: the checker of a run.
// Owns:     every reading that was sent, and for each partition of each topic what was read of it.
// Errors:   what must not be ends the run by World::fail().
// Invariants (numbers of the project's list): 1 acknowledged readings of disk topics stay readable, once and in order with a session, at least once without;
//           2 offsets ascend and are dense, log start <= HW <= LEO, HW and epoch never go back, what an offset held it holds for ever, nothing is
//           invented. 9 is the World's, 10 the scenario's.
//           A pinned topic that refuses what is more than its share has all that it ever took; what it, or a compacted topic, has refused is never there later. A pinned one that does not
//           loses its oldest records alone, and none as long as all that was ever sent to such topics is less than their share of the ring.
//           Of compacted topics instead of 1 and of "dense": each key has its latest acknowledged record, or a deletion came behind that; nothing that was dropped leaves an older record of its key.
// A fault beyond class A relaxes what was sent before it: see damaged().
#pragma once

#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "sim/run/batches.h"
#include "sim/run/kafka_history.h"
#include "sim/run/plan.h"
#include "wire/compact/admin_frames.h"

namespace rivulet::sim {

struct Sent {
    enum State : std::uint8_t { made, sent, settled, refused, given_up };
    State state = made;
    bool may_repeat = false;       // the session was forgotten in between
    bool weak = false;             // a damage of class B or C came later: may be missing if the broker has reported any
    bool free = false;             // no promise is left
    std::uint8_t alias = 0;        // of its producer's plan
    std::int16_t partition = -1;   // if it is known beforehand
    std::int32_t life = -1;        // of the topic when it was first sent; -1: the topic was not known to be there
    std::int64_t hw_before = 0;    // known when it was first sent: its offset is not below (0 where the partition is not known)
    std::int64_t settled_at = -1;  // not before this
    std::int64_t offset = -1;      // where it was first read in `life_read`
    std::int32_t life_read = -1;
    std::uint16_t partition_read = 0;
};

// The known state of a partition when a request was sent: the answer must not be older.
struct Known {
    std::size_t topic = 0;
    std::uint64_t partition = 0;
    std::int32_t life = -1;
    std::int64_t high_watermark = 0;
    std::int32_t epoch = -1;
    std::int64_t log_start = 0;  // in that epoch
    std::uint32_t damages = 0;   // so far
};

struct Ends {
    std::int64_t log_start = 0;  // -1: not told
    std::int64_t durable_end = 0, high_watermark = 0, log_end = 0;
    std::int32_t epoch = -1;
};

class History {
public:
    History(World& world, const Plan& plan);

    // ---- topics: a name lives, dies and lives again ----
    // What a key of a topic's configuration may be.
    struct Setting {
        std::string value;                // as far as answers tell
        std::set<std::string> uncertain;  // by alterations that were not answered: they may happen at any time
        std::set<std::string> ever;
    };
    struct Topic {
        std::int32_t life = 0;
        bool there = false;           // its creation was answered, no deletion asked for since
        bool assured = false;         // and is durable
        bool hoped = false;           // or will be, as nothing goes wrong any more
        bool ever_deleted = false;
        bool ever_uncertain = false;  // some creation was not answered: it may be there or not
        bool asked = false;           // a creation or deletion is under way
        bool deleting = false;        // it is a deletion
        bool abandoned = false;       // some deletion was not answered: it may happen at any time
        std::map<std::string, Setting> settings;
        std::map<std::string, std::string> altering;  // asked and not answered yet
    };
    Topic& topic(std::size_t index) { return topics_[index]; }
    void created(std::size_t topic, bool assured);
    void deleting(std::size_t topic);
    enum class Altered : std::uint8_t { yes, no, perhaps };
    // An empty value: back to the default.
    void altering(std::size_t topic, const std::map<std::string, std::string>& pairs);
    void altered(std::size_t topic, Altered how);
    // Whether a description of the topic may say so.
    bool check_setting(std::size_t topic, std::string_view key, std::string_view value);
    // A topic beside the plan's, which nobody writes to and which only grows.
    struct Growth {
        bool exists = false;            // as far as answers tell
        std::uint64_t answered = 0;     // partitions that it has at least
        std::set<std::uint64_t> asked;  // it has one of these numbers, never a part of a growth
    };
    static constexpr std::string_view growing_name = "growing";
    Growth& growth() { return growth_; }
    // 0: it is not there.
    bool check_growth(std::uint64_t partitions);
    bool ever_set(std::size_t topic, const std::string& key, const std::string& value) const;

    // ---- readings ----
    Sent& make(ReadingId id, std::size_t alias, std::int16_t partition);
    Sent& at(ReadingId id);
    std::uint32_t made(std::uint16_t producer, std::uint8_t incarnation) const { return static_cast<std::uint32_t>(readings_[producer][incarnation].size()); }
    std::uint8_t new_incarnation(std::uint16_t producer);
    // life: of its topic when its alias was given, which is the one that it goes to; -1: the topic was not known to be there.
    void sending(ReadingId id, std::int32_t life);
    std::int32_t life(std::size_t topic) const { return topics_[topic].there ? topics_[topic].life : -1; }
    // connected_at: when the connection was made that said so.
    void settled(ReadingId id, std::int64_t connected_at);
    void refused(ReadingId id, Error error);
    // A batch at the share, for good. certain: it cannot have been stored when it was sent before.
    void refused_at_share(ReadingId id, bool certain);
    Content content(ReadingId id);
    const AliasPlan& alias(ReadingId id) { return plan_.producers[id.producer].aliases[at(id).alias]; }

    // ---- reads ----
    Known known(std::size_t topic, std::uint64_t partition) const;
    // Of an answer to a request that was sent when `known` was known. False: the run has failed.
    bool ends(const Known& known, const Ends& ends);
    // Checks batches that were asked from `offset` on and remembers them; the offset behind the last, -1 if the run has failed.
    std::int64_t fetched(const Known& known, std::int64_t offset, const Ends& ends, Bytes batches);

    // A time to search for, often that of a record, give or take one.
    std::int64_t some_time(std::size_t topic, std::uint64_t partition, Random& random) const;
    // What a search by time has answered: time -1, there is none so late. Judged at the end, when all records are known.
    bool found(const Known& known, std::int64_t at, std::int64_t offset, std::int64_t time, std::int32_t epoch);
    // Of a description that was asked for after such answers.
    void described_after(const Known& known, const Ends& ends);
    // Two answers to searches for ascending times.
    bool check_ascends(const Known& first, std::int64_t first_offset, const Known& second, std::int64_t second_offset);

    // ---- faults ----
    void unclean_stop();
    // The power went while a pass had begun too late, since it had gone before, for what outlives the ring to be safe: of pinned topics some may be lost.
    // silent: what is lost need not show.
    void damaged(FaultKind kind, bool silent);
    void damage_reported() { reported_ = true; }
    bool strict() const { return damages_ == 0; }
    KafkaHistory& kafka() { return kafka_; }

    // ---- the end ----
    struct FinalPartition {
        Ends ends;
        std::uint64_t fenced_count = 0;
        std::vector<std::pair<std::int64_t, std::int64_t>> fenced;  // [from, to)
        std::vector<std::int64_t> offsets;                           // of all records
    };
    bool check_end(std::size_t topic, std::uint64_t partition, FinalPartition end);
    // passes_resumed: older records of a key may lie beside later ones, since a pass that goes on does not know what it had kept.
    bool check_all_found(bool passes_resumed);

    std::uint64_t settled_count() const { return settled_count_; }
    std::uint64_t read_count() const { return read_count_; }
    std::uint64_t reading_count() const;
    std::uint64_t altered_count() const { return altered_count_; }
    std::uint64_t refused_count() const { return refused_count_; }
    std::uint64_t times_checked() const { return times_checked_; }
    std::string describe(ReadingId id);

private:
    struct Place {
        ReadingId id;
        std::int32_t epoch = 0;
        std::int64_t batch = 0;  // its base offset
        std::int64_t time = 0;   // by the sender
        bool operator==(const Place&) const = default;
    };
    struct Found {
        std::int64_t at = 0;
        std::int64_t offset = 0;
        std::int64_t time = -1;
        std::int64_t high_watermark = 0;  // known when it was asked
        std::int32_t epoch = -1;
        std::int64_t log_start = -1;      // not above this when it was answered; -1: not known
    };
    struct Partition {
        std::int64_t high_watermark = 0;
        std::int64_t log_start = 0;  // in `epoch`
        std::int32_t epoch = -1;
        std::map<std::int64_t, Place> places;
        std::vector<Found> found;
        bool final_known = false;
        FinalPartition final_state;
    };
    bool fail(const std::string& text);
    std::string where(std::size_t topic, std::uint64_t partition) const;
    bool current(const Known& known) const;
    bool check_pinned(const Known& known, const Ends& ends);
    bool share_may_be_full() const { return kept_bytes_sent_ > plan_.share_bytes(); }
    bool check_gap(const Known& known, const Ends& ends, std::int64_t expected, std::int64_t found);
    bool check_record(const Known& known, const SeenBatch& batch, const SeenRecord& record);
    bool check_content(const Known& known, const SeenBatch& batch, const SeenRecord& record, ReadingId id);
    bool check_place(const Known& known, std::int64_t offset, const Place& place);
    bool check_order(std::size_t topic, std::uint64_t partition);
    // history_states.cpp
    struct State {  // of a key of a partition of a compacted topic
        std::vector<std::pair<std::int64_t, ReadingId>> records;  // all that were read, by offset
        std::vector<ReadingId> deletions;                         // that were sent and not read
    };
    using StateKey = std::tuple<std::size_t, std::uint64_t, std::vector<std::uint8_t>>;  // topic, partition
    void collect_states();
    bool check_states();
    bool later(ReadingId one, ReadingId other) const;
    bool superseded(ReadingId id, const Sent& sent);
    bool check_times(std::size_t topic, std::uint64_t partition);
    void begin_settings(std::size_t topic);
    bool stamped_by_senders(std::size_t topic) const;
    bool larger_allowed(std::size_t topic) const;
    bool check_found(ReadingId id, const Sent& sent);

    World& world_;
    const Plan& plan_;
    KafkaHistory kafka_;
    std::vector<Topic> topics_;
    Growth growth_;
    std::vector<std::vector<Partition>> partitions_;  // by topic
    std::vector<std::vector<std::vector<Sent>>> readings_;  // by producer, incarnation, sequence - 1
    std::map<StateKey, State> states_;  // at the end
    std::int64_t last_unclean_ = -1;
    bool passes_resumed_ = false;
    std::uint32_t damages_ = 0;
    bool reported_ = false;
    std::uint64_t settled_count_ = 0;
    std::uint64_t read_count_ = 0;
    std::uint64_t altered_count_ = 0;
    std::uint64_t refused_count_ = 0;   // at the share
    std::uint64_t kept_bytes_sent_ = 0; // to topics that outlive the ring, each record as if it were a batch, as often as it was sent
    std::uint64_t times_checked_ = 0;
};

}  // namespace rivulet::sim
