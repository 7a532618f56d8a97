#include "record/record.h"

#include <doctest/doctest.h>

#include <limits>

#include "unit/record/batches.h"

using namespace rivulet;
using namespace rivulet::record;
using test::Buffer;

namespace {

Buffer encoded(const Record& record) {
    Buffer buffer(static_cast<std::size_t>(encoded_size(record)));
    Writer out(buffer);
    encode_record(out, record);
    CHECK(out.ok());
    CHECK(out.room() == 0);
    return buffer;
}

Buffer headers(std::initializer_list<Header> list) {
    Buffer buffer(1000);
    Writer out(buffer);
    for (const Header& h : list) encode_record_header(out, h);
    CHECK(out.ok());
    buffer.resize(out.size());
    return buffer;
}

void check_same(const Record& a, const Record& b) {
    CHECK(a.timestamp_delta == b.timestamp_delta);
    CHECK(a.offset_delta == b.offset_delta);
    CHECK(a.has_key == b.has_key);
    CHECK(a.has_value == b.has_value);
    CHECK(equal(a.key, b.key));
    CHECK(equal(a.value, b.value));
    CHECK(equal(a.headers_raw, b.headers_raw));
    CHECK(a.header_count == b.header_count);
}

bool reads(const Buffer& body, std::int32_t count) {
    RecordReader reader(body, count);
    std::int32_t seen = 0;
    while (reader.next()) ++seen;
    CHECK_FALSE(reader.next());
    if (reader.error() == Error::none) CHECK(seen == count);
    return reader.error() == Error::none;
}

}  // namespace

TEST_CASE("record: fields come back, null is not empty") {
    const Buffer raw =
        headers({{as_bytes("unit"), true, as_bytes("celsius")}, {as_bytes(""), true, {}}, {as_bytes("none"), false, {}}});
    Record full;
    full.timestamp_delta = -123456789012;
    full.offset_delta = 77;
    full.has_key = full.has_value = true;
    full.key = as_bytes("key");
    full.value = as_bytes("value");
    full.headers_raw = raw;
    full.header_count = 3;
    Record empty;
    empty.has_key = empty.has_value = true;
    const Record nulls;
    Record extreme;
    const Record* const all[] = {&full, &empty, &nulls, &extreme};
    extreme.timestamp_delta = std::numeric_limits<std::int64_t>::min();
    extreme.offset_delta = std::numeric_limits<std::int32_t>::max();
    Buffer body;
    for (const Record* r : all) {
        const Buffer one = encoded(*r);
        body.insert(body.end(), one.begin(), one.end());
    }
    RecordReader reader(body, 4);
    for (const Record* r : all) {
        const std::optional<Record> got = reader.next();
        REQUIRE(got);
        check_same(*got, *r);
    }
    CHECK_FALSE(reader.next());
    CHECK(reader.error() == Error::none);
    CHECK(encoded(nulls) == Buffer{0x0c, 0, 0, 0, 1, 1, 0});

    HeaderReader list(full);
    std::optional<Header> h = list.next();
    REQUIRE(h);
    CHECK(as_text(h->key) == "unit");
    CHECK(as_text(h->value) == "celsius");
    h = list.next();
    REQUIRE(h);
    CHECK(h->key.empty());
    CHECK(h->has_value);
    h = list.next();
    REQUIRE(h);
    CHECK_FALSE(h->has_value);
    CHECK_FALSE(list.next());
    CHECK(list.error() == Error::none);
}

TEST_CASE("record: pieces are the record, at every size of length") {
    for (const std::size_t n : {0, 1, 50, 56, 57, 58, 63, 64, 8000, 8180, 8190, 8192, 2'000'000}) {
        const Buffer key(n / 3, 'k');
        const Buffer value(n, 'v');
        Record r;
        r.has_key = n % 2 == 0;
        r.has_value = true;
        if (r.has_key) r.key = key;
        r.value = value;
        r.timestamp_delta = static_cast<std::int64_t>(n);
        std::uint8_t scratch[record_scratch_bytes];
        const RecordPieces pieces = encode_pieces(scratch, r);
        Buffer joined;
        for (const Bytes piece : pieces) joined.insert(joined.end(), piece.begin(), piece.end());
        CHECK(joined.size() == pieces.total);
        CHECK(pieces.total == encoded_size(r));
        CHECK(joined == encoded(r));
        CHECK(reads(joined, 1));
    }
}

