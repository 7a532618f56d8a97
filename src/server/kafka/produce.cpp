#include "server/kafka/produce.h"

#include "server/kafka/hub.h"
#include "server/kafka/session.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Codec;
using wire::kafka::ProducePartitionHead;
using wire::kafka::ProduceRequestHead;
using wire::kafka::ProduceResponse;
using wire::kafka::ProduceTopicHead;

constexpr std::size_t partition_answer_bytes = 64;
constexpr std::size_t topic_answer_bytes = 16 + config::topic_name_bytes_max;
constexpr std::size_t end_answer_bytes = 16;
// What slow links bring, in any window but the one that a batch ends in: a rate over all of its time would let a beginning in one go buy minutes.
constexpr std::int64_t slow_window_ns = 10 * ns_per_s;
constexpr std::size_t slow_window_bytes = 10 * 16 * 1024;

}  // namespace

void ProduceInHand::begin(const wire::kafka::RequestHeader& header, std::size_t bytes, Instant now) {
    header_ = header;
    header_.client.reset();
    left_ = bytes;
    at_ = At::head;
    answers_ = true;
    request_error_ = worst_ = Error::none;
    ticket_ = 0;
    began_ = since_ = now;
}

void ProduceInHand::drop(broker::Broker& broker) {
    broker.cancel(static_cast<broker::UnpackWaiter&>(*this));
    if (stage_.active()) broker.drop(stage_);
}

ProduceInHand::Step ProduceInHand::take(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max) {
    consumed_ = 0;
    for (;;) {
        const Bytes rest = bytes.subspan(consumed_);
        const Step outcome = step(hub, session, rest.first(rest.size() < left_ ? rest.size() : left_), direct_max);
        if (outcome != Step::further) return outcome;
    }
}

ProduceInHand::Step ProduceInHand::step(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max) {
    switch (at_) {
        case At::head: return take_head(hub, session, bytes, direct_max);
        case At::topic: return take_topic(hub, session, bytes, direct_max);
        case At::partition: return take_partition(bytes, direct_max);
        case At::records: return take_records(hub, session, bytes, direct_max);
        case At::staging: return take_staged(hub, session, bytes);
        case At::discarding: return discard(session, bytes);
        case At::partition_end:
        case At::topic_end: return take_tags(session, bytes, direct_max);
        case At::end: return finish(session, bytes, direct_max);
    }
    return Step::further;
}

// ---- heads ----

template <class Part>
ProduceInHand::Step ProduceInHand::take_part(Part& part, Bytes bytes, std::size_t direct_max) {
    Codec codec(bytes, header_.version, header_.flexible);
    part.describe(codec);
    if (codec.ok()) {
        consume(codec.position());
        return Step::done;
    }
    // It may just not be there whole.
    if (codec.truncated() && bytes.size() < left_ && bytes.size() < direct_max) return more(bytes.size() + 1);
    return fail_with(fail(Error::malformed, static_cast<std::int64_t>(left_)));
}

template <class Encode>
void ProduceInHand::write(Session& session, Encode encode) {
    if (!answers_) return;
    Writer out(session.outbox().free_room());
    Codec codec = encoder(out);
    encode(codec);
    RIVULET_CHECK(out.ok());
    session.outbox().written(out.size());
}

// done: there is.
ProduceInHand::Step ProduceInHand::room(Session& session, std::size_t bytes) {
    if (!answers_) return Step::done;
    if (session.never_fits(bytes)) return fail_with(fail(Error::frame_too_large, static_cast<std::int64_t>(bytes)));
    return session.reserve(bytes) ? Step::done : Step::blocked;
}

// Those that wait for the blocks of a batch leave half of the output buffers to the others.
bool ProduceInHand::must_wait_outside(Hub& hub, Session& session, std::size_t direct_max) const {
    if (left_ <= direct_max || session.outbox().has_buffer() || 2 * hub.output_pool().lent() < hub.output_pool().count()) return false;
    broker::Broker& broker = hub.broker();
    const std::size_t largest = broker.store().state().options.batch_bytes_max;
    return !broker.stage_fits(left_ < largest ? left_ : largest, session.stage_share());
}

