// A start after damage: it comes up whatever is missing and however much of it, and says what is lost.
#include <doctest/doctest.h>

#include <algorithm>

#include "store/store_files.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

using store::Extent;
using store::GroupHeader;

constexpr std::string_view journal = "store/journal";

// As many logs as a board takes, and room for one commit of them all.
store::StoreOptions many_logs() {
    store::StoreOptions options;
    options.dir = "store";
    options.segment_bytes = 1U << 20;
    options.size = 8 * options.segment_bytes;
    options.commit_bytes = 4U << 20;
    options.batch_bytes_max = 256U << 10;
    options.sessions_max = 2000;
    options.index_samples_max = 4000;
    options.windows = 1;
    return options;
}

std::uint64_t append(StoreHarness& h, LogId id, std::string_view value, const store::SessionReading& session = {}) {
    const Result<store::Appended> done = try_put(h, id, value, session);
    REQUIRE(done);
    return done->base.value < 0 ? 0 : done->ticket;
}

// The groups from one LSN on, as they are on flash.
std::vector<GroupHeader> groups_from(StoreHarness& h, Lsn from) {
    const store::Geometry geometry = h.store().state().geometry;
    const Lsn end = h.store().state().head.previous_end;
    const Buffer bytes = h.disk().contents(journal);
    std::vector<GroupHeader> groups;
    for (Lsn at = from; at < end;) {
        const auto header = decode_group_header(Bytes(bytes).subspan(geometry.file_position(at), store::group_header_bytes), at, geometry);
        if (header) groups.push_back(*header);
        at = header ? header->end() : geometry.first_group(geometry.sequence(at) + 1);
    }
    return groups;
}

// A flipped bit in each extent of these groups but the store's own.
std::size_t spoil(StoreHarness& h, const std::vector<GroupHeader>& groups) {
    const store::Geometry geometry = h.store().state().geometry;
    const Buffer bytes = h.disk().contents(journal);
    std::size_t spoilt = 0;
    for (const GroupHeader& header : groups) {
        const std::uint64_t at = geometry.file_position(header.lsn);
        store::TableReader table(header, Bytes(bytes).subspan(at + store::group_header_bytes, header.table_bytes));
        for (Extent extent; table.next(extent);) {
            if (extent.log == store::control_log) continue;
            h.disk().flip_bit(journal, at + header.payload_position() + extent.position + extent.bytes / 2, 3);
            ++spoilt;
        }
    }
    return spoilt;
}

}  // namespace

