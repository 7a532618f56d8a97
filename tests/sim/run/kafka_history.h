// What Kafka clients saw of topics and groups, and whether it may have been: invariants 7 and 8 of the project's list.
// Owns:     every record that was sent, what was read of each partition; of each group the generations that members were told, who owned what in them, every commit.
// Errors:   what must not be ends the run by World::fail().
// Invariants: 8 an acknowledged record of an idempotent producer is at the offset that was told, once; the records of a producer in a partition ascend without gaps; nothing is invented. An id is given once.
//           7 who joins is told a generation that is not below one whose assignments were told; in a generation a partition has one owner; a commit of an older generation, or of a static member that was replaced,
//           is never taken; what a group has committed is what was committed last, of what was acknowledged or may have arrived since, and goes back to nothing else.
// Only seeds without damage beyond class A have Kafka clients, so nothing is ever relaxed.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sim/run/plan.h"

namespace rivulet::sim {

// Times at which the power may be planned to go.
enum class Moment : std::uint8_t { joined, assigning, committing };

struct KafkaId {
    std::uint16_t producer = 0;
    std::uint16_t life = 0;
    std::uint8_t topic = 0;
    std::uint8_t partition = 0;
    std::uint32_t number = 0;  // of that producer's life in that partition
    auto operator<=>(const KafkaId&) const = default;
};

struct KafkaEnds {
    std::int64_t high_watermark = 0;
    std::int64_t log_start = -1;  // -1: not told
};

class KafkaHistory {
public:
    KafkaHistory(World& world, const Plan& plan);

    std::function<void(Moment)> on_moment;
    void broker_ended();

    // ---- topics
    std::size_t partition_count(std::size_t topic) const { return topics_[topic].partitions.size(); }
    struct Growth {
        std::uint32_t answered = 0;
        std::uint32_t asked = 0;  // the most
    };
    Growth& growth(std::size_t topic) { return topics_[topic].growth; }
    void check_partitions(std::size_t topic, std::size_t answered_before, std::size_t partitions);

    // ---- producers
    std::uint16_t new_life(std::uint16_t producer) { return lives_[producer]++; }
    void given_producer_id(std::int64_t id);
    KafkaId make(std::uint16_t producer, std::uint16_t life, std::size_t topic, std::size_t partition);
    std::vector<std::uint8_t> content(KafkaId id) const;
    void sending(KafkaId first, std::size_t count);
    void acknowledged(KafkaId first, std::size_t count, std::int64_t base);

    // ---- reads
    std::int64_t high_watermark(std::size_t topic, std::size_t partition) const { return topics_[topic].partitions[partition].high_watermark; }
    // `known`: the high watermark that was known when the request was sent. The offset behind the last record, `from` if there is none; `offsets`: those that were read from there on.
    std::int64_t fetched(std::size_t topic, std::size_t partition, std::int64_t from, std::int64_t known, const KafkaEnds& ends, Bytes batches, std::vector<std::int64_t>* offsets = nullptr);
    // All of a partition that is left, in order.
    void check_end(std::size_t topic, std::size_t partition, std::int64_t log_start, const std::vector<std::int64_t>& offsets);

    // ---- members
    std::int32_t generation_told(std::size_t group) const { return groups_[group].assigned; }
    // `floor`: generation_told() when it was asked.
    void joined(std::size_t group, std::int32_t floor, std::int32_t generation);
    using Partitions = std::set<std::pair<std::size_t, std::size_t>>;  // topic, partition
    void assigning() { moment(Moment::assigning); }
    void assigned(std::size_t group, std::int32_t floor, std::int32_t generation, const std::string& member, const std::string& instance, const Partitions& partitions);

    std::string fenced_of(std::size_t group, const std::string& instance) { return groups_[group].had_before[instance]; }

