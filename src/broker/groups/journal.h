// The log of all groups: the internal topic __consumer_offsets, in Kafka's own records, so that what reads them there reads them here.
// Owns:     a buffer for one record (record_bytes()); the tables are the Coordinator's.
// Bounds:   a group's record is at most record_bytes(). Loading and rewriting go on in slices of a turn.
// Errors:   those of Broker::append; limit_reached and others of Broker::create_topic; batch_too_large: a group's record.
// Guarantee: a group and its offsets are in the partition that Kafka would choose: abs(hashCode(group)) % partitions. What cannot be read at a start is skipped, counted and logged.
//           Live records are appended anew before the ring takes their segment, and when a log has become much larger than what is alive in it; only once they are durable does the
//           log's start go there, so that a power cut in between loses nothing.
// Thread:   loop only. Format: records.h.
#pragma once

#include "broker/groups/loader.h"
#include "broker/groups/rewriter.h"

namespace rivulet::broker {

constexpr std::string_view offsets_topic = "__consumer_offsets";
constexpr std::size_t group_id_bytes_max = 1024;
constexpr std::size_t key_bytes_max = 2 + 2 + group_id_bytes_max + 2 + config::topic_name_bytes_max + 4;
constexpr std::size_t record_rest_bytes_max = key_bytes_max + record::record_scratch_bytes;  // of a record, without its value

struct GroupOptions {
    std::uint32_t groups_max = 128;
    std::uint32_t members_max = 1024;         // of all groups, with those that were given an id alone
    std::uint32_t group_members_max = 256;    // of one
    std::uint32_t blob_bytes = 512U << 10;    // ids, metadata, assignments, metadata of offsets
    std::uint32_t offsets_max = 4096;         // of all groups
    std::uint32_t offset_metadata_bytes_max = 4096;  // of one
    std::uint32_t assigned_partitions_max = 1024;  // that there can be to assign: as many as the broker can have
    std::uint32_t partitions = 4;             // of __consumer_offsets, when it is created
    std::uint32_t batch_bytes_max = 1'048'588;  // the store's
    std::uint32_t answer_bytes_max = UINT32_MAX;  // that a member can be told at once: who would make the list of members, or an assignment, larger is refused
    std::int64_t initial_rebalance_delay_ns = 3 * ns_per_s;
    std::int64_t session_timeout_min_ms = 6'000;
    std::int64_t session_timeout_max_ms = 30 * 60'000;
    std::int64_t offsets_retention_ns = 7 * 24 * 3600 * ns_per_s;
    std::uint64_t rewrite_bytes_min = 1U << 20;  // of a partition: below that it is left as it is
    Timestamp clock_floor{0};                 // stored times before this were not trusted

    std::size_t record_bytes() const;
};

class JournalListener {
public:
    virtual void on_loaded() = 0;

protected:
    ~JournalListener() = default;
};

// Kafka's choice: of String.hashCode, which counts in UTF-16.
std::uint32_t offsets_partition(std::string_view group, std::uint32_t partitions);

class Journal final : private LoaderListener, private RewriteSource {
public:
    Journal(Broker& broker, Arena& arena, const GroupOptions& options, BlobPool& blobs, GroupTable& groups, OffsetTable& offsets);
    static std::size_t memory_bytes(const GroupOptions& options) { return options.record_bytes() + record_rest_bytes_max + 64; }

    void load(Coordinator& coordinator, JournalListener& listener);
    void stop();
    bool loading() const { return loading_; }
    // Creates the topic if it is not there.
    Status prepare();

    // Each returns the ticket that the record is durable with.
    // with_members: those of a generation that is complete; else the generation alone, as of a group that is empty.
    Result<std::uint64_t> write_group(Group& group, bool with_members);
    Result<std::uint64_t> write_offset(std::string_view group, const Topic& topic, std::uint32_t partition, const OffsetCommit& commit);
    Result<std::uint64_t> remove_group(const Group& group);
    Result<std::uint64_t> remove_offset(const Group& group, const Topic& topic, std::uint32_t partition);

    const Loader& loader() const { return loader_; }
    const Rewriter& rewriter() const { return rewriter_; }

private:
    void on_partition_loaded(std::uint32_t partition, std::uint64_t bytes) override { rewriter_.count(partition, bytes); }
    void on_loaded() override;
    Result<std::uint64_t> rewrite_group(Group& group) override;
    Result<std::uint64_t> rewrite_offset(const CommittedOffset& offset) override;
    bool in_partition(const Group& group, std::uint32_t partition) const override;
    const Topic* topic() const override { return broker_.find_topic(offsets_topic); }
    Result<std::uint64_t> append(std::string_view group, Bytes key, Bytes value, bool has_value, const Topic* topic);

    Broker& broker_;
    GroupOptions options_;
    BlobPool& blobs_;
    GroupTable& groups_;
    MutableBytes record_;
    Loader loader_;
    Rewriter rewriter_;
    JournalListener* listener_ = nullptr;
    std::uint64_t appended_bytes_ = 0;  // by the last record
    bool loading_ = true;
};

}  // namespace rivulet::broker
