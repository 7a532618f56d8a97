#include "client/window.h"

#include <doctest/doctest.h>

#include <deque>
#include <string>

#include "unit/base/random.h"

using namespace rivulet;
using client::Window;
using wire::compact::Reading;

namespace {

Reading reading(std::string_view key, std::string_view value) {
    Reading r;
    r.has_key = !key.empty();
    r.key = as_bytes(key);
    r.value = as_bytes(value);
    return r;
}

}  // namespace

TEST_CASE("window: keeps what it is given") {
    std::vector<std::uint8_t> buffer(4096);
    Window window{MutableBytes(buffer)};
    CHECK(window.empty());
    std::uint8_t header_bytes[64];
    Writer out(header_bytes);
    const wire::compact::Header header{"unit", true, as_bytes("C")};
    Reading full = reading("k", "v");
    full.headers = wire::compact::encode_headers(out, {&header, 1});
    full.stamped = true;
    full.time = Timestamp(-77);
    Reading tombstone = reading("k2", "");
    tombstone.has_value = false;
    REQUIRE(window.push(full));
    REQUIRE(window.push(tombstone));
    const Reading a = window.read(window.oldest());
    CHECK(as_text(a.key) == "k");
    CHECK(as_text(a.value) == "v");
    CHECK(a.stamped);
    CHECK(a.time == Timestamp(-77));
    REQUIRE(a.headers.size() == 1);
    CHECK(a.headers.front().key == "unit");
    const Window::Cursor second = window.after(window.oldest());
    CHECK_FALSE(window.read(second).has_value);
    CHECK(window.at_end(window.after(second)));
    window.pop(2);
    CHECK(window.empty());
}

TEST_CASE("window: a ring at all places, with a cursor behind the oldest") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        test::Random random(seed);
        std::vector<std::uint8_t> buffer(600 + random.below(900));
        Window window{MutableBytes(buffer)};
        std::deque<std::string> model;
        Window::Cursor cursor = 0;
        std::size_t before_cursor = 0;  // readings between the oldest and the cursor
        std::size_t full = 0;
        for (int step = 0; step < 3000; ++step) {
            switch (random.below(3)) {
            case 0: {
                const std::string value(random.below(200), static_cast<char>('a' + step % 26));
                if (!window.fits(reading("key", value))) break;
                if (window.push(reading("key", value))) model.push_back(value);
                else ++full;
                break;
            }
            case 1: {
                const std::size_t n = random.below(model.size() + 1) / 2;
                window.pop(n);
                model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(n));
                before_cursor = before_cursor > n ? before_cursor - n : 0;
                if (before_cursor == 0) cursor = window.oldest();
                break;
            }
            default:
                if (before_cursor == 0) cursor = window.oldest();
                if (before_cursor < model.size()) {
                    REQUIRE(as_text(window.read(cursor).value) == model[before_cursor]);
                    cursor = window.after(cursor);
                    ++before_cursor;
                }
            }
            REQUIRE(window.count() == model.size());
            Window::Cursor at = window.oldest();
            for (const std::string& value : model) {
                REQUIRE(as_text(window.read(at).value) == value);
                at = window.after(at);
            }
        }
        CHECK(full > 0);
    }
}
