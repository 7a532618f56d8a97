// Frozen bytes of the compact framing, version 1: what the encoders write, what the decoders read, and what PROTOCOL.md shows.
// The page's blocks "```hex NAME" hold the same bytes, left of a '|' on each line.
#include "golden/compact_examples.h"

#include <fstream>
#include <vector>

#include "wire/compact/admin_frames.h"
#include "wire/compact/member_frames.h"
#include "wire/compact/push_frames.h"
#include "wire/compact/put_state.h"

using namespace rivulet;
using namespace rivulet::wire::compact;
using namespace rivulet::wire::compact::golden;

namespace {

const Uuid topic_id{{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x46, 0x17, 0x98, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f}};

Reading reading(std::int64_t time, std::string_view value) {
    Reading r;
    r.stamped = true;
    r.time = Timestamp(time);
    r.value = as_bytes(value);
    return r;
}

}  // namespace

TEST_CASE("a sensor's connection, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    constexpr std::int64_t t0 = 1'700'000'000'000;

    Open open;
    open.features = feature::integrity;
    open.session = 0x1122334455667788;
    open.incarnation = 0xa1b2c3d4;
    open.base_sequence = 41;
    open.base_time = Timestamp(t0);
    open.frame_bytes_max = 1024;
    open.name = "boiler-3";
    encode_open(up.out, up.sum, open);
    const auto open_read = decode_open(up.frame("OPEN").body);
    REQUIRE(open_read);
    CHECK(open_read->session == open.session);
    CHECK(open_read->incarnation == open.incarnation);
    CHECK(open_read->base_sequence == 41);
    CHECK(open_read->base_time.value == t0);
    CHECK(open_read->name == "boiler-3");
    PutState client(open);
    PutState broker(*open_read);

    Opened opened;
    opened.features = feature::integrity;
    opened.session_state = SessionState::resumed;
    opened.last_sequence = 40;
    opened.credit = 15360;
    opened.time = Timestamp(t0 + 250);
    opened.clock_trusted = true;
    opened.frame_bytes_max = 8192;
    opened.aliases_max = 16;
    opened.requests_max = 8;
    opened.idle_ms_max = 60000;
    opened.software = "rivulet 0.1.0";
    encode_opened(down.out, down.sum, opened);
    broker.grant(opened.credit);
    const FrameView opened_frame = down.frame("OPEN answer");
    const auto opened_read = decode_opened(opened_frame.body, opened_frame.flags);
    REQUIRE(opened_read);
    CHECK(opened_read->session_state == SessionState::resumed);
    CHECK(opened_read->clock_trusted);
    CHECK(opened_read->time.value == t0 + 250);
    CHECK(opened_read->software == "rivulet 0.1.0");
    client.grant(opened_read->credit);

    Alias alias;
    alias.id = 0;
    alias.placement = Placement::partition;
    alias.acks = Acks::leader;
    alias.confirm = true;
    alias.topic = "temps";
    alias.partition = 3;
    encode_alias(up.out, up.sum, alias);
    FrameView frame = up.frame("ALIAS partition");
    auto alias_read = decode_alias(frame.body, frame.flags);
    REQUIRE(alias_read);
    CHECK(alias_read->confirm);
    CHECK(alias_read->partition == 3);
    CHECK(alias_read->topic == "temps");

    alias = Alias{};
    alias.id = 1;
    alias.placement = Placement::key;
    alias.acks = Acks::all;
    alias.topic = "events";
    alias.key = as_bytes("boiler-3");
    encode_alias(up.out, up.sum, alias);
    frame = up.frame("ALIAS key");
    alias_read = decode_alias(frame.body, frame.flags);
    REQUIRE(alias_read);
    CHECK(!alias_read->confirm);
    CHECK(alias_read->acks == Acks::all);
    CHECK(as_text(alias_read->key) == "boiler-3");

    encode_aliased(down.out, down.sum, {0, Error::none, {}, 3, 8000});
    auto aliased = decode_aliased(down.frame("ALIAS answer").body);
    REQUIRE(aliased);
    CHECK(aliased->partition == 3);
    CHECK(aliased->reading_bytes_max == 8000);
    encode_aliased(down.out, down.sum, {1, Error::unknown_topic_or_partition, "events", -1, 0});
    aliased = decode_aliased(down.frame("ALIAS refused").body);
    REQUIRE(aliased);
    CHECK(aliased->error == Error::unknown_topic_or_partition);
    CHECK(aliased->text == "events");

    REQUIRE(encode_put(up.out, up.sum, client, 0, reading(t0 + 1000, "21.5")));
    auto puts = decode_puts(up.frame("PUT"), broker);
    REQUIRE(puts);
    CHECK(puts->alias == 0);
    CHECK(puts->sequence_first == 41);
    CHECK(puts->readings.front().time.value == t0 + 1000);
    CHECK(as_text(puts->readings.front().value) == "21.5");

    REQUIRE(encode_put(up.out, up.sum, client, 0, reading(t0 + 2003, "21.6")));
    puts = decode_puts(up.frame("PUT same alias"), broker);
    REQUIRE(puts);
    CHECK(puts->sequence_first == 42);
    CHECK(puts->readings.front().time.value == t0 + 2003);

    Reading plain;
    plain.value = as_bytes("on");
    REQUIRE(encode_put(up.out, up.sum, client, 1, plain));
    puts = decode_puts(up.frame("PUT unstamped"), broker);
    REQUIRE(puts);
    CHECK(!puts->readings.front().stamped);

    std::uint8_t header_buffer[64];
    Writer header_out(header_buffer);
    const Header headers[] = {{"unit", true, as_bytes("C")}, {"raw", false, {}}};
    Reading full = reading(t0 + 3000, "21.7");
    full.has_key = true;
    full.key = as_bytes("k7");
    full.headers = encode_headers(header_out, headers);
    REQUIRE(encode_put(up.out, up.sum, client, 0, full));
    puts = decode_puts(up.frame("PUT key headers"), broker);
    REQUIRE(puts);
    {
        const Reading r = puts->readings.front();
        CHECK(as_text(r.key) == "k7");
        CHECK(r.headers.size() == 2);
        CHECK(r.headers.front().key == "unit");
        CHECK(as_text(r.headers.front().value) == "C");
    }

    Reading tombstone;
    tombstone.has_key = true;
    tombstone.key = as_bytes("k7");
    tombstone.has_value = false;
    REQUIRE(encode_put(up.out, up.sum, client, 0, tombstone));
    puts = decode_puts(up.frame("PUT tombstone"), broker);
    REQUIRE(puts);
    CHECK(!puts->readings.front().has_value);

    PackedPutEncoder packed(up.out, up.sum, client, 0, 1024);
    REQUIRE(packed.add(reading(t0 + 4000, "21.8")));
    REQUIRE(packed.add(reading(t0 + 5002, "21.85")));
    REQUIRE(packed.add(reading(t0 + 5999, "")));
    packed.finish();
    puts = decode_puts(up.frame("PUTB"), broker);
    REQUIRE(puts);
    CHECK(puts->sequence_first == 46);
    CHECK(puts->readings.size() == 3);
    std::vector<std::int64_t> times;
    for (const Reading& r : puts->readings) times.push_back(r.time.value - t0);
    CHECK(times == std::vector<std::int64_t>{4000, 5002, 5999});

    REQUIRE(encode_put_regular(up.out, up.sum, client, 0, true, Timestamp(t0 + 7000), 500, 2, as_bytes("aabbcc")));
    puts = decode_puts(up.frame("PUTB regular"), broker);
    REQUIRE(puts);
    times.clear();
    for (const Reading& r : puts->readings) times.push_back(r.time.value - t0);
    CHECK(times == std::vector<std::int64_t>{7000, 7500, 8000});
    CHECK(client.sequence_next() == 52);

    Ack ack;
    ack.sequence = 48;
    ack.credit = 81;
    ack.refusal = {43, 1, Error::unknown_topic_or_partition};
    encode_ack(down.out, down.sum, broker, ack);
    auto ack_read = decode_ack(down.frame("ACK refusal"), client);
    REQUIRE(ack_read);
    CHECK(ack_read->sequence == 48);
    CHECK(ack_read->refusal.first == 43);
    CHECK(ack_read->refusal.count == 1);
    CHECK(ack_read->refusal.error == Error::unknown_topic_or_partition);
    encode_ack(down.out, down.sum, broker, {51, 15, {}});
    ack_read = decode_ack(down.frame("ACK"), client);
    REQUIRE(ack_read);
    CHECK(ack_read->sequence == 51);
    CHECK(ack_read->refusal.count == 0);
    CHECK(client.credit() == credit_initial + opened.credit);
    CHECK(client.credit() == broker.credit());

    encode_ping(up.out, {as_bytes("p1")});
    CHECK(as_text(decode_ping(up.frame("PING").body)->echo) == "p1");
    encode_pong(down.out, {as_bytes("p1")});
    CHECK(as_text(decode_ping(down.frame("PONG").body)->echo) == "p1");
    encode_close(up.out, {Error::none});
    CHECK(decode_close(up.frame("CLOSE").body)->reason == Error::none);
    encode_close(down.out, {Error::shutting_down});
    CHECK(decode_close(down.frame("CLOSE broker").body)->reason == Error::shutting_down);
    encode_error(down.out, fail(Error::unknown_alias, 9), "alias 9");
    const auto error = decode_error(down.frame("ERROR").body);
    REQUIRE(error);
    CHECK(error->error == Error::unknown_alias);
    CHECK(error->detail == 9);
    CHECK(error->text == "alias 9");
}

