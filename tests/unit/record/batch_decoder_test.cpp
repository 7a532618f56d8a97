#include "record/batch_decoder.h"

#include <doctest/doctest.h>

#include "unit/record/compressed.h"

using namespace rivulet;
using namespace rivulet::test;
using record::BatchDecoder;
using record::Compression;
using record::DecodedRecord;

namespace {

constexpr std::int64_t t0 = 1'700'000'000'000;
constexpr std::size_t plenty = 1280 * 1024;

Error ignore_all(Bytes batch, std::size_t memory = plenty, BatchDecoder::What what = BatchDecoder::What::records, std::size_t piece_max = 0, std::uint64_t content_max = 64U << 20) {
    OwnDecoder own(memory);
    return decode_batch(own.decoder, batch, [](const DecodedRecord&) {}, what, piece_max, content_max);
}

// Every record is as it was made.
Error check_all(const CompressedVector& vector, std::size_t memory, std::size_t piece_max = 0) {
    const Buffer content = vector_content(vector.records, vector.value_bytes);
    Bytes rest = content;
    record::RecordReader expected(content, static_cast<std::uint32_t>(vector.records));
    int i = 0;
    OwnDecoder own(memory);
    const Error error = decode_batch(own.decoder, compressed_batch(vector, t0), [&](const DecodedRecord& found) {
        REQUIRE(i < vector.records);
        CHECK(found.offset.value == i);
        CHECK(found.time.value == t0 + vector_time(i));
        CHECK(as_text(found.record.key) == vector_key(i));
        CHECK(found.record.header_count == (i % 3 == 0 ? 1 : 0));
        CHECK((as_text(found.record.value) == vector_value(i, vector.value_bytes)));
        const auto made = expected.next();
        REQUIRE(made);
        CHECK(found.record.timestamp_delta == made->timestamp_delta);
        CHECK(found.record.offset_delta == made->offset_delta);
        CHECK(equal(found.record.key, made->key));
        CHECK(equal(found.record.value, made->value));
        CHECK(equal(found.record.headers_raw, made->headers_raw));
        REQUIRE(found.raw.size() <= rest.size());
        CHECK(equal(found.raw, rest.first(found.raw.size())));
        rest = rest.subspan(found.raw.size());
        ++i;
    }, BatchDecoder::What::records, piece_max);
    if (error == Error::none) {
        CHECK(i == vector.records);
        CHECK_FALSE(expected.next());
        CHECK(rest.empty());
    }
    return error;
}

Buffer sealed(Compression codec, Bytes body, int records = 1) { return seal(compressed_header(codec, records, t0), body); }

}  // namespace

TEST_CASE("batch decoder: every codec in every framing, whole and in pieces") {
    for (const CompressedVector& vector : compressed_vectors) {
        CAPTURE(vector.name);
        const bool huge = vector.records == 300;
        for (const std::size_t piece_max : {0U, 3U, 700U, 4096U})
            if (piece_max != 3 || !huge) CHECK(check_all(vector, plenty, piece_max) == Error::none);
    }
}

TEST_CASE("batch decoder: times alone, of the same batches, with little memory where history is short") {
    for (const CompressedVector& vector : compressed_vectors) {
        CAPTURE(vector.name);
        OwnDecoder own(vector.codec == Compression::zstd ? 640 * 1024 : 140 * 1024);
        for (const std::size_t piece_max : {0U, 1U, 500U}) {
            int i = 0;
            CHECK(decode_batch(own.decoder, compressed_batch(vector, t0), [&](const DecodedRecord& found) {
                CHECK(found.offset.value == i);
                CHECK(found.time.value == t0 + vector_time(i));
                CHECK(found.raw.empty());
                CHECK(found.record.key.empty());
                CHECK(found.record.value.empty());
                ++i;
            }, BatchDecoder::What::times, piece_max) == Error::none);
            CHECK(i == vector.records);
        }
    }
}

