// Files of the store that somebody removes while it is in use: it says so, once each.
#include <doctest/doctest.h>

#include "store/store_files.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

struct Watched : StoreHarness {
    Watched() {
        world.on_log = [this](sim::Node&, env::LogLevel level, std::string_view line) {
            if (level == env::LogLevel::error) errors.emplace_back(line);
        };
        REQUIRE(boot());
        make_logs(*this, 1);
    }
    void checkpoint() {
        const std::uint64_t before = store().state().checkpoint_sequence;
        for (int i = 0; i < 2000 && store().state().checkpoint_sequence == before; ++i) store_value(*this, store::first_user_log, std::string(3000, 'v'));
        REQUIRE(store().state().checkpoint_sequence != before);
        run_for(ns_per_s);
    }
    std::vector<std::string> errors;
};

TEST_CASE("removed files: told at the next checkpoint, and not again") {
    Watched h;
    h.checkpoint();
    CHECK(h.errors.empty());
    h.disk().erase("store/journal");
    h.checkpoint();
    REQUIRE(h.errors.size() == 1);
    CHECK(h.errors[0].find("store/journal was removed while in use: what is written now is lost at the next start") != std::string::npos);
    h.checkpoint();
    CHECK(h.errors.size() == 1);
    h.disk().erase("store/checkpoint.0");
    h.disk().erase("store/super");
    h.checkpoint();
    REQUIRE(h.errors.size() == 3);
    CHECK_FALSE(h.stop());
    CHECK(h.errors.size() == 3);
}

TEST_CASE("removed files: told at a stop before any checkpoint") {
    Watched h;
    h.disk().erase("store/super");
    CHECK_FALSE(h.stop());
    REQUIRE(h.errors.size() == 1);
    CHECK(h.errors[0].find("store/super was removed while in use") != std::string::npos);
}

}  // namespace
}  // namespace rivulet::test
