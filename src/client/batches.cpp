#include "client/batches.h"

namespace rivulet::client {

namespace {

// The header of the batch at the front, if all of it is there and its framing holds.
Status read_header(Bytes batches, record::BatchHeader& header) {
    if (batches.size() < record::batch_header_bytes) return fail(Error::corrupt_batch);
    header = record::decode_header(batches.first(record::batch_header_bytes));
    return record::check_framing(header, batches.size(), batches.size(), record::Origin::stored);
}

}  // namespace

bool Batches::next_batch() {
    records_.reset();
    if (left_.empty()) return false;
    if (!read_header(left_, header_)) return refuse(Error::corrupt_batch), false;
    const Bytes batch = left_.first(header_.total_bytes());
    left_ = left_.subspan(batch.size());
    record::BatchCrc crc;
    crc.update(batch.subspan(record::batch_crc_start));
    if (crc.value() != header_.crc) return refuse(Error::corrupt_batch), false;
    if (header_.control()) return true;
    if (header_.compression() != record::Compression::none) return refuse(Error::unsupported_compression), false;
    records_.emplace(batch.subspan(record::batch_header_bytes), header_.record_count);
    return true;
}

std::optional<FetchedRecord> Batches::next() {
    for (;;) {
        if (!records_) {
            if (!next_batch()) return std::nullopt;
            continue;
        }
        const auto record = records_->next();
        if (!record) {
            if (records_->error() != Error::none) return refuse(records_->error());
            records_.reset();
            continue;
        }
        FetchedRecord fetched;
        fetched.offset = header_.base_offset + record->offset_delta;
        if (fetched.offset < from_) continue;
        fetched.time = header_.timestamp_of(record->timestamp_delta);
        fetched.record = *record;
        return fetched;
    }
}

Offset end_of_batches(Bytes batches, Offset from) {
    Offset end = from;
    record::BatchHeader header;
    while (!batches.empty() && read_header(batches, header)) {
        const Offset behind = header.last_offset() + 1;
        if (behind > end) end = behind;
        batches = batches.subspan(header.total_bytes());
    }
    return end;
}

}  // namespace rivulet::client
