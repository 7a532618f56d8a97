#include "store/session_table.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Random;

namespace {

struct Table {
    explicit Table(std::uint32_t capacity) : memory(SessionTable::memory_bytes(capacity)), arena(memory), sessions(arena, capacity) {}
    std::vector<std::uint8_t> memory;
    Arena arena;
    SessionTable sessions;
};

struct Logs {
    Logs() {
        for (std::size_t i = 0; i < std::size(logs); ++i) logs[i].id = LogId(16 + i);
    }
    Log logs[5];
    Log& operator[](std::size_t i) { return logs[i]; }
};

Session& opened(SessionTable& sessions, std::uint64_t session, std::uint32_t incarnation, const Log& log) {
    const Result<Session*> result = sessions.open(session, incarnation, log.id);
    REQUIRE(result);
    return **result;
}

std::map<std::uint64_t, TrailerEntry> trailer_of(SessionTable& sessions, Log& log, std::vector<std::uint8_t>& bytes) {
    bytes.resize(sessions.trailer_bytes_max(log));
    Writer out(bytes);
    REQUIRE(sessions.take_trailer(log, out));
    bytes.resize(out.size());
    std::map<std::uint64_t, TrailerEntry> entries;
    TrailerReader reader(bytes);
    TrailerEntry entry;
    while (reader.next(entry)) entries[entry.session] = entry;
    REQUIRE(reader.ok());
    return entries;
}

}  // namespace

TEST_CASE("sessions: a new incarnation starts over") {
    Table table(8);
    Logs logs;
    Session& session = opened(table.sessions, 5, 1, logs[0]);
    CHECK(session.last_sequence == 0);
    table.sessions.advance(session, logs[0], 10);
    CHECK(opened(table.sessions, 5, 1, logs[0]).last_sequence == 10);
    CHECK(table.sessions.find(5, logs[1].id) == nullptr);
    CHECK(table.sessions.known(5, 1).known);
    CHECK(table.sessions.known(5, 1).last_sequence == 10);
    CHECK_FALSE(table.sessions.known(5, 2).known);
    CHECK(opened(table.sessions, 5, 2, logs[0]).last_sequence == 0);
    CHECK(table.sessions.used() == 1);
}

TEST_CASE("sessions: a trailer holds each session of the log once, with its last sequence") {
    Table table(8);
    Logs logs;
    std::vector<std::uint8_t> bytes;
    for (std::uint64_t n = 1; n <= 3; ++n) table.sessions.advance(opened(table.sessions, 5, 1, logs[0]), logs[0], n);
    table.sessions.advance(opened(table.sessions, 6, 9, logs[0]), logs[0], 70);
    table.sessions.advance(opened(table.sessions, 5, 1, logs[1]), logs[1], 4);
    CHECK(logs[0].pending_session_count == 2);
    std::uint8_t small[20];
    Writer short_of_room(small);
    CHECK_FALSE(table.sessions.take_trailer(logs[0], short_of_room));
    CHECK(short_of_room.size() == 0);
    CHECK(short_of_room.ok());
    CHECK(logs[0].pending_session_count == 2);
    auto entries = trailer_of(table.sessions, logs[0], bytes);
    REQUIRE(entries.size() == 2);
    CHECK(entries[5] == TrailerEntry{5, 1, 3});
    CHECK(entries[6] == TrailerEntry{6, 9, 70});
    CHECK(logs[0].pending_sessions == no_session);
    CHECK(logs[0].pending_session_count == 0);
    CHECK(trailer_of(table.sessions, logs[1], bytes).size() == 1);
    CHECK(trailer_of(table.sessions, logs[1], bytes).empty());
}

TEST_CASE("sessions: what is pending or in a commit is not evicted") {
    Table table(3);
    Logs logs;
    std::vector<std::uint8_t> bytes;
    table.sessions.advance(opened(table.sessions, 1, 1, logs[0]), logs[0], 1);
    table.sessions.advance(opened(table.sessions, 2, 1, logs[1]), logs[1], 1);
    opened(table.sessions, 3, 1, logs[2]);
    opened(table.sessions, 4, 1, logs[2]);  // takes the place of 3
    CHECK(table.sessions.find(3, logs[2].id) == nullptr);
    CHECK(table.sessions.evictions() == 1);
    table.sessions.advance(*table.sessions.find(4, logs[2].id), logs[2], 1);
    CHECK(table.sessions.open(5, 1, logs[3].id).error() == Error::too_many_sessions);
    trailer_of(table.sessions, logs[0], bytes);
    CHECK(table.sessions.open(5, 1, logs[3].id).error() == Error::too_many_sessions);
    table.sessions.advance(*table.sessions.find(1, logs[0].id), logs[0], 2);  // in flight and pending
    trailer_of(table.sessions, logs[1], bytes);
    table.sessions.commit_done();
    opened(table.sessions, 5, 1, logs[3]);
    CHECK(table.sessions.find(2, logs[1].id) == nullptr);
    CHECK(table.sessions.find(1, logs[0].id) != nullptr);
    CHECK(table.sessions.find(1, logs[0].id)->last_sequence == 2);
}

