#include "store/opening.h"

#include "env/log.h"
#include "store/checkpoint_load.h"
#include "store/page.h"
#include "store/run_start.h"
#include "store/segment_header.h"
#include "store/store_files.h"

namespace rivulet::store {

using env::LogLevel;
using env::LogLine;

namespace {

alignas(64) constexpr std::uint8_t blank_pages[super_bytes] = {};

struct Found {
    SuperBlock super;
    bool have_super = false;
    bool both_supers = false;       // neither slot is damaged: the newer one is surely the newest
    bool foreign_super = false;     // the file has content, and nothing of it is a slot, not even a damaged one
    CheckpointHeader checkpoint;
    int checkpoint_area = -1;       // -1: none
    Lsn older_checkpoint{0};
    SegmentHeader newest;
    bool have_segment = false;
    std::uint64_t unreadable = 0;   // pages of these that could not be read
};

Status read_page(env::Disk& disk, env::File& file, std::uint64_t position, MutableBytes page, Found& found) {
    std::memset(page.data(), 0, page.size());
    const Result<std::size_t> n = disk.read(file, position, page);
    // An unreadable page is a damaged one.
    found.unreadable += n.error() == Error::io;
    return n || n.error() == Error::io ? Status() : Status(n.failure());
}

// What a failed sync of the run before left in the system's cache would be served as durable, and be gone with the next power cut.
Status show_stored(env::Disk& disk, env::File* file) {
    if (!file) return {};
    RIVULET_TRY(disk.sync(*file));
    disk.drop_cache(*file);
    return {};
}

Status find_super(env::Disk& disk, State& state, Found& found) {
    if (!state.super) return {};
    std::size_t valid = 0;
    std::size_t blank = 0;
    std::size_t damaged = 0;
    for (std::size_t slot = 0; slot < super_slots; ++slot) {
        std::uint8_t page[page_bytes];
        RIVULET_TRY(read_page(disk, *state.super, slot * page_bytes, page, found));
        const Result<SuperBlock> super = decode_super(page);
        if (super.error() == Error::store_newer) return super.failure();
        if (!super) {
            bool zeros = true;
            for (const std::uint8_t byte : page) zeros &= byte == 0;
            blank += zeros;
            damaged += super.failure().detail != page_magic_at;
            continue;
        }
        ++valid;
        if (!found.have_super || super->sequence > found.super.sequence) found.super = *super;
        found.have_super = true;
    }
    RIVULET_TRY_ASSIGN(const std::uint64_t bytes, disk.size(*state.super));
    found.foreign_super = valid + damaged == 0 && (blank < super_slots || bytes > super_bytes);
    // The first write leaves the other slot blank.
    found.both_supers = valid == super_slots || (valid == 1 && blank == 1 && found.super.sequence == 1);
    return {};
}

Status find_checkpoints(env::Disk& disk, State& state, MutableBytes scratch, Found& found, OpenReport& report) {
    for (int area = 0; area < 2; ++area) {
        if (!state.checkpoints[area]) continue;
        const Result<CheckpointHeader> header = probe_checkpoint(disk, *state.checkpoints[area], scratch, report.bytes_read);
        if (header.error() == Error::store_newer) return header.failure();
        found.unreadable += header.error() == Error::io;
        if (!header || (found.have_super && header->geometry.store_id != found.super.geometry.store_id)) continue;
        if (found.checkpoint_area >= 0 && header->sequence < found.checkpoint.sequence) {
            found.older_checkpoint = header->replay_from;
            continue;
        }
        if (found.checkpoint_area >= 0) found.older_checkpoint = found.checkpoint.replay_from;
        found.checkpoint = *header;
        found.checkpoint_area = area;
    }
    return {};
}

// The segment header with the highest sequence says how far to look for groups; without a checkpoint, which segments are live, also those whose own header is damaged; without
// super and checkpoint it gives identity and geometry too.
Status find_newest_segment(env::Disk& disk, State& state, Found& found, OpenReport& report) {
    if (!state.journal) return {};
    const Geometry* const known = found.have_super ? &found.super.geometry : found.checkpoint_area >= 0 ? &found.checkpoint.geometry : nullptr;
    const std::uint64_t step = known ? known->segment_bytes : segment_bytes_min;
    RIVULET_TRY_ASSIGN(const std::uint64_t size, disk.size(*state.journal));
    for (std::uint64_t position = 0; position + page_bytes <= size; position += step) {
        std::uint8_t page[page_bytes];
        RIVULET_TRY(read_page(disk, *state.journal, position, page, found));
        report.bytes_read += page_bytes;
        const Result<SegmentHeader> header = decode_segment_header(page);
        if (header.error() == Error::store_newer) return header.failure();
        if (!header || (known && header->geometry.store_id != known->store_id)) continue;
        if (header->geometry.file_position(header->geometry.segment_start(header->sequence)) != position) continue;
        if (!found.have_segment || header->sequence > found.newest.sequence) found.newest = *header;
        found.have_segment = true;
    }
    return {};
}

Status check_geometry(env::Env& env, const State& state, const Geometry& geometry) {
    const StoreOptions& options = state.options;
    const auto differ = [&](const char* key, std::uint64_t stored, std::uint64_t configured) {
        LogLine(env, LogLevel::error) << "store " << options.dir << " was made with " << key << " = " << stored << ", the configuration says " << configured;
        return fail(Error::store_mismatch);
    };
    if (geometry.segment_bytes != options.segment_bytes) return differ("[storage] segment_bytes", geometry.segment_bytes, options.segment_bytes);
    if (geometry.segment_count != options.segment_count())
        return differ("[storage] size", geometry.journal_bytes(), std::uint64_t{options.segment_count()} * options.segment_bytes);
    if (geometry.checkpoint_area_bytes != options.checkpoint_area_bytes)
        return differ("[storage] checkpoint_bytes_max", geometry.checkpoint_area_bytes, options.checkpoint_area_bytes);
    if (geometry.group_bytes_max <= options.group_bytes_max()) return {};
    // The least whose groups round up to as many pages.
    const std::uint64_t needed = geometry.group_bytes_max - page_bytes + 1 - (options.group_bytes_max() - options.group_payload_max());
    LogLine(env, LogLevel::error) << "limits.batch_bytes = " << options.batch_bytes_max << " is less than this store has had: at least " << needed << " is needed";
    return fail(Error::store_mismatch);
}

// Brings a file back to its length: a missing part reads as zeros and is fenced like other damage. The journal has to wait: until this start's decision is durable the next must see
// what is missing.
Status complete_files(env::Env& env, State& state) {
    env::Disk& disk = env.disk();
    const auto complete = [&](std::string_view name, env::File*& file, std::uint64_t bytes) -> Status {
        if (!file) {
            LogLine(env, LogLevel::error) << state.options.dir << '/' << name << " is missing: made anew, what it held is lost";
            RIVULET_TRY_ASSIGN(file, disk.open(Path(state.options.dir, name).view(), env::OpenMode::create));
            if (name == super_name) RIVULET_TRY(disk.lock(*file));
            if (file != state.journal) RIVULET_TRY(disk.allocate(*file, bytes));
            return disk.sync_directory(state.options.dir);
        }
        RIVULET_TRY_ASSIGN(const std::uint64_t size, disk.size(*file));
        if (size >= bytes) return {};
        LogLine(env, LogLevel::error) << state.options.dir << '/' << name << " has " << size << " of " << bytes << " bytes: what is missing is lost";
        return file == state.journal ? Status() : disk.allocate(*file, bytes);
    };
    RIVULET_TRY(complete(super_name, state.super, super_bytes));
    RIVULET_TRY(complete(journal_name, state.journal, state.geometry.journal_bytes()));
    RIVULET_TRY(complete(checkpoint_names[0], state.checkpoints[0], state.geometry.checkpoint_area_bytes));
    return complete(checkpoint_names[1], state.checkpoints[1], state.geometry.checkpoint_area_bytes);
}

// What could not be read at this start must not rule at the next, beside what this run writes.
Status blank_lost(env::Disk& disk, State& state, const Found& found) {
    if (!found.have_super) RIVULET_TRY(disk.write(*state.super, 0, Bytes(blank_pages)));
    if (found.checkpoint_area >= 0 || found.unreadable == 0) return {};
    for (env::File* area : state.checkpoints) {
        RIVULET_TRY(disk.write(*area, 0, Bytes(blank_pages, page_bytes)));
        RIVULET_TRY(disk.sync(*area));
    }
    return {};
}

// Where the journal begins without a checkpoint.
std::uint64_t first_segment(const State& state, const Found& found) {
    std::uint64_t newest = found.have_segment ? found.newest.sequence : 1;
    if (found.have_super)
        for (const Lsn end : {found.super.run_start, found.super.end})
            if (newest < state.geometry.sequence(end)) newest = state.geometry.sequence(end);
    return state.geometry.first_live(newest);
}

// A checkpoint is of a later run than super knows of.
bool checkpoint_is_newer(const Found& found) { return found.have_super && found.checkpoint_area >= 0 && found.checkpoint.run > found.super.run; }

ReplayStart replay_start(const State& state, const Found& found, bool clean) {
    ReplayStart start;
    start.have_checkpoint = found.checkpoint_area >= 0;
    if (start.have_checkpoint) {
        start.walk = {found.checkpoint.replay_from, found.checkpoint.salt, found.checkpoint.run_start, found.checkpoint.durable};
    } else {
        start.walk = {state.geometry.first_group(first_segment(state, found)), 0, Lsn(0), Lsn(0)};
    }
    if (found.have_super && start.walk.durable < found.super.end) start.walk.durable = found.super.end;
    if (clean) start.walk.known_end = found.super.end;
    if (found.have_segment) start.walk.newest = found.newest.sequence;
    start.super = {found.both_supers && found.super.run != 0, found.super.salt, found.super.run_start, found.super.run};
    if (checkpoint_is_newer(found)) start.super = {true, found.checkpoint.salt, found.checkpoint.run_start, found.checkpoint.run};
    return start;
}

Result<OpenReport> recover(env::Env& env, State& state, GroupWriter& writer, Checkpointer& checkpointer, MutableBytes scratch, RecoveryListener& listener,
                           const Found& found, OpenReport report) {
    env::Disk& disk = env.disk();
    const bool said_clean = found.have_super && found.both_supers && found.super.clean && !checkpoint_is_newer(found);
    if (found.checkpoint_area >= 0) {
        const Status loaded = load_checkpoint(disk, *state.checkpoints[found.checkpoint_area], found.checkpoint, state, scratch, listener);
        if (loaded.error() == Error::limit_reached && loaded.failure().detail != 0) {
            LogLine(env, LogLevel::error) << "limits.partitions = " << state.options.logs_max << " is less than this store has: at least " << loaded.failure().detail << " is needed";
            return fail(Error::limit_reached);
        }
        RIVULET_TRY(loaded);
        state.checkpoint_lsn = found.checkpoint.replay_from;
        state.older_checkpoint_lsn = found.older_checkpoint;
        state.checkpoint_sequence = found.checkpoint.sequence;
    } else {
        LogLine(env, LogLevel::info) << "no checkpoint: reading the journal from its start";
        state.checkpoint_lsn = state.geometry.first_group(first_segment(state, found));
        state.head.first_live = state.geometry.sequence(state.checkpoint_lsn);
    }
    Replay replay(env, state, scratch, listener, replay_start(state, found, said_clean));
    RIVULET_TRY_ASSIGN(const ReplayReport replayed, replay.run());
    // Older segments' samples come from their footers, while the broker serves.
    state.index_loaded_from = state.geometry.sequence(state.checkpoint_lsn);
    if (found.checkpoint_area < 0 || state.index_loaded_from < state.head.first_live) state.index_loaded_from = state.head.first_live;
    if (found.have_super && state.head.run < found.super.run) state.head.run = found.super.run;
    report.was_clean = said_clean && replayed.end == found.super.end;
    report.bytes_read += replayed.bytes_read;
    report.groups = replayed.groups;
    report.end = replayed.end;
    report.orphans = replayed.orphans;
    report.super_outdated = replayed.super_outdated || checkpoint_is_newer(found);
    if (report.super_outdated)
        LogLine(env, LogLevel::error) << state.options.dir << "/super is older than the journal, which has " << state.head.run << " runs: an older copy was put back, or a write of it was lost; it is written anew";
    RIVULET_TRY(blank_lost(disk, state, found));
    RIVULET_TRY(begin_run(env, state, writer, checkpointer, replayed, report.was_clean, scratch));
    return report;
}

// A creation begins with `super`, and writes but zeros to the journal's first page: a journal that begins with anything else is somebody's own file.
Status refuse_foreign(env::Env& env, State& state) {
    std::uint8_t page[page_bytes] = {};
    RIVULET_TRY_ASSIGN(const std::uint64_t bytes, env.disk().size(*state.journal));
    const auto n = static_cast<std::size_t>(bytes < page_bytes ? bytes : page_bytes);
    RIVULET_TRY(env.disk().read(*state.journal, 0, MutableBytes(page).first(n)));
    for (const std::uint8_t byte : page) {
        if (byte == 0) continue;
        LogLine(env, LogLevel::error) << state.options.dir << "/journal is no store's, and there is no super: left as it is";
        return fail(Error::not_a_store);
    }
    return {};
}

Status create(env::Env& env, State& state) {
    std::array<std::uint8_t, 16> random{};
    env.entropy(random);
    const StoreOptions& options = state.options;
    state.geometry = {uuid_from_random(random), options.segment_bytes, options.segment_count(), options.checkpoint_area_bytes, options.group_bytes_max()};
    return create_store(env, state);
}

}  // namespace

Result<OpenReport> open_store(env::Env& env, State& state, GroupWriter& writer, Checkpointer& checkpointer, MutableBytes scratch, RecoveryListener& listener) {
    RIVULET_TRY(state.options.check());
    OpenReport report;
    Found found;
    RIVULET_TRY(open_files(env, state));
    for (env::File* file : {state.super, state.journal, state.checkpoints[0], state.checkpoints[1]}) RIVULET_TRY(show_stored(env.disk(), file));
    RIVULET_TRY(find_super(env.disk(), state, found));
    RIVULET_TRY(find_checkpoints(env.disk(), state, scratch, found, report));
    RIVULET_TRY(find_newest_segment(env.disk(), state, found, report));
    const bool nothing = !found.have_super && found.checkpoint_area < 0 && !found.have_segment;
    if (nothing && found.unreadable != 0) {
        LogLine(env, LogLevel::error) << state.options.dir << ": nothing of a store is found, and " << found.unreadable << " pages cannot be read: left as it is";
        return fail(Error::io);
    }
    if (nothing && found.foreign_super) {
        LogLine(env, LogLevel::error) << state.options.dir << "/super is no store's: left as it is";
        return fail(Error::not_a_store);
    }
    if (nothing && !state.super && state.journal) RIVULET_TRY(refuse_foreign(env, state));
    if (nothing) {
        // No folder, an empty one, or a creation that was cut off before anything was stored. Anything else is not ours to overwrite.
        if (state.journal) {
            env.disk().close(*state.journal);
            state.journal = nullptr;
        }
        for (env::File*& file : state.checkpoints) {
            if (file) env.disk().close(*file);
            file = nullptr;
        }
        RIVULET_TRY(create(env, state));
        report.created = true;
        state.checkpoint_lsn = state.geometry.first_group(1);
        ReplayReport fresh;
        fresh.end = fresh.durable = state.geometry.first_group(1);
        RIVULET_TRY(begin_run(env, state, writer, checkpointer, fresh, true, scratch));
        return report;
    }
    state.geometry = found.have_super ? found.super.geometry : found.checkpoint_area >= 0 ? found.checkpoint.geometry : found.newest.geometry;
    if (!found.have_super) LogLine(env, LogLevel::error) << state.options.dir << "/super is damaged or missing: rebuilt from " << (found.checkpoint_area >= 0 ? "a checkpoint" : "the journal");
    // Beside a damaged super the other slot is older; a checkpoint may know of larger groups.
    if (found.checkpoint_area >= 0 && state.geometry.group_bytes_max < found.checkpoint.geometry.group_bytes_max)
        state.geometry.group_bytes_max = found.checkpoint.geometry.group_bytes_max;
    state.super_sequence = found.super.sequence;
    RIVULET_TRY(check_geometry(env, state, state.geometry));
    // Before super says so: groups of this size may follow the RUN_START group, and a damaged super may have said so.
    state.geometry.group_bytes_max = state.options.group_bytes_max();
    RIVULET_TRY(complete_files(env, state));
    return recover(env, state, writer, checkpointer, scratch, listener, found, report);
}

Status close_store(env::Disk& disk, State& state) {
    const Head& head = state.head;
    return write_super(disk, state, {state.geometry, 0, true, head.run, head.salt, head.run_start, head.previous_end});
}

}  // namespace rivulet::store
