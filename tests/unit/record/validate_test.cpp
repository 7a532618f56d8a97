#include "record/validate.h"

#include <doctest/doctest.h>

#include "unit/record/batches.h"

using namespace rivulet;
using namespace rivulet::record;
using test::Buffer;
using test::reading;
using test::seal;
using test::verdict;

namespace {

BatchHeader header_of(std::int32_t count) {
    BatchHeader h;
    h.base_timestamp = h.max_timestamp = Timestamp(1000);
    h.record_count = count;
    h.last_offset_delta = count - 1;
    return h;
}

Buffer record_at(std::int32_t offset_delta, bool has_key = true) {
    Record r;
    r.offset_delta = offset_delta;
    r.has_key = has_key;
    r.has_value = true;
    if (has_key) r.key = as_bytes("k");
    r.value = as_bytes("v");
    Buffer buffer(static_cast<std::size_t>(encoded_size(r)));
    Writer out(buffer);
    encode_record(out, r);
    return buffer;
}

Buffer bodies(std::initializer_list<std::int32_t> offset_deltas) {
    Buffer body;
    for (const std::int32_t d : offset_deltas) {
        const Buffer one = record_at(d);
        body.insert(body.end(), one.begin(), one.end());
    }
    return body;
}

// What the Validator must say of an uncompressed body whose header and CRC are right, by way of RecordReader.
bool sound(Bytes body, std::int32_t count) {
    RecordReader reader(body, count);
    std::int32_t next = 0;
    while (const std::optional<Record> r = reader.next())
        if (r->offset_delta != next++) return false;
    return reader.error() == Error::none;
}

}  // namespace

TEST_CASE("validate: a batch in pieces of any size") {
    const std::string value(700, 'v');
    const Buffer batch = test::pack({reading(1000, "key", value), reading(999, "", ""), reading(1005, "key", "value")});
    for (const std::size_t piece : {0, 1, 2, 7, 61, 62, 200})
        for (std::uint64_t seed = 0; seed < 20; ++seed)
            REQUIRE(test::validate(batch, test::options_for(batch), piece, seed).ok());

    Validator validator(test::options_for(batch));
    CHECK_FALSE(validator.has_header());
    CHECK(validator.feed(Bytes(batch).first(60)));
    CHECK_FALSE(validator.has_header());
    CHECK(validator.feed(Bytes(batch).subspan(60, 1)));
    CHECK(validator.has_header());
    CHECK(validator.header() == decode_header(batch));
    CHECK(validator.feed(test::body_of(batch)));
    CHECK(validator.finish().ok());
    CHECK(validator.max_timestamp() == Timestamp(1005));
}

TEST_CASE("validate: whole records and records in pieces get the same verdict, whatever is wrong with them") {
    Record null_value, headed;
    Buffer body = bodies({0, 1});
    const auto add = [&](Record record, std::int32_t offset_delta) {
        record.offset_delta = offset_delta;
        Buffer one(static_cast<std::size_t>(encoded_size(record)));
        Writer out(one);
        encode_record(out, record);
        body.insert(body.end(), one.begin(), one.end());
    };
    const std::string large(300, 'v');
    Record stamped;
    stamped.timestamp_delta = std::int64_t{1} << 40;
    stamped.has_value = true;
    stamped.value = as_bytes(large);
    add(null_value, 2);
    add(stamped, 3);
    body.insert(body.end(), {22, 0, 0, 8, 1, 2, 'v', 2, 2, 'h', 2, 'x'});  // with a header
    const Buffer last = record_at(5, false);
    body.insert(body.end(), last.begin(), last.end());
    const BatchHeader header = header_of(6);
    REQUIRE(verdict(seal(header, body)) == Error::none);
    std::size_t good = 0;
    for (std::size_t at = 0; at < body.size(); ++at) {
        for (int to = 0; to < 256; ++to) {
            Buffer changed = body;
            changed[at] = static_cast<std::uint8_t>(to);
            const Buffer batch = seal(header, changed);
            Validator whole(test::options_for(batch)), pieces(test::options_for(batch));
            whole.feed(batch);
            for (const std::uint8_t& byte : batch) pieces.feed(Bytes(&byte, 1));
            const Status a = whole.finish(), b = pieces.finish();
            REQUIRE(a.ok() == b.ok());
            if (!a.ok()) REQUIRE(a.error() == b.error());
            else REQUIRE(whole.max_timestamp() == pieces.max_timestamp());
            good += a.ok();
        }
    }
    CHECK(good > body.size());        // each byte as it was, and other contents
    CHECK(good < body.size() * 255);
}

