#include "support/kafka_consumer_protocol.h"

namespace rivulet::wire::kafka {

void ConsumerProtocolPartitions::describe(Codec& codec) {
    codec.fields(topic, partitions);
    codec.tags();
}

void ConsumerProtocolSubscription::describe(Codec& codec) {
    codec.fields(topics, user_data);
    if (codec.from(1)) codec.field(owned_partitions);
    if (codec.from(2)) codec.field(generation_id);
    if (codec.from(3)) codec.field(rack_id);
    codec.tags();
}

void ConsumerProtocolAssignment::describe(Codec& codec) {
    codec.fields(assigned_partitions, user_data);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