ProduceInHand::Step ProduceInHand::take_head(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max) {
    if (must_wait_outside(hub, session, direct_max)) {
        session.wait_for_blocks();
        return Step::blocked;
    }
    if (!session.reserve(Session::answer_room)) return Step::blocked;
    ProduceRequestHead head;
    const Step taken = take_part(head, bytes, direct_max);
    if (taken != Step::done) return taken;
    if (head.acks < -1 || head.acks > 1) request_error_ = Error::invalid_required_acks;
    else if (head.transactional_id) request_error_ = Error::transactions_unsupported;
    answers_ = head.acks != 0;
    topics_left_ = static_cast<std::uint32_t>(head.topic_count);
    if (answers_) {
        session.outbox().begin_answer();
        Writer out(session.outbox().free_room());
        wire::kafka::begin_response(out, header_);
        session.outbox().written(out.size());
        write(session, [&](Codec& codec) { codec.length(head.topic_count); });
    }
    at_ = topics_left_ != 0 ? At::topic : At::end;
    return Step::further;
}

ProduceInHand::Step ProduceInHand::take_topic(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max) {
    if (const Step there = room(session, topic_answer_bytes); there != Step::done) return there;
    ProduceTopicHead head;
    const Step taken = take_part(head, bytes, direct_max);
    if (taken != Step::done) return taken;
    // Longer names than a topic can have would not fit what is reserved for the answer.
    if (head.name.size() > config::topic_name_bytes_max) return fail_with(fail(Error::invalid_topic, static_cast<std::int64_t>(head.name.size())));
    const broker::Topic* const topic = hub.broker().find_topic(head.name);
    topic_ = topic ? topic->id : Uuid{};
    partitions_left_ = static_cast<std::uint32_t>(head.partition_count);
    write(session, [&](Codec& codec) {
        codec.field(head.name);
        codec.length(head.partition_count);
    });
    at_ = partitions_left_ != 0 ? At::partition : At::topic_end;
    return Step::further;
}

ProduceInHand::Step ProduceInHand::take_partition(Bytes bytes, std::size_t direct_max) {
    ProducePartitionHead head;
    const Step taken = take_part(head, bytes, direct_max);
    if (taken != Step::done) return taken;
    partition_ = head.index;
    records_left_ = head.records_length < 0 ? 0 : static_cast<std::size_t>(head.records_length);
    if (records_left_ > left_) return fail_with(fail(Error::malformed, head.records_length));
    error_ = request_error_;
    if (records_left_ == 0 && error_ == Error::none) error_ = Error::invalid_record;
    at_ = At::records;
    return Step::further;
}

// ---- batches ----

ProduceInHand::Step ProduceInHand::take_records(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max) {
    if (const Step there = room(session, partition_answer_bytes); there != Step::done) return there;
    since_ = hub.env().now();
    broker::Broker& broker = hub.broker();
    const broker::Topic* const topic = broker.topics().find(topic_);
    const store::Log* const log = topic && partition_ >= 0 ? broker.partition(*topic, static_cast<std::uint64_t>(partition_)) : nullptr;
    if (error_ == Error::none && !log) error_ = Error::unknown_topic_or_partition;
    // As Kafka answers.
    if (error_ == Error::none && broker::Coordinator::is_internal(topic->name.view())) error_ = Error::invalid_topic;
    if (error_ != Error::none) return refuse(hub, error_);
    log_ = log->id;
    memory_ = log->memory;
    record::ValidateOptions options;
    options.framed_bytes = records_left_;
    options.batch_bytes_max = broker.store().batch_limit(*log);
    options.key_required = log->keys_required;
    options.zstd_allowed = header_.version >= produce_zstd_from;
    if (records_left_ > options.batch_bytes_max) {
        options.batch_bytes_max = broker.store().state().options.batch_bytes_max;
        if (records_left_ > options.batch_bytes_max) return refuse(hub, Error::batch_too_large);
        // A repeat of what was stored under a larger limit, by its header, is taken like any other batch, and judged when it is there whole.
        if (bytes.size() < record::batch_header_bytes) return more(record::batch_header_bytes);
        if (!broker.store().stored(*log, record::decode_header(bytes))) return refuse(hub, Error::batch_too_large);
    }
    if (records_left_ <= direct_max && bytes.size() < records_left_) return more(records_left_);
    validator_.emplace(options);
    unpacking_ = Unpacking::not_begun;
    session_ = &session;
    if (records_left_ > direct_max) return stage(hub, session);
    Bytes batch = bytes.first(records_left_);
    // One that is to be opened first stays for longer than its receive buffer.
    const bool opened = log->keys_required && batch.size() >= record::batch_header_bytes && record::decode_header(batch).compression() != record::Compression::none;
    if (opened) return stage(hub, session);
    validator_->feed(batch);
    return append(hub, session, batch);
}