TEST_CASE("validate: every flipped bit is noticed, in the right way") {
    const Buffer good = test::pack({reading(1000, "key", "value"), reading(1001, "k", "another value")});
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        Buffer bad = good;
        bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
        const Error error = verdict(bad);
        const std::size_t at = bit / 8;
        CAPTURE(bit);
        if (at < 8) REQUIRE(error == Error::invalid_record);                    // base offset
        else if (at < 12) REQUIRE(error != Error::none);                        // length
        else if (at < 16) REQUIRE(error == Error::none);                        // leader epoch: not the producer's business
        else if (at == 16) REQUIRE((error == Error::corrupt_batch || error == Error::invalid_record));  // magic
        else REQUIRE(error == Error::corrupt_batch);
    }
}

TEST_CASE("validate: framing") {
    const Buffer good = test::pack({reading(1000, "key", "value")});
    for (std::size_t n = 0; n < good.size(); ++n) {
        const Buffer cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n));
        CHECK(verdict(cut) == Error::invalid_record);
        // Said to be whole, but ended early.
        CHECK(test::validate(cut, test::options_for(good)).error() == Error::invalid_record);
    }
    Buffer two = good;
    two.insert(two.end(), good.begin(), good.end());
    CHECK(verdict(two) == Error::invalid_record);
    Buffer tail = good;
    tail.push_back(0);
    CHECK(verdict(tail) == Error::invalid_record);

    Validator over(test::options_for(good));
    CHECK(over.feed(good));
    CHECK_FALSE(over.feed(as_bytes("x")));
    CHECK(over.finish().error() == Error::invalid_record);

    ValidateOptions options = test::options_for(good);
    options.batch_bytes_max = good.size();
    CHECK(test::validate(good, options).ok());
    options.batch_bytes_max = good.size() - 1;
    CHECK(test::validate(good, options).error() == Error::batch_too_large);
    Validator early(options);
    CHECK_FALSE(early.feed(Bytes(good).first(batch_header_bytes)));  // known before the body comes
    CHECK(early.finish().error() == Error::batch_too_large);

    Buffer old = good;
    old[16] = 1;
    CHECK(verdict(old) == Error::invalid_record);
}

