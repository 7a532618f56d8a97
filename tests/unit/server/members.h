// Members of compact groups for tests of a served broker: what they have, got and were told, as their frames say.
#pragma once

#include <map>
#include <set>

#include "record/batch.h"
#include "unit/server/served.h"
#include "wire/compact/member_frames.h"

namespace rivulet::test {

class TestGroupMember {
public:
    struct Has {
        std::string topic;
        std::uint64_t partition = 0;
        std::int64_t start = 0;
        std::int64_t next = 0;
        std::uint64_t records = 0;
        bool revoked = false;
    };

    explicit TestGroupMember(Served& served, std::uint64_t frame_limit = 1 << 20, std::uint64_t features = frames::feature::integrity | frames::feature::groups) : served_(served), client(served.connect()) {
        client.open(0, 1, frame_limit, features);
        REQUIRE(served.until(client, frames::Kind::open));
        join.group = "g";
        join.client = "reader";
        join.start = frames::StartAt::earliest;
        join.session_timeout_ms = 10'000;
        join.rebalance_timeout_ms = 5'000;
        join.credit = 1 << 20;
    }
    void ask(const std::vector<std::string_view>& topics = {"temps"}) {
        client.encode([&](Writer& w) { frames::encode_join_group(w, number, join, topics); });
        served_.send(client);
    }
    void enter(const std::vector<std::string_view>& topics = {"temps"}) {
        ask(topics);
        REQUIRE(until([&] { return generation != 0; }));
    }
    template <class Condition>
    bool until(Condition condition, std::int64_t ns = 60 * ns_per_s) {
        return served_.until([&] {
            look();
            return condition();
        }, ns);
    }
    void release() {
        std::vector<std::uint64_t> slots;
        for (const auto& [slot, has] : slots_) if (has.revoked) slots.push_back(slot);
        for (const std::uint64_t slot : slots) slots_.erase(slot);
        client.encode([&](Writer& w) { frames::encode_release(w, number, slots); });
        served_.send(client);
    }
    void seek(std::uint64_t slot, std::int64_t offset) {
        client.encode([&](Writer& w) { frames::encode_seek(w, number, slot, Offset(offset)); });
        served_.send(client);
    }
    void credit(std::uint64_t granted, const std::vector<frames::Position>& positions = {}, bool end = false) {
        frames::Credit credit;
        credit.end = end;
        credit.bytes = granted;
        credit.processed = !positions.empty();
        client.encode([&](Writer& w) { frames::encode_credit(w, number, credit, positions); });
        served_.send(client);
    }
    // All that was got is processed.
    void processed(bool end = false) {
        look();
        std::vector<frames::Position> positions;
        for (const auto& [slot, has] : slots_) if (has.records != 0) positions.push_back({slot, Offset(has.next)});
        credit(end ? 0 : std::exchange(bytes, 0), positions, end);
    }
    // "0 2": partitions of a topic, without those that are revoked.
    std::string partitions(std::string_view topic = "temps") {
        look();
        std::set<std::uint64_t> all;
        for (const auto& [slot, has] : slots_) if (has.topic == topic && !has.revoked) all.insert(has.partition);
        std::string text;
        for (const std::uint64_t partition : all) text += (text.empty() ? "" : " ") + std::to_string(partition);
        return text;
    }
    std::uint64_t slot_of(std::uint64_t partition, std::string_view topic = "temps") {
        look();
        for (const auto& [slot, has] : slots_) if (has.topic == topic && has.partition == partition) return slot;
        FAIL("no such partition");
        return 0;
    }
    Has& at(std::uint64_t partition, std::string_view topic = "temps") { return slots_[slot_of(partition, topic)]; }
    std::size_t revoked() {
        look();
        std::size_t n = 0;
        for (const auto& [slot, has] : slots_) n += has.revoked;
        return n;
    }
    std::uint64_t records() {
        look();
        return got.size();
    }
    // Commits and gives the answer's error.
    Error commit(const std::vector<frames::SlotCommit>& slots, std::int64_t* detail = nullptr) {
        const std::uint64_t correlation = ++commits_;
        client.encode([&](Writer& w) { frames::encode_commit(w, correlation, number, slots); });
        return answer_to_commit(correlation, detail);
    }
    Error commit(std::string_view group, const std::vector<frames::CommitEntry>& entries, std::int64_t* detail = nullptr) {
        const std::uint64_t correlation = ++commits_;
        client.encode([&](Writer& w) { frames::encode_commit(w, correlation, group, entries); });
        return answer_to_commit(correlation, detail);
    }

