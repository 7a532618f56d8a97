// What inspect prints of a store.
#include "store/offline/inspect.h"

#include <doctest/doctest.h>

#include "unit/store/small_store.h"

using namespace rivulet;
using namespace rivulet::store;
using namespace rivulet::test;

namespace {

Lines look(sim::Disk& disk, const InspectOptions& options = {}) {
    Lines lines;
    OfflineStore store(disk);
    REQUIRE(store.open("store").ok());
    Buffer scratch(inspect_scratch_bytes(store.geometry()));
    REQUIRE(inspect(store, options, scratch, lines).ok());
    return lines;
}

}  // namespace

TEST_CASE("inspect: overview") {
    SmallStore s;
    const Lines lines = look(s.disk);
    CHECK(lines.of("store ").size() == 1);
    CHECK(lines.of("super ").size() == 2);
    CHECK(lines.has("super slot=0 state=rules sequence=2 clean=no run=1 salt=000000000000000a run_start=69632 end=0"));
    CHECK(lines.has("logs=1 truncations=1 fences=1 boots=1 sessions=1 producers=1 clean_logs=0 topics=1 other_bytes=0"));
    CHECK(lines.has("checkpoint area=1 state=none"));
    CHECK(lines.has("log log=16 memory=yes start=100 end=750 last_stable=740 bytes=20000 last_extent=25169920 ceiling=1000 epochs=2@0,3@500"));
    CHECK(lines.has("topic name=meters id=a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf first_log=16 partitions=2 ranges=1 settings=1"));
    REQUIRE(lines.of("segment ").size() == 3);
    CHECK(lines.of("segment ")[0].starts_with("segment sequence=1 slot=1 header=ok run=1 groups="));
    CHECK(lines.of("segment ")[0].ends_with("footer=ok logs=2"));
    CHECK(lines.of("segment ")[2].ends_with("footer=none"));
    InspectOptions json;
    json.json = true;
    for (const std::string& line : look(s.disk, json).all) CHECK((line.starts_with("{\"kind\":\"") && line.ends_with("}")));
    CHECK(look(s.disk, json).has("{\"kind\":\"topic\",\"name\":\"meters\",\"id\":\"a0a1a2a3-"));
}

TEST_CASE("inspect: a segment, a log, the store's records") {
    SmallStore s;
    s.flip(s.group(2).lsn, 20);
    InspectOptions options;
    options.segment = 1;
    const Lines segment = look(s.disk, options);
    std::size_t in_first = 0;
    for (const GroupHeader& g : s.groups) in_first += s.geometry.sequence(g.lsn) == 1;
    CHECK(segment.of("group ").size() == in_first - 1);
    CHECK(segment.of("hole ").size() == 1);
    CHECK(segment.has("record lsn=69632 type=RUN_START run=1"));
    CHECK(segment.has("record lsn=69632 type=LOG_CREATE first_log=16 count=2 memory=no"));
    CHECK(segment.has("extent lsn=" + std::to_string(s.group(1).lsn.value) + " log=17 first=0 last=4 epoch=1 bytes="));
    options.log = LogId(17);
    const Lines both_given = look(s.disk, options);
    CHECK(both_given.of("extent ").size() + 1 == both_given.all.size());  // and the hole
    CHECK(both_given.of("extent ").size() == in_first - 3 + 1);
    options.segment.reset();
    CHECK(look(s.disk, options).of("extent ").size() == 11);
    options.log = LogId(0);
    CHECK(look(s.disk, options).of("record ").size() == 2);

    OfflineStore store(s.disk);
    REQUIRE(store.open("store").ok());
    Buffer scratch(inspect_scratch_bytes(store.geometry()));
    Lines lines;
    options.segment = 4;
    CHECK(inspect(store, options, scratch, lines).error() == Error::invalid_argument);
}

TEST_CASE("report: names from a store are data") {
    Lines lines;
    const std::string name = std::string("a\"b\\\n") + '\x80';
    ReportLine({lines, false}, "topic").text("name", name).flag("ok", true);
    ReportLine({lines, true}, "topic").text("name", name).flag("ok", true).number("n", -1);
    CHECK(lines.all[0] == "topic name=\"a\\\"b\\\\\\u000a\\u0080\" ok=yes");
    CHECK(lines.all[1] == "{\"kind\":\"topic\",\"name\":\"a\\\"b\\\\\\u000a\\u0080\",\"ok\":true,\"n\":-1}");
    ReportLine({lines, true}, "topic").text("name", std::string(5000, '\n')).text("more", std::string(300, 'x'));
    CHECK(lines.all[2].ends_with("x\"}"));
}