TEST_CASE("recovery: a thousand logs that all lose their tails, again and again, start each time and give no offset out twice") {
    StoreHarness h(1, many_logs());
    REQUIRE(h.boot());
    const LogId first = make_logs(h, 1000);
    std::vector<Offset> seen(1000);  // the end of what each log has ever had
    for (int round = 0; round < 4; ++round) {
        for (std::uint64_t i = 0; i < 1000; ++i) append(h, first + i, "kept", {900 + i, 1, static_cast<std::uint64_t>(round) * 2 + 1});
        REQUIRE(h.settle());
        const Lsn before = h.store().state().head.previous_end;
        std::uint64_t ticket = 0;
        for (std::uint64_t i = 0; i < 1000; ++i) ticket = append(h, first + i, "lost", {900 + i, 1, static_cast<std::uint64_t>(round) * 2 + 2});
        REQUIRE(h.settle(ticket));
        for (std::uint64_t i = 0; i < 1000; ++i) seen[i] = h.log(first + i).end;
        REQUIRE(spoil(h, groups_from(h, before)) == 1000);
        // A second start decides as the first did, also when what was given up lies below a mark by then.
        for (int start = 0; start < 3; ++start) {
            if (start == 2) h.run_for(20 * ns_per_s);
            h.cut();
            REQUIRE(h.boot());
            const store::State& state = h.store().state();
            CHECK(state.damage.corrupt_groups + state.damage.corrupt_extents == 0);
            if (start == 0) CHECK(state.damage.unproved_extents_lost == 1000);
            std::size_t jumped = 0;
            for (std::uint64_t i = 0; i < 1000; ++i) {
                const store::Log& log = h.log(first + i);
                // Marked void, or given out already.
                const bool cut = log.end == seen[i] - 1;
                CHECK((cut || log.end == seen[i]));
                jumped += !cut;
            }
            const std::size_t marked = state.truncations.count();
            CHECK(marked <= state.truncations.capacity());
            CHECK(marked + jumped >= 1000);
        }
        // What was given up comes again, as from a sensor that was not answered: it is taken, once.
        for (std::uint64_t i = 0; i < 1000; ++i) CHECK(append(h, first + i, "again", {900 + i, 1, static_cast<std::uint64_t>(round) * 2 + 2}) != 0);
        REQUIRE(h.settle());
        h.run_for(20 * ns_per_s);  // marked: all is proved
        h.cut();
        REQUIRE(h.boot());
        for (std::uint64_t i = 0; i < 1000; ++i) CHECK(append(h, first + i, "again", {900 + i, 1, static_cast<std::uint64_t>(round) * 2 + 2}) == 0);
    }
    // Each record that is kept is served, in order, and nothing twice.
    for (std::uint64_t i = 0; i < 1000; i += 37) {
        std::vector<std::string> values;
        for (const ServedBatch& batch : h.read(first + i)) {
            record::RecordReader records(Bytes(batch.bytes).subspan(record::batch_header_bytes), batch.header.record_count);
            while (const auto record = records.next()) values.emplace_back(reinterpret_cast<const char*>(record->value.data()), record->value.size());
        }
        CHECK(values == std::vector<std::string>{"kept", "again", "kept", "again", "kept", "again", "kept", "again"});
    }
    CHECK(h.failure() == "");
}

TEST_CASE("recovery: more fences than the table holds, one in each of many logs") {
    StoreHarness h(1, many_logs());
    REQUIRE(h.boot());
    const LogId first = make_logs(h, 600);
    Lsn from[3];
    for (Lsn& lsn : from) {
        lsn = h.store().state().head.previous_end;
        for (std::uint64_t i = 0; i < 600; ++i) append(h, first + i, "value");
        REQUIRE(h.settle());
    }
    // The group in the middle is gone: each log has a gap that the next group shows.
    const Buffer nothing(from[2] - from[1]);
    h.disk().overwrite(journal, h.store().state().geometry.file_position(from[1]), nothing);
    for (int start = 0; start < 3; ++start) {
        h.cut();
        REQUIRE(h.boot());
        const store::Fences& fences = h.store().state().fences;
        CHECK(fences.count() == store::Fences::capacity);
        CHECK(fences.forgotten() > 0);
        for (std::uint64_t i = 0; i < 600; ++i) CHECK(h.log(first + i).end == Offset(3));
    }
    // A gap whose fence was forgotten is found again when it is read.
    CHECK(h.read(first).size() == 2);
    CHECK(h.read(first + 599).size() == 2);
    CHECK(h.store().state().fences.covers(first, Offset(1), Offset(2)));
}

TEST_CASE("recovery: more boots than the table holds") {
    StoreHarness h;
    for (std::size_t i = 0; i < store::Boots::capacity + 10; ++i) {
        REQUIRE(h.boot());
        h.cut();
    }
    REQUIRE(h.boot());
    const store::Boots& boots = h.store().state().boots;
    CHECK(boots.count() == store::Boots::capacity);
    CHECK(boots.find(h.store().state().boot) != nullptr);
    const LogId id = make_logs(h, 1);
    append(h, id, "value");
    REQUIRE(h.settle());
}

TEST_CASE("recovery: more sessions than a smaller table holds") {
    StoreHarness h;
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 1);
    for (std::uint64_t s = 1; s <= 40; ++s) {
        append(h, id, "value", {s, 1, 1});
        if (s >= 39) REQUIRE(h.settle());
    }
    h.cut();
    store::StoreOptions fewer = small_store();
    fewer.sessions_max = 3;
    StoreHarness again(2, fewer);
    again.disk().restore(h.disk().snapshot());
    REQUIRE(again.boot());
    CHECK(again.store().sessions().used() == 3);
    CHECK(again.log(id).end == Offset(40));
    CHECK(append(again, id, "value", {40, 1, 1}) == 0);  // the newest is known
}