    void look() {
        for (; looked_ < client.arrived.size(); ++looked_) {
            const Frame& frame = client.arrived[looked_];
            if (frame.correlation != number) continue;
            if (frame.kind == frames::Kind::assign) take_news(frame);
            else if (frame.kind == frames::Kind::data) take_data(frame);
        }
    }

private:
    Served& served_;

public:
    Client& client;
    frames::JoinGroup join;
    std::uint64_t number = 900;
    std::string id;
    std::uint64_t generation = 0;   // of the last assigned frame
    bool joined = false;
    bool over = false;
    Error why = Error::none;        // of an end, or of a join that was refused
    std::uint64_t bytes = 0;        // of DATA, not granted again
    std::multiset<std::pair<std::string, std::int64_t>> got;  // ("temps/0", offset)
    std::vector<frames::Assigned> sought;
    std::map<std::uint64_t, Has> slots_;

private:
    Error answer_to_commit(std::uint64_t correlation, std::int64_t* detail) {
        served_.send(client);
        const Frame* found = nullptr;
        REQUIRE(served_.until([&] {
            for (const Frame& frame : client.arrived) if (frame.kind == frames::Kind::commit && frame.correlation == correlation) found = &frame;
            return found != nullptr || client.closed;
        }));
        REQUIRE(found);
        const auto answer = frames::decode_answer(found->body);
        if (detail) *detail = answer->detail;
        return answer->error;
    }
    void take_news(const Frame& frame) {
        const auto answer = frames::decode_answer(frame.body);
        REQUIRE(answer.ok());
        if (answer->error != Error::none) {
            CHECK(!joined);
            over = true;
            why = answer->error;
            return;
        }
        const auto news = frames::decode_assigned(answer->rest, frame.flags);
        REQUIRE(news.ok());
        switch (news->what) {
            case frames::MemberNews::joined:
                CHECK(!joined);
                joined = true;
                id = news->member;
                break;
            case frames::MemberNews::assigned:
                CHECK(joined);
                CHECK(news->generation >= generation);
                for (const frames::AssignedPartition& partition : news->partitions) {
                    CHECK(slots_.count(partition.slot) == 0);
                    slots_[partition.slot] = {std::string(partition.topic), partition.partition, partition.offset, partition.offset, 0, false};
                }
                if (!news->more) generation = news->generation;
                break;
            case frames::MemberNews::revoked:
                for (const frames::Slot& slot : news->slots) {
                    REQUIRE(slots_.count(slot.number) == 1);
                    CHECK(!slots_[slot.number].revoked);
                    slots_[slot.number].revoked = true;
                }
                break;
            case frames::MemberNews::sought:
                sought.push_back(*news);
                if (news->failure.error == Error::none) slots_[news->slot].next = news->offset.value;
                break;
        }
    }
    void take_data(const Frame& frame) {
        CHECK(!over);
        if ((frame.flags & frames::flag::data_end) != 0) {
            over = true;
            why = frames::decode_answer(frame.body)->error;
            return;
        }
        const auto data = frames::decode_data(frame.body, frame.flags);
        REQUIRE((data.ok() && data->slot && slots_.count(*data->slot) == 1));
        bytes += frame.raw_bytes;
        Has& has = slots_[*data->slot];
        CHECK(!has.revoked);
        CHECK(data->offset.value >= has.next);
        for (Bytes left = data->batches; !left.empty();) {
            const record::BatchHeader batch = record::decode_header(left);
            for (std::int64_t i = 0; i <= batch.last_offset_delta; ++i) {
                if (batch.base_offset.value + i < data->offset.value) continue;
                got.insert({has.topic + "/" + std::to_string(has.partition), batch.base_offset.value + i});
                ++has.records;
            }
            has.next = batch.base_offset.value + batch.last_offset_delta + 1;
            left = left.subspan(batch.total_bytes());
        }
    }

    std::size_t looked_ = 0;
    std::uint64_t commits_ = 1000;
};

// Puts n readings into each of these partitions and waits until they are settled.
inline void fill(Served& served, Client& writer, std::string_view topic, const std::vector<std::uint64_t>& partitions, std::size_t n, std::string_view value = "v") {
    for (std::size_t p = 0; p < partitions.size(); ++p) {
        writer.alias(p % 4, topic, partitions[p]);
        for (std::size_t i = 0; i < n; ++i) {
            while (!writer.put(p % 4, value)) {
                served.send(writer);
                const std::uint64_t before = writer.puts.credit();
                REQUIRE(served.until([&] { return writer.puts.credit() > before; }));
            }
        }
        served.send(writer);
        REQUIRE(served.until([&] { return writer.puts.acked() + 1 == writer.puts.sequence_next(); }));
    }
}

inline Client& writer_of(Served& served) {
    Client& writer = served.connect();
    writer.open();
    REQUIRE(served.until(writer, frames::Kind::open));
    return writer;
}

inline std::int64_t committed(Served& served, std::string_view topic, std::int64_t partition, std::string_view group = "g") {
    const sim::AllocationGuard::SimCode scope;
    return served.program->server->groups().fetch_offset(group, topic, partition).value().offset.value;
}

}  // namespace rivulet::test
