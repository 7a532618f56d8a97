#include "store/ring.h"

namespace rivulet::store {

using record::batch_header_bytes;

namespace {

// Batches with equal keys share an extent.
std::uint32_t run_key(const Log& log, std::uint16_t attributes) {
    constexpr std::uint16_t relevant = record::attribute_clock_untrusted | record::attribute_transactional | record::attribute_control;
    return static_cast<std::uint32_t>(log.epoch.value) << 16 | (attributes & relevant);
}

}  // namespace

std::uint32_t Ring::blocks_needed(const Log& log, std::size_t contiguous, std::size_t n) const {
    std::size_t room = 0;
    if (log.last_block != no_block) {
        room = room_in(state_.blocks[log.last_block]);
        if (room < contiguous) room = 0;
    }
    return n <= room ? 0 : static_cast<std::uint32_t>((n - room + block_bytes - 1) / block_bytes);
}

Status Ring::fits_commit(const Log& log, std::size_t n, std::uint16_t attributes, std::int32_t last_offset_delta) const {
    // An extent's span has 32 bits. Compressed batches may have any number of offsets.
    if (log.unflushed_bytes != 0 && log.end - log.flush_offset + last_offset_delta > std::int64_t{UINT32_MAX}) return fail(Error::busy);
    // A trailer counts all its log's readings at once: they go in one group (FORMAT.md, section 9, step 4).
    if (log.pending_session_count != 0 && log.unflushed_bytes + n > state_.options.group_payload_max()) return fail(Error::busy);
    if (log.unflushed_bytes != 0 && log.runs + 1 >= runs_max && run_key(log, attributes) != log.run_key) return fail(Error::busy);
    return {};
}

Status Ring::reserve(Log& log, std::size_t contiguous, std::size_t n, std::uint16_t attributes, std::int32_t last_offset_delta) {
    RIVULET_TRY(fits_commit(log, n, attributes, last_offset_delta));
    // The tail block itself must not be what makes room for the rest.
    const bool tail_evictable = log.last_block != no_block && state_.blocks[log.last_block].evictable;
    if (tail_evictable) state_.blocks.keep(log.last_block);
    const bool room = make_room(blocks_needed(log, contiguous, n));
    // Who writes into it keeps it; a batch that begins in the next block leaves it as it is.
    if (tail_evictable) state_.blocks.make_evictable(log.last_block);
    return room ? Status() : Status(fail(Error::busy));
}

bool Ring::make_room(std::uint32_t count) {
    BlockPool& blocks = state_.blocks;
    BlockIndex candidate = available() < count ? no_block : blocks.evictable_front();
    while (blocks.free() < count && candidate != no_block) {
        Log& log = state_.logs.at_slot(blocks[candidate].log_slot);
        if (log.first_block == candidate && blocks[candidate].pins == 0) {
            drop_front(log);
            candidate = blocks.evictable_front();
        } else {
            candidate = blocks.evictable_after(candidate);
        }
    }
    short_of_blocks_ = blocks.free() < count;
    return !short_of_blocks_;
}

void Ring::drop_front(Log& log) {
    BlockPool& blocks = state_.blocks;
    const BlockIndex gone = log.first_block;
    const bool within_a_batch = blocks[gone].first_batch == no_batch;
    log.first_block = blocks[gone].next;
    if (log.last_block == gone) log.last_block = no_block;
    blocks.give(gone);
    // The rest of a batch that has lost its beginning: the first whole one is where it was, and need not be looked for behind each of hundreds of blocks.
    if (within_a_batch && log.first_block != no_block) return;
    log.ram_start = log.end;
    for (BlockIndex i = log.first_block; i != no_block; i = blocks[i].next) {
        if (blocks[i].first_batch == no_batch) continue;
        log.ram_start = Offset(blocks[i].first_base);
        break;
    }
}

BlockIndex Ring::extend(Log& log) {
    const BlockIndex fresh = state_.blocks.take();
    RIVULET_CHECK(fresh != no_block);
    state_.blocks[fresh].log_slot = log.slot;
    (log.last_block == no_block ? log.first_block : state_.blocks[log.last_block].next) = fresh;
    log.last_block = fresh;
    return fresh;
}

ChainPosition Ring::begin_batch(Log& log, Offset base) {
    if (log.last_block == no_block || room_in(state_.blocks[log.last_block]) < batch_header_bytes) extend(log);
    Block& block = state_.blocks[log.last_block];
    if (block.first_batch == no_batch) {
        block.first_batch = block.used;
        block.first_base = base.value;
    }
    state_.blocks.keep(log.last_block);
    return {log.last_block, block.used};
}

void Ring::put(Log& log, Bytes bytes) {
    while (!bytes.empty()) {
        if (room_in(state_.blocks[log.last_block]) == 0) extend(log);
        Block& block = state_.blocks[log.last_block];
        const std::size_t room = room_in(block);
        const std::size_t n = bytes.size() < room ? bytes.size() : room;
        copy(bytes.first(n), {state_.blocks.bytes(log.last_block) + block.used, n});
        block.used = static_cast<std::uint16_t>(block.used + n);
        bytes = bytes.subspan(n);
        state_.blocks.keep(log.last_block);
    }
}

void Ring::note_unflushed(Log& log, ChainPosition at, Offset base, std::uint16_t attributes) {
    const std::uint32_t key = run_key(log, attributes);
    if (log.unflushed_bytes == 0) log.runs = 0;
    else if (key != log.run_key) ++log.runs;
    log.run_key = key;
    if (log.unflushed_bytes != 0) return;
    log.flush_from = at;
    log.flush_offset = base;
}

Status Ring::append(Log& log, Bytes batch, const AppendTime& time) {
    RIVULET_CHECK(!log.pack_open() && batch.size() >= batch_header_bytes);
    const record::BatchHeader header = record::decode_header(batch.first(batch_header_bytes));
    RIVULET_TRY(reserve(log, batch_header_bytes, batch.size(), stamped_attributes(header, time), header.last_offset_delta));
    const ChainPosition at = begin_batch(log, log.end);
    put(log, batch);
    take_batch(log, at, batch.size(), time);
    return {};
}

void Ring::take_batch(Log& log, ChainPosition at, std::size_t n, const AppendTime& time) {
    const MutableBytes raw(state_.blocks.bytes(at.block) + at.byte, batch_header_bytes);
    record::patch_base_offset(raw.data(), log.end);
    record::patch_leader_epoch(raw.data(), log.epoch);
    if (time.time.value >= 0) record::stamp_log_append_time(raw, time.time, time.untrusted);
    const record::BatchHeader header = record::decode_header(raw);
    note_unflushed(log, at, log.end, header.attributes);
    log.note_epoch(log.epoch, log.end);
    log.unflushed_bytes += n;
    state_.unflushed_bytes += n;
    log.end = log.end + (std::int64_t{header.last_offset_delta} + 1);
    log.closed_end = log.end;
}

Status Ring::add_reading(Log& log, const record::Reading& reading, std::uint16_t attributes, std::size_t batch_limit) {
    auto size = static_cast<std::size_t>(log.pack.record_size(reading));
    if (log.pack_open() && (log.pack.attributes() != attributes || log.pack.bytes() + size > batch_limit)) {
        close_pack(log);
        size = static_cast<std::size_t>(log.pack.record_size(reading));
    }
    const bool fresh = !log.pack_open();
    const std::size_t needed = fresh ? batch_header_bytes + size : size;
    RIVULET_TRY(reserve(log, fresh ? batch_header_bytes : 0, needed, attributes));
    if (fresh) {
        log.pack.clear(attributes);
        log.pack_header = begin_batch(log, log.end);
        const std::uint8_t room[batch_header_bytes] = {};
        put(log, room);
        note_unflushed(log, log.pack_header, log.end, attributes);
        log.note_epoch(log.epoch, log.end);
    }
    put_record(log, reading, size);
    log.unflushed_bytes += needed;
    state_.unflushed_bytes += needed;
    ++log.end;
    return {};
}

// In place where the block has room for it, else piece by piece through the next.
void Ring::put_record(Log& log, const record::Reading& reading, std::size_t size) {
    Block& block = state_.blocks[log.last_block];
    if (size <= room_in(block)) {
        Writer out({state_.blocks.bytes(log.last_block) + block.used, size});
        RIVULET_CHECK(log.pack.add(reading, out));
        block.used = static_cast<std::uint16_t>(block.used + size);
        state_.blocks.keep(log.last_block);
        return;
    }
    std::uint8_t scratch[record::record_scratch_bytes];
    const record::RecordPieces pieces = log.pack.add(reading, scratch);
    for (const Bytes piece : pieces.all()) put(log, piece);
}

void Ring::close_pack(Log& log) {
    if (!log.pack_open()) return;
    const record::BatchHeader header = log.pack.close(log.closed_end, log.epoch);
    record::encode_header(header, {state_.blocks.bytes(log.pack_header.block) + log.pack_header.byte, batch_header_bytes});
    log.pack.clear();
    log.closed_end = log.end;
}

ChainPosition Ring::advance(ChainPosition position, std::size_t n) const {
    while (position.block != no_block) {
        const Block& block = state_.blocks[position.block];
        const std::size_t here = block.used - position.byte;
        if (n < here || (n == here && block.next == no_block)) return {position.block, position.byte + static_cast<std::uint32_t>(n)};
        n -= here;
        position = {block.next, 0};
        if (n == 0) return position;
    }
    return position;
}

std::size_t Ring::blocks_from(ChainPosition position) const {
    std::size_t count = 0;
    for (BlockIndex i = position.block; i != no_block; i = state_.blocks[i].next) ++count;
    return count;
}

bool Ring::at(const Log& log, ChainPosition position, Batch& out) const {
    if (position.block == no_block) return false;
    const Block* block = &state_.blocks[position.block];
    while (position.byte == block->used) {
        if (block->next == no_block) return false;
        position = {block->next, 0};
        block = &state_.blocks[position.block];
    }
    if (log.pack_open() && position.block == log.pack_header.block && position.byte == log.pack_header.byte) return false;
    RIVULET_CHECK(position.byte + batch_header_bytes <= block->used);
    out.at = position;
    out.header = record::decode_header({state_.blocks.bytes(position.block) + position.byte, batch_header_bytes});
    return true;
}

bool Ring::find(const Log& log, Offset offset, Batch& out) const {
    BlockIndex start = no_block;
    if (log.last_block != no_block && state_.blocks[log.last_block].first_batch != no_batch &&
        Offset(state_.blocks[log.last_block].first_base) <= offset) {
        start = log.last_block;
    } else {
        for (BlockIndex i = log.first_block; i != no_block; i = state_.blocks[i].next) {
            if (state_.blocks[i].first_batch == no_batch) continue;
            if (start != no_block && Offset(state_.blocks[i].first_base) > offset) break;
            start = i;
        }
    }
    if (start == no_block) return false;
    ChainPosition position{start, state_.blocks[start].first_batch};
    while (at(log, position, out)) {
        if (out.header.last_offset() >= offset) return true;
        position = after(out);
    }
    return false;
}

std::uint64_t Ring::bytes_between(ChainPosition from, ChainPosition to) const {
    std::uint64_t bytes = 0;
    for (; from.block != to.block; from = {state_.blocks[from.block].next, 0}) bytes += state_.blocks[from.block].used - from.byte;
    return bytes + to.byte - from.byte;
}

void Ring::truncate(Log& log, Offset end) {
    RIVULET_CHECK(!log.pack_open());
    Batch first;
    if (end >= log.closed_end) return;
    if (end <= log.ram_start || !find(log, end, first)) {
        drop(log);
    } else {
        RIVULET_CHECK(first.header.base_offset >= end);
        Block& block = state_.blocks[first.at.block];
        BlockIndex i = block.next;
        block.next = no_block;
        block.used = static_cast<std::uint16_t>(first.at.byte);
        block.sealed = block.pins != 0;
        if (block.first_batch != no_batch && block.first_batch >= block.used) block.first_batch = no_batch;
        log.last_block = first.at.block;
        while (i != no_block) {
            const BlockIndex next = state_.blocks[i].next;
            state_.blocks.give(i);
            i = next;
        }
        const std::uint64_t left = log.flush_offset < end ? bytes_between(log.flush_from, first.at) : 0;
        state_.unflushed_bytes -= log.unflushed_bytes - left;
        log.unflushed_bytes = left;
    }
    log.end = log.closed_end = end;
    if (log.first_block == no_block || log.ram_start > end) log.ram_start = end;
    log.truncate_epochs(end);
}

void Ring::drop(Log& log) {
    log.pack.clear();
    for (BlockIndex i = log.first_block; i != no_block;) {
        const BlockIndex next = state_.blocks[i].next;
        state_.blocks.give(i);
        i = next;
    }
    log.first_block = log.last_block = no_block;
    state_.unflushed_bytes -= log.unflushed_bytes;
    log.unflushed_bytes = 0;
    log.ram_start = log.end;
}

}  // namespace rivulet::store
