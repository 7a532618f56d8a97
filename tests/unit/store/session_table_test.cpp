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
    CHECK(table.sessions.find(5, 1, logs[1].id) == nullptr);
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

TEST_CASE("sessions: a new incarnation starts over in all logs") {
    Table table(4);
    Logs logs;
    std::vector<std::uint8_t> bytes;
    for (std::size_t n = 0; n < 3; ++n) table.sessions.advance(opened(table.sessions, 5, 1, logs[n]), logs[n], n + 1);
    trailer_of(table.sessions, logs[0], bytes);
    trailer_of(table.sessions, logs[1], bytes);
    CHECK(opened(table.sessions, 5, 2, logs[1]).last_sequence == 0);
    CHECK(table.sessions.find(5, 2, logs[0].id) == nullptr);
    CHECK_FALSE(table.sessions.known(5, 1).known);
    CHECK(table.sessions.known(5, 2).last_sequence == 0);
    CHECK(trailer_of(table.sessions, logs[2], bytes)[5] == TrailerEntry{5, 2, 0});
    CHECK(table.sessions.used() == 2);
}

TEST_CASE("sessions: one goes as a whole, the least recently used, and never for a pair of its own") {
    Table table(3);
    Logs logs;
    opened(table.sessions, 1, 1, logs[0]);
    opened(table.sessions, 2, 1, logs[0]);
    opened(table.sessions, 1, 1, logs[1]);
    CHECK(table.sessions.never_forgot());
    opened(table.sessions, 3, 1, logs[0]);  // 2 was used before 1
    CHECK_FALSE(table.sessions.known(2, 1).known);
    CHECK(table.sessions.known(1, 1).whole);
    opened(table.sessions, 3, 1, logs[2]);
    CHECK_FALSE(table.sessions.known(1, 1).known);
    CHECK(table.sessions.find(1, 1, logs[1].id) == nullptr);
    CHECK(table.sessions.used() == 2);
    CHECK(table.sessions.evictions() == 2);
    opened(table.sessions, 3, 1, logs[1]);
    CHECK(table.sessions.open(3, 1, logs[3].id).error() == Error::too_many_sessions);
    CHECK(table.sessions.used() == 3);
    CHECK_FALSE(table.sessions.never_forgot());
}

TEST_CASE("sessions: what is pending or in a commit is not evicted") {
    Table table(3);
    Logs logs;
    std::vector<std::uint8_t> bytes;
    table.sessions.advance(opened(table.sessions, 1, 1, logs[0]), logs[0], 1);
    table.sessions.advance(opened(table.sessions, 2, 1, logs[1]), logs[1], 1);
    opened(table.sessions, 3, 1, logs[2]);
    opened(table.sessions, 4, 1, logs[2]);  // takes the place of 3
    CHECK(table.sessions.find(3, 1, logs[2].id) == nullptr);
    CHECK(table.sessions.evictions() == 1);
    table.sessions.advance(*table.sessions.find(4, 1, logs[2].id), logs[2], 1);
    CHECK(table.sessions.open(5, 1, logs[3].id).error() == Error::busy);
    trailer_of(table.sessions, logs[0], bytes);
    CHECK(table.sessions.open(5, 1, logs[3].id).error() == Error::busy);
    table.sessions.advance(*table.sessions.find(1, 1, logs[0].id), logs[0], 2);  // in flight and pending
    trailer_of(table.sessions, logs[1], bytes);
    table.sessions.commit_done();
    opened(table.sessions, 5, 1, logs[3]);
    CHECK(table.sessions.find(2, 1, logs[1].id) == nullptr);
    REQUIRE(table.sessions.find(1, 1, logs[0].id) != nullptr);
    CHECK(table.sessions.find(1, 1, logs[0].id)->last_sequence == 2);
}