TEST_CASE("recovery: logs that were deleted come back with damage, beyond the limit, and it starts") {
    StoreHarness h;
    REQUIRE(h.boot());
    const LogId first = make_logs(h, 8);
    for (std::uint64_t i = 0; i < 8; ++i) append(h, first + i, "value");
    REQUIRE(h.settle());
    const Lsn from = h.store().state().head.previous_end;
    REQUIRE(h.settle(*h.act([&] { return h.store().delete_logs(first + 3, 2); })));
    const Lsn to = h.store().state().head.previous_end;
    const LogId late = make_logs(h, 2);
    append(h, late, "value");
    append(h, first, "value");
    REQUIRE(h.settle());
    h.disk().overwrite(journal, h.store().state().geometry.file_position(from), Buffer(to - from));
    for (int start = 0; start < 2; ++start) {
        h.cut();
        REQUIRE(h.boot());
        CHECK(h.store().log_count() == 8);
        CHECK(h.store().state().damage.corrupt_groups > 0);
        CHECK(h.log(first).end == Offset(2));
        CHECK(h.store().next_log_id() >= late + 2);
    }
}

TEST_CASE("recovery: without checkpoints and with the deletion of old logs lost, those that were created since have the room") {
    StoreHarness h;
    REQUIRE(h.boot());
    const LogId old = make_logs(h, 5);
    const LogId kept = make_logs(h, 1);
    const std::string value(1200, 'x');
    // Until the ring has wrapped and the oldest LOG_CREATE records are gone.
    for (int i = 0; i < 1200; ++i) {
        append(h, i % 4 == 0 ? kept : old + static_cast<std::uint64_t>(i % 5), value);
        if (i % 4 == 3) REQUIRE(h.settle());
    }
    CHECK(h.store().state().head.first_live > 2);
    const Lsn from = h.store().state().head.previous_end;
    REQUIRE(h.settle(*h.act([&] { return h.store().delete_logs(old, 5); })));
    const Lsn to = h.store().state().head.previous_end;
    const LogId late = make_logs(h, 7);
    for (std::uint64_t i = 0; i < 7; ++i) append(h, late + i, value);
    append(h, kept, value);
    REQUIRE(h.settle());
    const Offset kept_end = h.log(kept).end;
    h.disk().overwrite(journal, h.store().state().geometry.file_position(from), Buffer(to - from));
    const Buffer nothing(small_store().checkpoint_area_bytes);
    h.cut();
    h.disk().overwrite("store/checkpoint.0", 0, nothing);
    h.disk().overwrite("store/checkpoint.1", 0, nothing);
    REQUIRE(h.boot());
    CHECK(h.store().log_count() <= small_store().logs_max);
    for (std::uint64_t i = 0; i < 7; ++i) {
        REQUIRE(h.store().find(late + i));
        CHECK(h.log(late + i).end == Offset(1));
    }
    CHECK(h.store().next_log_id() == late + 7);
    // Of what has no topic as much comes back as there is room for.
    CHECK(h.program().orphans.size() == 6);
    if (h.store().find(kept)) CHECK(h.log(kept).end >= kept_end);
}