TEST_CASE("batch decoder: uncompressed batches, with room for the largest record alone") {
    const Buffer content = vector_content(60, 4000);
    const Buffer batch = sealed(Compression::none, content, 60);
    for (const std::size_t piece_max : {0U, 100U, 5000U}) {
        int i = 0;
        OwnDecoder own(5000);
        CHECK(decode_batch(own.decoder, batch, [&](const DecodedRecord& found) {
            CHECK((as_text(found.record.value) == vector_value(i, 4000)));
            CHECK(found.offset.value == i++);
        }, BatchDecoder::What::records, piece_max) == Error::none);
        CHECK(i == 60);
    }
    CHECK(ignore_all(batch, 3000) == Error::out_of_memory_budget);
    CHECK(ignore_all(batch, 64, BatchDecoder::What::times) == Error::none);
    CHECK(ignore_all(batch, 0) == Error::out_of_memory_budget);
}

TEST_CASE("batch decoder: content larger than the window streams through; what needs more history is told from damage") {
    // 240 KB and 1.2 MB of content.
    for (const CompressedVector& vector : compressed_vectors) {
        if (vector.value_bytes != 4000) continue;
        CAPTURE(vector.name);
        switch (vector.codec) {
            case Compression::gzip:
                CHECK(check_all(vector, 48 * 1024 + 6000, 1000) == Error::none);
                CHECK(check_all(vector, 40 * 1024) == Error::out_of_memory_budget);
                break;
            case Compression::lz4:
                CHECK(check_all(vector, 64 * 1024 + 6000, 1000) == Error::none);
                break;
            case Compression::snappy: CHECK(check_all(vector, 140 * 1024, 1000) == Error::none); break;
            default: break;
        }
    }
    const CompressedVector& streamed = vector_named("zstd of 1.2 MB, window of 128 KiB");
    CHECK(check_all(streamed, 640 * 1024) == Error::none);
    CHECK(check_all(streamed, 640 * 1024, 2000) == Error::none);
    CHECK(check_all(streamed, 450 * 1024) == Error::out_of_memory_budget);
    const CompressedVector& wide = vector_named("zstd large, size unknown, window of 2 MiB");
    CHECK(check_all(wide, 512 * 1024) == Error::none);
    CHECK(check_all(wide, 360 * 1024) == Error::none);
    CHECK(check_all(wide, 360 * 1024, 1000) == Error::none);
    CHECK(check_all(wide, 320 * 1024) == Error::out_of_memory_budget);
    CHECK(check_all(wide, 100 * 1024) == Error::out_of_memory_budget);
}

TEST_CASE("batch decoder: whatever the last byte may be, what is cut off does not end well") {
    for (const CompressedVector& vector : compressed_vectors) {
        if (vector.value_bytes != 40) continue;
        CAPTURE(vector.name);
        const Buffer body = from_base64(vector.base64);
        for (std::size_t n = 0; n < body.size(); ++n) {
            CAPTURE(n);
            CHECK(ignore_all(seal(compressed_header(vector.codec, vector.records, t0), Bytes(body).first(n))) == Error::invalid_record);
        }
        Buffer more = body;
        more.push_back(0);
        CHECK(ignore_all(seal(compressed_header(vector.codec, vector.records, t0), more)) == Error::invalid_record);
    }
}

TEST_CASE("batch decoder: any flipped bit is an error or harmless, never more records") {
    for (const CompressedVector& vector : compressed_vectors) {
        if (vector.value_bytes != 40) continue;
        CAPTURE(vector.name);
        Buffer batch = compressed_batch(vector, t0);
        for (std::size_t at = record::batch_header_bytes; at < batch.size(); ++at) {
            for (int bit = 0; bit < 8; ++bit) {
                batch[at] ^= static_cast<std::uint8_t>(1 << bit);
                int n = 0;
                OwnDecoder own(512 * 1024);
                const Error error = decode_batch(own.decoder, batch, [&](const DecodedRecord&) { ++n; });
                CHECK(n <= vector.records);
                CHECK((error == Error::none || error == Error::invalid_record || error == Error::out_of_memory_budget));
                if (error == Error::none) CHECK(n == vector.records);
                batch[at] ^= static_cast<std::uint8_t>(1 << bit);
            }
        }
    }
}

