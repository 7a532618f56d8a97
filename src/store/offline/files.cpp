#include "store/offline/files.h"

#include <algorithm>

#include "base/crc32c.h"
#include "store/store_files.h"

namespace rivulet::store {

namespace {

bool blank(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

// A page and what it decodes to, in the terms of Found.
template <class T>
Found<T> found(Bytes page, const Result<T>& decoded) {
    if (decoded) return {Error::none, *decoded};
    return {blank(page) ? Error::not_found : decoded.error(), T{}};
}

}  // namespace

OfflineStore::~OfflineStore() {
    for (env::File* file : {super_, journal_, areas_[0], areas_[1]})
        if (file) disk_.close(*file);
}

Status OfflineStore::open_file(std::string_view dir, std::string_view name, env::File*& file) {
    const Result<env::File*> opened = disk_.open(Path(dir, name).view(), env::OpenMode::read_only);
    if (opened) file = *opened;
    return opened || opened.error() == Error::not_found ? Status() : Status(opened.failure());
}

Status OfflineStore::open(std::string_view dir) {
    RIVULET_TRY(open_file(dir, super_name, super_));
    if (super_) RIVULET_TRY(disk_.lock(*super_));
    RIVULET_TRY(open_file(dir, journal_name, journal_));
    for (std::size_t area = 0; area < 2; ++area) RIVULET_TRY(open_file(dir, checkpoint_names[area], areas_[area]));
    if (!journal_) return fail(Error::not_a_store);
    RIVULET_TRY(find_supers());
    RIVULET_TRY(find_checkpoints());
    if (ruling_super_ >= 0) {
        geometry_ = supers_[ruling_super_].value.geometry;
        geometry_source_ = "super";
    } else if (ruling_checkpoint_ >= 0) {
        geometry_ = checkpoints_[ruling_checkpoint_].value.geometry;
        geometry_source_ = "checkpoint";
    }
    RIVULET_TRY(find_segments());
    if (geometry_source_.empty()) return fail(Error::not_a_store);
    // A checkpoint of another store cannot rule.
    if (ruling_checkpoint_ >= 0 && checkpoints_[ruling_checkpoint_].value.geometry.store_id != geometry_.store_id) ruling_checkpoint_ = -1;
    return {};
}

// A page that cannot be read is a damaged one; beyond the end of a file: zeros.
Status OfflineStore::read_page(env::File* file, std::uint64_t position, std::span<std::uint8_t, page_bytes> page) const {
    std::memset(page.data(), 0, page.size());
    if (!file) return {};
    const Result<std::size_t> got = disk_.read(*file, position, page);
    if (got) {
        std::memset(page.data() + *got, 0, page.size() - *got);
        return {};
    }
    page[0] = 1;  // not blank
    return got.error() == Error::io ? Status() : Status(got.failure());
}

Status OfflineStore::find_supers() {
    for (std::size_t slot = 0; slot < super_slots; ++slot) {
        std::uint8_t page[page_bytes];
        RIVULET_TRY(read_page(super_, slot * page_bytes, page));
        supers_[slot] = found(page, decode_super(page));
        if (supers_[slot].error == Error::store_newer) return fail(Error::store_newer);
        if (!supers_[slot].ok()) continue;
        if (ruling_super_ < 0 || supers_[slot].value.sequence > supers_[ruling_super_].value.sequence) ruling_super_ = static_cast<int>(slot);
    }
    return {};
}

Status OfflineStore::find_checkpoints() {
    for (std::size_t area = 0; area < 2; ++area) {
        std::uint8_t page[page_bytes];
        RIVULET_TRY(read_page(areas_[area], 0, page));
        Found<CheckpointHeader>& here = checkpoints_[area];
        here = found(page, decode_checkpoint_header(page));
        if (here.error == Error::store_newer) return fail(Error::store_newer);
        if (!here.ok()) continue;
        RIVULET_TRY_ASSIGN(const bool holds, body_holds(area, here.value));
        if (!holds) here.error = Error::corrupt;
        if (holds && (ruling_checkpoint_ < 0 || here.value.sequence > checkpoints_[ruling_checkpoint_].value.sequence))
            ruling_checkpoint_ = static_cast<int>(area);
    }
    return {};
}

Result<bool> OfflineStore::body_holds(std::size_t area, const CheckpointHeader& header) const {
    std::uint32_t crc = 0;
    std::uint8_t page[page_bytes];
    for (std::uint32_t done = 0; done < header.body_bytes;) {
        const MutableBytes piece(page, std::min<std::size_t>(page_bytes, header.body_bytes - done));
        const Status got = read_checkpoint(area, done, piece);
        if (got.error() == Error::corrupt || got.error() == Error::io) return false;
        RIVULET_TRY(got);
        crc = crc32c(piece, crc);
        done += static_cast<std::uint32_t>(piece.size());
    }
    return crc == header.body_crc;
}

Status OfflineStore::read_checkpoint(std::size_t area, std::uint64_t position, MutableBytes into) const {
    if (!areas_[area]) return fail(Error::not_found);
    RIVULET_TRY_ASSIGN(const std::size_t got, disk_.read(*areas_[area], page_bytes + position, into));
    return got == into.size() ? Status() : Status(fail(Error::corrupt, static_cast<std::int64_t>(position)));
}

// Which segments there are, by their headers; without super and checkpoint the first one found says where to look for the others.
Status OfflineStore::find_segments() {
    RIVULET_TRY_ASSIGN(const std::uint64_t size, disk_.size(*journal_));
    std::uint64_t step = geometry_source_.empty() ? segment_bytes_min : geometry_.segment_bytes;
    for (std::uint64_t position = 0; position < size; position += step) {
        std::uint8_t page[page_bytes];
        RIVULET_TRY(read_page(journal_, position, page));
        const Result<SegmentHeader> header = decode_segment_header(page);
        if (header.error() == Error::store_newer) return header.failure();
        if (!header) continue;
        if (geometry_source_.empty()) {
            geometry_ = header->geometry;
            geometry_source_ = "segment";
            step = geometry_.segment_bytes;
        }
        const bool ours = header->geometry.store_id == geometry_.store_id && geometry_.file_position(geometry_.segment_start(header->sequence)) == position;
        if (!ours) continue;
        if (oldest_header_ == 0 || header->sequence < oldest_header_) oldest_header_ = header->sequence;
        if (header->sequence > newest_header_) newest_header_ = header->sequence;
    }
    return {};
}

Found<SegmentHeader> OfflineStore::segment_header(std::uint64_t sequence) const {
    std::uint8_t page[page_bytes];
    const Status got = read_page(journal_, geometry_.file_position(geometry_.segment_start(sequence)), page);
    if (!got) return {got.error(), {}};
    Found<SegmentHeader> header = found(page, decode_segment_header(page));
    if (header.ok() && (header.value.sequence != sequence || header.value.geometry.store_id != geometry_.store_id)) header.error = Error::corrupt;
    return header;
}

Found<FooterTail> OfflineStore::footer_tail(std::uint64_t sequence) const {
    std::uint8_t bytes[footer_tail_bytes] = {};
    const Result<std::size_t> got = disk_.read(*journal_, segment_end(sequence) - footer_tail_bytes, bytes);
    if (!got) return {got.error(), {}};
    return found(bytes, decode_footer_tail(bytes, sequence, geometry_));
}

Found<FooterTail> OfflineStore::footer(std::uint64_t sequence, MutableBytes scratch) const {
    Found<FooterTail> tail = footer_tail(sequence);
    if (!tail.ok()) return tail;
    tail.error = Error::corrupt;
    if (tail.value.body_bytes > scratch.size()) return tail;  // larger than any that we write
    const MutableBytes body = scratch.first(tail.value.body_bytes);
    const Result<std::size_t> got = disk_.read(*journal_, segment_end(sequence) - footer_tail_bytes - body.size(), body);
    if (!got || *got != body.size()) return tail;
    FooterReader reader(tail.value, body);
    for (FooterEntry entry; reader.next(entry);) {}
    tail.error = reader.error();
    return tail;
}

std::uint64_t OfflineStore::segment_end(std::uint64_t sequence) const {
    return geometry_.file_position(geometry_.segment_start(sequence)) + geometry_.segment_bytes;
}

WalkStart OfflineStore::replay_start() const {
    WalkStart start;
    if (ruling_checkpoint_ >= 0) {
        const CheckpointHeader& checkpoint = checkpoints_[ruling_checkpoint_].value;
        start = {checkpoint.replay_from, checkpoint.salt, checkpoint.run_start, checkpoint.durable};
    } else {
        start.position = geometry_.first_group(std::max<std::uint64_t>(oldest_header_, 1));
    }
    start.newest = newest_header_;
    if (super_run().known) start.durable = std::max(start.durable, supers_[ruling_super_].value.end);
    return start;
}

bool OfflineStore::checkpoint_is_newer() const {
    return ruling_super_ >= 0 && ruling_checkpoint_ >= 0 && checkpoints_[ruling_checkpoint_].value.run > supers_[ruling_super_].value.run;
}

SuperRun OfflineStore::super_run() const {
    if (ruling_super_ < 0) return {};
    const SuperBlock& super = supers_[ruling_super_].value;
    const Found<SuperBlock>& other = supers_[1 - ruling_super_];
    // The first write of all leaves the other slot blank.
    const bool both = other.ok() || (other.error == Error::not_found && super.sequence == 1);
    if (checkpoint_is_newer()) {
        const CheckpointHeader& checkpoint = checkpoints_[ruling_checkpoint_].value;
        return {true, checkpoint.salt, checkpoint.run_start, checkpoint.run};
    }
    return {both && super.run != 0, super.salt, super.run_start, super.run};
}

Status OfflineStore::find_head(MutableBytes window) {
    JournalWalk tail = walk(window, replay_start());
    for (;;) {
        const JournalWalk::Step step = tail.next();
        if (step == JournalWalk::Step::failed) return tail.failure();
        if (step == JournalWalk::Step::end) break;
    }
    durable_ = tail.highest_durable();
    end_ = tail.position();
    super_outdated_ = tail.super_outdated() || checkpoint_is_newer();
    // The end of a group, or the begin of an empty segment's first.
    head_ = geometry_.sequence(end_ - 1);
    first_live_ = geometry_.first_live(head_);
    if (ruling_checkpoint_ >= 0) first_live_ = std::max(first_live_, checkpoints_[ruling_checkpoint_].value.first_live);
    else first_live_ = std::max(first_live_, oldest_header_);
    return {};
}

WalkStart OfflineStore::whole_start() const {
    WalkStart start;
    start.position = geometry_.first_group(first_live_);
    const Found<SegmentHeader> header = segment_header(first_live_);
    if (header.ok()) start.salt = header.value.salt;
    start.durable = durable_;
    start.newest = newest_header_;
    return start;
}

}  // namespace rivulet::store