TEST_CASE("recovery: a group whose table is lost is counted, also where it lies beyond the end") {
    store::StoreOptions options = small_store();
    options.commit_bytes = 256 * 1024;
    StoreHarness h(1, options);
    REQUIRE(h.boot());
    const LogId first = make_logs(h, 4);
    const Lsn before = h.store().state().head.previous_end;
    const std::string value(3600, 'x');
    for (std::uint64_t i = 0; i < 8; ++i) append(h, first + i / 2, value);
    REQUIRE(h.settle());
    const std::vector<GroupHeader> groups = groups_from(h, before);
    REQUIRE(groups.size() == 2);
    const auto at = [&](const GroupHeader& header) { return h.store().state().geometry.file_position(header.lsn); };
    const std::uint64_t header_at = at(groups[0]);
    const std::uint64_t table_at = at(groups[1]) + store::group_header_bytes + 3;
    h.cut();
    SUBCASE("behind a group whose header is lost too") {
        h.disk().overwrite(journal, header_at, Buffer(store::page_bytes));
        h.disk().flip_bit(journal, table_at, 1);
        REQUIRE(h.boot());
        CHECK(h.store().state().damage.unproved_extents_lost == groups[1].extent_count);
        CHECK(h.store().state().damage.corrupt_groups == 0);
    }
    SUBCASE("right at the end") {
        h.disk().flip_bit(journal, table_at, 1);
        REQUIRE(h.boot());
        CHECK(h.store().state().damage.unproved_extents_lost == groups[1].extent_count);
    }
    SUBCASE("below what is proved it is a damaged group") {
        REQUIRE(h.boot());
        h.run_for(20 * ns_per_s);
        h.cut();
        h.disk().flip_bit(journal, table_at, 1);
        REQUIRE(h.boot());
        CHECK(h.store().state().damage.unproved_extents_lost == 0);
        CHECK(h.store().state().damage.corrupt_groups == 1);
    }
}

// What may be missing: it starts, what is there is served, what is not is fenced, and it goes on.
TEST_CASE("recovery: without super, without checkpoints, without both, with half of the journal") {
    struct Missing { const char* name; bool super; bool checkpoints; bool half; bool erased; };
    const Missing cases[] = {{"super, blank", true, false, false, false},      {"super, gone", true, false, false, true},
                             {"checkpoints, blank", false, true, false, false}, {"checkpoints, gone", false, true, false, true},
                             {"both, blank", true, true, false, false},         {"both, gone", true, true, false, true},
                             {"half of the journal", false, false, true, false}, {"half, and super", true, false, true, true},
                             {"half, and checkpoints", false, true, true, true}};
    for (const int batches : {12, 130, 500})  // one segment; some; the ring has wrapped
        for (const Missing& missing : cases) {
            const std::string name = missing.name;
            CAPTURE(name);
            CAPTURE(batches);
            StoreHarness h;
            Driver d(h);
            REQUIRE(h.boot());
            REQUIRE(d.create(2) != 0);
            for (int i = 0; i < batches; ++i) {
                REQUIRE(d.append_patiently(LogId(16 + static_cast<std::uint64_t>(i) % 2), 3, 1500) != 0);
                if (i % 3 == 2) REQUIRE(h.settle());
            }
            REQUIRE(h.settle());
            h.run_for(20 * ns_per_s);
            History history = d.moment();
            const Uuid store_id = h.store().state().geometry.store_id;
            h.cut();
            const auto lose = [&](std::string_view path) {
                if (missing.erased) h.disk().erase(path);
                else h.disk().overwrite(path, 0, Buffer(h.disk().size_of(path)));
            };
            if (missing.super) lose("store/super");
            if (missing.checkpoints) {
                lose("store/checkpoint.0");
                lose("store/checkpoint.1");
            }
            if (missing.half) h.disk().truncate(journal, h.disk().size_of(journal) / 2);
            const auto opened = h.boot();
            REQUIRE_MESSAGE(opened.ok(), error_info(opened.error()).name);
            CHECK(h.store().state().geometry.store_id == store_id);
            if (missing.half) {
                CHECK(verify(h, history, FaultClass::d) == "");
            } else {
                CHECK(verify(h, history, FaultClass::b) == "");
                CHECK(h.store().state().damage.corrupt_groups == 0);
                for (const std::uint64_t id : {16, 17}) CHECK(h.log(LogId(id)).end == history.logs.at(id).end);
            }
            d.resume(history);
            for (const auto& [id, log] : d.history.logs)
                if (h.store().find(LogId(id))) CHECK(d.append_patiently(LogId(id), 2, 100) != 0);
            REQUIRE(h.settle());
            h.run_for(20 * ns_per_s);
            h.cut();
            const auto again = h.boot();
            REQUIRE(again);
            CHECK_FALSE(again->created);
            CHECK(h.disk().size_of(journal) == small_store().size);
        }
}

}  // namespace rivulet::test
