// Writes a small store by hand, group by group, onto a simulated disk: for the journal walk and the offline tools.
#pragma once

#include <map>

#include "sim/disk.h"
#include "unit/store/samples.h"

namespace rivulet::test {

struct Part {
    LogId log;
    Offset base;
    std::uint32_t span = 0;
    Buffer bytes;
    std::uint8_t flags = 0;
    Epoch epoch{1};
    Buffer trailer{};
};

class JournalBuilder {
public:
    static constexpr std::string_view path = "store/journal";

    JournalBuilder() {
        geometry.store_id = sample::geometry().store_id;
        geometry.segment_bytes = 64 * 1024;
        geometry.segment_count = 6;
        geometry.checkpoint_area_bytes = 64 * 1024;
        geometry.group_bytes_max = 32 * 1024;
        (void)disk.make_directory("store");
        file = *disk.open(path, env::OpenMode::create);
        (void)disk.allocate(*file, geometry.journal_bytes());
        next = previous_end = durable = geometry.first_group(1);
    }

    // The next group begins a run.
    void start_run(std::uint64_t new_salt) {
        salt = new_salt;
        ++run;
        starting = true;
    }

    // A group of these parts, which must be in order; total_bytes in whole pages comes from their sizes. Returns its LSN.
    Lsn append(const std::vector<Part>& parts) {
        GroupBytes g = encode(parts);
        if (geometry.position_in_segment(next) + g.header.total_bytes > geometry.segment_bytes - store::footer_room(8)) {
            seal();
            g = encode(parts);
        }
        if (geometry.position_in_segment(next) == store::page_bytes) write_segment_header();
        write(geometry.file_position(next), g.bytes);
        for (const Part& part : parts) note(part);
        starting = false;
        next = previous_end = g.header.end();
        if (sync_each) durable = next;
        groups.push_back(g.header);
        return g.header.lsn;
    }
    // A group with one extent of so many bytes of payload.
    Lsn append(std::size_t payload_bytes, LogId log = LogId(16)) {
        Part part;
        part.log = log;
        part.base = ends[log.value];
        part.bytes.assign(payload_bytes, static_cast<std::uint8_t>(groups.size() + 1));
        return append({part});
    }

    // What the broker writes after a crash that left the journal's end at `end`.
    void restart_at(Lsn end, std::uint64_t new_salt) {
        next = previous_end = durable = end;
        start_run(new_salt);
    }

    void seal() {
        const std::uint64_t sequence = geometry.sequence(next);
        Buffer buffer(store::footer_room(in_segment.size()));
        store::FooterWriter writer(buffer);
        for (const auto& [log, entry] : in_segment) writer.add(entry);
        const Bytes footer = writer.finish(sequence, previous_end, salt, false);
        write(geometry.file_position(geometry.segment_start(sequence + 1) - footer.size()), footer);
        in_segment.clear();
        next = geometry.first_group(sequence + 1);
    }

    void flip(Lsn lsn, std::uint64_t at, unsigned bit = 0) { disk.flip_bit(path, geometry.file_position(lsn) + at, bit); }
    void zero(Lsn from, Lsn to) {
        for (Lsn lsn = from; lsn < to; lsn += store::page_bytes) disk.overwrite(path, geometry.file_position(lsn), StorePage{});
    }
    // Behind the broker's back, as an unsynced write that got through.
    void put(Lsn lsn, Bytes bytes) { disk.overwrite(path, geometry.file_position(lsn), bytes); }
    Buffer page_at(Lsn lsn) const {
        const Buffer all = disk.contents(path);
        const auto at = static_cast<std::ptrdiff_t>(geometry.file_position(lsn));
        return Buffer(all.begin() + at, all.begin() + at + store::page_bytes);
    }

    store::Geometry geometry;
    sim::Disk disk;
    env::File* file = nullptr;
    std::uint64_t salt = 0;
    std::uint64_t run = 0;
    Lsn run_start;
    bool starting = false;
    bool sync_each = true;  // false: durable stays behind
    Lsn next, previous_end, durable;
    std::vector<store::GroupHeader> groups;
    std::map<std::uint64_t, Offset> ends;
    std::map<std::uint64_t, store::FooterEntry> in_segment;

private:
    struct GroupBytes {
        store::GroupHeader header;
        Buffer bytes;
    };

    GroupBytes encode(const std::vector<Part>& parts) {
        if (starting) run_start = previous_end;
        GroupBytes g;
        Buffer table(8192), payload;
        store::TableWriter writer(table, Timestamp(1000));
        for (const Part& part : parts) {
            store::Extent e;
            e.log = part.log;
            e.flags = part.flags;
            e.base = part.base;
            e.offset_span = part.span;
            e.epoch = part.log == store::control_log ? Epoch(0) : part.epoch;
            e.bytes = static_cast<std::uint32_t>(part.bytes.size());
            e.max_timestamp = Timestamp(1000);
            e.crc = crc32c(part.bytes);
            e.trailer = part.trailer;
            std::uint32_t crc_at = 0;
            RIVULET_CHECK(writer.add(e, crc_at));
            payload.insert(payload.end(), part.bytes.begin(), part.bytes.end());
        }
        table.resize(writer.bytes());
        g.header.run_start = starting;
        g.header.salt = salt;
        g.header.lsn = next;
        g.header.durable = durable;
        g.header.run_start_lsn = run_start;
        g.header.previous_end = previous_end;
        g.header.base_timestamp = Timestamp(1000);
        g.header.table_bytes = static_cast<std::uint32_t>(table.size());
        g.header.payload_bytes = static_cast<std::uint32_t>(payload.size());
        g.header.extent_count = writer.count();
        g.header.total_bytes = static_cast<std::uint32_t>(store::page_ceil(g.header.payload_position() + payload.size()));
        g.header.table_crc = store::table_crc(salt, table);
        g.bytes.resize(g.header.total_bytes);
        store::encode_group_header(g.header, std::span(g.bytes).first<store::group_header_bytes>());
        copy(table, std::span(g.bytes).subspan(store::group_header_bytes));
        copy(payload, std::span(g.bytes).subspan(g.header.payload_position()));
        return g;
    }

    void note(const Part& part) {
        if (part.log == store::control_log) return;
        ends[part.log.value] = part.base + part.span + 1;
        store::FooterEntry& entry = in_segment[part.log.value];
        if (entry.extents++ == 0) {
            entry.log = part.log;
            entry.first = part.base;
            entry.page = static_cast<std::uint32_t>(geometry.position_in_segment(next) / store::page_bytes);
        }
        entry.last = part.base + part.span;
        entry.bytes += static_cast<std::uint32_t>(part.bytes.size());
    }

    void write_segment_header() {
        StorePage page;
        store::encode_segment_header({geometry, geometry.sequence(next), run, salt, previous_end}, page);
        write(geometry.file_position(geometry.segment_start(geometry.sequence(next))), page);
    }

    void write(std::uint64_t position, Bytes bytes) {
        (void)disk.write(*file, position, bytes);
        (void)disk.sync(*file);
    }
};

}  // namespace rivulet::test
