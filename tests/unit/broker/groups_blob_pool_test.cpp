#include "broker/groups/blob_pool.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "unit/base/random.h"

namespace rivulet::test {
namespace {

struct Pool {
    explicit Pool(std::uint32_t bytes) : memory(broker::BlobPool::memory_bytes(bytes) + 16), arena(MutableBytes(memory)), blobs(arena, bytes) {}
    std::vector<std::uint8_t> memory;
    Arena arena;
    broker::BlobPool blobs;
};

TEST_CASE("blob pool: stores, replaces and clears") {
    Pool pool(1024);
    broker::Blob blob;
    CHECK(pool.blobs.view(blob).empty());
    CHECK(pool.blobs.assign(blob, "abc"));
    CHECK(pool.blobs.text(blob) == "abc");
    CHECK(pool.blobs.used() == broker::BlobPool::cost(3));
    CHECK(pool.blobs.assign(blob, "a longer text than before"));
    CHECK(pool.blobs.text(blob) == "a longer text than before");
    CHECK(pool.blobs.assign(blob, ""));
    CHECK(pool.blobs.used() == 0);
    pool.blobs.clear(blob);
    CHECK(pool.blobs.used() == 0);
}

TEST_CASE("blob pool: full is full, and changes nothing") {
    Pool pool(256);
    broker::Blob one;
    broker::Blob two;
    CHECK(pool.blobs.assign(one, std::string(240, 'x')));
    CHECK(pool.blobs.used() == 256);
    CHECK(!pool.blobs.assign(two, "y"));
    CHECK(!pool.blobs.assign(one, std::string(241, 'z')));
    CHECK(pool.blobs.text(one) == std::string(240, 'x'));
    CHECK(pool.blobs.assign(one, std::string(239, 'z')));
    CHECK(pool.blobs.fits(broker::BlobPool::cost(240), 256));
    CHECK(!pool.blobs.fits(1));
}

TEST_CASE("blob pool: all of it can be used, whatever came and went before") {
    constexpr std::uint32_t bytes = 8192;
    Pool pool(bytes);
    std::vector<broker::Blob> blobs(96);
    std::vector<std::string> expected(blobs.size());
    Random random(7);
    std::uint64_t given = 0;
    std::uint64_t moved = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::size_t at = random.below(blobs.size());
        const std::string text(random.below(300), static_cast<char>('a' + i % 26));
        const std::uint64_t used = pool.blobs.used() - broker::BlobPool::cost(blobs[at].size) + broker::BlobPool::cost(text.size());
        const bool fits = used <= bytes;
        REQUIRE(pool.blobs.assign(blobs[at], text) == fits);
        if (fits) {
            expected[at] = text;
            given += broker::BlobPool::cost(text.size());
        } else if (random.below(2) == 0) {
            pool.blobs.clear(blobs[at]);
            expected[at].clear();
        }
        moved += pool.blobs.work();
    }
    for (std::size_t i = 0; i < blobs.size(); ++i) CHECK(pool.blobs.text(blobs[i]) == expected[i]);
    CHECK(moved > 0);
    CHECK(moved <= given * 9);
}

}  // namespace
}  // namespace rivulet::test
