#include "record/decompress.h"

#include <zlib.h>
#include <zstd.h>

#include <new>

namespace rivulet::record {

namespace {

constexpr std::size_t alignment = 16;
constexpr int gzip_window_bits = 15 + 16;  // 32 KiB, and a gzip header
constexpr std::size_t zstd_slack = 64;     // zstd copies in strides beyond the end of a match, within its room

}  // namespace

struct Decompressor::Gzip {
    z_stream stream;
    std::size_t used;
    std::size_t size;
    bool between;  // members: here the input may end
    bool any;

    // zlib's state and its window, 40 KiB.
    static void* take(void* self, unsigned count, unsigned each) {
        Gzip& gzip = *static_cast<Gzip*>(self);
        const std::size_t n = (std::size_t{count} * each + alignment - 1) & ~(alignment - 1);
        if (n > gzip.size - gzip.used) return nullptr;
        gzip.used += n;
        return reinterpret_cast<std::uint8_t*>(self) + gzip.used - n;
    }
    static void give(void*, void*) {}
};

struct Decompressor::Zstd {
    ZSTD_DCtx* context;
    std::size_t staged;         // of what it wants next: in `small`, a block at the window's end
    std::uint8_t small[ZSTD_FRAMEHEADERSIZE_MAX];
    std::uint8_t header[ZSTD_FRAMEHEADERSIZE_MAX];
    std::size_t header_bytes;
    bool in_header;
    bool between;               // frames
    bool any;
    std::uint64_t window_bytes;
    std::size_t block_bytes;    // of content, the most of this frame
    std::size_t limit;          // of the buffer, for content
    std::uint64_t produced;     // of this frame
};

Decompressor::Decompressor(MutableBytes memory) {
    const std::size_t skew = (alignment - reinterpret_cast<std::uintptr_t>(memory.data()) % alignment) % alignment;
    if (skew < memory.size()) memory_ = memory.subspan(skew);
}

Status Decompressor::begin(Compression codec, std::size_t input_bytes, std::uint64_t content_bytes_max) {
    constexpr std::size_t gzip_bytes = 48 * 1024;
    codec_ = codec;
    content_bytes_max_ = content_bytes_max;
    content_bytes_ = 0;
    std::size_t state = 0;
    window_.begin({});
    if (codec == Compression::gzip) {
        if (memory_.size() < gzip_bytes) return fail(Error::out_of_memory_budget);
        gzip_ = ::new (static_cast<void*>(memory_.data())) Gzip();
        gzip_->used = (sizeof(Gzip) + alignment - 1) & ~(alignment - 1);
        gzip_->size = state = gzip_bytes;
        gzip_->stream.zalloc = Gzip::take;
        gzip_->stream.zfree = Gzip::give;
        gzip_->stream.opaque = gzip_;
        RIVULET_CHECK(inflateInit2(&gzip_->stream, gzip_window_bits) == Z_OK);
        gzip_->between = gzip_->any = false;
    } else if (codec == Compression::zstd) {
        const std::size_t head = (sizeof(Zstd) + alignment - 1) & ~(alignment - 1);
        const std::size_t context = (ZSTD_estimateDCtxSize() + alignment - 1) & ~(alignment - 1);
        state = head + context;
        if (memory_.size() < state) return fail(Error::out_of_memory_budget);
        zstd_ = ::new (static_cast<void*>(memory_.data())) Zstd();
        zstd_->context = ZSTD_initStaticDCtx(memory_.data() + head, context);
        RIVULET_CHECK(zstd_->context);
        zstd_->between = true;
    } else if (codec == Compression::lz4) {
        lz4_ = Lz4Decoder();
    } else if (codec == Compression::snappy) {
        snappy_ = SnappyDecoder(input_bytes);
    } else if (codec != Compression::none) {
        return fail(Error::unsupported_compression);
    }
    window_.begin(memory_.subspan(state));
    return {};
}

std::size_t Decompressor::history() const {
    switch (codec_) {
        case Compression::lz4: return Lz4Decoder::history_bytes;
        case Compression::snappy: return window_.size() / 2;
        default: return 0;
    }
}

Result<Bytes> Decompressor::next(Bytes& input, std::size_t keep) {
    Error error = Error::none;
    const std::size_t kept = keep > history() ? keep : history();
    if (codec_ != Compression::zstd && !window_.start(kept)) return fail(Error::out_of_memory_budget);
    std::size_t begin = window_.end();
    std::size_t left = input.size();
    switch (codec_) {
        case Compression::none: window_.literal(input, left); break;
        case Compression::gzip: error = run_gzip(input); break;
        case Compression::snappy: error = snappy_.run(input, window_); break;
        case Compression::lz4: error = lz4_.run(input, window_); break;
        case Compression::zstd: {
            const Result<std::size_t> produced = run_zstd(input, keep);
            if (!produced) return produced.failure();
            begin = window_.end() - *produced;
            break;
        }
    }
    const Bytes content = window_.last(window_.end() - begin);
    content_bytes_ += content.size();
    if (content_bytes_ > content_bytes_max_) error = Error::invalid_record;
    // What is left behind an end belongs to nothing.
    if (content.empty() && !input.empty() && error == Error::none) error = Error::invalid_record;
    if (error != Error::none) return fail(error);
    return content;
}

bool Decompressor::complete() const {
    switch (codec_) {
        case Compression::gzip: return gzip_->any && gzip_->between;
        case Compression::snappy: return snappy_.complete();
        case Compression::lz4: return lz4_.complete();
        case Compression::zstd: return zstd_->any && zstd_->between && zstd_->staged == 0;
        default: return true;
    }
}

Error Decompressor::run_gzip(Bytes& input) {
    z_stream& stream = gzip_->stream;
    while (window_.room() != 0) {
        if (gzip_->between) {
            if (input.empty()) break;
            inflateReset(&stream);
            gzip_->between = false;
        }
        const MutableBytes space = window_.space();
        stream.next_in = const_cast<std::uint8_t*>(input.data());
        stream.avail_in = static_cast<unsigned>(input.size());
        stream.next_out = space.data();
        stream.avail_out = static_cast<unsigned>(space.size());
        const int result = inflate(&stream, Z_NO_FLUSH);
        input = input.last(stream.avail_in);
        window_.added(space.size() - stream.avail_out);
        if (result == Z_STREAM_END) gzip_->between = gzip_->any = true;
        else if (result == Z_BUF_ERROR) break;
        else if (result != Z_OK) return Error::invalid_record;
        else if (input.empty() && stream.avail_out != 0) break;
    }
    return Error::none;
}

// What windows of content and blocks this frame has, once its header is complete.
Error Decompressor::take_zstd_header(Bytes bytes) {
    Zstd& z = *zstd_;
    if (!z.in_header) return Error::none;
    if (bytes.size() > sizeof z.header - z.header_bytes) return Error::invalid_record;
    copy(bytes, MutableBytes(z.header).subspan(z.header_bytes));
    z.header_bytes += bytes.size();
    ZSTD_FrameHeader frame;
    if (ZSTD_getFrameHeader(&frame, z.header, z.header_bytes) != 0) return Error::none;
    z.in_header = false;
    if (frame.frameType == ZSTD_skippableFrame) return Error::none;
    // The client's word: of up to 64 bits, which sums must not wrap with. Memory has 32 at most.
    z.window_bytes = frame.windowSize < UINT32_MAX ? frame.windowSize : UINT32_MAX;
    z.block_bytes = frame.blockSizeMax;
    const std::uint64_t round = z.window_bytes + 2 * std::uint64_t{z.block_bytes} + zstd_slack + ZSTD_BLOCKSIZE_MAX;
    z.limit = window_.size() - (round <= window_.size() ? ZSTD_BLOCKSIZE_MAX : 0);
    return frame.dictID != 0 ? Error::invalid_record : Error::none;
}

// As long as all content fits, it lies in one stretch, and the size of the compressor's window does not matter. If that is small, there is a second way: decoding goes on at the front of the buffer, and zstd finds its
// history behind. The buffer's end is then kept free of content, as a block of input that lies over a seam is gathered there.
Result<std::size_t> Decompressor::run_zstd(Bytes& input, std::size_t keep) {
    Zstd& z = *zstd_;
    for (;;) {
        if (z.between) {
            if (input.empty()) return std::size_t{0};
            ZSTD_decompressBegin(z.context);
            z.between = false;
            z.in_header = true;
            z.header_bytes = 0;
            z.produced = 0;
            z.any = true;
        }
        const std::size_t wanted = ZSTD_nextSrcSizeToDecompress(z.context);
        const ZSTD_nextInputType_e type = ZSTD_nextInputType(z.context);
        const bool block = type == ZSTDnit_block || type == ZSTDnit_lastBlock;
        if (block && z.staged == 0 && window_.end() + z.block_bytes > z.limit) {
            const bool history_stays = z.produced == 0 || (z.limit < window_.size() && keep + z.block_bytes + zstd_slack + z.window_bytes <= window_.end());
            if (history_stays) window_.move_to_front(keep);
        }
        Bytes source;
        std::size_t end = z.limit;
        if (z.staged == 0 && input.size() >= wanted) {
            source = input.first(wanted);
            input = input.subspan(wanted);
        } else {
            const bool small = wanted <= sizeof z.small;
            const MutableBytes staging = small ? MutableBytes(z.small).first(wanted) : window_.tail(wanted);
            if (staging.empty()) return fail(block ? Error::out_of_memory_budget : Error::invalid_record);
            const std::size_t n = wanted - z.staged < input.size() ? wanted - z.staged : input.size();
            copy(input.first(n), staging.subspan(z.staged));
            input = input.subspan(n);
            z.staged += n;
            if (z.staged < wanted) return std::size_t{0};
            source = staging;
            z.staged = 0;
            if (!small && end > window_.size() - wanted) end = window_.size() - wanted;
        }
        if (const Error error = take_zstd_header(source); error != Error::none) return fail(error);
        window_.open(block ? z.block_bytes : 0, end);
        const MutableBytes space = window_.space();
        const std::size_t produced = ZSTD_decompressContinue(z.context, space.data(), space.size(), source.data(), source.size());
        // Short of room, zstd does not always say that this is what it lacks.
        if (ZSTD_isError(produced)) return fail(block && space.size() < z.block_bytes ? Error::out_of_memory_budget : Error::invalid_record);
        window_.added(produced);
        z.produced += produced;
        z.between = ZSTD_nextSrcSizeToDecompress(z.context) == 0;
        if (produced != 0) return produced;
    }
}

}  // namespace rivulet::record
