// Room for journal records: what the options allow can be created, and what never fits is not called busy.
#include <doctest/doctest.h>

#include "support/log_model.h"

namespace rivulet::test {
namespace {

// Creates and deletes; the error of the second try, when the first was told busy.
Error create_and_delete(StoreHarness& h, std::uint32_t count, bool memory) {
    const Buffer catalogue(500);
    const auto create = [&] { return h.act([&] { return h.store().create_logs(count, memory, catalogue); }); };
    Result<std::uint64_t> created = create();
    if (created.error() == Error::busy) {
        h.run_for(5 * ns_per_s);
        created = create();
    }
    if (!created) return created.error();
    REQUIRE(h.settle(*created));
    const Result<std::uint64_t> gone = h.act([&] { return h.store().delete_logs(h.store().next_log_id() - count, count); });
    REQUIRE(gone.ok());
    REQUIRE(h.settle(*gone));
    return Error::none;
}

store::StoreOptions options_of(std::uint64_t segment_bytes, std::uint32_t batch_bytes_max) {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = segment_bytes;
    options.size = 8 * segment_bytes;
    options.batch_bytes_max = batch_bytes_max;
    return options;
}

TEST_CASE("records: a topic takes all partitions that the options allow, in memory or not") {
    StoreHarness h(1, options_of(4U << 20, 1'048'588));
    REQUIRE(h.boot());
    for (const std::uint32_t count : {1U, 400U, 520U, 1000U})
        for (const bool memory : {false, true}) {
            CAPTURE(count);
            CHECK(create_and_delete(h, count, memory) == Error::none);
        }
}

TEST_CASE("records: with small batches and many logs either all topics can be created or the options are refused") {
    std::uint32_t taken = 0;
    for (const std::uint32_t batch : {4U << 10, 8U << 10, 16U << 10, 32U << 10, 64U << 10, 128U << 10}) {
        for (const std::uint32_t logs : {4U, 100U, 400U, 1000U}) {
            CAPTURE(batch);
            CAPTURE(logs);
            store::StoreOptions options = options_of(1U << 20, batch);
            options.logs_max = logs;
            const Status status = options.check();
            if (!status) {
                CHECK(status.failure().detail == 8);
                continue;
            }
            ++taken;
            StoreHarness h(1, options);
            REQUIRE(h.boot());
            CHECK(create_and_delete(h, 1, false) == Error::none);
            CHECK(create_and_delete(h, logs, true) == Error::none);
        }
    }
    CHECK(taken > 12);
    store::StoreOptions usual = options_of(1U << 20, 64 * 1024);
    CHECK(usual.check().ok());
}

TEST_CASE("records: one that no buffer takes is refused for good") {
    StoreHarness h;
    REQUIRE(h.boot());
    const Buffer body(store::Committer::records_bytes(h.options()));
    const Result<std::uint64_t> done = h.act([&] { return h.store().append_record(store::RecordType::topic, body); });
    CHECK(done.error() == Error::limit_reached);
}

}  // namespace
}  // namespace rivulet::test
