#include "store/offline/inspect.h"

#include "store/offline/checkpoint_chunks.h"
#include "store/offline/record_line.h"
#include "store/session_trailer.h"

namespace rivulet::store {

namespace {

void print_store(const Report& report, const OfflineStore& store) {
    const Geometry& g = store.geometry();
    ReportLine line(report, "store");
    line.uuid("id", g.store_id).text("from", store.geometry_source()).number("segment_bytes", g.segment_bytes).number("segment_count", g.segment_count);
    line.number("checkpoint_area_bytes", g.checkpoint_area_bytes).number("group_bytes_max", g.group_bytes_max);
    line.number("first_live", store.first_live()).number("head", store.head()).number("end", store.end().value).number("durable", store.durable().value);
}

template <class T>
bool print_state(ReportLine& line, const Found<T>& found) {
    if (found.ok()) return true;
    line.text("state", found.damaged() ? error_info(found.error).text : "none");
    return false;
}

void print_supers(const Report& report, const OfflineStore& store) {
    for (std::size_t slot = 0; slot < super_slots; ++slot) {
        ReportLine line(report, "super");
        line.number("slot", slot);
        if (!print_state(line, store.super(slot))) continue;
        const SuperBlock& s = store.super(slot).value;
        line.text("state", store.ruling_super() == static_cast<int>(slot) ? "rules" : "older").number("sequence", s.sequence).flag("clean", s.clean);
        line.number("run", s.run).hex("salt", s.salt).number("run_start", s.run_start.value).number("end", s.end.value);
    }
}

struct SectionName {
    Section section;
    std::string_view name;
};
constexpr SectionName section_names[] = {{Section::logs, "logs"},         {Section::truncations, "truncations"}, {Section::fences, "fences"},   {Section::boots, "boots"},
                                         {Section::sessions, "sessions"}, {Section::producers, "producers"},     {Section::clean_logs, "clean_logs"},
                                         {Section::catalogue, "topics"}};

void print_counts(ReportLine& line, const OfflineStore& store, std::size_t area, MutableBytes scratch) {
    std::uint64_t counts[std::size(section_names)] = {};
    std::uint64_t other = 0;
    Error error = Error::none;
    CheckpointChunks chunks(store, area, scratch);
    while (error == Error::none && chunks.next()) {
        const auto entries = count_entries(chunks.section(), chunks.chunk());
        if (!entries) error = entries.error();
        else if (chunks.section() > Section::catalogue) other += chunks.chunk().size();
        for (std::size_t i = 0; i < std::size(section_names); ++i)
            if (entries && section_names[i].section == chunks.section()) counts[i] += *entries;
    }
    if (error == Error::none) error = chunks.error();
    for (std::size_t i = 0; i < std::size(section_names); ++i) line.number(section_names[i].name, counts[i]);
    line.number("other_bytes", other);
    if (error != Error::none) line.text("body", error_info(error).text);
}

void print_checkpoints(const Report& report, const OfflineStore& store, MutableBytes scratch) {
    for (std::size_t area = 0; area < 2; ++area) {
        ReportLine line(report, "checkpoint");
        line.number("area", area);
        if (!print_state(line, store.checkpoint(area))) continue;
        const CheckpointHeader& c = store.checkpoint(area).value;
        line.text("state", store.ruling_checkpoint() == static_cast<int>(area) ? "rules" : "older").number("sequence", c.sequence);
        line.number("replay_from", c.replay_from.value).number("run", c.run).hex("salt", c.salt).number("run_start", c.run_start.value);
        line.number("durable", c.durable.value).number("first_live", c.first_live).number("zeroed_through", c.zeroed_through);
        line.number("next_log_id", c.next_log_id).number("body_bytes", c.body_bytes);
        print_counts(line, store, area, scratch);
    }
}

void print_log(const Report& report, const LogImage& log) {
    char buffer[log_epochs_max * 32];
    Text epochs(buffer);
    for (std::uint32_t i = 0; i < log.epoch_count; ++i) epochs << (i == 0 ? "" : ",") << log.epochs[i].epoch.value << '@' << log.epochs[i].start.value;
    ReportLine line(report, "log");
    line.number("log", log.log.value).flag("memory", log.memory).number("start", log.start.value).number("end", log.end.value);
    line.number("last_stable", log.last_stable.value).number("bytes", log.bytes).number("last_extent", log.last_extent.value);
    line.number("ceiling", log.ceiling.value).text("epochs", epochs.view());
}

void print_topic(const Report& report, Bytes block) {
    CatalogueEntry entry;
    ReportLine line(report, "topic");
    if (!decode_catalogue_entry(block, entry)) {
        line.text("state", error_info(Error::corrupt).text);
        return;
    }
    line.text("name", entry.name).uuid("id", entry.topic_id).number("first_log", entry.first.value).number("partitions", entry.partitions);
    line.number("ranges", entry.ranges).number("settings", entry.keys);
}

// Logs and topics as the ruling checkpoint has them.
void print_tables(const Report& report, const OfflineStore& store, const InspectOptions& options, MutableBytes scratch) {
    if (store.ruling_checkpoint() < 0) return;
    CheckpointChunks chunks(store, static_cast<std::size_t>(store.ruling_checkpoint()), scratch);
    while (chunks.next()) {
        Reader in(chunks.chunk());
        if (chunks.section() == Section::logs) {
            for (LogImage log; !in.at_end() && decode_log_image(in, log);)
                if (!options.log || *options.log == log.log) print_log(report, log);
        } else if (chunks.section() == Section::clean_logs) {
            for (CleanLogImage log; !in.at_end() && decode_clean_log(in, log);) {
                if (options.log && *options.log != log.log.log && *options.log != log.of) continue;
                ReportLine(report, "clean_log").number("log", log.log.log.value).number("of", log.of.value).flag("making", log.making).number("clean_end", log.clean_end.value);
                print_log(report, log.log);
            }
        } else if (chunks.section() == Section::catalogue && !options.log) {
            while (!in.at_end()) {
                const Bytes block = in.block();
                if (!in.ok()) break;
                print_topic(report, block);
            }
        }
    }
}

struct SegmentSum {
    std::uint64_t sequence = 0;
    std::uint64_t groups = 0, extents = 0, bytes = 0, payload_bytes = 0, marks = 0, runs = 0, holes = 0;
};

void print_segment(const Report& report, const OfflineStore& store, const SegmentSum& sum) {
    const Found<SegmentHeader> header = store.segment_header(sum.sequence);
    ReportLine line(report, "segment");
    line.number("sequence", sum.sequence).number("slot", sum.sequence % store.geometry().segment_count);
    line.text("header", header.ok() ? "ok" : state_text(header.error));
    if (header.ok()) line.number("run", header.value.run);
    line.number("groups", sum.groups).number("extents", sum.extents).number("bytes", sum.bytes).number("payload_bytes", sum.payload_bytes);
    line.number("run_starts", sum.runs).number("marks", sum.marks).number("holes", sum.holes);
    // A footer is read through a small buffer: only its tail is looked at here, `verify` reads all of it.
    const Found<FooterTail> footer = store.footer_tail(sum.sequence);
    line.text("footer", footer.ok() ? "ok" : sum.sequence == store.head() ? "none" : state_text(footer.error));
    if (footer.ok()) line.number("logs", footer.value.log_count);
}

Status print_segments(const Report& report, const OfflineStore& store, MutableBytes scratch) {
    JournalWalk walk = store.walk(scratch, store.whole_start());
    SegmentSum sum;
    sum.sequence = store.first_live();
    const auto enter = [&](std::uint64_t sequence) {
        for (; sum.sequence < sequence; sum = SegmentSum{sum.sequence + 1}) print_segment(report, store, sum);
    };
    for (;;) {
        switch (walk.next()) {
            case JournalWalk::Step::failed: return walk.failure();
            case JournalWalk::Step::table_lost: break;
            case JournalWalk::Step::hole:
                enter(store.geometry().sequence(walk.hole_from()));
                ++sum.holes;
                break;
            case JournalWalk::Step::group: {
                const GroupHeader& header = walk.header();
                enter(store.geometry().sequence(header.lsn));
                ++sum.groups;
                sum.extents += header.extent_count;
                sum.bytes += header.total_bytes;
                sum.payload_bytes += header.payload_bytes;
                sum.marks += header.mark;
                sum.runs += header.run_start;
                break;
            }
            case JournalWalk::Step::end:
                enter(store.head());
                print_segment(report, store, sum);
                return {};
        }
    }
}

void print_group(const Report& report, const GroupHeader& header) {
    ReportLine line(report, "group");
    line.number("lsn", header.lsn.value).number("durable", header.durable.value).number("previous_end", header.previous_end.value);
    line.number("bytes", header.total_bytes).number("table_bytes", header.table_bytes).number("payload_bytes", header.payload_bytes);
    line.number("extents", header.extent_count).flag("run_start", header.run_start).flag("mark", header.mark);
    line.hex("salt", header.salt).number("base_timestamp", header.base_timestamp.value);
}

void print_extent(const Report& report, Lsn group, const Extent& e) {
    static constexpr std::string_view flag_names[] = {"packed", "relocated", "compacted", "control", "transactional", "clock-untrusted", "producers"};
    char buffer[80];
    Text flags(buffer);
    for (std::size_t bit = 0; bit < std::size(flag_names); ++bit)
        if ((e.flags >> bit & 1U) != 0) flags << (flags.size() == 0 ? "" : ",") << flag_names[bit];
    ReportLine line(report, "extent");
    line.number("lsn", group.value).number("log", e.log.value).number("first", e.base.value).number("last", e.last().value);
    line.number("epoch", e.epoch.value).number("bytes", e.bytes).number("max_timestamp", e.max_timestamp.value).text("flags", flags.view());
    if ((e.flags & extent_clock_untrusted) != 0) line.number("boot", e.boot);
    if ((e.flags & extent_packed) != 0) {
        std::uint64_t sessions = 0;
        TrailerReader trailer(e.trailer);
        for (TrailerEntry entry; trailer.next(entry);) ++sessions;
        line.number("sessions", sessions);
        if (!trailer.ok()) line.text("trailer", error_info(Error::corrupt).text);
    }
}

Status print_records(const Report& report, JournalWalk& walk, const Extent& extent) {
    RIVULET_TRY_ASSIGN(const bool holds, walk.extent_holds(extent));
    RIVULET_TRY_ASSIGN(const Bytes payload, walk.payload());
    RecordsReader records(payload.subspan(extent.position, extent.bytes));
    if (holds)
        for (JournalRecord record; records.next(record);) print_record(report, walk.header().lsn, record);
    const Error error = holds ? records.error() : Error::corrupt;
    if (error != Error::none) ReportLine(report, "record").number("lsn", walk.header().lsn.value).text("state", error_info(error).text);
    return {};
}

// Groups and extents of one segment, or one log's extents.
Status print_groups(const Report& report, const OfflineStore& store, const InspectOptions& options, MutableBytes scratch) {
    WalkStart start = store.whole_start();
    if (options.segment) {
        const Found<SegmentHeader> header = store.segment_header(*options.segment);
        start = {store.geometry().first_group(*options.segment), header.ok() ? header.value.salt : 0, Lsn(0), Lsn(0)};
    }
    JournalWalk walk = store.walk(scratch, start);
    for (;;) {
        const JournalWalk::Step step = walk.next();
        if (step == JournalWalk::Step::end) return {};
        if (step == JournalWalk::Step::failed) return walk.failure();
        const Lsn lsn = step == JournalWalk::Step::hole ? walk.hole_from() : walk.header().lsn;
        if (options.segment && store.geometry().sequence(lsn) > *options.segment) return {};
        if (step == JournalWalk::Step::hole) ReportLine(report, "hole").number("from", lsn.value).number("to", walk.hole_to().value);
        if (step == JournalWalk::Step::table_lost) ReportLine(report, "table_lost").number("lsn", lsn.value).number("extents", walk.header().extent_count);
        if (step != JournalWalk::Step::group) continue;
        if (!options.log) print_group(report, walk.header());
        TableReader table(walk.header(), walk.table());
        for (Extent extent; table.next(extent);) {
            if (options.log && *options.log != extent.log) continue;
            print_extent(report, lsn, extent);
            if (extent.log == control_log) RIVULET_TRY(print_records(report, walk, extent));
        }
        if (table.error() != Error::none) ReportLine(report, "table").number("lsn", lsn.value).text("state", error_info(table.error()).text);
    }
}

}  // namespace

Status inspect(OfflineStore& store, const InspectOptions& options, MutableBytes scratch, LineSink& sink) {
    const Report report{sink, options.json};
    RIVULET_TRY(store.find_head(scratch));
    if (options.segment && (*options.segment < store.first_live() || *options.segment > store.head()))
        return fail(Error::invalid_argument, static_cast<std::int64_t>(*options.segment));
    if (!options.segment && !options.log) {
        print_store(report, store);
        print_supers(report, store);
        print_checkpoints(report, store, scratch);
    }
    if (!options.segment) print_tables(report, store, options, scratch);
    if (options.segment || options.log) return print_groups(report, store, options, scratch);
    return print_segments(report, store, scratch);
}

}  // namespace rivulet::store
