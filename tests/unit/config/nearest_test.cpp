#include "config/nearest.h"

#include <doctest/doctest.h>

#include <string>

namespace rivulet::config {

TEST_CASE("edit distance") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("total", "total") == 0);
    CHECK(edit_distance("totl", "total") == 1);
    CHECK(edit_distance("toatl", "total") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("Retention-MS", "retention.ms") == 0);
    CHECK(edit_distance(std::string(65, 'a'), "a") == 65);
    CHECK(edit_distance(std::string(64, 'a'), std::string(64, 'b')) == 64);
}

TEST_CASE("nearest: the first of equals, and nothing if all are far") {
    Nearest nearest("portition");
    for (const char* name : {"total", "partition", "petition"}) nearest.offer(name);
    CHECK(nearest.name() == "partition");
    Nearest far("windmill");
    for (const char* name : {"total", "prefault"}) far.offer(name);
    CHECK(far.name().empty());
    Nearest nonsense("nonsense");
    for (const char* name : {"consume", "produce", "version"}) nonsense.offer(name);
    CHECK(nonsense.name().empty());
    Nearest part("commit");
    for (const char* name : {"size", "commit_bytes"}) part.offer(name);
    CHECK(part.name() == "commit_bytes");
    CHECK(Nearest("x").name().empty());
}

}  // namespace rivulet::config
