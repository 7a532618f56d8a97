// A produce request on its way in: parsed piece by piece, each batch into the ring as it comes (up to 100 MiB of them, with the memory of one batch).
// Owns:     the stage of the batch in hand, until that is appended or dropped.
// Bounds:   a head (of request, topic or partition) fits a receive buffer; a batch max.message.bytes. The answer grows with the partitions that were met, in the output buffer, up to
//           limits.kafka_response_bytes: then the connection ends.
// Errors:   per partition: corrupt_batch, invalid_record, batch_too_large, unsupported_compression, unknown_topic_or_partition, those of idempotent producers, not_leader (sent again, it is judged by the topic's new policy), store_offline; its bytes are passed over then.
// Guarantee: a batch is appended once it is valid, whole; for a compacted topic a compressed one is opened first (broker/unpacker.h); acks = 0 gets no answer, and an error ends the connection (rule of Kafka's protocol).
// Thread:   loop only. Format: Kafka's protocol, Produce, key 0; one batch of magic 2 for each partition (KIP-98).
#pragma once

#include <optional>

#include "record/validate.h"
#include "server/kafka/exchange.h"
#include "server/lazy_pool.h"
#include "wire/kafka/produce.h"

namespace rivulet::server::kafka {

// Older ones carry record formats of before Kafka 0.11: they are told, because librdkafka before 2.11.1 looks for them, and refused.
constexpr std::int16_t produce_version_min = 3;
constexpr std::int16_t produce_zstd_from = 7;

class ProduceInHand final : public ListNode<ProduceInHand, LazyPoolTag>, private broker::UnpackWaiter {
public:
    // `bytes`: of the request behind its header.
    void begin(const wire::kafka::RequestHeader& header, std::size_t bytes, Instant now);
    // The connection goes.
    void drop(broker::Broker& broker);

    enum class Step : std::uint8_t {
        done,     // the whole request is taken, and answered
        more,     // needs wanted() bytes at once
        blocked,  // room in the store or for the answer: again, when there is
        failed,   // failure()
        further,  // goes on at once; not of take()
    };
    // Takes from the front of `bytes`, the next ones of the connection; consumed(): so many. `direct_max`: what a receive buffer holds, so that smaller batches can be taken whole from there.
    Step take(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max);
    // The places in the ring where the next bytes of the connection belong, if these are a batch's: as many `pieces` as there are, or the batch needs; returns how many.
    std::size_t lend_places(std::span<MutableBytes> pieces) { return at_ == At::staging ? stage_.lend(pieces) : 0; }
    bool all_places_lent() const { return stage_.lent() == records_left_; }
    // Of the next `bytes` of the connection those that places were lent for lie there; returns how many these are. take() goes on behind them, also without a byte more.
    std::size_t take_places(Hub& hub, std::size_t bytes);
    std::size_t consumed() const { return consumed_; }
    std::size_t wanted() const { return wanted_; }
    std::size_t left() const { return left_; }  // bytes of the request that are not consumed
    Failure failure() const { return failure_; }

    bool holds_blocks() const { return stage_.active(); }
    store::StageShare share() const { return stage_.share(); }  // of these
    // Of the batch that holds blocks less than a rate came in the last whole window (slow_window_ns); to be asked more often than that.
    bool comes_slowly(Instant now);
    Instant began() const { return began_; }
    Instant since() const { return since_; }  // when the batch in hand began

private:
    enum class Unpacking : std::uint8_t { not_begun, under_way, done };
    enum class At : std::uint8_t { head, topic, partition, records, staging, discarding, partition_end, topic_end, end };

    Step step(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max);
    bool must_wait_outside(Hub& hub, Session& session, std::size_t direct_max) const;
    Step take_head(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max);
    Step take_topic(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max);
    Step take_partition(Bytes bytes, std::size_t direct_max);
    Step take_records(Hub& hub, Session& session, Bytes bytes, std::size_t direct_max);
    Step take_staged(Hub& hub, Session& session, Bytes bytes);
    Step refuse_staged(Hub& hub);
    Step discard(Session& session, Bytes bytes);
    Step take_tags(Session& session, Bytes bytes, std::size_t direct_max);
    Step finish(Session& session, Bytes bytes, std::size_t direct_max);
    template <class Batch>
    Step append(Hub& hub, Session& session, Batch& batch);
    Step stage(Hub& hub, Session& session);
    template <class Batch>
    Result<store::Appended> append_to(Hub& hub, store::Log& log, Batch& batch);
    void on_unpacked(const Result<store::Appended>& outcome) override;
    Step refuse(Hub& hub, Error error);
    Step answered(Session& session, const wire::kafka::ProduceResponse::Partition& result);
    Step room(Session& session, std::size_t bytes);
    void consume(std::size_t bytes) {
        consumed_ += bytes;
        left_ -= bytes;
    }
    Step more(std::size_t bytes) { wanted_ = bytes; return Step::more; }
    Step fail_with(Failure failure) { failure_ = failure; return Step::failed; }
    template <class Part>
    Step take_part(Part& part, Bytes bytes, std::size_t direct_max);
    template <class Encode>
    void write(Session& session, Encode encode);
    wire::kafka::Codec encoder(Writer& out) const { return wire::kafka::Codec(out, header_.version, header_.flexible); }

    wire::kafka::RequestHeader header_;
    std::size_t left_ = 0;         // bytes of the request that are not consumed
    std::size_t consumed_ = 0;
    std::size_t wanted_ = 0;
    Failure failure_;
    At at_ = At::head;
    bool answers_ = true;          // acks is not 0
    bool memory_ = false;          // the log in hand: readable, and acknowledged, at once
    Error request_error_ = Error::none;  // of all partitions
    Error error_ = Error::none;    // of the partition in hand
    Error worst_ = Error::none;    // with acks = 0: ends the connection
    std::uint32_t topics_left_ = 0;
    std::uint32_t partitions_left_ = 0;
    std::int32_t partition_ = 0;
    Uuid topic_;                   // zero: not known
    LogId log_{0};
    std::size_t records_left_ = 0;
    std::uint64_t ticket_ = 0;     // of what is to be durable before the answer goes
    Instant began_;
    Instant since_;
    Session* session_ = nullptr;
    Unpacking unpacking_ = Unpacking::not_begun;
    Result<store::Appended> unpacked_ = rivulet::fail(Error::busy);  // what came of it
    std::optional<record::Validator> validator_;
    store::Stage stage_;
    bool arrived_ = false;         // the staged batch is there whole
    bool slow_ = false;            // by its last whole window
    Instant window_begun_;
    std::size_t window_bytes_ = 0; // of the batch, that were there then
};

}  // namespace rivulet::server::kafka
