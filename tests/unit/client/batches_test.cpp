#include "client/batches.h"

#include <doctest/doctest.h>

#include "unit/client/fake_broker.h"

using namespace rivulet;
using client::Batches;

namespace {

std::string values(Batches batches) {
    std::string all;
    while (const auto record = batches.next()) all += std::to_string(record->offset.value) + ":" + std::string(as_text(record->record.value)) + " ";
    return all + error_info(batches.error()).name;
}

std::vector<std::uint8_t> log_of_three() {
    test::BrokerState state;
    state.append(0, {"a", "b"});
    state.append(0, {"c"});
    state.append(0, {"d", "e", "f"});
    return state.logs[0];
}

// Changes the header and repairs its CRC.
void patch(std::vector<std::uint8_t>& log, std::size_t at, std::uint16_t attributes) {
    record::patch_attributes(MutableBytes(log).subspan(at, record::batch_header_bytes), attributes);
}

}  // namespace

TEST_CASE("batches: records from an offset on") {
    const auto log = log_of_three();
    CHECK(values(Batches(log, Offset(0))) == "0:a 1:b 2:c 3:d 4:e 5:f none");
    CHECK(values(Batches(log, Offset(1))) == "1:b 2:c 3:d 4:e 5:f none");
    CHECK(values(Batches(log, Offset(4))) == "4:e 5:f none");
    CHECK(values(Batches({}, Offset(4))) == "none");
    CHECK(client::end_of_batches(log, Offset(0)) == Offset(6));
    CHECK(client::end_of_batches({}, Offset(4)) == Offset(4));
}

TEST_CASE("batches: damage ends it with the batch, at any byte") {
    const auto log = log_of_three();
    for (std::size_t at = 0; at < log.size(); ++at) {
        // Base offset and leader epoch are not covered by the CRC.
        auto damaged = log;
        damaged[at] ^= 0x20;
        Batches batches(damaged, Offset(0));
        std::size_t n = 0;
        while (batches.next()) ++n;
        CHECK(n <= 6);
        if (n == 6) CHECK(batches.error() == Error::none);
        client::end_of_batches(damaged, Offset(0));
    }
    auto cut = log;
    cut.pop_back();
    CHECK(values(Batches(cut, Offset(0))) == "0:a 1:b 2:c corrupt_batch");
    auto flipped = log;
    flipped.back() ^= 1;
    CHECK(values(Batches(flipped, Offset(0))) == "0:a 1:b 2:c corrupt_batch");
}

TEST_CASE("batches: compressed ones are an error, control batches are passed over") {
    auto log = log_of_three();
    patch(log, 0, record::attribute_control | record::attribute_transactional);
    CHECK(values(Batches(log, Offset(0))) == "2:c 3:d 4:e 5:f none");
    patch(log, 0, static_cast<std::uint16_t>(record::Compression::zstd));
    Batches batches(log, Offset(0));
    CHECK_FALSE(batches.next());
    CHECK(batches.error() == Error::unsupported_compression);
    CHECK(batches.failed_at() == Offset(0));
    CHECK(batches.compression() == record::Compression::zstd);
}
