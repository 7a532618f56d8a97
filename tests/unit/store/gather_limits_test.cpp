// What one commit group can take: extents of many runs, batches and sessions' readings of any size that the options allow.
#include <doctest/doctest.h>

#include <string>

#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

store::StoreOptions large_batches(std::uint32_t batch_bytes_max) {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = 16U << 20;
    options.size = 8 * options.segment_bytes;
    options.batch_bytes_max = batch_bytes_max;
    options.commit_bytes = 4U << 20;
    options.blocks = 8192;
    options.logs_max = 10;
    return options;
}

TEST_CASE("gather: sessions' readings that alternate between stamped and unstamped, in many logs") {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = 1U << 20;
    options.size = 8 * options.segment_bytes;
    options.batch_bytes_max = 256 * 1024;
    options.commit_bytes = 512 * 1024;
    options.logs_max = 200;
    StoreHarness h(1, options);
    REQUIRE(h.boot());
    const LogId first = make_logs(h, 150);
    std::uint64_t ticket = 0;
    for (std::uint64_t i = 0; i < store::Ring::runs_max; ++i)
        for (std::uint64_t l = 0; l < 150; ++l) {
            const Result<store::Appended> done = try_put(h, first + l, "temperature=21.5", {500 + l, 1, i + 1}, i % 2 == 0);
            if (done) ticket = done->ticket;
        }
    REQUIRE(h.settle(ticket));
    for (std::uint64_t l = 0; l < 150; ++l) CHECK(h.log(first + l).durable_end >= Offset(15));
}

TEST_CASE("gather: batches of one log that fill a group of large batches") {
    store::StoreOptions options = large_batches(8U << 20);
    options.commit_bytes = 8U << 20;
    REQUIRE(options.check().ok());
    StoreHarness h(1, options);
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 1);
    h.log(id).batch_bytes_max = options.batch_bytes_max;
    Driver driver(h);
    std::uint64_t ticket = 0;
    for (int i = 0; i < 4; ++i) ticket = driver.append(id, 1, 1'900'000);
    REQUIRE(ticket != 0);
    REQUIRE(h.settle(ticket));
    h.cut();
    REQUIRE(h.boot());
    CHECK(h.log(id).end == Offset(4));
    CHECK(store::GroupWriter::pieces_max(options) * (store::block_bytes - record::batch_header_bytes) > options.group_bytes_max());
}

TEST_CASE("gather: sessions' readings of one log that fill a group of large batches") {
    const store::StoreOptions options = large_batches(4U << 20);
    REQUIRE(options.check().ok());
    StoreHarness h(1, options);
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 1);
    const std::string value(16'000, 'y');
    std::uint64_t ticket = 0;
    std::uint64_t taken = 0;
    while (taken < 400) {
        const Result<store::Appended> done = try_put(h, id, value, {9, 1, taken + 1}, taken % 40 == 0);
        if (!done) break;
        ticket = done->ticket;
        ++taken;
    }
    CHECK(taken > 200);
    REQUIRE(h.settle(ticket));
    h.cut();
    REQUIRE(h.boot());
    CHECK(h.log(id).end == Offset(static_cast<std::int64_t>(taken)));
    CHECK(h.store().sessions().known(9, 1).last_sequence == taken);
}

}  // namespace
}  // namespace rivulet::test