    // ---- offsets: the metadata of each commit is its number
    std::uint64_t committing(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t offset, std::int32_t generation, const std::string& member, const std::string& instance);
    void committed(std::uint64_t number, bool taken);
    void found(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t asked_at, std::int64_t offset, std::string_view metadata);
    void delivered(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t from, std::int64_t to);
    // Everything that was acknowledged is read, and committed, by every group.
    bool groups_done() const;
    // Of what a group has committed at the end nothing was passed over.
    void check_covered(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t log_start, std::int64_t committed);
    std::string undone() const;

    void acknowledged_compressed() { ++compressed_; }
    std::uint64_t compressed_batches() const { return compressed_; }
    std::uint64_t records_acknowledged() const { return acknowledged_; }
    std::uint64_t records_read() const { return read_; }
    std::uint64_t generations() const { return generations_; }
    std::uint64_t commits() const { return commits_taken_; }
    std::uint64_t fenced() const { return fenced_; }
    std::uint64_t progress() const { return acknowledged_ + read_ + generations_ + commits_taken_; }

private:
    struct Sent {
        bool sent = false;
        std::int64_t offset = -1;  // acknowledged, or of an idempotent producer read
        bool acknowledged = false;
    };
    struct Partition {
        std::int64_t high_watermark = 0;
        std::int64_t acknowledged_end = 0;
        std::map<std::int64_t, KafkaId> places;
    };
    struct Topic {
        std::vector<Partition> partitions;  // as many as there may ever be
        Growth growth;
    };
    struct Generation {
        std::map<std::pair<std::size_t, std::size_t>, std::string> owners;
        std::map<std::string, Partitions> told;
    };
    using Key = std::tuple<std::size_t, std::size_t, std::size_t>;  // group, topic, partition
    struct Attempt {
        Key key{};
        std::int64_t offset = 0;
        std::int32_t generation = -1;
        std::int32_t floor = 0;
        bool of_fenced = false;
        std::int64_t sent = 0;
        std::int64_t known = -1;  // acknowledged, or read: in force since, or over
        std::int64_t over = -1;   // answered
        bool refused = false;
        std::string text;
    };
    struct Register {
        std::vector<std::uint64_t> attempts;
        std::int64_t highest = 0;  // offset of those that are known to have come into force
        std::vector<std::pair<std::int64_t, std::int64_t>> delivered;  // [from, to), apart from each other and ascending
    };
    struct Group {
        std::int32_t assigned = 0;  // the highest generation whose assignments were told
        std::map<std::int32_t, Generation> generations;
        std::map<std::string, std::string> instances;   // who has it
        std::map<std::string, std::string> had_before;  // and who had it
        std::set<std::string> fenced;                  // members
    };

    bool idempotent(KafkaId id) const { return plan_.kafka.producers[id.producer].idempotent; }
    void moment(Moment what) { if (on_moment) on_moment(what); }
    Sent& at(KafkaId id) { return sent_[{id.producer, id.life, id.topic, id.partition}][id.number]; }
    bool place(std::size_t topic, std::size_t partition, std::int64_t offset, KafkaId id);
    void came_into_force(Attempt& attempt);
    std::int64_t over(const Attempt& attempt) const;
    std::string describe(KafkaId id) const;
    std::string name(const Key& key) const;

    World& world_;
    const Plan& plan_;
    std::vector<Topic> topics_;
    std::vector<std::uint16_t> lives_;
    std::set<std::int64_t> producer_ids_;
    std::map<std::tuple<std::uint16_t, std::uint16_t, std::uint8_t, std::uint8_t>, std::vector<Sent>> sent_;
    std::vector<Group> groups_;
    std::map<Key, Register> registers_;
    std::vector<Attempt> attempts_{1};
    std::vector<std::int64_t> ends_;  // of the broker's processes
    std::uint64_t acknowledged_ = 0;
    std::uint64_t compressed_ = 0;
    std::uint64_t read_ = 0;
    std::uint64_t generations_ = 0;
    std::uint64_t commits_taken_ = 0;
    std::uint64_t fenced_ = 0;
};

}  // namespace rivulet::sim