ProduceInHand::Step ProduceInHand::stage(Hub& hub, Session& session) {
    if (const Status begun = hub.broker().begin_stage(stage_, records_left_, session.stage_share()); !begun) {
        if (begun.error() != Error::busy) return refuse(hub, begun.error());
        session.wait_for_blocks();
        return Step::blocked;
    }
    at_ = At::staging;
    arrived_ = false;
    window_begun_ = since_;
    window_bytes_ = 0;
    slow_ = false;
    return Step::further;
}

ProduceInHand::Step ProduceInHand::take_staged(Hub& hub, Session& session, Bytes bytes) {
    if (unpacking_ == Unpacking::under_way) return Step::blocked;
    const Bytes piece = bytes.first(bytes.size() < records_left_ ? bytes.size() : records_left_);
    if (records_left_ != 0) {
        if (piece.empty()) return more(1);
        consume(piece.size());
        records_left_ -= piece.size();
        if (!validator_->feed(piece)) return refuse_staged(hub);
        stage_.put(piece);
        if (records_left_ != 0) return more(1);
    }
    if (!std::exchange(arrived_, true)) session.note_staged(stage_.size(), hub.env().now() - since_);
    return append(hub, session, stage_);
}

bool ProduceInHand::comes_slowly(Instant now) {
    if (now - window_begun_ >= slow_window_ns) {
        window_begun_ = now;
        slow_ = stage_.size() - std::exchange(window_bytes_, stage_.size()) < slow_window_bytes;
    }
    return slow_;
}

std::size_t ProduceInHand::take_places(Hub& hub, std::size_t bytes) {
    if (at_ != At::staging) return 0;
    const std::size_t lent = stage_.take_back();
    const std::size_t taken = bytes < lent ? bytes : lent;
    left_ -= taken;
    records_left_ -= taken;
    for (std::size_t left = taken; left != 0;) {
        const Bytes piece = stage_.extend(left);
        left -= piece.size();
        if (validator_->feed(piece)) continue;
        refuse_staged(hub);
        break;
    }
    return taken;
}

ProduceInHand::Step ProduceInHand::refuse_staged(Hub& hub) {
    const Error error = validator_->finish().error();
    hub.broker().drop(stage_);
    return refuse(hub, error == Error::none ? Error::invalid_record : error);
}

// The batch is there whole.
template <class Batch>
ProduceInHand::Step ProduceInHand::append(Hub& hub, Session& session, Batch& batch) {
    broker::Broker& broker = hub.broker();
    const auto give_up = [&](Error error) {
        drop(broker);
        return refuse(hub, error);
    };
    if (const Status valid = validator_->finish(); !valid) return give_up(valid.error());
    if (validator_->header().transactional()) return give_up(Error::transactions_unsupported);
    store::Log* const log = broker.store().find(log_);
    if (!log) return give_up(Error::unknown_topic_or_partition);
    const record::BatchHeader header = validator_->header();
    const Result<store::Appended> appended = append_to(hub, *log, batch);
    if (!appended) {
        if (unpacking_ == Unpacking::under_way) return Step::blocked;
        if (appended.error() != Error::busy) return give_up(appended.error());
        session.wait_for_room();
        return Step::blocked;
    }
    HubStatistics& count = hub.count();
    ++count.batches;
    count.duplicates += appended->duplicate;
    count.records += static_cast<std::uint64_t>(header.record_count);
    count.batch_bytes += header.total_bytes();
    if (!memory_ && appended->ticket > ticket_) ticket_ = appended->ticket;
    ProduceResponse::Partition result;
    result.index = partition_;
    result.base_offset = appended->base;
    result.log_append_time_ms = appended->log_append_time;
    result.log_start_offset = log->start;
    consume(records_left_);
    records_left_ = 0;
    return answered(session, result);
}

