#include "client/batches.h"

#include <doctest/doctest.h>

#include "unit/client/fake_broker.h"
#include "unit/record/compressed.h"

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

TEST_CASE("batches: without a decoder compressed ones are an error, control batches are passed over") {
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

TEST_CASE("batches: compressed ones between others, from an offset within them; garbage in them is an error at their offset") {
    test::OwnDecoder own(1280 * 1024);
    for (const test::CompressedVector& vector : test::compressed_vectors) {
        if (vector.records != 20) continue;
        CAPTURE(vector.name);
        auto log = log_of_three();
        auto batch = test::compressed_batch(vector, 1000);
        record::patch_base_offset(batch.data(), Offset(6));
        log.insert(log.end(), batch.begin(), batch.end());
        auto last = log_of_three();
        record::patch_base_offset(last.data(), Offset(26));
        log.insert(log.end(), last.begin(), last.begin() + static_cast<std::ptrdiff_t>(record::decode_header(last).total_bytes()));
        for (std::int64_t from = 0; from <= 28; ++from) {
            Batches batches(log, Offset(from), &own.decoder);
            std::int64_t wanted = from;
            while (const auto record = batches.next()) {
                CHECK(record->offset.value == wanted);
                const int i = static_cast<int>(wanted++) - 6;
                if (i < 0 || i >= vector.records) continue;
                CHECK(record->time.value == 1000 + test::vector_time(i));
                CHECK(as_text(record->record.key) == test::vector_key(i));
                CHECK((as_text(record->record.value) == test::vector_value(i, vector.value_bytes)));
            }
            CHECK(batches.error() == Error::none);
            CHECK(wanted == 28);
        }
        const auto garbage = test::seal(test::compressed_header(vector.codec, 20, 1000), as_bytes("this is nothing"));
        auto damaged = log_of_three();
        damaged.insert(damaged.end(), garbage.begin(), garbage.end());
        Batches batches(damaged, Offset(0), &own.decoder);
        std::size_t n = 0;
        while (batches.next()) ++n;
        CHECK(n == 6);
        CHECK(batches.error() == Error::invalid_record);
        CHECK(batches.failed_at() == Offset(0));
    }
}
