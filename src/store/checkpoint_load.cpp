#include "store/checkpoint_load.h"

#include "base/crc32c.h"

namespace rivulet::store {

namespace {

Status read_exactly(env::Disk& disk, env::File& file, std::uint64_t position, MutableBytes into) {
    RIVULET_TRY_ASSIGN(const std::size_t n, disk.read(file, position, into));
    return n == into.size() ? Status() : Status(fail(Error::corrupt, static_cast<std::int64_t>(position)));
}

void restore(const LogImage& image, Log& log) {
    log.start = image.start;
    log.end = image.end;
    log.last_extent = image.last_extent;
    log.ceiling = image.ceiling;
    log.epoch_count = image.epoch_count;
    for (std::uint32_t i = 0; i < image.epoch_count; ++i) {
        log.epochs[i] = image.epochs[i].epoch;
        log.epoch_starts[i] = image.epochs[i].start;
    }
}

Status load_logs(Reader& in, State& state) {
    LogImage image;
    while (!in.at_end()) {
        if (!decode_log_image(in, image)) return fail(Error::corrupt);
        const Result<Log*> created = state.logs.create(image.log, image.memory);
        if (created.error() == Error::limit_reached) {
            std::int64_t needed = std::int64_t{state.logs.count()} + 1;
            while (!in.at_end() && decode_log_image(in, image)) ++needed;
            return fail(Error::limit_reached, needed);
        }
        RIVULET_TRY_ASSIGN(Log * log, created);
        restore(image, *log);
    }
    return {};
}

// While they were captured one may have taken the place of another: the later rules.
Status load_clean_logs(Reader& in, State& state) {
    CleanLogImage image;
    while (!in.at_end()) {
        if (!decode_clean_log(in, image)) return fail(Error::corrupt);
        Log* const of = state.logs.find(image.of);
        if (of && of->clean_part) return fail(Error::corrupt);
        if (!of && !image.making) continue;
        if (image.making) state.drop_making();
        else state.put_clean(*of, nullptr, image.clean_end);
        const Result<Log*> created = state.logs.create(image.log.log, false);
        if (created.error() == Error::limit_reached) return fail(Error::limit_reached, std::int64_t{state.logs.count()} + 1);
        RIVULET_TRY_ASSIGN(Log * log, created);
        restore(image.log, *log);
        log->clean_part = true;
        log->clean_of = image.of;
        if (image.making) state.making = log->id;
        else state.put_clean(*of, log, image.clean_end);
    }
    return {};
}

Status load_chunk(Section section, Bytes chunk, State& state, RecoveryListener& listener) {
    Reader in(chunk);
    switch (section) {
        case Section::logs:
            return load_logs(in, state);
        case Section::truncations:
            for (TruncationImage image; !in.at_end();) {
                if (!decode_truncation(in, image)) return fail(Error::corrupt);
                RIVULET_TRY(state.truncations.add(image.log, image.offset, image.lsn));
            }
            return {};
        case Section::fences:
            for (FenceImage image; !in.at_end();) {
                if (!decode_fence(in, image)) return fail(Error::corrupt);
                state.fences.add(image.log, image.from, image.to, image.cause);
            }
            return {};
        case Section::boots:
            for (BootImage image; !in.at_end();) {
                if (!decode_boot(in, image)) return fail(Error::corrupt);
                state.boots.restore(image);
            }
            return {};
        case Section::sessions:
            for (SessionImage image; !in.at_end();) {
                if (!decode_session(in, image)) return fail(Error::corrupt);
                RIVULET_TRY(state.sessions.restore(image));
            }
            return {};
        case Section::producers:
            for (ProducerImage image; !in.at_end();) {
                if (!decode_producer(in, image)) return fail(Error::corrupt);
                state.producers.restore(image);
            }
            return {};
        case Section::clean_logs:
            return load_clean_logs(in, state);
        default:
            return listener.on_checkpoint_chunk(section, chunk);
    }
}

}  // namespace

Result<CheckpointHeader> probe_checkpoint(env::Disk& disk, env::File& file, MutableBytes scratch, std::uint64_t& bytes_read) {
    std::uint8_t page[page_bytes];
    RIVULET_TRY(read_exactly(disk, file, 0, page));
    RIVULET_TRY_ASSIGN(const CheckpointHeader header, decode_checkpoint_header(page));
    std::uint32_t crc = 0;
    for (std::uint32_t done = 0; done < header.body_bytes;) {
        const std::size_t left = header.body_bytes - done;
        const MutableBytes into = scratch.first(left < scratch.size() ? left : scratch.size());
        RIVULET_TRY(read_exactly(disk, file, page_bytes + done, into));
        crc = crc32c(into, crc);
        done += static_cast<std::uint32_t>(into.size());
    }
    bytes_read += page_bytes + header.body_bytes;
    if (crc != header.body_crc) return fail(Error::corrupt);
    return header;
}

Status load_checkpoint(env::Disk& disk, env::File& file, const CheckpointHeader& header, State& state, MutableBytes scratch,
                       RecoveryListener& listener) {
    for (std::uint32_t done = 0; done < header.body_bytes;) {
        std::uint8_t raw[chunk_header_bytes];
        RIVULET_TRY(read_exactly(disk, file, page_bytes + done, raw));
        RIVULET_TRY_ASSIGN(const ChunkHeader chunk, decode_chunk_header(raw));
        done += chunk_header_bytes;
        if (chunk.length > scratch.size() || chunk.length > header.body_bytes - done) return fail(Error::corrupt, done);
        const MutableBytes into = scratch.first(chunk.length);
        RIVULET_TRY(read_exactly(disk, file, page_bytes + done, into));
        RIVULET_TRY(load_chunk(chunk.section, into, state, listener));
        done += chunk.length;
    }
    state.next_log_id = state.recovered_log_id = LogId(header.next_log_id);
    state.head.first_live = header.first_live;
    state.head.zeroed_through = header.zeroed_through;
    state.head.run = header.run;
    return {};
}

}  // namespace rivulet::store