TEST_CASE("sessions: what a connection holds is not evicted") {
    Table table(2);
    Logs logs;
    SessionHold holds[3];
    REQUIRE(table.sessions.open(1, 1, logs[0].id, 1, &holds[0]));
    opened(table.sessions, 2, 1, logs[0]);
    opened(table.sessions, 3, 1, logs[0]);
    CHECK_FALSE(table.sessions.known(2, 1).known);
    CHECK(table.sessions.resume(3, 1, 1, holds[1]).known);
    CHECK(table.sessions.open(2, 1, logs[0].id, 1, &holds[2]).error() == Error::too_many_sessions);
    table.sessions.remove_log(logs[0]);  // they stay, with nothing
    CHECK(table.sessions.used() == 0);
    CHECK(table.sessions.open(2, 1, logs[1].id, 1, &holds[2]).error() == Error::too_many_sessions);
    holds[0].release();
    holds[0].release();
    REQUIRE(table.sessions.open(2, 1, logs[1].id, 1, &holds[2]));
    holds[1].release();
    opened(table.sessions, 4, 1, logs[1]);
    CHECK(table.sessions.known(2, 1).known);
    CHECK(table.sessions.used() == 2);
}

TEST_CASE("sessions: what a connection used last is found again, as long as it is that") {
    Table table(3);
    Logs logs;
    SessionHold hold;
    const auto open = [&](std::uint32_t incarnation, const Log& log) { return *table.sessions.open(7, incarnation, log.id, 1, &hold); };
    Session* const first = open(1, logs[0]);
    table.sessions.advance(*first, logs[0], 5);
    CHECK(open(1, logs[0]) == first);
    Session* const second = open(1, logs[1]);
    CHECK(second != first);
    CHECK(second->log == logs[1].id);
    CHECK(open(1, logs[0]) == first);
    CHECK(open(1, logs[0])->last_sequence == 5);
    // A log that is gone takes the pair along; another session gets its place.
    table.sessions.remove_log(logs[0]);
    CHECK(&opened(table.sessions, 8, 1, logs[0]) == first);
    Session* const anew = open(1, logs[0]);
    CHECK(anew != first);
    CHECK(anew->last_sequence == 0);
    // Another incarnation, opened by somebody else, starts over; the old one does not get its pair.
    table.sessions.advance(*anew, logs[0], 9);
    opened(table.sessions, 7, 2, logs[0]);
    CHECK(table.sessions.find(7, 2, logs[0].id)->last_sequence == 0);
    table.sessions.advance(*table.sessions.find(7, 2, logs[0].id), logs[0], 3);
    CHECK(open(1, logs[0])->last_sequence == 0);
    CHECK(table.sessions.find(7, 2, logs[0].id) == nullptr);
    hold.release();
}

TEST_CASE("sessions: one that may have been forgotten is told until it gets further") {
    Table table(1);
    Logs logs;
    SessionHold hold;
    opened(table.sessions, 1, 1, logs[0]);
    CHECK(table.sessions.resume(1, 1, 1, hold).whole);
    hold.release();
    REQUIRE(table.sessions.open(2, 1, logs[0].id, 7));
    REQUIRE(table.sessions.open(1, 1, logs[0].id, 3));
    for (const std::uint64_t base : {3, 2, 2}) CHECK_FALSE(table.sessions.resume(1, 1, base, hold).whole);
    CHECK(table.sessions.resume(1, 1, 3, hold).whole);
    CHECK(table.sessions.resume(1, 1, 1, hold).whole);
    table.sessions.forget_log(logs[0]);
    CHECK_FALSE(table.sessions.known(1, 1).known);
}

TEST_CASE("sessions: a log that is cut leaves its sessions known in part") {
    Table table(4);
    Logs logs;
    SessionHold hold;
    opened(table.sessions, 1, 1, logs[0]);
    opened(table.sessions, 1, 1, logs[1]);
    opened(table.sessions, 2, 1, logs[1]);
    table.sessions.forget_log(logs[0]);
    CHECK(table.sessions.known(1, 1).known);
    CHECK_FALSE(table.sessions.resume(1, 1, 1000, hold).whole);
    CHECK(table.sessions.resume(1, 1, 1001, hold).whole);
    CHECK(table.sessions.known(2, 1).whole);
}

