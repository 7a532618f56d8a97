// Frozen bytes of GROUP, all of its operations.
#include "golden/compact_examples.h"

#include "wire/compact/group_frames.h"

using namespace rivulet;
using namespace rivulet::wire::compact;
using namespace rivulet::wire::compact::golden;

TEST_CASE("looking at groups, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    GroupRequest request;
    request.group = "loggers";
    request.entries_max = 100;
    encode_group_request(up.out, 20, request);
    auto read = decode_group_request(up.frame("GROUP list").body);
    REQUIRE(read);
    CHECK(read->operation == GroupOperation::list);
    CHECK(read->group == "loggers");
    CHECK(read->entries_max == 100);
    GroupPageEncoder list(down.out, 20, 1024);
    REQUIRE(list.add(GroupEntry{"readers", "consumer", GroupState::stable, 2}));
    list.finish(true);
    FrameView frame = down.frame("GROUP list answer");
    const auto listed = decode_group_listed(answer_of(frame).rest, frame.flags);
    REQUIRE(listed);
    CHECK(listed->more);
    CHECK(listed->entries.size() == 1);
    CHECK(listed->entries.front().protocol_type == "consumer");
    CHECK(listed->entries.front().state == GroupState::stable);
    CHECK(listed->entries.front().members == 2);

    request = {};
    request.operation = GroupOperation::describe;
    request.group = "readers";
    request.first = 1;
    encode_group_request(up.out, 21, request);
    read = decode_group_request(up.frame("GROUP describe").body);
    REQUIRE(read);
    CHECK(read->first == 1);
    GroupPageEncoder describe(down.out, 21, 1024);
    REQUIRE(describe.head({GroupState::stable, 5, "consumer", "range", 2}));
    REQUIRE(describe.add(GroupMember{"app-1f", "", "app", "/10.0.0.7", 3}));
    describe.finish(false);
    frame = down.frame("GROUP describe answer");
    const auto described = decode_group_described(answer_of(frame).rest, frame.flags);
    REQUIRE(described);
    CHECK_FALSE(described->more);
    CHECK(described->head.generation == 5);
    CHECK(described->head.protocol == "range");
    CHECK(described->head.members == 2);
    CHECK(described->entries.front().id == "app-1f");
    CHECK(described->entries.front().client_id == "app");
    CHECK(described->entries.front().host == "/10.0.0.7");
    CHECK(described->entries.front().partitions == 3);

    request = {};
    request.operation = GroupOperation::offsets;
    request.group = "readers";
    request.topic = "temps";
    request.partition = 2;
    encode_group_request(up.out, 22, request);
    read = decode_group_request(up.frame("GROUP offsets").body);
    REQUIRE(read);
    CHECK(read->topic == "temps");
    CHECK(read->partition == 2);
    GroupPageEncoder offsets(down.out, 22, 1024);
    REQUIRE(offsets.add(GroupPosition{"temps", 3, 1000, 1004, "app-1f"}));
    REQUIRE(offsets.add(GroupPosition{"tests", 0, no_offset, -1, ""}));
    offsets.finish(false);
    frame = down.frame("GROUP offsets answer");
    const auto positions = decode_group_positions(answer_of(frame).rest, frame.flags);
    REQUIRE(positions);
    CHECK(positions->entries.size() == 2);
    CHECK(positions->entries.front().committed == 1000);
    CHECK(positions->entries.front().high_watermark == 1004);
    CHECK(positions->entries.front().member == "app-1f");
}

TEST_CASE("changing groups, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    GroupSetEncoder set(up.out, 23, "readers");
    const PartitionOffset offsets[] = {{0, 0}, {3, 1000}};
    set.add("temps", offsets);
    set.finish();
    auto read = decode_group_request(up.frame("GROUP set").body);
    REQUIRE(read);
    CHECK(read->operation == GroupOperation::set);
    CHECK(read->group == "readers");
    CHECK(read->offsets.size() == 1);
    const TopicOffsets of = read->offsets.front();
    CHECK(of.topic == "temps");
    CHECK(of.partitions.size() == 2);
    CHECK(of.partitions.front().offset == 0);
    encode_done(down.out, Kind::group, 23);
    CHECK(answer_of(down.frame("GROUP set answer")).rest.empty());
    encode_failure(down.out, Kind::group, 23, fail(Error::non_empty_group), "");
    CHECK(answer_of(down.frame("GROUP set refused")).error == Error::non_empty_group);

    GroupRequest request;
    request.operation = GroupOperation::remove;
    request.group = "readers";
    encode_group_request(up.out, 24, request);
    read = decode_group_request(up.frame("GROUP delete").body);
    REQUIRE(read);
    CHECK(read->operation == GroupOperation::remove);
    CHECK(read->group == "readers");
}
