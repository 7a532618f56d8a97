// Creation: from nothing, with no room, on top of what is not ours.
#include <doctest/doctest.h>

#include "unit/store/store_calls.h"

namespace rivulet::test {

TEST_CASE("create: a card that is full gives no_space and nothing stays behind") {
    StoreHarness h;
    h.disk().set_capacity(300 * 1024);
    CHECK(h.boot().error() == Error::no_space);
    CHECK(h.disk().paths().empty());
    h.kill();
    h.disk().set_capacity(UINT64_MAX);
    const auto opened = h.boot();
    REQUIRE(opened);
    CHECK(opened->created);
}

TEST_CASE("create: another geometry in the configuration is refused and changes nothing") {
    StoreHarness h;
    REQUIRE(h.boot());
    REQUIRE(h.stop());
    const auto before = h.disk().contents("store/super");
    store::StoreOptions other = small_store();
    other.size *= 2;
    StoreHarness again(2, other);
    again.disk().restore(h.disk().snapshot());
    CHECK(again.boot().error() == Error::store_mismatch);
    CHECK(again.disk().contents("store/super") == before);
}

TEST_CASE("create: a file named super that is no store's is left as it is") {
    const auto start = [](const std::vector<std::uint8_t>& content) {
        StoreHarness h;
        REQUIRE(h.disk().make_directory("store"));
        const Result<env::File*> file = h.disk().open("store/super", env::OpenMode::create);
        REQUIRE(file);
        REQUIRE(h.disk().write(**file, 0, Bytes(content)));
        REQUIRE(h.disk().sync(**file));
        REQUIRE(h.disk().sync_directory("store"));
        h.disk().end_process();
        const Result<store::OpenReport> opened = h.boot();
        if (!opened) {
            CHECK(h.disk().contents("store/super") == content);
            CHECK(h.disk().paths() == std::vector<std::string>{"store/super"});
            CHECK(h.world.recent_log().back().find("super is no store's") != std::string::npos);
        }
        return opened.error();
    };
    CHECK(start({'h', 'i'}) == Error::not_a_store);
    std::vector<std::uint8_t> zeros(store::super_bytes);
    CHECK(start({}) == Error::none);
    CHECK(start({zeros.begin(), zeros.begin() + 2}) == Error::none);
    CHECK(start(zeros) == Error::none);
    zeros.back() = 1;
    CHECK(start(zeros) == Error::not_a_store);
    // Longer than ours.
    CHECK(start(std::vector<std::uint8_t>(store::super_bytes + 1)) == Error::not_a_store);
}

TEST_CASE("create: limits below what the store has are refused, with the setting and the value that is needed") {
    store::StoreOptions made = small_store();
    made.batch_bytes_max = 16'000;
    StoreHarness h(1, made);
    REQUIRE(h.boot());
    make_logs(h, 5);
    SUBCASE("in the journal") {}
    SUBCASE("in a checkpoint") {
        for (int i = 0; i < 2000 && h.store().state().checkpoint_sequence == 0; ++i) store_value(h, store::first_user_log, std::string(3000, 'v'));
        REQUIRE(h.store().state().checkpoint_sequence != 0);
    }
    REQUIRE(h.stop());
    const auto refused = [&](const store::StoreOptions& options, std::string_view line) {
        StoreHarness again(2, options);
        again.disk().restore(h.disk().snapshot());
        const auto journal = again.disk().contents("store/journal");
        const Result<store::OpenReport> opened = again.boot();
        CHECK_FALSE(opened);
        CHECK(opened.failure().detail == 0);
        REQUIRE_FALSE(again.world.recent_log().empty());
        CHECK(again.world.recent_log().back().find(line) != std::string::npos);
        CHECK(again.disk().contents("store/journal") == journal);
        return opened.error();
    };
    const auto starts = [&](const store::StoreOptions& options) {
        StoreHarness again(2, options);
        again.disk().restore(h.disk().snapshot());
        CHECK(again.boot());
    };
    store::StoreOptions other = made;
    other.batch_bytes_max = 8000;
    // 16,000 and group header and table take 6 pages; one byte more than 5 is as good.
    CHECK(refused(other, "limits.batch_bytes = 8000 is less than this store has had: at least 12209 is needed") == Error::store_mismatch);
    other.batch_bytes_max = 12'208;
    CHECK(refused(other, "at least 12209 is needed") == Error::store_mismatch);
    other.batch_bytes_max = 12'209;
    starts(other);
    other = made;
    other.logs_max = 3;
    CHECK(refused(other, "limits.partitions = 3 is less than this store has: at least 5 is needed") == Error::limit_reached);
    other.logs_max = 5;
    starts(other);
}

TEST_CASE("create: a second start finds what the first made") {
    StoreHarness h;
    const auto first = h.boot();
    REQUIRE(first);
    CHECK(first->created);
    REQUIRE(h.stop());
    const auto second = h.boot();
    REQUIRE(second);
    CHECK_FALSE(second->created);
    CHECK(second->was_clean);
    CHECK(h.store().state().head.run == 2);
}

}  // namespace rivulet::test