// A checkpoint is captured piece by piece while sessions go and come.
TEST_CASE("sessions: images that were taken while a session went restore no half of it") {
    Table table(4), other(4);
    Logs logs;
    SessionHold hold;
    opened(table.sessions, 1, 1, logs[0]).last_sequence = 1;
    opened(table.sessions, 1, 1, logs[1]).last_sequence = 2;
    opened(table.sessions, 2, 1, logs[0]).last_sequence = 5;
    opened(table.sessions, 2, 1, logs[1]).last_sequence = 6;
    SessionImage image;
    REQUIRE(table.sessions.image_at(0, image));
    REQUIRE(other.sessions.restore(image));
    opened(table.sessions, 3, 1, logs[0]).last_sequence = 9;  // 1 goes
    for (std::uint32_t i = 1; i < table.sessions.images(); ++i)
        if (table.sessions.image_at(i, image)) REQUIRE(other.sessions.restore(image));
    CHECK_FALSE(other.sessions.never_forgot());
    CHECK(other.sessions.known(1, 1).known);
    CHECK_FALSE(other.sessions.known(1, 1).whole);
    CHECK(other.sessions.known(2, 1).whole);
    CHECK(other.sessions.known(2, 1).last_sequence == 6);
    CHECK_FALSE(other.sessions.resume(1, 1, 2, hold).whole);
}

