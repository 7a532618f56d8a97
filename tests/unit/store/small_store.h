// A store of two logs with super and checkpoint, made by hand, and what the offline tools say of it.
#pragma once

#include <algorithm>
#include <string>

#include "store/offline/report.h"
#include "unit/record/batches.h"
#include "unit/store/journal_builder.h"

namespace rivulet::test {

struct Lines final : store::LineSink {
    void line(std::string_view text) override { all.emplace_back(text); }
    // Those that begin with `start`.
    std::vector<std::string> of(std::string_view start) const {
        std::vector<std::string> out;
        for (const std::string& l : all)
            if (l.starts_with(start)) out.push_back(l);
        return out;
    }
    bool has(std::string_view text) const {
        return std::any_of(all.begin(), all.end(), [&](const std::string& l) { return l.find(text) != std::string::npos; });
    }
    std::vector<std::string> all;
};

inline Buffer batch(Offset base, std::int32_t records, Epoch epoch = Epoch(1)) {
    const std::string value(400, 'x');
    std::vector<record::Reading> readings;
    for (std::int32_t i = 0; i < records; ++i) readings.push_back(reading(1000 + i, "sensor", value));
    Buffer out = pack(readings);
    record::patch_base_offset(out.data(), base);
    record::patch_leader_epoch(out.data(), epoch);
    return out;
}

inline Part extent(std::uint64_t log, std::int64_t base, std::int32_t records) {
    return {LogId(log), Offset(base), static_cast<std::uint32_t>(records - 1), batch(Offset(base), records)};
}

template <class Record>
Part records_part(const Record& record) {
    Buffer bytes(256);
    Writer out(bytes);
    encode(record, out);
    bytes.resize(out.size());
    return {store::control_log, Offset(0), 0, bytes, store::extent_control};
}
inline Part both(Part a, const Part& b) {
    a.bytes.insert(a.bytes.end(), b.bytes.begin(), b.bytes.end());
    return a;
}
inline Part run_start_part(std::uint64_t run, bool clean = false) {
    return records_part(store::RunStartRecord{run, 0, Lsn(0), sample::boot_id(), 1, clean});
}

// Two logs over two segments and a bit, with super and checkpoint.
struct SmallStore : JournalBuilder {
    SmallStore() {
        for (const std::string_view name : {"store/super", "store/checkpoint.0", "store/checkpoint.1"}) {
            env::File& f = **disk.open(name, env::OpenMode::create);
            (void)disk.allocate(f, name == "store/super" ? store::super_bytes : geometry.checkpoint_area_bytes);
            disk.close(f);
        }
        start_run(0xa);
        append({both(run_start_part(1), records_part(store::LogCreateRecord{LogId(16), 2, false, {}}))});
        for (int i = 0; i < 12; ++i) add_round();
        write_super(1, false);
        write_super(2, false);
        write_checkpoint(0, 1, groups[0].lsn);
    }
    // A group with 20 records of log 16 and 5 of log 17: 3 pages.
    Lsn add_round() {
        const Lsn lsn = append({extent(16, ends[16].value, 20), extent(17, ends[17].value, 5)});
        return lsn;
    }
    void write_super(std::uint64_t sequence, bool clean) {
        StorePage p;
        store::encode_super({geometry, sequence, clean, run, salt, run_start, clean ? next : Lsn(0)}, p);
        disk.overwrite("store/super", sequence % 2 * store::page_bytes, p);
    }
    void write_checkpoint(std::size_t area, std::uint64_t sequence, Lsn replay_from) {
        const Buffer body = sample::checkpoint_body();
        store::CheckpointHeader h;
        h.geometry = geometry;
        h.sequence = sequence;
        h.replay_from = replay_from;
        h.salt = salt;
        h.run_start = run_start;
        h.run = run;
        h.durable = replay_from;
        h.first_live = 1;
        h.body_bytes = static_cast<std::uint32_t>(body.size());
        h.body_crc = crc32c(body);
        StorePage p;
        store::encode_checkpoint_header(h, p);
        const std::string name = "store/checkpoint." + std::to_string(area);
        disk.overwrite(name, 0, p);
        disk.overwrite(name, store::page_bytes, body);
    }
    const store::GroupHeader& group(std::size_t i) const { return groups[i]; }
};

}  // namespace rivulet::test
