#include "store/offline/verify.h"

#include "base/crc32c.h"
#include "record/batch.h"
#include "store/offline/checkpoint_chunks.h"
#include "store/offline/findings.h"
#include "store/offline/log_ends.h"
#include "store/session_trailer.h"

namespace rivulet::store {

namespace {

class Verifier {
public:
    Verifier(OfflineStore& store, bool json, MutableBytes scratch, LineSink& sink)
        : store_(store), report_{sink, json}, window_(scratch.first(walk_window_bytes(store.geometry()))), ends_(scratch.subspan(window_.size())) {}

    Result<VerifyResult> run();

private:
    void note(std::string_view what, std::uint64_t number, std::string_view state);
    void damage(std::string_view what, std::string_view state);
    std::string_view checkpoint_state(std::size_t area) const;
    void check_supers();
    void check_checkpoints();
    void checkpoint_damage(std::string_view what, std::string_view consequence);
    Error check_entries(std::size_t area);
    void check_segments();
    Status check_journal();
    Status check_group(JournalWalk& walk);
    Status check_extent(JournalWalk& walk, const Extent& extent);
    Status check_records(const Extent& extent, Bytes bytes, Lsn lsn, Lsn end);
    void check_batches(const Extent& extent, Bytes bytes, Lsn lsn, Lsn end);
    void check_order(const Extent& extent, Lsn lsn, Lsn end);
    void find(std::string_view what, Lsn from, Lsn to, const Extent& extent) { find(what, from, to, extent.log, extent.base, extent.last()); }
    void find(std::string_view what, Lsn from, Lsn to, LogId log, Offset first, Offset last);
    void summary(const JournalWalk& walk);

