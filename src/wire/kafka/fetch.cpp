#include "wire/kafka/fetch.h"

namespace rivulet::wire::kafka {

void FetchRequest::ReplicaState::describe(Codec& codec) {
    codec.fields(replica_id, replica_epoch);
    codec.tags();
}

void FetchRequest::Partition::describe(Codec& codec) {
    codec.field(partition);
    if (codec.from(9)) codec.field(current_leader_epoch);
    codec.field(fetch_offset);
    if (codec.from(12)) codec.field(last_fetched_epoch);
    if (codec.from(5)) codec.field(log_start_offset);
    codec.field(partition_max_bytes);
    const Codec::Tagged known[] = {Codec::tagged(0, replica_directory_id, !replica_directory_id.is_nil())};
    codec.tags(std::span(known, codec.from(17) ? 1 : 0));
}

void FetchRequest::Topic::describe(Codec& codec) {
    if (codec.until(12)) codec.field(topic);
    if (codec.from(13)) codec.field(topic_id);
    codec.field(partitions);
    codec.tags();
}

void FetchRequest::ForgottenTopic::describe(Codec& codec) {
    if (codec.until(12)) codec.field(topic);
    if (codec.from(13)) codec.field(topic_id);
    codec.field(partitions);
    codec.tags();
}

void FetchRequest::describe(Codec& codec) {
    if (codec.until(14)) codec.field(replica_id);
    codec.fields(max_wait_ms, min_bytes, max_bytes, isolation_level);
    if (codec.from(7)) codec.fields(session_id, session_epoch);
    codec.field(topics);
    if (codec.from(7)) codec.field(forgotten_topics_data);
    if (codec.from(11)) codec.field(rack_id);
    const bool replica = replica_state.replica_id != -1 || replica_state.replica_epoch != -1;
    const Codec::Tagged known[] = {Codec::tagged(0, cluster_id, cluster_id.has_value()), Codec::tagged(1, replica_state, replica)};
    codec.tags(std::span(known, codec.from(15) ? 2 : 1));
}

void FetchResponse::AbortedTransaction::describe(Codec& codec) {
    codec.fields(producer_id, first_offset);
    codec.tags();
}

void FetchResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, error_code, high_watermark, last_stable_offset);
    if (codec.from(5)) codec.field(log_start_offset);
    codec.field(aborted_transactions, true);
    if (codec.from(11)) codec.field(preferred_read_replica);
    codec.field(records);
    codec.tags();
}

void FetchResponse::Topic::describe(Codec& codec) {
    if (codec.until(12)) codec.field(topic);
    if (codec.from(13)) codec.field(topic_id);
    codec.field(partitions);
    codec.tags();
}

void FetchResponse::describe(Codec& codec) {
    codec.field(throttle_time_ms);
    if (codec.from(7)) codec.fields(error_code, session_id);
    codec.field(responses);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
