// Any bytes as a record batch. The first byte chooses the origin and the options and how the rest is cut into pieces; then the
// batch. What must hold besides no crash:
//   - the verdict does not depend on the pieces;
//   - with its CRC made right, an uncompressed body is sound for the Validator exactly if RecordReader reads it in order;
//   - what is accepted packs again to the same records, and header patches keep the CRC right.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/crc32c.h"
#include "record/batch.h"
#include "record/pack.h"
#include "record/record.h"
#include "record/validate.h"

using namespace rivulet;
using namespace rivulet::record;

namespace {

using Buffer = std::vector<std::uint8_t>;

void require(bool condition) {
    if (!condition) std::abort();
}

Error verdict(Bytes batch, const ValidateOptions& options, std::size_t piece) {
    Validator validator(options);
    while (!batch.empty()) {
        const std::size_t n = std::min(piece, batch.size());
        if (!validator.feed(batch.first(n))) break;
        batch = batch.subspan(n);
    }
    return validator.finish().error();
}

// The Validator's rules for the body of an uncompressed batch with a good header, said in another way.
bool sound(Bytes body, const BatchHeader& h, const ValidateOptions& options) {
    RecordReader reader(body, h.record_count);
    std::int64_t last = -1;
    while (const std::optional<Record> r = reader.next()) {
        if (options.origin == Origin::producer ? r->offset_delta != last + 1 : r->offset_delta <= last) return false;
        if (options.key_required && !r->has_key) return false;
        last = r->offset_delta;
    }
    return reader.error() == Error::none && last <= h.last_offset_delta;
}

void read_all(Bytes body, std::int32_t count) {
    RecordReader reader(body, count);
    while (const std::optional<Record> r = reader.next()) {
        HeaderReader headers(*r);
        while (headers.next()) {}
        require(headers.error() == Error::none);
    }
}

void pack_again(Bytes batch) {
    const BatchHeader h = decode_header(batch);
    Pack pack;
    // Padded varints shrink, and a time delta relative to another base may grow from 1 byte to 10.
    Buffer ours(2 * batch.size() + 10 * static_cast<std::size_t>(h.record_count));
    Writer out(ours);
    out.zeros(batch_header_bytes);
    RecordReader reader(batch.subspan(batch_header_bytes), h.record_count);
    while (const std::optional<Record> r = reader.next()) {
        const Timestamp time = h.timestamp_of(r->timestamp_delta);
        const Reading reading{time, r->has_key, r->has_value, r->key, r->value, r->headers_raw, r->header_count};
        require(pack.add(reading, out));
    }
    const BatchHeader again = pack.close();
    encode_header(again, ours);
    ValidateOptions options;
    options.framed_bytes = options.batch_bytes_max = out.size();
    require(verdict(out.written(), options, out.size()) == Error::none);
    require(again.record_count == h.record_count);
    RecordReader old_records(batch.subspan(batch_header_bytes), h.record_count);
    RecordReader new_records(out.written().subspan(batch_header_bytes), again.record_count);
    while (const std::optional<Record> a = old_records.next()) {
        const std::optional<Record> b = new_records.next();
        require(b.has_value());
        require(h.timestamp_of(a->timestamp_delta) == again.timestamp_of(b->timestamp_delta));
        require(a->has_key == b->has_key && a->has_value == b->has_value);
        require(equal(a->key, b->key) && equal(a->value, b->value) && equal(a->headers_raw, b->headers_raw));
    }
}

void check_patches(Bytes batch, std::int64_t delta) {
    Buffer copy(batch.begin(), batch.end());
    const auto holds = [&copy] {
        BatchCrc crc;
        crc.update(Bytes(copy).subspan(batch_crc_start));
        return crc.value() == decode_header(copy).crc;
    };
    patch_base_offset(copy.data(), Offset(delta));
    patch_leader_epoch(copy.data(), Epoch(static_cast<std::int32_t>(delta)));
    require(holds());
    patch_attributes(copy, static_cast<std::uint16_t>(decode_header(copy).attributes | attribute_clock_untrusted));
    require(holds());
    rebase_timestamps(copy, delta);
    require(holds() && !decode_header(copy).clock_untrusted());
    stamp_log_append_time(copy, Timestamp(delta));
    require(holds() && decode_header(copy).log_append_time());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t choice = data[0];
    const Bytes batch(data + 1, size - 1);
    ValidateOptions options;
    options.framed_bytes = batch.size();
    options.batch_bytes_max = 1 << 20;
    options.origin = (choice & 1U) != 0 ? Origin::stored : Origin::producer;
    options.key_required = (choice & 2U) != 0;
    options.zstd_allowed = (choice & 4U) == 0;
    const std::size_t piece = 1 + (choice >> 3);

    const Error as_it_is = verdict(batch, options, piece);
    require(as_it_is == verdict(batch, options, size));
    if (batch.size() < batch_header_bytes) {
        require(as_it_is == Error::invalid_record);
        return 0;
    }

    BatchHeader h = decode_header(batch);
    const Bytes body = batch.subspan(batch_header_bytes);
    read_all(body, h.record_count);
    (void)h.last_offset();
    (void)h.timestamp_of(h.max_timestamp.value);
    if (as_it_is == Error::none) require(check_header(h, batch.size(), options.batch_bytes_max, options.origin).ok());

    // The same with framing and CRC made right, so that what lies behind them is reached.
    Buffer sealed(batch.begin(), batch.end());
    h.magic = batch_magic;
    if (options.origin == Origin::producer) h.base_offset = Offset(0);
    h.batch_length = static_cast<std::uint32_t>(batch.size() - batch_length_end);
    h.crc = batch_crc(h, crc32c(body), body.size());
    encode_header(h, sealed);
    const Error error = verdict(sealed, options, piece);
    require(error == verdict(sealed, options, size));
    require(error != Error::corrupt_batch || h.base_offset.value < 0);
    if (h.compression() == Compression::none && check_header(h, sealed.size(), options.batch_bytes_max, options.origin).ok()) {
        require((error == Error::none) == sound(body, h, options));
        if (error == Error::none && h.record_count > 0) pack_again(sealed);
    }
    check_patches(sealed, h.base_timestamp.value);
    return 0;
}
