#include "store/checkpointer.h"

#include "base/crc32c.h"
#include "env/log.h"
#include "store/checkpoint_load.h"
#include "store/store_files.h"

namespace rivulet::store {

namespace {

constexpr Section own_sections[] = {Section::logs, Section::truncations, Section::fences, Section::boots, Section::sessions, Section::producers, Section::clean_logs};
constexpr std::size_t own_section_count = sizeof own_sections / sizeof own_sections[0];
constexpr std::size_t entries_per_slice = 128;
// Of tables of fixed size: places without an entry that may be passed in the time of one with.
constexpr std::size_t empty_per_entry = 16;
constexpr std::size_t places_per_slice = entries_per_slice * 4 * empty_per_entry;
// Bytes appended between checkpoints per byte of a checkpoint: 6.25% of what is written (DESIGN.md, "Checkpoint").
constexpr std::uint64_t bytes_per_checkpoint_byte = 16;

LogImage image_of(const Log& log) {
    LogImage image;
    image.log = log.id;
    image.memory = log.memory;
    // What is gathered: the groups from replay_from on bring the rest.
    image.end = log.has_unflushed() ? log.flush_offset : log.end;
    if (image.end < log.resumes_at) image.end = log.resumes_at;  // at a start
    // Records of a memory log can be deleted before they are gathered; the LOG_START comes in such a group.
    image.start = log.start < image.end ? log.start : image.end;
    image.last_stable = log.high_watermark() < image.end ? log.high_watermark() : image.end;
    image.bytes = log.bytes;
    image.last_extent = log.last_extent;
    image.ceiling = log.ceiling_asked < log.ceiling ? log.ceiling : log.ceiling_asked;  // durable with what else is captured
    for (std::uint32_t i = 0; i < log.epoch_count; ++i)
        if (log.epoch_starts[i] < image.end) image.epochs[image.epoch_count++] = {log.epochs[i], log.epoch_starts[i]};
    return image;
}

}  // namespace

Checkpointer::Checkpointer(env::Env& env, Arena& arena, State& state, CheckpointSource& source)
    : Job(env::JobKind::commit),
      env_(env),
      state_(state),
      source_(source),
      buffer_(arena.take_bytes(checkpoint_chunk_bytes(state.options.group_bytes_max()))) {}

std::size_t Checkpointer::memory_bytes(const StoreOptions& options) { return checkpoint_chunk_bytes(options.group_bytes_max()) + 64; }

bool Checkpointer::due() const {
    const std::uint64_t by_size = bytes_per_checkpoint_byte * last_size_;
    std::uint64_t distance = by_size < state_.geometry.segment_bytes ? state_.geometry.segment_bytes : by_size;
    if (distance > state_.geometry.journal_bytes() / 4) distance = state_.geometry.journal_bytes() / 4;
    return state_.head.next - state_.checkpoint_lsn >= distance;
}

void Checkpointer::on_commit(std::uint64_t durable_ticket) {
    if (phase_ == Phase::gated && durable_ticket >= gate_ticket_) return seal();
    if (phase_ == Phase::idle && !state_.offline && due()) begin();
}

void Checkpointer::request() {
    if (phase_ == Phase::idle && !state_.offline) begin();
}

void Checkpointer::begin() {
    describe(state_.head.next, state_.head.salt, state_.head.run_start);
    next_slice();
}

void Checkpointer::describe(Lsn replay_from, std::uint64_t salt, Lsn run_start) {
    phase_ = Phase::capturing;
    header_ = {};
    header_.geometry = state_.geometry;
    header_.sequence = state_.checkpoint_sequence + 1;
    header_.replay_from = replay_from;
    header_.salt = salt;
    header_.run_start = run_start;
    header_.run = state_.head.run;
    header_.next_log_id = state_.next_log_id.value;
    section_ = 0;
    cursor_ = 0;
    cursor_lsn_ = Lsn(0);
}

Status Checkpointer::write_at_start(env::Disk& disk, Lsn replay_from, std::uint64_t salt, Lsn run_start) {
    describe(replay_from, salt, run_start);
    status_ = {};
    for (Writer out(buffer_); status_ && encode_slice(out);) {
        if (!take_slice(out)) status_ = fail(Error::limit_reached);
        else run(disk);
    }
    if (status_) {
        seal_header(replay_from);
        run(disk);
    }
    phase_ = Phase::idle;
    if (status_) {
        bytes_written_ += page_bytes + header_.body_bytes;
        finished_one();
    }
    return status_;
}

void Checkpointer::encode_log(const Log& log, Writer& out) {
    if (!log.clean_part) return encode_log_image(image_of(log), out);
    const Log* const of = state_.logs.find(log.clean_of);
    encode_clean_log({log.clean_of, log.id == state_.making, of ? of->clean_end : Offset(0), image_of(log)}, out);
}

// Entries of one section into a chunk until it is full, enough, or the section ends. True: the section has ended.
bool Checkpointer::encode_entries(Section section, Writer& out) {
    switch (section) {
        case Section::logs:
        case Section::clean_logs:
            for (std::size_t n = 0; n < entries_per_slice; ++n) {
                const std::uint32_t rank = state_.logs.rank_from(LogId(cursor_));
                // Those created meanwhile are left to their LOG_CREATE: with others deleted meanwhile they could be more than there is room for.
                if (rank == state_.logs.count() || state_.logs.at(rank).id.value >= header_.next_log_id) return true;
                if (out.room() < clean_log_image_bytes_max) return false;
                const Log& log = state_.logs.at(rank);
                if (log.clean_part == (section == Section::clean_logs)) encode_log(log, out);
                cursor_ = log.id.value + 1;
            }
            return false;
        case Section::truncations:
            for (std::size_t n = 0; n < entries_per_slice * 4; ++n) {
                const std::size_t i = state_.truncations.first_above(LogId(cursor_), cursor_lsn_);
                if (i == state_.truncations.count()) return true;
                if (out.room() < truncation_image_bytes_max) return false;
                const TruncationImage& mark = state_.truncations.at(i);
                encode_truncation(mark, out);
                cursor_ = mark.log.value;
                cursor_lsn_ = mark.lsn;
            }
            return false;
        case Section::fences:
            for (std::size_t i = 0; i < state_.fences.count(); ++i) encode_fence(state_.fences.at(i), out);
            return true;
        case Section::boots:
            for (std::size_t i = 0; i < state_.boots.count(); ++i) encode_boot(state_.boots.at(i), out);
            return true;
        case Section::sessions: {
            SessionImage image;
            for (std::size_t n = 0; n < places_per_slice; ++n) {
                if (cursor_ == state_.sessions.images()) return true;
                if (out.room() < 64) return false;
                if (!state_.sessions.image_at(static_cast<std::uint32_t>(cursor_++), image)) continue;
                encode_session(image, out);
                n += empty_per_entry - 1;
            }
            return false;
        }
        case Section::producers: {
            ProducerImage image;
            for (std::size_t n = 0; n < places_per_slice; ++n) {
                if (cursor_ == state_.producers.capacity()) return true;
                if (out.room() < producer_image_bytes_max) return false;
                if (!state_.producers.image_at(static_cast<std::uint32_t>(cursor_++), image)) continue;
                encode_producer(image, out);
                n += empty_per_entry - 1;
            }
            return false;
        }
        default:
            return !source_.encode_checkpoint(section, LogId(header_.next_log_id), cursor_, out);
    }
}

// The next chunk; false when all sections are written.
bool Checkpointer::encode_slice(Writer& out) {
    const std::span<const Section> upper = source_.checkpoint_sections();
    while (section_ < own_section_count + upper.size()) {
        const Section section = section_ < own_section_count ? own_sections[section_] : upper[section_ - own_section_count];
        out.rewind(0);
        out.zeros(chunk_header_bytes);
        const bool ended = encode_entries(section, out);
        RIVULET_CHECK(out.ok());
        if (ended) {
            ++section_;
            cursor_ = 0;
            cursor_lsn_ = Lsn(0);
        }
        if (out.size() == chunk_header_bytes && ended) continue;
        encode_chunk_header({section, static_cast<std::uint32_t>(out.size() - chunk_header_bytes)}, buffer_.first<chunk_header_bytes>());
        return true;
    }
    return false;
}

void Checkpointer::next_slice() {
    Writer out(buffer_);
    if (!encode_slice(out)) {
        phase_ = Phase::gated;
        gate_ticket_ = listener_->open_ticket();  // not that of a commit under way: appends have gone on, and were seen
        listener_->on_checkpoint_progress();
        return;
    }
    env_.charge(out.size());
    if (!take_slice(out)) return fail_with(fail(Error::limit_reached));
    env_.submit(*this);
}

// False: the area is full.
bool Checkpointer::take_slice(const Writer& out) {
    slice_ = out.written();
    slice_position_ = page_bytes + header_.body_bytes;
    header_.body_bytes += static_cast<std::uint32_t>(slice_.size());
    return slice_position_ + slice_.size() <= state_.geometry.checkpoint_area_bytes;
}

void Checkpointer::seal() {
    seal_header(state_.head.durable);
    env_.submit(*this);
}

void Checkpointer::seal_header(Lsn durable) {
    phase_ = Phase::sealing;
    header_.durable = durable;
    header_.first_live = state_.head.first_live;
    header_.zeroed_through = state_.head.zeroed_through;
    encode_checkpoint_header(header_, buffer_.first<page_bytes>());
    slice_ = buffer_.first<page_bytes>();
    slice_position_ = 0;
}

void Checkpointer::run(env::Disk& disk) {
    env::File& area = *state_.checkpoints[header_.sequence % 2];
    if (phase_ == Phase::capturing) header_.body_crc = crc32c(slice_, header_.body_crc);
    status_ = disk.write(area, slice_position_, slice_);
    if (status_ && phase_ == Phase::sealing) {
        status_ = disk.sync(area);
        removed_ = find_removed(disk, state_);
    }
}

void Checkpointer::done() {
    if (!status_) return fail_with(status_.failure());
    bytes_written_ += slice_.size();
    if (phase_ == Phase::capturing) return next_slice();
    phase_ = Phase::idle;
    report_removed(env_, state_, removed_);
    finished_one();
    listener_->on_checkpoint_progress();
}

void Checkpointer::finished_one() {
    ++finished_;
    last_size_ = page_bytes + header_.body_bytes;
    state_.older_checkpoint_lsn = state_.checkpoint_lsn;
    state_.checkpoint_lsn = header_.replay_from;
    state_.checkpoint_sequence = header_.sequence;
}

void Checkpointer::fail_with(Failure failure) {
    phase_ = Phase::idle;
    env::LogLine(env_, env::LogLevel::error) << "checkpoint failed: " << error_info(failure.error).text;
    listener_->on_checkpoint_failed(failure);
}

}  // namespace rivulet::store