TEST_CASE("sessions: a trailer applied elsewhere gives the same states; a malformed one is corrupt") {
    Table table(8), other(8);
    Logs logs;
    std::vector<std::uint8_t> bytes;
    table.sessions.advance(opened(table.sessions, 5, 1, logs[0]), logs[0], 300);
    table.sessions.advance(opened(table.sessions, 6, 2, logs[0]), logs[0], 1);
    trailer_of(table.sessions, logs[0], bytes);
    REQUIRE(other.sessions.apply_trailer(bytes, logs[0].id));
    CHECK(other.sessions.known(5, 1).last_sequence == 300);
    CHECK(other.sessions.known(6, 2).last_sequence == 1);
    // Replay says older things again, then the newer ones.
    REQUIRE(other.sessions.restore({5, 1, logs[0].id, 310}));
    REQUIRE(other.sessions.apply_trailer(bytes, logs[0].id));
    CHECK(other.sessions.known(5, 1).last_sequence == 300);
    bytes.pop_back();
    CHECK(other.sessions.apply_trailer(bytes, logs[0].id).error() == Error::corrupt);
    SessionImage image;
    std::uint32_t images = 0;
    for (std::uint32_t i = 0; i < other.sessions.capacity(); ++i) images += other.sessions.image_at(i, image) ? 1 : 0;
    CHECK(images == other.sessions.used());
}

TEST_CASE("sessions: random use against a model") {
    constexpr std::uint32_t capacity = 16;
    Random random(21);
    struct State {
        std::uint32_t incarnation = 0;
        std::uint64_t last = 0;
        bool pending = false;
        bool in_flight = false;
        std::uint64_t used = 0;
        bool busy() const { return pending || in_flight; }
    };
    using Key = std::pair<std::uint64_t, std::uint64_t>;
    Table table(capacity);
    Logs logs;
    std::map<Key, State> model;
    std::uint64_t clock = 0;
    std::vector<std::uint8_t> bytes;
    for (int step = 0; step < 20'000; ++step) {
        Log& log = logs[random.below(5)];
        const std::uint64_t id = 1 + random.below(12);
        const Key key{log.id.value, id};
        const auto incarnation = static_cast<std::uint32_t>(random.below(10) == 0 ? random.below(3) : 1);
        const std::size_t what = random.below(20);
        if (what < 14) {
            const Result<Session*> session = table.sessions.open(id, incarnation, log.id);
            auto at = model.find(key);
            if (at == model.end()) {
                if (model.size() == capacity) {
                    auto victim = model.end();
                    for (auto i = model.begin(); i != model.end(); ++i)
                        if (!i->second.busy() && (victim == model.end() || i->second.used < victim->second.used)) victim = i;
                    if (victim == model.end()) {
                        REQUIRE(session.error() == Error::too_many_sessions);
                        continue;
                    }
                    model.erase(victim);
                }
                at = model.emplace(key, State{incarnation}).first;
            } else if (at->second.incarnation != incarnation) {
                at->second.incarnation = incarnation;
                at->second.last = 0;
            }
            REQUIRE(session);
            at->second.used = ++clock;
            REQUIRE((*session)->last_sequence == at->second.last);
            if (random.below(2) == 0) {
                at->second.last += 1 + random.below(3);
                at->second.pending = true;
                at->second.used = ++clock;
                table.sessions.advance(**session, log, at->second.last);
            }
        } else if (what < 17) {
            const auto entries = trailer_of(table.sessions, log, bytes);
            std::size_t expected = 0;
            for (auto& [k, state] : model) {
                if (k.first != log.id.value || !state.pending) continue;
                ++expected;
                REQUIRE(entries.contains(k.second));
                REQUIRE(entries.at(k.second) == TrailerEntry{k.second, state.incarnation, state.last});
                state.pending = false;
                state.in_flight = true;
            }
            REQUIRE(entries.size() == expected);
        } else if (what < 19) {
            table.sessions.commit_done();
            for (auto& [k, state] : model) state.in_flight = false;
        } else if (random.below(4) == 0) {
            table.sessions.remove_log(log);
            std::erase_if(model, [&](const auto& e) { return e.first.first == log.id.value; });
            REQUIRE(log.pending_session_count == 0);
        }
        REQUIRE(table.sessions.used() == model.size());
        std::map<Key, State> seen;
        SessionImage image;
        for (std::uint32_t i = 0; i < capacity; ++i)
            if (table.sessions.image_at(i, image)) seen[{image.log.value, image.session}] = {image.incarnation, image.last_sequence};
        REQUIRE(seen.size() == model.size());
        for (const auto& [k, state] : model) {
            REQUIRE(seen.contains(k));
            REQUIRE(seen[k].last == state.last);
            REQUIRE(seen[k].incarnation == state.incarnation);
        }
    }
}
