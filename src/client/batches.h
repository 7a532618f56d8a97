// The records of a FETCH answer, one after the other, as a reader of the topic sees them.
// Owns:     nothing: views into the answer. Bounds: no allocation; each batch's CRC is checked once, before its first record.
// Errors:   error(), then no more records: corrupt_batch, invalid_record (a compressed batch may hold garbage: brokers do not open what producers send), out_of_memory_budget (it needs more than the decoder's
//           memory), unsupported_compression (there is no decoder). failed_at() tells where.
// Format:   src/record: batch.h, record.h. Records below the offset that was asked for and control batches are passed over.
#pragma once

#include <optional>

#include "record/batch.h"
#include "record/batch_decoder.h"
#include "record/record.h"

namespace rivulet::client {

struct FetchedRecord {
    Offset offset{0};
    Timestamp time{-1};
    record::Record record;
};

class Batches {
public:
    // decoder: for compressed batches. A record's views are good until the next call.
    Batches(Bytes batches, Offset from, record::BatchDecoder* decoder = nullptr) : left_(batches), from_(from), decoder_(decoder) {}

    std::optional<FetchedRecord> next();
    Error error() const { return error_; }
    Offset failed_at() const { return header_.base_offset; }
    record::Compression compression() const { return header_.compression(); }

private:
    bool next_batch();
    std::optional<FetchedRecord> next_of_batch();
    std::nullopt_t refuse(Error error) { error_ = error; left_ = {}; return std::nullopt; }

    Bytes left_;
    Offset from_;
    record::BatchHeader header_;
    record::BatchDecoder* decoder_;
    bool decoding_ = false;
    std::optional<record::RecordReader> records_;
    Error error_ = Error::none;
};

// The offset behind the last batch; `from` if there is none.
Offset end_of_batches(Bytes batches, Offset from);

}  // namespace rivulet::client
