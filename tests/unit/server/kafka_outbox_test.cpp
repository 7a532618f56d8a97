#include "server/kafka/outbox.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace rivulet;
using namespace rivulet::server::kafka;

namespace {

// Takes `room` bytes at once and keeps four buffers more, as a connection does.
struct Taker final : env::Connection {
    std::size_t send(std::span<const Bytes> buffers) override {
        std::size_t taken = 0;
        for (const Bytes buffer : buffers) {
            const std::size_t n = std::min(room, buffer.size());
            got.append(reinterpret_cast<const char*>(buffer.data()), n);
            room -= n;
            taken += n;
            if (n == buffer.size()) continue;
            if (kept.size() == env::send_buffers_kept_max) break;
            kept.push_back(buffer.subspan(n));
            taken += buffer.size() - n;
        }
        return taken;
    }
    bool sending() const override { return !kept.empty(); }
    std::size_t unsent() const override { return 0; }
    void take_kept() {
        for (const Bytes buffer : kept) got.append(reinterpret_cast<const char*>(buffer.data()), buffer.size());
        kept.clear();
    }
    void pause_reading() override {}
    void resume_reading() override {}
    void close() override {}
    void shutdown_sending() override {}
    env::Address peer() const override { return {}; }
    env::Address local() const override { return {}; }

    std::size_t room = SIZE_MAX;
    std::string got;
    std::vector<Bytes> kept;
};

struct Owner final : StreamOwner {
    void on_stream_sent(Stream&) override { ++sent; }
    bool refill(Stream& stream) override {
        stream.view.pieces[0] = as_bytes("rest");
        stream.view.piece_count = 1;
        stream.view.more_bytes = 0;
        return refills;
    }
    int sent = 0;
    bool refills = true;
};

struct Fixture {
    Fixture() { outbox.adopt(small); }
    void answer(std::string_view text, std::uint64_t ticket = 0, std::uint64_t durable = 0) {
        outbox.begin_answer();
        add(text);
        outbox.finish_answer(ticket, durable);
    }
    void add(std::string_view text) {
        copy(as_bytes(text), outbox.free_room());
        outbox.written(text.size());
    }
    void insert(Stream& stream, std::string_view text, std::size_t position, bool more = false) {
        stream.view.pieces[0] = as_bytes(text);
        stream.view.piece_count = 1;
        stream.view.bytes = text.size();
        stream.view.more_bytes = more ? 4 : 0;
        outbox.insert(stream, outbox.last_answer() + position);
    }
    // What has left so far.
    std::string sent() {
        while (!taker.sending() && outbox.ready() && outbox.send(taker) != 0)
            if (!taker.sending()) CHECK(outbox.finish_streams(owner));
        return taker.got;
    }

    std::uint8_t small[16] = {};
    std::uint8_t large[64] = {};
    Outbox outbox;
    Taker taker;
    Owner owner;
};

}  // namespace

TEST_CASE("answers leave in order; one that is not finished stays") {
    Fixture f;
    f.answer("one");
    f.outbox.begin_answer();
    f.add("tw");
    CHECK(f.sent() == "one");
    CHECK_FALSE(f.outbox.empty());
    f.add("o");
    f.outbox.finish_answer(0, 0);
    CHECK(f.sent() == "onetwo");
    CHECK(f.outbox.empty());
    f.outbox.begin_answer();
    f.add("three");
    f.outbox.drop_answer();
    CHECK(f.outbox.empty());
    CHECK_FALSE(f.outbox.answering());
    CHECK(f.outbox.give_back().size() == 16);
    CHECK_FALSE(f.outbox.has_buffer());
}

TEST_CASE("nothing behind a gate leaves before its ticket is durable, whatever is moved meanwhile") {
    Fixture f;
    f.answer("a");
    CHECK(f.sent() == "a");
    f.answer("b", 5, 4);
    f.answer("c");
    f.answer("d", 5, 4);
    f.answer("e", 6, 4);
    f.answer("f", 3, 4);  // durable, but behind
    CHECK(f.outbox.waits_for_commit());
    CHECK(f.outbox.ticket() == 5);
    CHECK(f.sent() == "a");
    f.outbox.compact();
    CHECK(f.outbox.room() == 11);
    CHECK_FALSE(f.outbox.settle(4));
    CHECK(f.sent() == "a");
    f.outbox.begin_answer();
    f.add("g");
    CHECK(f.outbox.settle(5));
    CHECK(f.outbox.ticket() == 6);
    CHECK(f.sent() == "abcd");
    f.outbox.compact();
    CHECK(f.outbox.answer_bytes() == 1);
    CHECK(f.outbox.adopt(f.large).size() == 16);
    f.outbox.finish_answer(0, 6);
    CHECK_FALSE(f.outbox.waits_for_commit());
    CHECK(f.sent() == "abcdefg");
    CHECK(f.outbox.empty());
}

TEST_CASE("batches leave where they were inserted, before and after what is moved to a larger buffer") {
    Fixture f;
    Stream first, second, third;
    f.answer("head");
    f.insert(first, "BATCH", 2);
    f.insert(second, "NEXT", 4, true);
    f.answer("gate", 9, 8);
    f.insert(third, "LAST", 4);
    CHECK(f.outbox.adopt(f.large).size() == 16);
    CHECK(f.sent() == "heBATCHadNEXTrest");
    CHECK(f.owner.sent == 2);
    f.outbox.compact();
    CHECK(f.outbox.settle(9));
    CHECK(f.sent() == "heBATCHadNEXTrestgateLAST");
    CHECK(f.owner.sent == 3);
    CHECK(f.outbox.empty());
}

TEST_CASE("a connection that keeps some: the rest follows, and streams stand until it has taken them") {
    for (std::size_t room = 0; room < 17; ++room) {
        Fixture f;
        Stream first, second;
        f.answer("head");
        f.insert(first, "BATCH", 2);
        f.answer("tail");
        f.insert(second, "NEXT", 0);
        f.taker.room = room;
        f.sent();
        CHECK(f.taker.sending());
        CHECK(f.owner.sent < 2);
        f.taker.room = SIZE_MAX;
        for (int round = 0; round < 5 && f.taker.sending(); ++round) {
            f.taker.take_kept();
            CHECK(f.outbox.finish_streams(f.owner));
            f.sent();
        }
        CHECK(f.taker.got == "heBATCHadNEXTtail");
        CHECK(f.owner.sent == 2);
        CHECK(f.outbox.empty());
    }
}

TEST_CASE("a batch that goes on but is gone ends what was promised; streams go with the connection") {
    Fixture f;
    Stream first, second;
    f.owner.refills = false;
    f.answer("x");
    f.insert(first, "BATCH", 1, true);
    f.insert(second, "NEXT", 1);
    CHECK(f.outbox.send(f.taker) == 6);
    CHECK_FALSE(f.outbox.finish_streams(f.owner));
    f.outbox.drop_streams(f.owner);
    CHECK(f.owner.sent == 2);
    CHECK(f.outbox.empty());
    CHECK(f.outbox.give_back().size() == 16);
}