TEST_CASE("sessions: a smaller table restores whole sessions, or says that a part is missing") {
    Table table(6), other(3);
    Logs logs;
    for (std::uint64_t id = 1; id <= 2; ++id)
        for (std::size_t log = 0; log < 2; ++log) opened(table.sessions, id, 1, logs[log]).last_sequence = id * 10 + log;
    SessionImage image;
    for (std::uint32_t i = 0; i < table.sessions.images(); ++i)
        if (table.sessions.image_at(i, image)) REQUIRE(other.sessions.restore(image));
    CHECK_FALSE(other.sessions.known(1, 1).known);
    CHECK(other.sessions.known(2, 1).last_sequence == 21);
    // What is met again behind the checkpoint is but a part.
    REQUIRE(other.sessions.restore({1, 1, logs[1].id, 11}));
    CHECK_FALSE(other.sessions.known(1, 1).whole);
    // One that fills the table by itself.
    for (std::size_t log = 0; log < 4; ++log) REQUIRE(other.sessions.restore({4, 1, logs[log].id, 1, log != 3}));
    CHECK(other.sessions.used() == 3);
    CHECK_FALSE(other.sessions.known(4, 1).whole);
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
    struct Pair {
        std::uint64_t last = 0;
        bool pending = false;
    };
    struct Known {
        std::uint32_t incarnation = 0;
        std::map<std::uint64_t, Pair> pairs;  // by log
        std::uint64_t used = 0;
        bool in_flight = false;
        bool busy() const {
            for (const auto& [log, pair] : pairs)
                if (pair.pending) return true;
            return in_flight;
        }
    };
    Table table(capacity);
    Logs logs;
    std::map<std::uint64_t, Known> model;
    std::map<std::uint64_t, SessionHold> holds;
    std::uint64_t clock = 0;
    std::uint64_t evictions = 0;
    std::vector<std::uint8_t> bytes;
    const auto pairs = [&] {
        std::size_t n = 0;
        for (const auto& [id, known] : model) n += known.pairs.size();
        return n;
    };
    // Makes room for a pair of `id`; what open() answers.
    const auto make_room = [&](std::uint64_t id) {
        while (pairs() == capacity) {
            bool busy = false;
            auto victim = model.end();
            for (auto i = model.begin(); i != model.end(); ++i) {
                if (i->first == id || holds.contains(i->first)) continue;
                if (i->second.busy()) busy = true;
                else if (victim == model.end() || i->second.used < victim->second.used) victim = i;
            }
            if (victim == model.end()) return busy ? Error::busy : Error::too_many_sessions;
            model.erase(victim);
            ++evictions;
        }
        return Error::none;
    };
    for (int step = 0; step < 30'000; ++step) {
        Log& log = logs[random.below(5)];
        const std::uint64_t id = 1 + random.below(12);
        const auto incarnation = static_cast<std::uint32_t>(random.below(20) == 0 ? random.below(3) : 1);
        const std::size_t what = random.below(22);
        if (what < 14) {
            if (const auto at = model.find(id); at != model.end() && at->second.incarnation != incarnation) {
                at->second.incarnation = incarnation;
                std::erase_if(at->second.pairs, [](const auto& pair) { return !pair.second.pending; });
                for (auto& [of, pair] : at->second.pairs) pair.last = 0;
            }
            const bool is_new = !model.contains(id) || !model.at(id).pairs.contains(log.id.value);
            const Error expected = is_new ? make_room(id) : Error::none;
            const Result<Session*> session = table.sessions.open(id, incarnation, log.id);
            REQUIRE(session.error() == expected);
            if (expected != Error::none) continue;
            Known& known = model[id];
            known.incarnation = incarnation;
            if (!holds.contains(id)) known.used = ++clock;
            Pair& pair = known.pairs[log.id.value];
            REQUIRE((*session)->last_sequence == pair.last);
            if (random.below(2) == 0) {
                pair.last += 1 + random.below(3);
                pair.pending = true;
                table.sessions.advance(**session, log, pair.last);
            }
        } else if (what < 17) {
            const auto entries = trailer_of(table.sessions, log, bytes);
            std::size_t expected = 0;
            for (auto& [of, known] : model) {
                const auto pair = known.pairs.find(log.id.value);
                if (pair == known.pairs.end() || !pair->second.pending) continue;
                ++expected;
                REQUIRE(entries.contains(of));
                REQUIRE(entries.at(of) == TrailerEntry{of, known.incarnation, pair->second.last});
                pair->second.pending = false;
                known.in_flight = true;
            }
            REQUIRE(entries.size() == expected);
        } else if (what < 19) {
            table.sessions.commit_done();
            for (auto& [of, known] : model) known.in_flight = false;
        } else if (what < 21) {
            if (holds.contains(id)) {
                holds[id].release();
                holds.erase(id);
                if (model.contains(id)) model[id].used = ++clock;
            } else if (model.contains(id) && !model[id].pairs.empty() && holds.size() < 3) {
                REQUIRE(table.sessions.resume(id, model[id].incarnation, 1, holds[id]).known);
            }
        } else if (random.below(4) == 0) {
            table.sessions.remove_log(log);
            for (auto& [of, known] : model) known.pairs.erase(log.id.value);
            REQUIRE(log.pending_session_count == 0);
        }
        std::erase_if(model, [&](const auto& known) { return known.second.pairs.empty() && !holds.contains(known.first); });
        REQUIRE(table.sessions.used() == pairs());
        REQUIRE(table.sessions.evictions() == evictions);
        std::size_t seen = 0;
        SessionImage image;
        std::map<std::uint64_t, bool> partial;  // as the last of its images says
        for (std::uint32_t i = 0; i < capacity; ++i) {
            if (!table.sessions.image_at(i, image)) continue;
            ++seen;
            if (const auto before = partial.find(image.session); before != partial.end()) REQUIRE(before->second);
            partial[image.session] = image.partial;
            REQUIRE(model.contains(image.session));
            REQUIRE(model[image.session].incarnation == image.incarnation);
            REQUIRE(model[image.session].pairs.contains(image.log.value));
            REQUIRE(model[image.session].pairs[image.log.value].last == image.last_sequence);
        }
        REQUIRE(seen == pairs());
        for (const auto& [of, known] : model)
            if (!known.pairs.empty()) REQUIRE(partial[of] == !table.sessions.known(of, known.incarnation).whole);
    }
    CHECK(evictions > 100);
}
