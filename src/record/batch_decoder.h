// The records of one batch, whatever it is compressed with, one after the other; the batch may come in pieces of any size.
// Owns:     nothing: codec state, the content's window and a record that lies over a seam all fit the memory that the caller gives.
// Bounds:   no allocation. All content that fits the memory behind the codec's state is kept whole, whatever window the compressor had; content beyond that streams through
//           while the history that its codec needs (gzip none, lz4 64 KiB, snappy a block, zstd its window) and the record at hand fit. At most `content_bytes_max` of content and header.record_count records.
// Errors:   next() gives nothing and error() says: invalid_record (damage, a bomb, lengths or counts that lie), out_of_memory_budget (sound as far as it was read, but needs more memory: treat the batch as closed).
// Guarantee: offsets ascend and stay within the header's; a record is shown only if it is whole and well-formed.
// Thread:   any, one batch at a time; meant for jobs (env/job.h).
// Format:   batch.h, record.h. gzip: RFC 1952, several members. snappy: raw, or framed by snappy-java. lz4: frames of LZ4, linked and independent blocks. zstd: RFC 8878, no dictionaries. Frames may follow one another.
//
//     BatchDecoder decoder(memory);
//     decoder.begin(header);
//     for each piece of what lies behind the 61 bytes: { decoder.feed(piece); while (auto r = decoder.next()) use(*r); }
//     if (!decoder.ended()) ...  // error(), or the batch is cut off
#pragma once

#include "record/batch.h"
#include "record/decompress.h"
#include "record/record.h"

namespace rivulet::record {

struct DecodedRecord {
    Offset offset{0};
    Timestamp time{-1};  // of every record the batch's one time under LogAppendTime
    Record record;       // views, as `raw`: good until the next call. Empty but for the deltas if only times were asked for
    Bytes raw;           // as encoded, its length prefix included, to be copied into a batch with the same base offset and base timestamp
};

class BatchDecoder {
public:
    enum class What : std::uint8_t {
        records,
        times,  // offsets and times alone, so records of any size pass
    };

    explicit BatchDecoder(MutableBytes memory) : decompressor_(memory) {}
    void begin(const BatchHeader& header, What what = What::records, std::uint64_t content_bytes_max = content_bytes_default);
    // The next piece of the body, which must stay until next() has given nothing.
    void feed(Bytes piece);
    // Nothing: give it the next piece, or it has ended, or failed.
    std::optional<DecodedRecord> next();
    // All records were given, and nothing lies behind them.
    bool ended() const { return ended_; }
    Error error() const { return error_; }
    // Of content so far: what a job counts to end its turn.
    std::uint64_t content_bytes() const { return decompressor_.content_bytes(); }

    // Clients bound batches before they compress them; the largest limits.batch_bytes is 64M.
    static constexpr std::uint64_t content_bytes_default = 64U << 20;

private:
    enum class Got : std::uint8_t { record, more, bad };

    Got take(DecodedRecord& out);
    bool more_content();
    std::nullopt_t refuse(Error error) { error_ = error; return std::nullopt; }

    Decompressor decompressor_;
    BatchHeader header_;
    What what_ = What::records;
    Bytes input_;
    std::size_t input_left_ = 0;  // of the body, to be fed
    Bytes content_;              // decoded and not taken yet
    std::uint64_t skip_ = 0;     // of a record whose times were taken
    std::int32_t records_ = 0;
    std::int32_t last_delta_ = -1;
    bool ended_ = false;
    Error error_ = Error::none;
};

}  // namespace rivulet::record
