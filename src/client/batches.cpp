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
    if (header_.compression() != record::Compression::none) {
        if (!decoder_) return refuse(Error::unsupported_compression), false;
        decoder_->begin(header_);
        decoder_->feed(batch.subspan(record::batch_header_bytes));
        decoding_ = true;
        return true;
    }
    records_.emplace(batch.subspan(record::batch_header_bytes), header_.record_count);
    return true;
}

// Nothing: it has no more, or error().
std::optional<FetchedRecord> Batches::next_of_batch() {
    FetchedRecord fetched;
    if (decoding_) {
        const auto decoded = decoder_->next();
        decoding_ = decoded.has_value();
        if (!decoded) return decoder_->error() != Error::none ? refuse(decoder_->error()) : std::nullopt;
        fetched = {decoded->offset, decoded->time, decoded->record};
    } else if (records_) {
        const auto record = records_->next();
        if (!record && records_->error() != Error::none) refuse(records_->error());
        if (!record) return records_.reset(), std::nullopt;
        fetched = {header_.base_offset + record->offset_delta, header_.timestamp_of(record->timestamp_delta), *record};
    }
    return fetched;
}

std::optional<FetchedRecord> Batches::next() {
    while (error_ == Error::none) {
        if (!decoding_ && !records_) {
            if (!next_batch()) return std::nullopt;
            continue;
        }
        const auto fetched = next_of_batch();
        if (fetched && fetched->offset >= from_) return fetched;
    }
    return std::nullopt;
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