TEST_CASE("requests, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    FrameView frame;

    Fetch fetch;
    fetch.topic = "temps";
    fetch.partition = 3;
    fetch.offset = Offset(1000);
    fetch.bytes_max = 65536;
    fetch.bytes_min = 1;
    fetch.wait_ms_max = 500;
    encode_fetch(up.out, 7, fetch);
    frame = up.frame("FETCH");
    CHECK(frame.correlation == 7);
    auto fetch_read = decode_fetch(frame.body, frame.flags);
    REQUIRE(fetch_read);
    CHECK(fetch_read->topic == "temps");
    CHECK(fetch_read->offset == Offset(1000));
    CHECK(fetch_read->wait_ms_max == 500);
    fetch.by_alias = true;
    fetch.alias = 0;
    fetch.offset = Offset(fetch_earliest);
    encode_fetch(up.out, 8, fetch);
    frame = up.frame("FETCH by alias");
    fetch_read = decode_fetch(frame.body, frame.flags);
    REQUIRE(fetch_read);
    CHECK(fetch_read->by_alias);
    CHECK(fetch_read->offset.value == fetch_earliest);

    const std::string_view batches = "<record batches>";
    encode_fetched_head(down.out, 7, {Offset(1000), Epoch(2), Offset(0), Offset(1004), Offset(1006), Offset(1010)}, batches.size());
    down.out.bytes(as_bytes(batches));
    frame = down.frame("FETCH answer");
    CHECK(frame.correlation == 7);
    const auto fetched = decode_fetched(answer_of(frame).rest);
    REQUIRE(fetched);
    CHECK(fetched->high_watermark == Offset(1004));
    CHECK(fetched->durable_end == Offset(1006));
    CHECK(fetched->log_end == Offset(1010));
    CHECK(as_text(fetched->batches) == batches);
    encode_failure(down.out, Kind::fetch, 8, fail(Error::offset_out_of_range, 1010), "");
    const Answer failure = answer_of(down.frame("FETCH failed"));
    CHECK(failure.error == Error::offset_out_of_range);
    CHECK(failure.detail == 1010);

    encode_offsets(up.out, 9, {"temps", 3, fetch_latest});
    const auto query = decode_offsets(up.frame("OFFSETS").body);
    REQUIRE(query);
    CHECK(query->at == fetch_latest);
    encode_offset_found(down.out, 9, {Offset(1004), Timestamp(-1), Epoch(2)});
    CHECK(decode_offset_found(answer_of(down.frame("OFFSETS answer")).rest)->offset == Offset(1004));

    encode_metadata(up.out, 10);
    CHECK(decode_metadata(up.frame("METADATA").body));
    const Node nodes[] = {{1, "192.168.7.10", 9192}, {2, "192.168.7.11", 9192}};
    Metadata metadata;
    metadata.cluster = topic_id;
    metadata.node = 1;
    metadata.controller = 1;
    encode_metadata_answer(down.out, 10, metadata, nodes);
    const auto metadata_read = decode_metadata_answer(answer_of(down.frame("METADATA answer")).rest);
    REQUIRE(metadata_read);
    CHECK(metadata_read->cluster == topic_id);
    CHECK(metadata_read->nodes.size() == 2);
    CHECK(metadata_read->nodes.front().host == "192.168.7.10");

    const ConfigPair config[] = {{"retention.ms", "86400000"}, {"durability", "disk"}};
    encode_topic_create(up.out, 11, {"temps", 4, 1, {}}, config);
    const auto create = decode_topic_create(up.frame("TOPIC_CREATE").body);
    REQUIRE(create);
    CHECK(create->name == "temps");
    CHECK(create->config.size() == 2);
    CHECK(create->config.front().value == "86400000");
    encode_topic_created(down.out, 11, {topic_id, 4, 1});
    CHECK(decode_topic_created(answer_of(down.frame("TOPIC_CREATE answer")).rest)->id == topic_id);

    encode_topic_list(up.out, 12, {"events", 100});
    CHECK(decode_topic_list(up.frame("TOPIC_LIST").body)->after == "events");
    TopicListEncoder list(down.out, 12, 1024);
    REQUIRE(list.add({"temps", topic_id, 4, 1, Durability::disk}));
    list.finish(true);
    frame = down.frame("TOPIC_LIST answer");
    const auto listed = decode_topic_listed(answer_of(frame).rest, frame.flags);
    REQUIRE(listed);
    CHECK(listed->more);
    CHECK(listed->topics.size() == 1);
    CHECK(listed->topics.front().name == "temps");

    encode_topic_describe(up.out, 13, {"temps", 0, 0});
    CHECK(decode_topic_describe(up.frame("TOPIC_DESCRIBE").body)->name == "temps");
    TopicDescribeEncoder describe(down.out, 13, 1024, {topic_id, 4, 1, Durability::disk});
    REQUIRE(describe.add_config(config[0]));
    PartitionStatus status{0, 1, Epoch(2), Offset(0), Offset(1006), Offset(1004), Offset(1010), 65000, 1};
    const std::uint64_t replicas[] = {1};
    const FencedRange fenced[] = {{Offset(200), 20}};
    REQUIRE(describe.add_partition(status, replicas, replicas, fenced));
    describe.finish(true);
    frame = down.frame("TOPIC_DESCRIBE answer");
    const auto described = decode_topic_described(answer_of(frame).rest, frame.flags);
    REQUIRE(described);
    CHECK(described->topic.partitions == 4);
    CHECK(described->more);
    CHECK(described->config.front().key == "retention.ms");
    const PartitionEntry entry = described->partitions.front();
    CHECK(entry.bytes == 65000);
    CHECK(entry.fenced.front().count == 20);
    CHECK(entry.replicas.front().value == 1);

    encode_topic_delete(up.out, 14, {"temps"});
    CHECK(decode_topic_delete(up.frame("TOPIC_DELETE").body)->name == "temps");
    encode_done(down.out, Kind::topic_delete, 14);
    CHECK(answer_of(down.frame("TOPIC_DELETE answer")).rest.empty());
}