template <class Batch>
Result<store::Appended> ProduceInHand::append_to(Hub& hub, store::Log& log, Batch& batch) {
    // First: the stage may be empty, and the topic no longer compacted.
    if (std::exchange(unpacking_, Unpacking::not_begun) == Unpacking::done) return unpacked_;
    broker::Broker& broker = hub.broker();
    // It was made a compacted one meanwhile: whoever sends the batch again has its keys looked for.
    if (log.keys_required && !validator_->options().key_required) return rivulet::fail(Error::not_leader);
    if (!log.keys_required || validator_->header().compression() == record::Compression::none) return broker.append(log, batch);
    RIVULET_CHECK(stage_.active());
    // Opening costs much: only where it can be appended then.
    RIVULET_TRY(broker.store().room_for(log, stage_.size()));
    unpacking_ = Unpacking::under_way;
    if (broker.unpack(*this, log.id, stage_)) return rivulet::fail(Error::busy);
    unpacking_ = Unpacking::not_begun;
    return rivulet::fail(Error::unsupported_compression);
}

void ProduceInHand::on_unpacked(const Result<store::Appended>& outcome) {
    if (outcome.error() == Error::busy) {
        // Now: there may be room again before the session's turn, and nobody says so twice.
        unpacking_ = Unpacking::not_begun;
        return session_->wait_for_room();
    }
    unpacking_ = Unpacking::done;
    unpacked_ = outcome;
    session_->wake();
}

// What is left of its batch is passed over, then it is answered.
ProduceInHand::Step ProduceInHand::refuse(Hub& hub, Error error) {
    ++hub.count().refused;
    error_ = error;
    worst_ = error;
    at_ = At::discarding;
    return Step::further;
}

ProduceInHand::Step ProduceInHand::discard(Session& session, Bytes bytes) {
    const std::size_t n = bytes.size() < records_left_ ? bytes.size() : records_left_;
    consume(n);
    records_left_ -= n;
    if (records_left_ != 0) return more(1);
    if (const Step there = room(session, partition_answer_bytes); there != Step::done) return there;
    ProduceResponse::Partition result;
    result.index = partition_;
    result.error_code = code_of(error_);
    result.base_offset = Offset(-1);
    return answered(session, result);
}

ProduceInHand::Step ProduceInHand::answered(Session& session, const ProduceResponse::Partition& result) {
    write(session, [partition = result](Codec& codec) mutable { partition.describe(codec); });
    at_ = At::partition_end;
    return Step::further;
}

// ---- ends ----

// Of a partition or a topic.
ProduceInHand::Step ProduceInHand::take_tags(Session& session, Bytes bytes, std::size_t direct_max) {
    if (const Step there = room(session, end_answer_bytes); there != Step::done) return there;
    struct Tags {
        void describe(Codec& codec) { codec.tags(); }
    } tags;
    const Step taken = take_part(tags, bytes, direct_max);
    if (taken != Step::done) return taken;
    if (at_ == At::partition_end) {
        --partitions_left_;
        at_ = partitions_left_ != 0 ? At::partition : At::topic_end;
    } else {
        write(session, [](Codec& codec) { codec.tags(); });
        --topics_left_;
        at_ = topics_left_ != 0 ? At::topic : At::end;
    }
    return Step::further;
}

ProduceInHand::Step ProduceInHand::finish(Session& session, Bytes bytes, std::size_t direct_max) {
    if (const Step there = room(session, end_answer_bytes); there != Step::done) return there;
    struct Tags {
        void describe(Codec& codec) { codec.tags(); }
    } tags;
    const Step taken = take_part(tags, bytes, direct_max);
    if (taken != Step::done) return taken;
    if (left_ != 0) return fail_with(fail(Error::malformed, static_cast<std::int64_t>(left_)));
    if (!answers_) return worst_ == Error::none ? Step::done : fail_with(fail(worst_));
    write(session, [&](Codec& codec) {
        std::int32_t throttle_time_ms = 0;
        codec.field(throttle_time_ms);
        codec.tags();
    });
    session.finish_produce(ticket_);
    return Step::done;
}

}  // namespace rivulet::server::kafka