TEST_CASE("validate: the records' order and number") {
    CHECK(verdict(seal(header_of(3), bodies({0, 1, 2}))) == Error::none);
    CHECK(verdict(seal(header_of(3), bodies({0, 1}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(3), bodies({0, 1, 2, 3}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(3), bodies({0, 2, 1}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(3), bodies({1, 2, 3}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(3), bodies({0, 1, 1}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(1), bodies({-1}))) == Error::invalid_record);
    CHECK(verdict(seal(header_of(1), {})) == Error::invalid_record);
    CHECK(verdict(seal(header_of(0), {})) == Error::invalid_record);
}

TEST_CASE("validate: stored batches may have gaps, not disorder") {
    BatchHeader h = header_of(3);
    h.base_offset = Offset(1'000'000);
    h.last_offset_delta = 9;
    CHECK(verdict(seal(h, bodies({0, 5, 9})), Origin::stored) == Error::none);
    CHECK(verdict(seal(h, bodies({3, 5, 7})), Origin::stored) == Error::none);
    CHECK(verdict(seal(h, bodies({0, 5, 10})), Origin::stored) == Error::invalid_record);
    CHECK(verdict(seal(h, bodies({5, 5, 9})), Origin::stored) == Error::invalid_record);
    CHECK(verdict(seal(h, bodies({0, 5, 9}))) == Error::invalid_record);
    h.record_count = 0;
    CHECK(verdict(seal(h, {}), Origin::stored) == Error::none);
    CHECK(verdict(seal(h, bodies({0})), Origin::stored) == Error::invalid_record);
    h.attributes = attribute_control | attribute_transactional | attribute_clock_untrusted | attribute_log_append_time;
    h.record_count = 1;
    CHECK(verdict(seal(h, bodies({0})), Origin::stored) == Error::none);
    CHECK(verdict(seal(h, bodies({0}))) == Error::invalid_record);
}

TEST_CASE("validate: a compressed batch claims no more records than its bytes can have") {
    const Bytes body = as_bytes("0123456789");
    for (const std::int32_t over : {0, 1}) {
        BatchHeader h = header_of(3);
        h.attributes = 4;
        h.record_count = static_cast<std::int32_t>(compressed_records_per_byte_max * 10) + over;
        h.last_offset_delta = h.record_count - 1;
        CHECK(verdict(seal(h, body)) == (over == 0 ? Error::none : Error::invalid_record));
    }
}

TEST_CASE("validate: compressed bodies stay closed") {
    for (const std::uint16_t codec : std::initializer_list<std::uint16_t>{1, 2, 3, 4}) {
        BatchHeader h = header_of(3);
        h.attributes = codec;
        Buffer batch = seal(h, as_bytes("whatever a compressor writes"));
        CHECK(verdict(batch) == Error::none);
        CHECK(verdict(seal(h, {})) == Error::invalid_record);
        ValidateOptions options = test::options_for(batch);
        options.zstd_allowed = false;
        options.key_required = true;
        CHECK(test::validate(batch, options, 3).error() == (codec == 4 ? Error::unsupported_compression : Error::none));
        batch.back() ^= 4;
        CHECK(verdict(batch) == Error::corrupt_batch);
        CHECK(test::validate(batch, options).error() == Error::corrupt_batch);  // first of all, are these the sent bytes?
    }
    BatchHeader h = header_of(3);
    h.attributes = 5;
    CHECK(verdict(seal(h, as_bytes("x"))) == Error::unsupported_compression);
}

TEST_CASE("validate: compacted topics need keys") {
    const Buffer batch = seal(header_of(1), record_at(0, false));
    CHECK(verdict(batch) == Error::none);
    ValidateOptions options = test::options_for(batch);
    options.key_required = true;
    CHECK(test::validate(batch, options).error() == Error::invalid_record);
    const Buffer keyed = seal(header_of(1), record_at(0));
    CHECK(test::validate(keyed, options).error() == Error::invalid_record);  // of another length
    options.framed_bytes = keyed.size();
    CHECK(test::validate(keyed, options).ok());
    Record empty;
    empty.has_key = true;
    Buffer body(static_cast<std::size_t>(encoded_size(empty)));
    Writer out(body);
    encode_record(out, empty);
    const Buffer empty_key = seal(header_of(1), body);
    options.framed_bytes = empty_key.size();
    CHECK(test::validate(empty_key, options).ok());  // empty is a key
}

TEST_CASE("validate: agrees with RecordReader on damaged bodies, however they are cut") {
    test::Random random(61);
    std::uint8_t raw[64];
    Writer headers(raw);
    encode_record_header(headers, {as_bytes("unit"), true, as_bytes("celsius")});
    encode_record_header(headers, {as_bytes("n"), false, {}});
    Reading with_headers = reading(1003, "key", "value");
    with_headers.headers_raw = headers.written();
    with_headers.header_count = 2;
    Reading tombstone = reading(1, "gone", "");
    tombstone.has_value = false;
    const Buffer good = test::pack({reading(1000, "key", "value"), with_headers, tombstone, reading(1005, "", "")});
    const Buffer good_body = test::to_buffer(test::body_of(good));
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        Buffer body = good_body;
        for (std::uint64_t n = 1 + random.below(2); n != 0; --n) {
            const auto at = body.begin() + static_cast<std::ptrdiff_t>(random.below(body.size()));
            switch (random.below(4)) {
                case 0: *at = static_cast<std::uint8_t>(random()); break;
                case 1: *at = static_cast<std::uint8_t>(*at + 2); break;
                case 2: body.insert(at, static_cast<std::uint8_t>(random.below(4))); break;
                case 3: body.erase(at); break;
            }
        }
        const Buffer batch = seal(decode_header(good), body);
        const bool want = sound(body, 4);
        accepted += want;
        REQUIRE(test::validate(batch, test::options_for(batch)).ok() == want);
        const Error in_pieces = test::validate(batch, test::options_for(batch), 5, random()).error();
        REQUIRE(in_pieces == (want ? Error::none : Error::invalid_record));
    }
    CHECK(accepted > 1000);  // changes of contents alone
    CHECK(accepted < 19000);
}
