// When a commit is due, and what it makes durable.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

TEST_CASE("commit: nothing is durable before the interval of its topic") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 5 * ns_per_s;
    const Result<store::Appended> appended = try_put(h, id, "one");
    REQUIRE(appended.ok());
    h.run_for(4 * ns_per_s);
    CHECK(h.store().durable_ticket() < appended->ticket);
    CHECK(h.log(id).high_watermark() == Offset(0));
    h.run_for(4 * ns_per_s);
    CHECK(h.store().durable_ticket() >= appended->ticket);
    CHECK(h.log(id).high_watermark() == Offset(1));
}

TEST_CASE("commit: the bytes of all logs together make it due") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId first = make_logs(h, 2);
    const std::string half(h.options().commit_bytes * 6 / 10, 'x');
    std::uint64_t ticket = 0;
    for (const LogId id : {first, first + 1}) {
        h.log(id).commit_interval_ns = 60 * ns_per_s;
        for (std::size_t done = 0; done < half.size(); done += 1000) {
            const Result<store::Appended> appended = try_put(h, id, std::string_view(half).substr(0, 1000));
            REQUIRE(appended.ok());
            ticket = appended->ticket;
        }
    }
    h.run_for(10 * ns_per_s);
    CHECK(h.store().durable_ticket() >= ticket);
}

TEST_CASE("commit: the earliest deadline takes all logs along, in one group and one sync") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId first = make_logs(h, 4);
    const std::uint64_t groups = h.store().commit_statistics().groups;
    const std::uint64_t syncs = h.disk().stats().syncs;
    for (std::uint32_t i = 0; i < 4; ++i) {
        h.log(first + i).commit_interval_ns = i == 2 ? 10 * ns_per_ms : 60 * ns_per_s;
        REQUIRE(try_put(h, first + i, "reading").ok());
    }
    h.run_for(5 * ns_per_s);
    for (std::uint32_t i = 0; i < 4; ++i) CHECK(h.log(first + i).durable_end == Offset(1));
    CHECK(h.store().commit_statistics().groups == groups + 1);
    CHECK(h.disk().stats().syncs == syncs + 1);
}

TEST_CASE("commit: those whom a commit acknowledged share the next one, if they come soon") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 0;
    const auto begun = [&](std::uint64_t ticket) { return h.run_until([&] { return h.store().open_ticket() > ticket; }); };

    const std::uint64_t first = try_put(h, id, "alone: at once")->ticket;
    const std::int64_t put_at = h.world.now();
    REQUIRE(begun(first));
    CHECK(h.world.now() - put_at < ns_per_ms / 10);
    const std::int64_t begun_at = h.world.now();
    for (int i = 0; i < 3; ++i) REQUIRE(try_put(h, id, "meanwhile").ok());
    REQUIRE(h.settle(first));
    const std::int64_t took = h.world.now() - begun_at;
    CHECK(h.store().open_ticket() == first + 1);
    const std::int64_t back_at = h.world.now();
    CHECK(try_put(h, id, "back again")->ticket == first + 1);
    REQUIRE(begun(first + 1));
    CHECK(h.world.now() - back_at < ns_per_ms / 10);

    REQUIRE(try_put(h, id, "meanwhile").ok());
    const std::int64_t again_at = h.world.now();
    REQUIRE(h.settle(first + 1));
    const std::int64_t again_took = h.world.now() - again_at;
    const std::int64_t alone_at = h.world.now();
    REQUIRE(begun(first + 2));  // nobody came back
    CHECK(h.world.now() - alone_at <= std::min(again_took, ns_per_ms) + ns_per_ms / 10);
    CHECK(took > 0);
    REQUIRE(h.settle(first + 2));
}

TEST_CASE("commit: a memory log is readable before it is durable, and never gives an offset out twice") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1, true);
    h.log(id).commit_interval_ns = 60 * ns_per_s;
    REQUIRE(try_put(h, id, "seen").ok());
    h.run_for(ns_per_s);
    CHECK(h.log(id).high_watermark() == Offset(1));
    CHECK(h.log(id).durable_end == Offset(0));
    const std::vector<ServedBatch> served = h.read(id);
    REQUIRE(served.size() == 1);
    h.cut();
    REQUIRE(h.boot().ok());
    const Result<store::Appended> next = try_put(h, id, "after");
    REQUIRE(next.ok());
    CHECK(next->base > Offset(1));
    CHECK(h.log(id).start <= next->base);
}

