// Batches for tests: built, changed and sealed again.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc32c.h"
#include "record/batch.h"
#include "record/pack.h"
#include "record/record.h"
#include "record/validate.h"
#include "unit/base/random.h"

namespace rivulet::test {

using Buffer = std::vector<std::uint8_t>;

inline Buffer to_buffer(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

inline Buffer from_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Buffer out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    return out;
}

inline record::Reading reading(std::int64_t time, std::string_view key, std::string_view value) {
    record::Reading r;
    r.timestamp = Timestamp(time);
    r.has_key = true;
    r.key = as_bytes(key);
    r.value = as_bytes(value);
    return r;
}

inline Bytes body_of(Bytes batch) { return batch.subspan(record::batch_header_bytes); }

// A batch around a body as it is: length and CRC are filled in.
inline Buffer seal(record::BatchHeader header, Bytes body) {
    header.batch_length = static_cast<std::uint32_t>(record::batch_header_bytes - record::batch_length_end + body.size());
    header.crc = record::batch_crc(header, crc32c(body), body.size());
    Buffer out(record::batch_header_bytes);
    record::encode_header(header, out);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

inline Buffer pack(const std::vector<record::Reading>& readings, std::uint16_t attributes = 0) {
    record::Pack pack(attributes);
    Buffer out(record::batch_header_bytes);
    for (const record::Reading& r : readings) {
        std::uint8_t scratch[record::record_scratch_bytes];
        for (const Bytes piece : pack.add(r, scratch)) out.insert(out.end(), piece.begin(), piece.end());
    }
    record::encode_header(pack.close(), out);
    return out;
}

inline record::ValidateOptions options_for(Bytes batch, record::Origin origin = record::Origin::producer) {
    record::ValidateOptions options;
    options.framed_bytes = batch.size();
    options.batch_bytes_max = 1 << 20;
    options.origin = origin;
    return options;
}

// The verdict, in pieces of random size up to piece_max (0: all at once).
inline Status validate(Bytes batch, const record::ValidateOptions& options, std::size_t piece_max = 0, std::uint64_t seed = 1) {
    Random random(seed);
    record::Validator validator(options);
    while (!batch.empty()) {
        const std::size_t n = piece_max == 0 ? batch.size() : std::min(batch.size(), random.below(piece_max + 1));
        if (!validator.feed(batch.first(n))) break;
        batch = batch.subspan(n);
    }
    return validator.finish();
}
inline Error verdict(Bytes batch, record::Origin origin = record::Origin::producer) {
    return validate(batch, options_for(batch, origin)).error();
}

}  // namespace rivulet::test
