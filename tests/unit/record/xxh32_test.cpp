#include "record/xxh32.h"

#include <doctest/doctest.h>

using namespace rivulet;

TEST_CASE("xxh32: known values, whole and in pieces") {
    const struct {
        std::string_view text;
        std::uint32_t hash;
    } known[] = {{"", 0x02cc5d05}, {"abc", 0x32d153ff}, {"Nobody inspects the spammish repetition", 0xe2293b2f}};
    for (const auto& [text, hash] : known) {
        for (std::size_t piece = 1; piece <= text.size() + 1; ++piece) {
            record::Xxh32 sum;
            for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(piece < rest.size() ? piece : rest.size())) sum.update(as_bytes(rest.substr(0, piece)));
            CHECK(sum.value() == hash);
        }
    }
}
