// Clean logs at a start: records that say what cannot be, and parts that nobody named and whose place is needed.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/crc32c.h"
#include "store/group.h"
#include "unit/store/cleaned.h"

namespace rivulet::test {

namespace {

// Changes a record that lies in the journal, with all CRCs as if it had been written so. The ring has not gone round yet.
void forge(StoreHarness& h, const Buffer& record, const Buffer& other) {
    REQUIRE(record.size() == other.size());
    const store::Geometry& geometry = h.store().state().geometry;
    Buffer journal = h.disk().contents("store/journal");
    const auto found = std::search(journal.begin(), journal.end(), record.begin(), record.end());
    REQUIRE(found != journal.end());
    const auto at = static_cast<std::size_t>(found - journal.begin());
    std::copy(other.begin(), other.end(), found);
    Result<store::GroupHeader> header = rivulet::fail(Error::corrupt);
    std::size_t page = at / store::page_bytes * store::page_bytes;
    for (;; page -= store::page_bytes) {
        header = store::decode_group_header(Bytes(journal).subspan(page), Lsn(page), geometry);
        if (header) break;
        REQUIRE(page >= store::page_bytes);
    }
    REQUIRE(at < page + header->total_bytes);
    const Bytes table = Bytes(journal).subspan(page + store::group_header_bytes, header->table_bytes);
    Buffer rewritten(table.size() + 64);
    store::TableWriter writer(rewritten, header->base_timestamp);
    store::TableReader reader(*header, table);
    for (store::Extent extent; reader.next(extent);) {
        std::uint32_t crc_at = 0;
        REQUIRE(writer.add(extent, crc_at));
        store_le(&rewritten[crc_at], crc32c(Bytes(journal).subspan(page + header->payload_position() + extent.position, extent.bytes)));
    }
    REQUIRE(writer.bytes() == table.size());
    rewritten.resize(writer.bytes());
    header->table_crc = store::table_crc(header->salt, rewritten);
    std::uint8_t sealed[store::group_header_bytes];
    store::encode_group_header(*header, sealed);
    std::copy(std::begin(sealed), std::end(sealed), journal.begin() + static_cast<std::ptrdiff_t>(page));
    std::copy(rewritten.begin(), rewritten.end(), journal.begin() + static_cast<std::ptrdiff_t>(page + store::group_header_bytes));
    h.disk().overwrite("store/journal", page, Bytes(journal).subspan(page, header->total_bytes));
}

// Has the newer checkpoint say that it saw the clean log of `id` after its start had moved, and the log itself before.
void forge_checkpoint(StoreHarness& h, LogId id, Offset clean_end, Offset start) {
    constexpr std::size_t page_bytes = store::page_bytes;
    std::string newest;
    store::CheckpointHeader header;
    for (const char* const name : {"store/checkpoint.0", "store/checkpoint.1"}) {
        const Buffer file = h.disk().contents(name);
        const Result<store::CheckpointHeader> found = store::decode_checkpoint_header(std::span<const std::uint8_t, page_bytes>(file.data(), page_bytes));
        if (!found || (!newest.empty() && found->sequence < header.sequence)) continue;
        newest = name;
        header = *found;
    }
    REQUIRE_FALSE(newest.empty());
    Buffer body = h.disk().contents(newest);
    body.erase(body.begin(), body.begin() + page_bytes);
    body.resize(header.body_bytes);
    Buffer image(16);
    Writer out(image);
    out.varint(id.value);
    out.varint(static_cast<std::uint64_t>(clean_end.value) + 1);
    out.varint(h.log(id).clean.value);
    out.u8(0);
    const std::size_t bytes = out.size();
    const auto at = std::search(body.begin(), body.end(), image.begin(), image.begin() + static_cast<std::ptrdiff_t>(bytes)) + static_cast<std::ptrdiff_t>(bytes);
    REQUIRE(at < body.end());
    REQUIRE(*at == 0);
    *at = static_cast<std::uint8_t>(start.value);
    header.body_crc = crc32c(body);
    std::uint8_t page[page_bytes];
    store::encode_checkpoint_header(header, page);
    h.disk().overwrite(newest, 0, page);
    h.disk().overwrite(newest, page_bytes, body);
}

}  // namespace

TEST_CASE("store cleaning: a LOG_CLEANED that names what is no clean log is skipped, and both logs are whole") {
    // Of the one that is written: log 16, clean log 18, end 24.
    const struct {
        std::uint8_t log, clean;
        bool told;
    } cases[] = {{16, 17, true}, {16, 16, true}, {18, 18, true}, {17, 16, true}, {16, 99, false}, {77, 16, true}};
    for (const auto& forged : cases) {
        CAPTURE(int{forged.log});
        CAPTURE(int{forged.clean});
        Cleaned c;
        c.fill(first, 12);
        c.fill(LogId(17), 3);
        const std::uint64_t ticket = c.d.clean(first, [](std::size_t n) { return n % 3 == 0; });
        REQUIRE(ticket != 0);
        REQUIRE(c.h.settle(ticket));
        REQUIRE(c.h.log(first).clean == LogId(18));
        REQUIRE(c.h.read(first).size() == 4);
        forge(c.h, {12, 3, 16, 18, 24}, {12, 3, forged.log, forged.clean, 24});
        c.h.cut();
        lose_checkpoints(c.h);
        for (int start = 0; start < 2; ++start) {
            REQUIRE(c.h.boot());
            CHECK(c.h.log(first).clean == LogId(0));
            CHECK(c.h.read(first).size() == 12);
            CHECK(c.h.read(LogId(17)).size() == 3);
            CHECK(c.h.log(first).end == Offset(24));
            CHECK_FALSE(c.h.store().find(LogId(77)));
            if (start == 0) CHECK((c.h.store().state().damage.corrupt_groups != 0) == forged.told);
            c.h.cut();
        }
    }
}

TEST_CASE("store cleaning: the unfinished clean log of a topic that was deleted makes room for those that were created since") {
    Cleaned c(1);
    c.fill(first, 9);
    const std::vector<ServedBatch> batches = c.h.read(first);
    REQUIRE(c.h.act([&] { return c.h.store().begin_clean(c.h.log(first)).ok(); }));
    const std::uint64_t ticket = c.h.act([&]() -> std::uint64_t {
        store::Stage stage;
        REQUIRE(c.h.store().begin_stage(stage, batches[2].bytes.size()));
        stage.put(batches[2].bytes);
        const Result<std::uint64_t> done = c.h.store().relocate(stage);
        c.h.store().drop(stage);
        return done ? *done : 0;
    });
    REQUIRE(ticket != 0);
    REQUIRE(c.h.settle(ticket));
    REQUIRE(c.h.settle(c.d.remove(first)));
    const std::uint32_t logs = c.h.options().logs_max;
    const LogId late = make_logs(c.h, logs);
    for (std::uint32_t i = 0; i < logs; ++i) store_value(c.h, late + i, "value");
    for (int start = 0; start < 2; ++start) {
        c.h.cut();
        if (start == 0) lose_checkpoints(c.h);
        REQUIRE(c.h.boot());
        CHECK(c.h.store().log_count() == logs);
        for (std::uint32_t i = 0; i < logs; ++i) CHECK(c.h.log(late + i).end == Offset(1));
    }
}

TEST_CASE("store cleaning: a start that the ring has moved stays, though the checkpoint saw it in the clean log alone") {
    Cleaned c;
    c.fill(first, 40, 900);
    const std::uint64_t ticket = c.d.clean(first, [](std::size_t) { return true; });
    REQUIRE(c.h.settle(ticket));
    c.fill(first, 2);
    const Offset clean_end = c.h.log(first).clean_end;
    for (int i = 0; i < 400 && c.h.log(first).start == Offset(0); ++i) c.fill(LogId(17), 1, 1500);
    const Offset start = c.h.log(first).start;
    REQUIRE(start > Offset(0));
    REQUIRE(start < clean_end);
    forge_checkpoint(c.h, first, clean_end, start);
    c.h.cut();
    REQUIRE(c.h.boot());
    CHECK(c.h.log(first).start == start);
}

TEST_CASE("store cleaning: what is kept is not taken for older than what came behind it where damage has left a gap") {
    Cleaned c;
    c.fill(first, 12);
    const auto others = [&] {
        REQUIRE(c.d.append_patiently(LogId(17), 1, 1500) != 0);
        REQUIRE(c.h.settle());
    };
    const auto head = [&] { return c.h.store().state().geometry.sequence(c.h.store().state().head.previous_end - 1); };
    while (head() < 4) others();
    const std::uint64_t ticket = c.d.clean(first, [](std::size_t) { return true; });
    REQUIRE(c.h.settle(ticket));
    const auto index = [&]() -> const store::SegmentIndex& { return c.h.store().state().index; };
    for (int i = 0; i < 400 && index().first(c.log()); ++i) others();
    REQUIRE_FALSE(index().first(c.log()));
    REQUIRE(c.log().start == Offset(0));
    const Offset end = c.log().end;
    // A proved group that may have had some of any log.
    const store::State& state = c.h.store().state();
    const Lsn lost = state.head.next;
    others();
    others();
    const std::uint64_t position = state.geometry.file_position(lost);
    c.h.cut();
    c.h.disk().overwrite("store/journal", position, Buffer(store::page_bytes, 0x5a));
    REQUIRE(c.h.boot());
    REQUIRE(c.log().end > end);
    const std::uint64_t live = c.h.store().state().head.first_live;
    while (c.h.store().state().head.first_live < live + 2) others();
    CHECK(c.log().start == Offset(0));
    CHECK(c.h.read(first).size() == 12);
}

}  // namespace rivulet::test