TEST_CASE("offsets by time and altered topics, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    encode_offsets(up.out, 18, {"temps", 3, 1'700'000'001'000});
    CHECK(decode_offsets(up.frame("OFFSETS by time").body)->at == 1'700'000'001'000);
    encode_offset_found(down.out, 18, {Offset(1000), Timestamp(1'700'000'001'040), Epoch(2)});
    CHECK(decode_offset_found(answer_of(down.frame("OFFSETS by time answer")).rest)->time == Timestamp(1'700'000'001'040));

    const ConfigPair config[] = {{"retention.ms", ""}};
    encode_topic_alter(up.out, 19, {"temps", 0, {}}, config);
    const auto alter = decode_topic_alter(up.frame("TOPIC_ALTER").body);
    REQUIRE(alter);
    CHECK(alter->name == "temps");
    CHECK(alter->config.size() == 1);
    CHECK(alter->config.front().value.empty());
    encode_done(down.out, Kind::topic_alter, 19);
    CHECK(answer_of(down.frame("TOPIC_ALTER answer")).rest.empty());
}

TEST_CASE("a subscription, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    Subscribe subscribe;
    subscribe.topic = "temps";
    subscribe.partition = 3;
    subscribe.offset = Offset(fetch_earliest);
    subscribe.credit = 8192;
    encode_subscribe(up.out, 15, subscribe);
    FrameView frame = up.frame("SUBSCRIBE");
    const auto subscribe_read = decode_subscribe(frame.body, frame.flags);
    REQUIRE(subscribe_read);
    CHECK(frame.correlation == 15);
    CHECK(subscribe_read->topic == "temps");
    CHECK(subscribe_read->partition == 3);
    CHECK(subscribe_read->offset.value == fetch_earliest);
    CHECK(subscribe_read->credit == 8192);
    encode_subscribed(down.out, 15, {Offset(0), Epoch(2), Offset(0), Offset(1004), Offset(1006), Offset(1010)});
    const auto subscribed = decode_subscribed(answer_of(down.frame("SUBSCRIBE answer")).rest);
    REQUIRE(subscribed);
    CHECK(subscribed->epoch == Epoch(2));
    CHECK(subscribed->log_end == Offset(1010));

    const std::string_view batches = "<record batches>";
    encode_data_head(down.out, 15, {Offset(0), Offset(1004), {}}, batches.size());
    down.out.bytes(as_bytes(batches));
    const auto data = decode_data(down.frame("DATA").body);
    REQUIRE(data);
    CHECK(data->offset == Offset(0));
    CHECK(data->high_watermark == Offset(1004));
    CHECK(as_text(data->batches) == batches);

    encode_credit(up.out, 15, {false, 22});
    frame = up.frame("CREDIT");
    CHECK(decode_credit(frame.body, frame.flags)->bytes == 22);
    encode_credit(up.out, 15, {true, 0});
    frame = up.frame("CREDIT end");
    CHECK(decode_credit(frame.body, frame.flags)->end);
    encode_data_end(down.out, 15, fail(Error::none));
    frame = down.frame("DATA end");
    CHECK(frame.flags == flag::data_end);
    CHECK(answer_of(frame).rest.empty());
}

