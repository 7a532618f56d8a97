#include "env/log.h"
#include "store/segment_header.h"
#include "store/store_files.h"

namespace rivulet::store {

namespace {

constexpr std::uint64_t zeroed_at_creation = 4;
constexpr std::size_t zero_bytes = 16 * 1024;
alignas(64) constexpr std::uint8_t zeros[zero_bytes] = {};

Status zero(env::Disk& disk, env::File& file, std::uint64_t position, std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes;) {
        const std::size_t n = bytes - done < zero_bytes ? static_cast<std::size_t>(bytes - done) : zero_bytes;
        RIVULET_TRY(disk.write(file, position + done, Bytes(zeros, n)));
        done += n;
    }
    return {};
}

// Lets go of a file that is to be made anew.
void close_file(env::Disk& disk, env::File*& file) {
    if (file) disk.close(*file);
    file = nullptr;
}

// The names of the files that this creation made.
struct Made {
    std::string_view names[4];
    std::size_t count = 0;
};

Result<env::File*> open_or_create(env::Disk& disk, std::string_view dir, std::string_view name, Made& made) {
    Result<env::File*> file = disk.open(Path(dir, name).view(), env::OpenMode::create);
    if (file) made.names[made.count++] = name;
    return file.error() == Error::exists ? disk.open(Path(dir, name).view(), env::OpenMode::read_write) : std::move(file);
}

Status fill(env::Env& env, State& state, Made& made) {
    env::Disk& disk = env.disk();
    const Geometry& geometry = state.geometry;
    RIVULET_TRY_ASSIGN(state.journal, open_or_create(disk, state.options.dir, journal_name, made));
    RIVULET_TRY(disk.allocate(*state.journal, geometry.journal_bytes()));
    for (std::size_t i = 0; i < 2; ++i) {
        RIVULET_TRY_ASSIGN(state.checkpoints[i], open_or_create(disk, state.options.dir, checkpoint_names[i], made));
        RIVULET_TRY(disk.allocate(*state.checkpoints[i], geometry.checkpoint_area_bytes));
        RIVULET_TRY(zero(disk, *state.checkpoints[i], 0, geometry.checkpoint_area_bytes));
        RIVULET_TRY(disk.sync(*state.checkpoints[i]));
    }
    // Segments are numbered from 1: slot 0 comes last in the first lap.
    const std::uint64_t first = zeroed_at_creation < geometry.segment_count ? zeroed_at_creation : geometry.segment_count;
    for (std::uint64_t sequence = 1; sequence <= first; ++sequence)
        RIVULET_TRY(zero(disk, *state.journal, geometry.file_position(geometry.segment_start(sequence)), geometry.segment_bytes));
    state.head.zeroed_through = first;
    // The journal names its store from the start, so that a lost super can be rebuilt.
    std::uint8_t page[page_bytes];
    encode_segment_header({geometry, 1, 0, 0, geometry.first_group(1)}, page);
    RIVULET_TRY(disk.write(*state.journal, geometry.file_position(geometry.segment_start(1)), Bytes(page)));
    RIVULET_TRY(disk.sync(*state.journal));
    RIVULET_TRY(disk.allocate(*state.super, super_bytes));
    return write_super(disk, state, {geometry, 0, false, 0, 0, geometry.first_group(1), Lsn(0)});
}

}  // namespace

Status write_super(env::Disk& disk, State& state, SuperBlock super) {
    super.sequence = ++state.super_sequence;
    std::uint8_t page[page_bytes];
    encode_super(super, page);
    RIVULET_TRY(disk.write(*state.super, super.sequence % super_slots * page_bytes, Bytes(page)));
    return disk.sync(*state.super);
}

std::uint8_t find_removed(env::Disk& disk, const State& state) {
    env::File* const files[] = {state.super, state.journal, state.checkpoints[0], state.checkpoints[1]};
    unsigned removed = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const Result<bool> named = disk.has_name(*files[i]);
        if (named && !*named) removed |= 1U << i;
    }
    return static_cast<std::uint8_t>(removed);
}

void report_removed(env::Env& env, State& state, std::uint8_t removed) {
    constexpr std::string_view names[] = {super_name, journal_name, checkpoint_names[0], checkpoint_names[1]};
    for (unsigned i = 0; i < 4; ++i) {
        if (((removed & ~state.removed) >> i & 1U) == 0) continue;
        env::LogLine(env, env::LogLevel::error) << state.options.dir << '/' << names[i] << " was removed while in use: what is written now "
                                                << (names[i] == journal_name ? "is lost at the next start" : "there is lost, restart the broker to have it made anew");
    }
    state.removed = static_cast<std::uint8_t>(state.removed | removed);
}

Status create_store(env::Env& env, State& state) {
    env::Disk& disk = env.disk();
    const std::string_view dir = state.options.dir;
    RIVULET_TRY(disk.make_directory(dir));
    Made made;
    Status status;
    if (!state.super) {
        RIVULET_TRY_ASSIGN(state.super, open_or_create(disk, dir, super_name, made));
        status = disk.lock(*state.super);
    }
    if (status) status = fill(env, state, made);
    if (status) status = disk.sync_directory(dir);
    if (status) return status;
    close_file(disk, state.super);
    close_file(disk, state.journal);
    close_file(disk, state.checkpoints[0]);
    close_file(disk, state.checkpoints[1]);
    // Super goes first: without it the rest is an unfinished creation. What was there before is not ours to remove.
    for (std::size_t i = 0; i < made.count; ++i)
        if (!disk.remove(Path(dir, made.names[i]).view())) env::LogLine(env, env::LogLevel::warning) << "cannot remove the unfinished " << dir << '/' << made.names[i];
    return status;
}

Status open_files(env::Env& env, State& state) {
    env::Disk& disk = env.disk();
    const std::string_view dir = state.options.dir;
    const auto open = [&](std::string_view name, env::File*& file) -> Status {
        const Result<env::File*> opened = disk.open(Path(dir, name).view(), env::OpenMode::read_write);
        if (!opened && opened.error() != Error::not_found) return opened.failure();
        file = opened ? *opened : nullptr;
        return {};
    };
    RIVULET_TRY(open(super_name, state.super));
    if (state.super) RIVULET_TRY(disk.lock(*state.super));
    RIVULET_TRY(open(journal_name, state.journal));
    RIVULET_TRY(open(checkpoint_names[0], state.checkpoints[0]));
    return open(checkpoint_names[1], state.checkpoints[1]);
}

}  // namespace rivulet::store