TEST_CASE("commit: a resend of a session is recognised, and settles with the original") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    const Result<store::Appended> first = try_put(h, id, "a", {7, 1, 1});
    REQUIRE(first.ok());
    const Result<store::Appended> again = try_put(h, id, "a", {7, 1, 1});
    REQUIRE(again.ok());
    CHECK(again->base == Offset(-1));
    CHECK(again->ticket == first->ticket);
    REQUIRE(h.settle(first->ticket));
    h.cut();
    REQUIRE(h.boot().ok());
    const Result<store::Appended> after = try_put(h, id, "a", {7, 1, 1});
    REQUIRE(after.ok());
    CHECK(after->base == Offset(-1));
    CHECK(after->ticket <= h.store().durable_ticket());
    CHECK(try_put(h, id, "b", {7, 1, 2})->base == Offset(1));
    // A new incarnation starts over.
    CHECK(try_put(h, id, "a", {7, 2, 1})->base == Offset(2));
}

TEST_CASE("commit: after a failed sync nothing is acknowledged, and reads go on") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    const Result<store::Appended> kept = try_put(h, id, "kept");
    REQUIRE(h.settle(kept->ticket));
    h.disk().fail_nth(sim::DiskOp::sync, 1);
    const Result<store::Appended> lost = try_put(h, id, "lost");
    REQUIRE(lost.ok());
    h.run_for(30 * ns_per_s);
    CHECK(h.store().offline());
    CHECK(h.program().offline.size() == 1);
    CHECK(h.store().durable_ticket() < lost->ticket);
    CHECK(try_put(h, id, "refused").error() == Error::store_offline);
    CHECK(h.read(id).size() == 1);
    h.kill();
    REQUIRE(h.boot().ok());
    CHECK(h.log(id).end >= Offset(1));
}

TEST_CASE("commit: a full pool is busy until a commit has made room") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    h.log(id).commit_interval_ns = 60 * ns_per_s;
    const std::string value(1000, 'x');
    Error error = Error::none;
    for (int i = 0; i < 2000 && error == Error::none; ++i) error = try_put(h, id, value).error();
    CHECK(error == Error::busy);
    h.run_for(10 * ns_per_s);
    CHECK(try_put(h, id, value).ok());
}

TEST_CASE("commit: a truncation cuts RAM and flash, and what comes after is kept through a power cut") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    for (int i = 0; i < 4; ++i) REQUIRE(h.settle(try_put(h, id, "old " + std::to_string(i))->ticket));
    const Result<std::uint64_t> cut = h.act([&] { return h.store().truncate(h.log(id), Offset(2), Epoch(9)); });
    REQUIRE(cut.ok());
    CHECK(h.log(id).end == Offset(2));
    const Result<store::Appended> next = try_put(h, id, "new");
    REQUIRE(next.ok());
    CHECK(next->base == Offset(2));
    REQUIRE(h.settle(next->ticket));
    for (int round = 0; round < 2; ++round) {
        const std::vector<ServedBatch> served = h.read(id);
        REQUIRE(served.size() == 3);
        CHECK(served[2].header.base_offset == Offset(2));
        CHECK(served[2].header.leader_epoch >= Epoch(9));
        h.cut();
        REQUIRE(h.boot().ok());
        CHECK(h.log(id).end == Offset(3));
    }
}

TEST_CASE("commit: an idle store marks its last group once") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 1);
    REQUIRE(h.settle(try_put(h, id, "last")->ticket));
    h.run_for(120 * ns_per_s);
    CHECK(h.store().commit_statistics().marks == 1);
    const std::uint64_t written = h.disk().stats().bytes_written;
    h.run_for(120 * ns_per_s);
    CHECK(h.disk().stats().bytes_written == written);
}

TEST_CASE("commit: a deleted log is gone after a power cut, and its id is not used again") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    const LogId id = make_logs(h, 2);
    REQUIRE(h.settle(try_put(h, id, "gone")->ticket));
    const Result<std::uint64_t> gone = h.act([&] { return h.store().delete_logs(id, 1); });
    REQUIRE(h.settle(*gone));
    h.cut();
    REQUIRE(h.boot().ok());
    CHECK(h.store().find(id) == nullptr);
    CHECK(h.store().find(id + 1) != nullptr);
    CHECK(h.store().next_log_id() > id + 1);
}

}  // namespace
}  // namespace rivulet::test