TEST_CASE("a member of a group, byte for byte") {
    Stream up(Side::client);
    Stream down(Side::broker);
    JoinGroup join;
    join.group = "alarms";
    join.client = "panel";
    join.assignor = AssignBy::sticky;
    join.start = StartAt::earliest;
    join.session_timeout_ms = 45'000;
    join.rebalance_timeout_ms = 60'000;
    join.auto_commit_ms = 5'000;
    join.credit = 8192;
    const std::string_view topics[] = {"temps"};
    encode_join_group(up.out, 16, join, topics);
    const auto joins = decode_assign(up.frame("ASSIGN join").body);
    REQUIRE(joins);
    CHECK(joins->what == MemberRequest::join);
    CHECK(joins->join.group == "alarms");
    CHECK(joins->join.instance.empty());
    CHECK(joins->join.client == "panel");
    CHECK(joins->join.assignor == AssignBy::sticky);
    CHECK(joins->join.start == StartAt::earliest);
    CHECK(joins->join.session_timeout_ms == 45'000);
    CHECK(joins->join.rebalance_timeout_ms == 60'000);
    CHECK(joins->join.auto_commit_ms == 5'000);
    CHECK(joins->join.credit == 8192);
    CHECK(joins->topics.front().name == "temps");
    encode_joined(down.out, 16, "panel-1", 7);
    FrameView frame = down.frame("ASSIGN joined");
    const auto joined = decode_assigned(answer_of(frame).rest, frame.flags);
    REQUIRE(joined);
    CHECK(joined->what == MemberNews::joined);
    CHECK(joined->member == "panel-1");
    CHECK(joined->generation == 7);
    {
        AssignedEncoder page(down.out, 16, 512, 7);
        REQUIRE(page.add({0, "temps", 2, 1000, Epoch(2)}));
        REQUIRE(page.add({1, "temps", 3, -1, Epoch(2)}));
        page.finish(false);
    }
    frame = down.frame("ASSIGN assigned");
    const auto assigned = decode_assigned(answer_of(frame).rest, frame.flags);
    REQUIRE(assigned);
    CHECK(assigned->generation == 7);
    CHECK(!assigned->more);
    CHECK(assigned->partitions.size() == 2);
    CHECK(assigned->partitions.front().offset == 1000);

    const std::string_view batches = "<record batches>";
    encode_data_head(down.out, 16, {Offset(1000), Offset(1004), {}, 0}, batches.size());
    down.out.bytes(as_bytes(batches));
    frame = down.frame("DATA slot");
    const auto data = decode_data(frame.body, frame.flags);
    REQUIRE(data);
    CHECK(data->slot == 0);
    CHECK(data->offset == Offset(1000));
    const Position positions[] = {{0, Offset(1004)}};
    encode_credit(up.out, 16, {false, 23, true, {}}, positions);
    frame = up.frame("CREDIT processed");
    const auto credit = decode_credit(frame.body, frame.flags);
    REQUIRE(credit);
    CHECK(credit->bytes == 23);
    CHECK(credit->processed);
    CHECK(credit->positions.front().offset == Offset(1004));

    encode_seek(up.out, 16, 1, Offset(fetch_earliest));
    const auto seek = decode_assign(up.frame("ASSIGN seek").body);
    REQUIRE(seek);
    CHECK(seek->slot == 1);
    CHECK(seek->offset.value == fetch_earliest);
    encode_sought(down.out, 16, 1, fail(Error::none), Offset(200), Offset(200), Offset(900));
    frame = down.frame("ASSIGN sought");
    const auto sought = decode_assigned(answer_of(frame).rest, frame.flags);
    REQUIRE(sought);
    CHECK(sought->slot == 1);
    CHECK(sought->offset == Offset(200));
    CHECK(sought->high_watermark == Offset(900));
    encode_sought(down.out, 16, 1, fail(Error::offset_out_of_range, 900), Offset(0), Offset(0), Offset(0));
    frame = down.frame("ASSIGN not sought");
    CHECK(decode_assigned(answer_of(frame).rest, frame.flags)->failure.detail == 900);

    {
        AssignedEncoder page(down.out, 16, 512);
        REQUIRE(page.add(1));
        page.finish(false);
    }
    frame = down.frame("ASSIGN revoked");
    CHECK(decode_assigned(answer_of(frame).rest, frame.flags)->slots.front().number == 1);
    const std::uint64_t released[] = {1};
    encode_release(up.out, 16, released);
    CHECK(decode_assign(up.frame("ASSIGN release").body)->slots.front().number == 1);
    encode_topics_of_member(up.out, 16, topics);
    CHECK(decode_assign(up.frame("ASSIGN topics").body)->what == MemberRequest::topics);

    const SlotCommit commits[] = {{0, Offset(1004), "ok"}};
    encode_commit(up.out, 17, 16, commits);
    frame = up.frame("COMMIT by slot");
    const auto by_slot = decode_commit(frame.body, frame.flags);
    REQUIRE(by_slot);
    CHECK(by_slot->member == 16);
    CHECK(by_slot->slots.front().metadata == "ok");
    const CommitEntry entries[] = {{"temps", 3, Offset(900), Epoch(-1), ""}};
    encode_commit(up.out, 18, "alarms", entries);
    frame = up.frame("COMMIT");
    const auto by_name = decode_commit(frame.body, frame.flags);
    REQUIRE(by_name);
    CHECK(by_name->group == "alarms");
    CHECK(by_name->entries.front().offset == Offset(900));
    encode_done(down.out, Kind::commit, 17);
    CHECK(answer_of(down.frame("COMMIT answer")).rest.empty());
}

TEST_CASE("the page shows the same bytes") {
    std::ifstream page("src/wire/compact/PROTOCOL.md");
    REQUIRE_MESSAGE(page.is_open(), "run from the top of the tree");
    std::map<std::string, std::string> shown;
    std::string line, name, text;
    while (std::getline(page, line)) {
        text += line + '\n';
        if (line.rfind("```", 0) == 0) {
            name = line.rfind("```hex ", 0) == 0 ? line.substr(7) : "";
            CHECK_MESSAGE(shown.count(name) == 0, name);
            continue;
        }
        if (name.empty()) continue;
        std::string& bytes = shown[name];
        const std::string left = line.substr(0, line.find('|'));
        for (std::size_t i = 0; i < left.size(); ++i)
            if (left[i] != ' ') {
                if (!bytes.empty()) bytes += ' ';
                bytes += left.substr(i, 2);
                ++i;
            }
    }
    for (unsigned i = 1; i < kinds_max; ++i) {
        const KindInfo& info = kind_info(static_cast<Kind>(i));
        const std::string row = "| " + std::to_string(i) + " | " + info.name + " |";
        if (info.defined) CHECK_MESSAGE(text.find(row) != std::string::npos, row);
        else CHECK_MESSAGE(text.find(info.name) != std::string::npos, info.name);
    }
    CHECK(shown.size() == examples.size());
    for (const auto& [example, bytes] : examples) {
        INFO(example);
        CHECK(shown[example] == bytes);
    }
}
