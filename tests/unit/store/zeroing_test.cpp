// First boot: segments are written with zeros before their first use, and only then.
#include <doctest/doctest.h>

#include <map>

#include "support/log_model.h"

namespace rivulet::test {
namespace {

using store::page_bytes;

struct FirstLap {
    explicit FirstLap(const store::StoreOptions& options = small_store()) : h(1, options), d(h) {
        h.disk().observer = [this](const sim::DiskCall& call, std::uint64_t) {
            if (call.op == sim::DiskOp::write && call.path.find("journal") != std::string_view::npos) note(call);
        };
        REQUIRE(h.boot());
    }
    void note(const sim::DiskCall& call) {
        bool blank = true;
        for (const Bytes piece : call.buffers)
            for (const std::uint8_t byte : piece) blank &= byte == 0;
        const std::uint64_t segment = call.position / h.options().segment_bytes;
        if (blank && call.bytes >= 16 * 1024) zeroed[segment] += call.bytes;
        else if (zeroed[segment] < h.options().segment_bytes) ++unready;
    }
    const store::State& state() { return h.store().state(); }
    void fill(int batches) {
        for (int i = 0; i < batches; ++i) {
            REQUIRE(d.append_patiently(LogId(16), 3, 1500) != 0);
            // Flash of a card writes segments of 8 MiB no faster than this.
            if (i % 3 == 2) h.run_for(40 * ns_per_ms);
        }
        REQUIRE(h.settle());
    }
    std::string check() {
        History moment = d.moment();
        return verify(h, moment, FaultClass::a);
    }

    StoreHarness h;
    Driver d;
    std::map<std::uint64_t, std::uint64_t> zeroed;  // bytes by slot
    std::size_t unready = 0;                        // writes of data to a segment that was not zeroed whole
};

}  // namespace

TEST_CASE("zeroing: four segments before it serves, the others behind its back, each once") {
    FirstLap lap;
    CHECK(lap.zeroed.size() <= 5);
    CHECK(lap.state().head.zeroed_through == 4);
    lap.h.run_for(30 * ns_per_s);
    CHECK(lap.state().head.zeroed_through == lap.h.options().segment_count());
    CHECK(lap.zeroed.size() == lap.h.options().segment_count());
    for (const auto& [slot, bytes] : lap.zeroed) CHECK(bytes == lap.h.options().segment_bytes);
}

TEST_CASE("zeroing: stays ahead of appends, and ends with the first lap") {
    FirstLap lap;
    REQUIRE(lap.d.create(1) != 0);
    lap.fill(400);
    CHECK(lap.state().geometry.sequence(lap.state().head.next) > lap.h.options().segment_count());
    CHECK(lap.unready == 0);
    for (const auto& [slot, bytes] : lap.zeroed) CHECK(bytes == lap.h.options().segment_bytes);
    CHECK(lap.check() == "");
}

TEST_CASE("zeroing: after a cut in the first lap it goes on ahead of the head, and touches nothing that is in use") {
    for (const int batches : {0, 5, 60, 150}) {
        CAPTURE(batches);
        FirstLap lap;
        REQUIRE(lap.h.settle(lap.d.create(1)));
        lap.fill(batches);
        History survived = lap.d.moment();
        lap.h.cut();
        REQUIRE(lap.h.boot());
        CHECK(verify(lap.h, survived, FaultClass::a) == "");
        lap.d.resume(survived);
        lap.h.run_for(30 * ns_per_s);
        CHECK(lap.state().head.zeroed_through == lap.h.options().segment_count());
        lap.fill(400);
        CHECK(lap.unready == 0);
        CHECK(lap.check() == "");
    }
}

TEST_CASE("zeroing: a write of zeros that fails is told, and nothing else comes of it") {
    FirstLap lap;
    REQUIRE(lap.h.settle(lap.d.create(1)));
    lap.h.disk().fail_nth(sim::DiskOp::write, 1, Error::io);
    lap.h.run_for(10 * ns_per_s);
    CHECK_FALSE(lap.h.store().offline());
    const auto& lines = lap.h.world.recent_log();
    CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) { return line.find("zeroing") != std::string::npos; }));
    lap.fill(200);
    CHECK(lap.check() == "");
}

}  // namespace rivulet::test
