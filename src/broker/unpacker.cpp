#include "broker/unpacker.h"

#include <utility>

#include "base/crc32c.h"
#include "broker/broker.h"
#include "env/log.h"

namespace rivulet::broker {

bool Unpacker::begin(UnpackWaiter& waiter, LogId log, store::Stage& stage) {
    if (!opener_.possible()) return false;
    waiter.log_ = log;
    waiter.staged_ = &stage;
    line_.push_back(waiter);
    if (!busy_) start_next();
    return true;
}

void Unpacker::cancel(UnpackWaiter& waiter) {
    if (waiter.linked()) List<UnpackWaiter>::remove(waiter);
    if (current_ != &waiter) return;
    current_ = nullptr;
    RoomWaiter& room = *this;
    if (!room.linked()) return;  // the job ends by itself
    Broker::cancel(room);
    finish(fail(Error::busy));
}

void Unpacker::start_next() {
    current_ = line_.pop_front();
    busy_ = current_ != nullptr;
    if (!current_) return;
    packed_.take(*current_->staged_);
    header = record::decode_header(packed_.header());
    content_ = 0;
    keyless_ = false;
    const store::Log* const log = broker_.store().find(current_->log_);
    // An idempotent producer's may have been stored under a larger limit: append() tells.
    const bool known = log && header.producer_id < 0;
    limit_ = known ? broker_.store().batch_limit(*log) : broker_.store().state().options.batch_bytes_max;
    open();
}

void Unpacker::open() {
    pieces_.emplace(packed_);
    opener_.open(*this);
}

bool Unpacker::on_record(const record::DecodedRecord& record) {
    if (stage_.active()) {
        stage_.put(record.raw);
        crc_ = crc32c(record.raw, crc_);
        return true;
    }
    content_ += record.raw.size();
    keyless_ = !record.record.has_key;
    return !keyless_ && !too_large();
}

void Unpacker::on_opened(Error error) {
    if (!current_) return finish(fail(Error::busy));
    if (error == Error::out_of_memory_budget) {
        report();
        return finish(fail(Error::unsupported_compression));
    }
    if (error != Error::none || keyless_) return finish(fail(Error::invalid_record));
    if (too_large()) return finish(fail(Error::batch_too_large));
    if (stage_.active()) return append();
    if (const Status there = reserve(); !there) return finish(fail(there.error()));
    open();
}

Status Unpacker::reserve() {
    if (!broker_.store().find(current_->log_)) return fail(Error::unknown_topic_or_partition);
    RIVULET_TRY(broker_.begin_stage(stage_, record::batch_header_bytes + static_cast<std::size_t>(content_), store::StageShare::ahead));
    const std::uint8_t room[record::batch_header_bytes] = {};
    stage_.put(room);
    crc_ = 0;
    return {};
}

void Unpacker::append() {
    store::Log* const log = broker_.store().find(current_->log_);
    if (!log) return finish(fail(Error::unknown_topic_or_partition));
    record::BatchHeader out = header;
    out.attributes &= static_cast<std::uint16_t>(~record::attribute_compression_mask);
    out.batch_length = static_cast<std::uint32_t>(stage_.size() - record::batch_length_end);
    out.crc = record::batch_crc(out, crc_, stage_.size() - record::batch_header_bytes);
    record::encode_header(out, stage_.header());
    const Result<store::Appended> done = broker_.append(*log, stage_);
    const bool held = broker_.store().appends_held() || log->intake == store::Log::Intake::held;
    // A commit makes room; what holds appends may wait for that of the stage.
    if (done.error() == Error::busy && !held) return broker_.wait_for_room(*this);
    finish(done);
}

void Unpacker::finish(const Result<store::Appended>& outcome) {
    broker_.drop(stage_);
    UnpackWaiter* const waiter = std::exchange(current_, nullptr);
    if (waiter && !outcome) waiter->staged_->take(packed_);
    else broker_.drop(packed_);
    if (waiter) waiter->on_unpacked(outcome);
    start_next();
}

void Unpacker::report() {
    env::Env& env = broker_.env();
    if (!closed_.add(env.now())) return;
    env::LogLine(env, env::LogLevel::warning) << "a compressed batch for a compacted topic is refused: it needs more than limits.decode_bytes to be opened; " << closed_.total() << " since the start";
}

}  // namespace rivulet::broker
