// What is in compressed_vectors.h, and bodies in pieces for a decoder.
#pragma once

#include <memory>

#include "record/batch_decoder.h"
#include "unit/record/batches.h"
#include "unit/record/compressed_vectors.h"

namespace rivulet::test {

inline Buffer from_base64(std::string_view text) {
    Buffer out;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        if (c == '=') break;
        const int value = c >= 'a' ? c - 'a' + 26 : c >= 'A' ? c - 'A' : c >= '0' ? c - '0' + 52 : c == '+' ? 62 : 63;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out.push_back(static_cast<std::uint8_t>(bits >> held));
    }
    return out;
}

inline std::int64_t vector_time(int i) { return i * 37 % 1000; }
inline std::string vector_key(int i) { return "k" + std::to_string(i % 7); }
inline std::string vector_value(int i, std::size_t bytes) {
    const std::string word = "value " + std::to_string(i) + " ";
    std::string value;
    while (value.size() < bytes) value += word;
    value.resize(bytes);
    return value;
}
// The records as a producer encodes them before it compresses.
inline Buffer vector_content(int records, std::size_t value_bytes) {
    Buffer out;
    for (int i = 0; i < records; ++i) {
        const std::string key = vector_key(i);
        const std::string value = vector_value(i, value_bytes);
        record::Record r;
        r.timestamp_delta = vector_time(i);
        r.offset_delta = i;
        r.has_key = r.has_value = true;
        r.key = as_bytes(key);
        r.value = as_bytes(value);
        constexpr std::uint8_t header[] = {2, 'h', 2, 'x'};
        if (i % 3 == 0) r.headers_raw = header, r.header_count = 1;
        Buffer one(record::encoded_size(r));
        Writer writer(one);
        record::encode_record(writer, r);
        out.insert(out.end(), one.begin(), one.end());
    }
    return out;
}

inline record::BatchHeader compressed_header(record::Compression codec, int records, std::int64_t base_time) {
    record::BatchHeader header;
    header.attributes = static_cast<std::uint16_t>(codec);
    header.record_count = records;
    header.last_offset_delta = records - 1;
    header.base_timestamp = Timestamp(base_time);
    header.max_timestamp = Timestamp(base_time);
    for (int i = 0; i < records; ++i) header.max_timestamp = std::max(header.max_timestamp, Timestamp(base_time + vector_time(i)));
    return header;
}
inline Buffer compressed_batch(const CompressedVector& vector, std::int64_t base_time) {
    return seal(compressed_header(vector.codec, vector.records, base_time), from_base64(vector.base64));
}
inline const CompressedVector& vector_named(std::string_view name) {
    for (const CompressedVector& vector : compressed_vectors)
        if (vector.name == name) return vector;
    RIVULET_CHECK(false);
    return compressed_vectors[0];
}

// A decoder with memory of its own, of exactly that size, so that sanitizers see its ends.
class OwnDecoder {
public:
    explicit OwnDecoder(std::size_t bytes) : memory_(new std::uint8_t[bytes]), decoder({memory_.get(), bytes}) {}

private:
    std::unique_ptr<std::uint8_t[]> memory_;

public:
    record::BatchDecoder decoder;
};

// All of a batch, in pieces of random size up to piece_max (0: at once): `use` gets each record. The error, or none once it has ended; end_of_file: cut off.
template <class Use>
Error decode_batch(record::BatchDecoder& decoder, Bytes batch, Use use, record::BatchDecoder::What what = record::BatchDecoder::What::records, std::size_t piece_max = 0, std::uint64_t content_max = 64U << 20) {
    Random random(piece_max + 1);
    decoder.begin(record::decode_header(batch), what, content_max);
    Bytes body = body_of(batch);
    do {
        const std::size_t n = piece_max == 0 ? body.size() : std::min(body.size(), random.below(piece_max + 1));
        // Pieces end where the allocation does.
        const Buffer piece(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
        decoder.feed(piece);
        body = body.subspan(n);
        while (const auto found = decoder.next()) use(*found);
        if (decoder.error() != Error::none) return decoder.error();
    } while (!body.empty());
    return decoder.ended() ? Error::none : Error::end_of_file;
}

}  // namespace rivulet::test