TEST_CASE("batch decoder: checksums of gzip, lz4 and zstd are looked at") {
    for (const auto& [name, from_end] : {std::pair{"gzip", 8}, {"gzip", 1}, {"lz4 with all checksums and its size", 1}, {"lz4 with all checksums and its size", 9}, {"zstd, size unknown, window of 2 MiB, checksum", 1}}) {
        CAPTURE(name);
        const CompressedVector& vector = vector_named(name);
        Buffer batch = compressed_batch(vector, t0);
        batch[batch.size() - static_cast<std::size_t>(from_end)] ^= 0x10;
        CHECK(ignore_all(batch) == Error::invalid_record);
    }
}

TEST_CASE("batch decoder: counts, offsets and lengths that lie") {
    const CompressedVector& vector = vector_named("lz4");
    const Buffer body = from_base64(vector.base64);
    for (const int count : {0, 1, 19, 21, -1}) {
        record::BatchHeader header = compressed_header(vector.codec, vector.records, t0);
        header.record_count = count;
        for (const auto what : {BatchDecoder::What::records, BatchDecoder::What::times}) CHECK(ignore_all(seal(header, body), plenty, what) == Error::invalid_record);
    }
    record::BatchHeader header = compressed_header(vector.codec, vector.records, t0);
    header.last_offset_delta = 18;
    CHECK(ignore_all(seal(header, body)) == Error::invalid_record);
    // A record that says it is longer than all there is, one of no length, one whose fields go beyond it.
    for (const std::string_view content : {std::string_view("\xfe\xff\xff\xff\x0f\0\0\0", 8), std::string_view("\0\0\0\0", 4), std::string_view("\x02\0\0\0\0\0\0", 7), std::string_view("\xff\xff\xff\xff\xff\xff", 6)})
        for (const auto what : {BatchDecoder::What::records, BatchDecoder::What::times}) CHECK(ignore_all(sealed(Compression::none, as_bytes(content)), plenty, what) == Error::invalid_record);
    CHECK(ignore_all(sealed(static_cast<Compression>(6), as_bytes("x"))) == Error::unsupported_compression);
}