TEST_CASE("record: the longest prefixes fit the scratch") {
    Record r;
    r.timestamp_delta = std::numeric_limits<std::int64_t>::min();
    r.offset_delta = std::numeric_limits<std::int32_t>::min();
    r.has_key = r.has_value = true;
    // Lengths alone: nothing is read from these.
    r.key = {reinterpret_cast<const std::uint8_t*>(&r), 1U << 29};
    r.value = r.key;
    r.header_count = std::numeric_limits<std::int32_t>::max();
    std::uint8_t scratch[record_scratch_bytes];
    const RecordPieces pieces = encode_pieces(scratch, r);
    CHECK(pieces.total == encoded_size(r));
    CHECK(pieces.total == (1U << 30) + 5 + 1 + 10 + 5 + 5 + 5 + 5);
    CHECK(pieces.count == 5);
}

TEST_CASE("record: every cut, and wrong counts, are errors") {
    const Buffer raw = headers({{as_bytes("a"), true, as_bytes("b")}, {as_bytes("c"), false, {}}});
    Record r;
    r.has_key = r.has_value = true;
    r.key = as_bytes("key");
    r.value = as_bytes("value");
    r.headers_raw = raw;
    r.header_count = 2;
    const Buffer body = encoded(r);
    CHECK(reads(body, 1));
    CHECK_FALSE(reads(body, 0));
    CHECK_FALSE(reads(body, 2));
    CHECK_FALSE(reads(body, -1));
    CHECK(reads({}, 0));
    CHECK_FALSE(reads({}, -1));
    CHECK_FALSE(reads({}, 1));
    for (std::size_t n = 0; n < body.size(); ++n) {
        CHECK_FALSE(reads(Buffer(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n)), 1));
        // The same with a length that fits: fields are cut instead.
        Buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
        if (n > 0) cut[0] = static_cast<std::uint8_t>(2 * (n - 1));
        CHECK_FALSE(reads(cut, 1));
    }
    for (const std::int32_t wrong : {0, 1, 3, -1}) {
        r.header_count = wrong;
        CHECK_FALSE(reads(encoded(r), 1));
    }
    HeaderReader too_few(raw, 3);
    while (too_few.next()) {}
    CHECK(too_few.error() == Error::invalid_record);
    HeaderReader too_many(raw, 1);
    while (too_many.next()) {}
    CHECK(too_many.error() == Error::invalid_record);
}

TEST_CASE("record: lengths that lie") {
    // length, attributes, timestamp delta, offset delta, key length...
    CHECK(reads({0x0c, 0, 0, 0, 1, 1, 0}, 1));
    CHECK(reads({0x0c, 0xff, 0, 0, 1, 1, 0}, 1));             // attributes are ignored
    CHECK_FALSE(reads({0x00}, 1));                            // no length at all
    CHECK_FALSE(reads({0x01, 0, 0, 0, 1, 1, 0}, 1));          // -1
    CHECK_FALSE(reads({0x0a, 0, 0, 0, 1, 1, 0}, 1));          // one short
    CHECK_FALSE(reads({0x0e, 0, 0, 0, 1, 1, 0, 0}, 1));       // one long
    CHECK_FALSE(reads({0x0c, 0, 0, 0, 3, 1, 0}, 1));          // key of -2
    CHECK_FALSE(reads({0x0c, 0, 0, 0, 1, 3, 0}, 1));          // value of -2
    CHECK_FALSE(reads({0x0c, 0, 0, 0, 1, 1, 1}, 1));          // -1 headers
    CHECK_FALSE(reads({0x0c, 0, 0, 0, 1, 1, 2}, 1));          // a header that is not there
    CHECK_FALSE(reads({0x10, 0, 0, 0, 1, 1, 2, 1, 1}, 1));    // a header without a key
    CHECK(reads({0x10, 0, 0, 0, 1, 1, 2, 0, 1}, 1));
    CHECK_FALSE(reads({0x14, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0}, 1));  // a key of 2^31 - 1
    CHECK_FALSE(reads({0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0}, 1));
    CHECK_FALSE(reads({0x14, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 1, 1, 0}, 1));  // an offset delta of 33 bits
}
