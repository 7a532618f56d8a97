// Decompresses the records of one batch as a stream. The only place in src/ that sees zlib and zstd.
// Owns:     nothing: the memory that the caller gives holds the codec's state, a compressed block that lies over a seam of the input, and the window of content.
// Bounds:   no allocation: the libraries get static memory. A content limit, so that a bomb ends.
// Errors:   invalid_record: damaged, or more content than the limit; out_of_memory_budget: needs a larger window, to keep what the caller wants kept or as history.
// Guarantee: what a call gives begins right behind the last `keep` bytes of what the calls before have given.
// Thread:   any, one batch at a time.
// Format:   batch_decoder.h has the list.
#pragma once

#include "record/batch.h"
#include "record/lz4.h"
#include "record/snappy.h"

namespace rivulet::record {

class Decompressor {
public:
    explicit Decompressor(MutableBytes memory);

    // out_of_memory_budget: less memory than the codec's state takes: 48 KiB for gzip, 230 for zstd (a block of its input among it), none for the others. unsupported_compression: a number that stands for none.
    Status begin(Compression codec, std::size_t input_bytes, std::uint64_t content_bytes_max);
    // Takes from the front of `input`, gives the next stretch of content. Nothing: all of the input is taken; call it until then, with no input too.
    Result<Bytes> next(Bytes& input, std::size_t keep);
    // At a place where the compressed bytes may end.
    bool complete() const;
    std::uint64_t content_bytes() const { return content_bytes_; }

private:
    struct Gzip;
    struct Zstd;

    std::size_t history() const;
    Error run_gzip(Bytes& input);
    Result<std::size_t> run_zstd(Bytes& input, std::size_t keep);
    Error take_zstd_header(Bytes bytes);

    MutableBytes memory_;
    Compression codec_ = Compression::none;
    std::uint64_t content_bytes_max_ = 0;
    std::uint64_t content_bytes_ = 0;
    ContentWindow window_;
    Gzip* gzip_ = nullptr;
    Zstd* zstd_ = nullptr;
    Lz4Decoder lz4_;
    SnappyDecoder snappy_;
};

}  // namespace rivulet::record