TEST_CASE("batch decoder: bombs end at the content limit") {
    // 1.2 MB of content behind a limit of 1 MB; and a record of 2 GiB in 64 KB of zstd: blocks of a byte repeated 128 KiB times.
    CHECK(ignore_all(compressed_batch(vector_named("zstd of 1.2 MB, window of 128 KiB"), t0), plenty, BatchDecoder::What::times, 0, 1'000'000) == Error::invalid_record);
    Buffer bomb{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38, 0x40, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00, 0x00};
    for (int i = 0; i < 16'384; ++i) bomb.insert(bomb.end(), {0x02, 0x00, 0x10, 0x00});
    bomb.insert(bomb.end(), {0x03, 0x00, 0x10, 0x00});
    OwnDecoder own(plenty);
    CHECK(decode_batch(own.decoder, sealed(Compression::zstd, bomb), [](const DecodedRecord&) {}, BatchDecoder::What::times, 0, 4U << 20) == Error::invalid_record);
    CHECK(own.decoder.content_bytes() > (4U << 20));
    CHECK(own.decoder.content_bytes() <= (4U << 20) + (128U << 10));
    // lz4: a match that goes on, 255 bytes a byte.
    Buffer long_match{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0, 0, 4, 0, 0x1f, 0x80, 0x01, 0x00};
    long_match.insert(long_match.end(), 300'000, 0xff);
    CHECK(ignore_all(sealed(Compression::lz4, long_match)) == Error::invalid_record);
}

TEST_CASE("batch decoder: snappy copies from beyond what is held are told from damage") {
    // A raw block of 400,000 bytes: the first 100,000 'a', then a copy from 350,000 bytes back near its end.
    Buffer body;
    std::uint8_t varint[varint_bytes_max];
    body.insert(body.end(), varint, store_varint(varint, 400'000));
    const auto literal = [&](std::size_t n) {
        body.insert(body.end(), {62 << 2, static_cast<std::uint8_t>(n - 1), static_cast<std::uint8_t>((n - 1) >> 8), static_cast<std::uint8_t>((n - 1) >> 16)});
        body.insert(body.end(), n, 0);
    };
    literal(399'990);
    body.insert(body.end(), {static_cast<std::uint8_t>((10 - 1) << 2 | 3), 0x30, 0x57, 0x05, 0x00});
    Buffer with = sealed(Compression::snappy, body);
    // 0 is no record: large memory reads so far, little memory does not get there.
    CHECK(ignore_all(with) == Error::invalid_record);
    record::Record giant;
    const Buffer zeros(399'700, 0);
    giant.has_value = true;
    giant.value = zeros;
    Buffer record_bytes(record::encoded_size(giant));
    Writer writer(record_bytes);
    record::encode_record(writer, giant);
    const std::size_t head = record_bytes.size() - zeros.size() - 1;
    Buffer real;
    real.insert(real.end(), varint, store_varint(varint, record_bytes.size()));
    body = real;
    body.push_back(static_cast<std::uint8_t>((head - 1) << 2));
    body.insert(body.end(), record_bytes.begin(), record_bytes.begin() + static_cast<std::ptrdiff_t>(head));
    literal(zeros.size() + 1 - 10);
    body.insert(body.end(), {static_cast<std::uint8_t>((10 - 1) << 2 | 3), 0x30, 0x57, 0x05, 0x00});
    with = sealed(Compression::snappy, body);
    CHECK(ignore_all(with) == Error::none);
    CHECK(ignore_all(with, plenty, BatchDecoder::What::times, 300) == Error::none);
    CHECK(ignore_all(with, 140 * 1024, BatchDecoder::What::times) == Error::out_of_memory_budget);
}

TEST_CASE("batch decoder: a zstd frame may say that its window is of any size, up to 64 bits") {
    // With all that lies beside a window, the first one is 100 again in 64 bits; the others are the largest, and the one that is nothing in 32 bits.
    for (const std::uint64_t content_size : {std::uint64_t{0} - 393'280 + 100, UINT64_MAX, std::uint64_t{1} << 32}) {
        Buffer body{0x28, 0xb5, 0x2f, 0xfd, 0xe0};
        for (int i = 0; i < 8; ++i) body.push_back(static_cast<std::uint8_t>(content_size >> (8 * i)));
        // A record of 2 GiB: its head, then blocks of a byte repeated 128 KiB times.
        body.insert(body.end(), {0x40, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00, 0x00});
        for (int i = 0; i < 20; ++i) body.insert(body.end(), {0x02, 0x00, 0x10, 0x00});
        const Buffer batch = sealed(Compression::zstd, body);
        for (const std::size_t memory : {64U << 10, 100U << 10, 196'608U, 1280U << 10})
            for (const std::size_t piece_max : {0U, 3U}) CHECK(ignore_all(batch, memory, BatchDecoder::What::times, piece_max) == Error::out_of_memory_budget);
    }
}

TEST_CASE("batch decoder: a snappy copy that is behind the window's history where it crosses the window's end") {
    // Zeros, and 1,100 copies from 150,000 bytes back. Of 256 KiB half is kept, where they are at the end, in the middle of a copy.
    constexpr std::size_t literal_bytes = 200'010;
    constexpr std::size_t copies = 1'100;
    const Buffer zeros(literal_bytes + 64 * copies - 20, 0);
    record::Record giant;
    giant.has_value = true;
    giant.value = zeros;
    Buffer content(record::encoded_size(giant));
    Writer writer(content);
    record::encode_record(writer, giant);
    const std::size_t first = content.size() - 64 * copies;
    REQUIRE((256 * 1024 - first) % 64 != 0);
    Buffer body;
    std::uint8_t varint[varint_bytes_max];
    body.insert(body.end(), varint, store_varint(varint, content.size()));
    body.insert(body.end(), {62 << 2, static_cast<std::uint8_t>(first - 1), static_cast<std::uint8_t>((first - 1) >> 8), static_cast<std::uint8_t>((first - 1) >> 16)});
    body.insert(body.end(), content.begin(), content.begin() + static_cast<std::ptrdiff_t>(first));
    for (std::size_t i = 0; i < copies; ++i) body.insert(body.end(), {63 << 2 | 3, 0xf0, 0x49, 0x02, 0x00});
    const Buffer batch = sealed(Compression::snappy, body);
    CHECK(ignore_all(batch) == Error::none);
    for (const std::size_t piece_max : {0U, 300U}) CHECK(ignore_all(batch, 256 * 1024, BatchDecoder::What::times, piece_max) == Error::out_of_memory_budget);
}