    OfflineStore& store_;
    Report report_;
    MutableBytes window_;
    LogEnds ends_;
    Findings findings_{report_};
    VerifyResult result_;
    std::uint64_t salt_ = 0;
    bool in_run_ = false;
    Lsn last_hole_{0};  // of this run
};

void Verifier::note(std::string_view what, std::uint64_t number, std::string_view state) {
    ++result_.notes;
    ReportLine(report_, "note").text("what", what).number("number", number).text("state", state);
}

void Verifier::damage(std::string_view what, std::string_view state) {
    ++result_.corrupt;
    ReportLine(report_, "damage").text("class", "corruption").text("what", what).text("state", state);
}

std::string_view Verifier::checkpoint_state(std::size_t area) const {
    return store_.checkpoint_is_missing(area) ? error_info(Error::not_found).text : state_text(store_.checkpoint(area).error);
}

// One slot may be the one that a power cut interrupted.
void Verifier::check_supers() {
    for (std::size_t slot = 0; slot < super_slots; ++slot)
        if (store_.ruling_super() >= 0 && store_.super(slot).damaged()) note("super", slot, state_text(store_.super(slot).error));
    if (store_.super_outdated()) damage("super", "it is older than the journal; recovery goes by the runs that it finds there");
    if (store_.ruling_super() >= 0) return;
    const Error error = store_.super(store_.super(0).damaged() ? 0 : 1).error;
    damage("super", store_.super_is_missing() ? error_info(Error::not_found).text : state_text(error));
}

void Verifier::check_checkpoints() {
    for (std::size_t area = 0; area < 2; ++area)
        if (store_.checkpoint_is_missing(area)) note("checkpoint_file", area, checkpoint_state(area));
    constexpr std::string_view lost = "records stay; topics that no live commit creates come back as recovered.N, without name and settings; sessions are forgotten";
    constexpr std::string_view stale = "recovery fences all that was written since";
    const int ruling = store_.ruling_checkpoint();
    // Since the ring has gone round there has been one, and the journal no longer has all that it knew.
    if (ruling < 0 && store_.first_live() > 1) return checkpoint_damage("no checkpoint holds", lost);
    const Geometry& geometry = store_.geometry();
    if (ruling >= 0 && store_.checkpoint(static_cast<std::size_t>(ruling)).value.replay_from < geometry.first_group(geometry.first_live(store_.head())))
        return checkpoint_damage("the checkpoint is older than the oldest segment: of an earlier copy?", stale);
    std::size_t damaged = 0;
    for (std::size_t area = 0; area < 2; ++area) damaged += store_.checkpoint(area).damaged();
    if (damaged == 2) return damage("checkpoint", checkpoint_state(0));
    for (std::size_t area = 0; area < 2; ++area) {
        if (store_.checkpoint(area).damaged()) note("checkpoint", area, checkpoint_state(area));
        if (!store_.checkpoint(area).ok()) continue;
        const Error error = check_entries(area);
        if (error != Error::none) damage("checkpoint", error_info(error).text);
    }
}

void Verifier::checkpoint_damage(std::string_view what, std::string_view consequence) {
    ++result_.corrupt;
    ReportLine line(report_, "damage");
    line.text("class", "checkpoint").text("what", what).text("state_0", checkpoint_state(0));
    line.text("state_1", checkpoint_state(1));
    line.text("consequence", consequence);
}

Error Verifier::check_entries(std::size_t area) {
    CheckpointChunks chunks(store_, area, window_);
    while (chunks.next()) {
        const auto entries = count_entries(chunks.section(), chunks.chunk());
        if (!entries) return entries.error();
    }
    return chunks.error();
}

void Verifier::check_segments() {
    for (std::uint64_t sequence = store_.first_live(); sequence <= store_.head(); ++sequence) {
        const Found<SegmentHeader> header = store_.segment_header(sequence);
        if (!header.ok()) note("segment_header", sequence, state_text(header.error));
        if (sequence == store_.head()) break;
        const Found<FooterTail> footer = store_.footer(sequence, window_);
        if (!footer.ok()) note("footer", sequence, state_text(footer.error));
    }
}

void Verifier::find(std::string_view what, Lsn from, Lsn to, LogId log, Offset first, Offset last) {
    Finding finding{.what = what, .from = from, .to = to};
    finding.has_log = true;
    finding.log = log;
    finding.first = first;
    finding.last = last;
    findings_.add(finding);
}

Status Verifier::check_records(const Extent& extent, Bytes bytes, Lsn lsn, Lsn end) {
    RecordsReader records(bytes);
    for (JournalRecord record; records.next(record);) {
        ends_.apply(record);
        findings_.apply(record);
    }
    if (records.error() == Error::store_newer) return fail(Error::store_newer, static_cast<std::int64_t>(lsn.value));
    if (records.error() != Error::none) find("records", lsn, end, extent);
    return {};
}

void Verifier::check_batches(const Extent& extent, Bytes bytes, Lsn lsn, Lsn end) {
    const bool gaps = (extent.flags & (extent_compacted | extent_relocated)) != 0;
    Offset expected = extent.base;
    bool first = true;
    while (!bytes.empty()) {
        if (bytes.size() < record::batch_header_bytes) return find("batch", lsn, end, extent.log, expected, extent.last());
        const record::BatchHeader header = record::decode_header(bytes);
        const bool framed = record::check_header(header, bytes.size(), bytes.size()).ok();
        if (!framed) return find("batch", lsn, end, extent.log, expected, extent.last());
        const Bytes batch = bytes.first(header.total_bytes());
        const bool in_order = header.base_offset == expected || (gaps && !first && header.base_offset > expected);
        const bool holds = crc32c(batch.subspan(record::batch_crc_start)) == header.crc;
        if (!in_order || !holds || header.last_offset() > extent.last() || header.leader_epoch != extent.epoch)
            return find("batch", lsn, end, extent.log, expected, extent.last());
        expected = header.last_offset() + 1;
        bytes = bytes.subspan(batch.size());
        first = false;
        ++result_.batches;
    }
    if (expected != extent.last() + 1 && !gaps) find("batch", lsn, end, extent.log, expected, extent.last());
}

// A gap comes from the hole that lies between, if there is one.
void Verifier::check_order(const Extent& extent, Lsn lsn, Lsn end) {
    Offset gap_from;
    Lsn gap_lsn;
    switch (ends_.append(extent, lsn, gap_from, gap_lsn)) {
        case LogEnds::Order::follows: return;
        case LogEnds::Order::gap: {
            const Lsn from = last_hole_ > gap_lsn ? last_hole_ : lsn;
            return find("gap", from, end, extent.log, gap_from, extent.base - 1);
        }
        case LogEnds::Order::overlaps: return find("overlap", lsn, end, extent);
    }
}

Status Verifier::check_extent(JournalWalk& walk, const Extent& extent) {
    const Lsn lsn = walk.header().lsn;
    const Lsn end = walk.header().end();
    ++result_.extents;
    result_.payload_bytes += extent.bytes;
    RIVULET_TRY_ASSIGN(const bool holds, walk.extent_holds(extent));
    RIVULET_TRY_ASSIGN(const Bytes payload, walk.payload());
    const Bytes bytes = payload.subspan(extent.position, extent.bytes);
    if (!holds) find("extent", lsn, end, extent);
    if (extent.log == control_log) return holds ? check_records(extent, bytes, lsn, end) : Status();
    if (holds) check_batches(extent, bytes, lsn, end);
    if ((extent.flags & extent_packed) != 0) {
        TrailerReader trailer(extent.trailer);
        for (TrailerEntry entry; trailer.next(entry);) {}
        if (!trailer.ok()) find("trailer", lsn, end, extent);
    }
    check_order(extent, lsn, end);
    return {};
}

Status Verifier::check_group(JournalWalk& walk) {
    const GroupHeader& header = walk.header();
    ++result_.groups;
    if (in_run_ && header.salt != salt_) {
        findings_.next_run(header.run_start_lsn, header.run_start);
        last_hole_ = Lsn(0);
    }
    salt_ = header.salt;
    in_run_ = true;
    findings_.proved_below(header.durable);
    TableReader table(header, walk.table());
    for (Extent extent; table.next(extent);) RIVULET_TRY(check_extent(walk, extent));
    if (table.error() == Error::store_newer) return fail(Error::store_newer, static_cast<std::int64_t>(header.lsn.value));
    if (table.error() != Error::none) findings_.add({.what = "table", .from = header.lsn, .to = header.end(), .extents = header.extent_count});
    return {};
}

Status Verifier::check_journal() {
    JournalWalk walk = store_.walk(window_, store_.whole_start());
    for (;;) {
        switch (walk.next()) {
            case JournalWalk::Step::failed: return walk.failure();
            case JournalWalk::Step::group: RIVULET_TRY(check_group(walk)); break;
            case JournalWalk::Step::hole: {
                const std::uint64_t bytes = walk.hole_to() - walk.hole_from();
                findings_.add({.what = "group", .from = walk.hole_from(), .to = walk.hole_to(), .records_at_most = bytes * record::compressed_records_per_byte_max});
                last_hole_ = walk.hole_from();
                break;
            }
            case JournalWalk::Step::table_lost: {
                const GroupHeader& header = walk.header();
                findings_.add({.what = "table", .from = header.lsn, .to = header.end(), .extents = header.extent_count});
                break;
            }
            case JournalWalk::Step::end:
                findings_.end(walk.highest_durable());
                summary(walk);
                return {};
        }
    }
}

void Verifier::summary(const JournalWalk& walk) {
    result_.corrupt += findings_.corrupt();
    result_.unproved += findings_.unproved();
    result_.settled += findings_.settled();
    ReportLine line(report_, "summary");
    line.flag("damaged", result_.damaged()).number("corrupt", result_.corrupt).number("unproved", result_.unproved);
    line.number("settled", result_.settled).number("notes", result_.notes).number("groups", result_.groups).number("extents", result_.extents);
    line.number("batches", result_.batches).number("payload_bytes", result_.payload_bytes).number("bytes_read", walk.bytes_read());
    line.number("first_live", store_.first_live()).number("head", store_.head()).number("end", walk.position().value);
    line.number("durable", walk.highest_durable().value);
    if (walk.pages_unreadable() != 0) line.number("pages_unreadable", walk.pages_unreadable());
    if (ends_.not_followed() != 0) line.number("extents_not_followed", ends_.not_followed());
}

Result<VerifyResult> Verifier::run() {
    RIVULET_TRY(store_.find_head(window_));
    check_supers();
    check_checkpoints();
    check_segments();
    RIVULET_TRY(check_journal());
    return result_;
}

}  // namespace

std::size_t verify_scratch_bytes(const Geometry& geometry, std::size_t logs_max) {
    return walk_window_bytes(geometry) + LogEnds::bytes_for(logs_max);
}

Result<VerifyResult> verify(OfflineStore& store, bool json, MutableBytes scratch, LineSink& sink) {
    return Verifier(store, json, scratch, sink).run();
}

}  // namespace rivulet::store
