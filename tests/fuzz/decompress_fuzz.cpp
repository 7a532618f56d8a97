// Any bytes as the body of a compressed batch. The first bytes choose the codec, the memory, the count of records and how the body is cut; then the body. What must hold besides no crash:
//   - the records do not depend on the pieces, nor on whether only times are asked for, as long as memory suffices for both;
//   - little memory gives the same records or says that it is what was lacking;
//   - no more records than the header says, offsets ascend, content stays within its limit.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "record/batch_decoder.h"

using namespace rivulet;
using namespace rivulet::record;

namespace {

constexpr std::uint64_t content_max = 4U << 20;
constexpr std::size_t plenty = 6U << 20;

void require(bool condition) {
    if (!condition) std::abort();
}

struct Outcome {
    Error error = Error::none;
    std::vector<std::int64_t> times;
    bool operator==(const Outcome&) const = default;
};

Outcome decode(Bytes body, const BatchHeader& header, std::size_t memory_bytes, BatchDecoder::What what, std::size_t piece_bytes) {
    const std::vector<std::uint8_t> memory(memory_bytes);
    BatchDecoder decoder({const_cast<std::uint8_t*>(memory.data()), memory.size()});
    decoder.begin(header, what, content_max);
    Outcome out;
    std::int64_t last = -1;
    do {
        // Pieces end where the allocation does.
        const std::size_t n = std::min(piece_bytes, body.size());
        const std::vector<std::uint8_t> piece(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
        body = body.subspan(n);
        decoder.feed(piece);
        while (const auto found = decoder.next()) {
            require(found->offset.value > last && found->offset.value <= header.last_offset().value);
            last = found->offset.value;
            out.times.push_back(found->time.value);
            require((what == BatchDecoder::What::times) == found->raw.empty());
            HeaderReader headers(found->record);
            while (headers.next()) {}
            require(headers.error() == Error::none);
        }
        out.error = decoder.error();
    } while (!body.empty() && out.error == Error::none);
    if (out.error == Error::none && !decoder.ended()) out.error = Error::end_of_file;
    require(out.error == Error::none || out.error == Error::invalid_record || out.error == Error::out_of_memory_budget || out.error == Error::unsupported_compression);
    require(out.times.size() <= static_cast<std::size_t>(header.record_count));
    require(out.error != Error::none || out.times.size() == static_cast<std::size_t>(header.record_count));
    require(decoder.content_bytes() <= content_max + (128U << 10));
    return out;
}

// One begins with the other: how much is seen before an error depends on the pieces.
bool agree(const Outcome& a, const Outcome& b) {
    const std::size_t n = std::min(a.times.size(), b.times.size());
    return std::equal(a.times.begin(), a.times.begin() + static_cast<std::ptrdiff_t>(n), b.times.begin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    const Bytes body(data + 4, size - 4);
    BatchHeader header;
    header.attributes = data[0] & 7U;
    header.record_count = static_cast<std::int32_t>(data[1]);
    header.last_offset_delta = header.record_count - 1;
    header.batch_length = static_cast<std::uint32_t>(batch_header_bytes - batch_length_end + body.size());
    const std::size_t little = std::size_t{data[2]} * 4096;
    const std::size_t piece = 1 + data[3] * std::size_t{data[3]};

    const Outcome whole = decode(body, header, plenty, BatchDecoder::What::records, body.size() + 1);
    const Outcome cut = decode(body, header, plenty, BatchDecoder::What::records, piece);
    require(agree(whole, cut) && whole.error == cut.error);
    // Nobody looks at what follows the times in a record.
    const Outcome times = decode(body, header, plenty, BatchDecoder::What::times, piece);
    require(agree(whole, times));
    if (whole.error == Error::none) require(times == whole);
    for (const auto what : {BatchDecoder::What::records, BatchDecoder::What::times}) {
        const Outcome& full = what == BatchDecoder::What::records ? whole : times;
        const Outcome less = decode(body, header, little, what, piece);
        require(agree(full, less) && (less.error == full.error || less.error == Error::out_of_memory_budget));
    }
    return 0;
}
