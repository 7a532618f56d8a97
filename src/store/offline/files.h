// A store's files as the offline tools see them: opened read-only, nothing is changed or repaired.
// Owns:     open files, closed with it; the lock of `super`, so that no broker serves meanwhile.
// Bounds:   no allocation; blocking.
// Errors:   open: not_a_store (no journal, or nothing in it that tells its geometry), store_in_use, store_newer, io, permission.
// Format:   FORMAT.md, section 9, step 1.
#pragma once

#include "store/checkpoint_file.h"
#include "store/footer.h"
#include "store/journal_walk.h"
#include "store/segment_header.h"
#include "store/super_block.h"

namespace rivulet::store {

// What lies in one place: the structure, or why it is none. not_found: the file or the page is not there, or is blank.
template <class T>
struct Found {
    Error error = Error::not_found;
    T value{};
    bool ok() const { return error == Error::none; }
    bool damaged() const { return error != Error::none && error != Error::not_found; }
};

// For people: a page of nothing but zeros is in a file that is there.
inline const char* state_text(Error error) { return error == Error::not_found ? "blank" : error_info(error).text; }

class OfflineStore {
public:
    explicit OfflineStore(env::Disk& disk) : disk_(disk) {}
    ~OfflineStore();
    OfflineStore(const OfflineStore&) = delete;
    OfflineStore& operator=(const OfflineStore&) = delete;

    Status open(std::string_view dir);

    env::Disk& disk() const { return disk_; }
    const Geometry& geometry() const { return geometry_; }
    // Where identity and geometry came from: super, checkpoint, segment.
    std::string_view geometry_source() const { return geometry_source_; }
    const Found<SuperBlock>& super(std::size_t slot) const { return supers_[slot]; }
    const Found<CheckpointHeader>& checkpoint(std::size_t area) const { return checkpoints_[area]; }
    bool super_is_missing() const { return super_ == nullptr; }
    bool checkpoint_is_missing(std::size_t area) const { return areas_[area] == nullptr; }
    // The slot or area that rules, or -1. A checkpoint rules whose body holds as well.
    int ruling_super() const { return ruling_super_; }
    int ruling_checkpoint() const { return ruling_checkpoint_; }

    Found<SegmentHeader> segment_header(std::uint64_t sequence) const;
    Found<FooterTail> footer_tail(std::uint64_t sequence) const;
    Found<FooterTail> footer(std::uint64_t sequence, MutableBytes scratch) const;  // its body and entries hold as well
    // Reads a piece of a checkpoint's body: corrupt if it is not all there.
    Status read_checkpoint(std::size_t area, std::uint64_t position, MutableBytes into) const;

    // How recovery would walk. Then, by walking so, the newest segment, and the walk over all that is live.
    WalkStart replay_start() const;
    SuperRun super_run() const;
    Status find_head(MutableBytes window);
    std::uint64_t head() const { return head_; }  // the segment in which the journal ends
    std::uint64_t first_live() const { return first_live_; }
    Lsn durable() const { return durable_; }      // D
    Lsn end() const { return end_; }
    bool super_outdated() const { return super_outdated_; }  // the journal, or the checkpoint, has runs that it does not know of
    WalkStart whole_start() const;
    JournalWalk walk(MutableBytes window, const WalkStart& start) const { return {disk_, *journal_, geometry_, window, start, super_run()}; }

private:
    Status open_file(std::string_view dir, std::string_view name, env::File*& file);
    Status read_page(env::File* file, std::uint64_t position, std::span<std::uint8_t, page_bytes> page) const;
    Status find_supers();
    bool checkpoint_is_newer() const;
    Status find_checkpoints();
    Result<bool> body_holds(std::size_t area, const CheckpointHeader& header) const;
    Status find_segments();
    std::uint64_t segment_end(std::uint64_t sequence) const;  // in the file

    env::Disk& disk_;
    env::File* super_ = nullptr;
    env::File* journal_ = nullptr;
    env::File* areas_[2] = {nullptr, nullptr};
    Geometry geometry_;
    std::string_view geometry_source_;
    Found<SuperBlock> supers_[super_slots];
    Found<CheckpointHeader> checkpoints_[2];
    int ruling_super_ = -1;
    int ruling_checkpoint_ = -1;
    std::uint64_t oldest_header_ = 0;  // lowest and highest sequence of the segment headers, 0: none
    std::uint64_t newest_header_ = 0;
    std::uint64_t head_ = 0;
    std::uint64_t first_live_ = 1;
    Lsn durable_;
    Lsn end_;
    bool super_outdated_ = false;
};

}  // namespace rivulet::store
