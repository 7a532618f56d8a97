#include <algorithm>

#include "sim/disk.h"

#include <cerrno>

namespace rivulet::sim {

std::vector<PendingPage> Disk::pending_pages() const {
    std::vector<PendingPage> pages;
    for (const auto& [number, inode] : state_.inodes) {
        for (const auto& [page, pending] : inode.pending) pages.push_back({number, page, pending.versions.size()});
    }
    return pages;
}

std::vector<PendingPage> Disk::neighbours() const {
    std::vector<PendingPage> pages;
    for (const auto& [number, inode] : state_.inodes) {
        std::set<std::uint64_t> near;
        for (const auto& [page, pending] : inode.pending) {
            const std::uint64_t first = page - page % flash_page_pages;
            for (std::uint64_t p = first; p < first + flash_page_pages; ++p) {
                if (!inode.pending.contains(p) && p * page_bytes < inode.medium_size) near.insert(p);
            }
        }
        for (const std::uint64_t p : near) pages.push_back({number, p, 0});
    }
    return pages;
}

void Disk::revoke_syncs(std::size_t n) {
    for (; n != 0 && !state_.syncs.empty(); --n) {
        SyncRecord record = std::move(state_.syncs.back());
        state_.syncs.pop_back();
        if (record.inode == directory_inode) {
            state_.durable_names = std::move(record.names_before);
            state_.name_ops.insert(state_.name_ops.begin(), record.name_ops.begin(), record.name_ops.end());
            continue;
        }
        const auto at = state_.inodes.find(record.inode);
        if (at == state_.inodes.end()) continue;
        Inode& inode = at->second;
        if (record.size_after != record.size_before) {
            inode.medium_size = record.size_before;
            state_.name_ops.insert(state_.name_ops.begin(), {NameOp::resize, {}, record.inode, record.size_after});
        }
        for (SyncRecord::SyncedPage& page : record.pages) {
            inode.medium.set_page(page.number, page.before);
            std::vector<PageRef>& versions = inode.pending[page.number].versions;
            versions.insert(versions.begin(), page.versions.begin(), page.versions.end());
        }
    }
}

void Disk::crash_with(const CrashPlan& plan) {
    open_.clear();
    revoke_syncs(plan.lying_syncs);
    const std::vector<PendingPage> pending = pending_pages();
    const std::vector<PendingPage> near = neighbours();

    for (std::size_t i = 0; i < std::min(plan.name_ops_kept, state_.name_ops.size()); ++i) {
        const NameOp& op = state_.name_ops[i];
        // An operation in a directory that was lost itself is lost with it.
        if (op.kind == NameOp::link && state_.durable_names.contains(parent_of(op.path))) state_.durable_names[op.path] = op.inode;
        if (op.kind == NameOp::unlink) state_.durable_names.erase(op.path);
        if (op.kind == NameOp::resize && state_.inodes.contains(op.inode)) {
            Inode& inode = state_.inodes.at(op.inode);
            inode.medium_size = std::max(inode.medium_size, op.size_after);
        }
    }
    const auto noise = [&](std::uint32_t inode, std::uint64_t page) {
        Page content;
        Random(plan.noise_seed).split("noise", page * 64 + inode).fill(content);
        return make_page(content);
    };
    for (std::size_t i = 0; i < std::min(plan.pages.size(), pending.size()); ++i) {
        const PageFate& fate = plan.pages[i];
        Inode& inode = state_.inodes.at(pending[i].inode);
        const std::uint64_t page = pending[i].page;
        const std::vector<PageRef>& versions = inode.pending.at(page).versions;
        const PageRef& fresh = versions[versions.size() - 1 - std::min<std::size_t>(fate.versions_back, versions.size() - 1)];
        switch (fate.kind) {
            case PageFate::lost: break;
            case PageFate::kept: inode.medium.set_page(page, fresh); break;
            case PageFate::torn: inode.medium.set_page(page, torn(inode.medium.page(page), fresh, fate.sectors)); break;
            case PageFate::garbage: inode.medium.set_page(page, noise(pending[i].inode, page)); break;
            case PageFate::misdirected: inode.medium.set_page(fate.to_page, fresh); break;
        }
    }
    for (const std::size_t i : plan.garbage_neighbours) {
        if (i < near.size()) state_.inodes.at(near[i].inode).medium.set_page(near[i].page, noise(near[i].inode, near[i].page));
    }
    for (auto& [number, inode] : state_.inodes) {
        if (!inode.pending.empty() || inode.medium_size != inode.cache_size) inode.medium.cut(inode.medium_size);
        inode.pending.clear();
        inode.cache = inode.medium;
        inode.cache_size = inode.medium_size;
    }
    state_.names = state_.durable_names;
    state_.name_ops.clear();
    state_.syncs.clear();
    forget_unnamed();
    cut_ = false;
    cut_at_ = UINT64_MAX;
    planned_.clear();
}

void Disk::end_process() {
    open_.clear();
    forget_unnamed();
    cut_ = false;
    cut_at_ = UINT64_MAX;
}

void Disk::forget_unnamed() {
    std::set<std::uint32_t> wanted;
    for (const auto& [path, inode] : state_.names) wanted.insert(inode);
    for (const auto& [path, inode] : state_.durable_names) wanted.insert(inode);
    for (const SyncRecord& record : state_.syncs) {
        for (const auto& [path, inode] : record.names_before) wanted.insert(inode);
    }
    for (const NameOp& op : state_.name_ops) wanted.insert(op.inode);
    for (const auto& open : open_) wanted.insert(open->inode);
    std::erase_if(state_.inodes, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void Disk::fail_nth(DiskOp op, std::uint64_t nth, Error error, bool evicted) {
    RIVULET_CHECK(nth >= 1);
    const std::int64_t detail = error == Error::no_space ? ENOSPC : error == Error::read_only ? EROFS : EIO;
    planned_.push_back({op, nth, {error, detail}, evicted, false});
}

void Disk::flip_nth_read(std::uint64_t nth) {
    RIVULET_CHECK(nth >= 1);
    planned_.push_back({DiskOp::read, nth, {}, false, true});
}

// ---- the image ----

Inode& Disk::inode_at(std::string_view path) {
    const auto at = state_.names.find(normal_path(path));
    RIVULET_CHECK(at != state_.names.end() && at->second != directory_inode);
    return state_.inodes.at(at->second);
}

bool Disk::has(std::string_view path) const { return state_.names.contains(normal_path(path)); }

std::uint64_t Disk::size_of(std::string_view path) const {
    const auto at = state_.names.find(normal_path(path));
    return at == state_.names.end() || at->second == directory_inode ? 0 : state_.inodes.at(at->second).cache_size;
}

std::vector<std::uint8_t> Disk::contents(std::string_view path) const {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size_of(path)));
    if (!bytes.empty()) state_.inodes.at(state_.names.at(normal_path(path))).cache.read(0, bytes);
    return bytes;
}

void Disk::overwrite(std::string_view path, std::uint64_t position, Bytes bytes) {
    Inode& inode = inode_at(path);
    RIVULET_CHECK(position + bytes.size() <= inode.cache_size);
    while (!bytes.empty()) {
        const std::uint64_t page = position / page_bytes;
        const auto at = static_cast<std::size_t>(position % page_bytes);
        const std::size_t n = std::min(bytes.size(), page_bytes - at);
        inode.medium.set_page(page, patched(inode.medium.page(page), at, bytes.first(n)));
        inode.cache.set_page(page, patched(inode.cache.page(page), at, bytes.first(n)));
        bytes = bytes.subspan(n);
        position += n;
    }
}

void Disk::flip_bit(std::string_view path, std::uint64_t position, unsigned bit) {
    std::uint8_t byte;
    inode_at(path).cache.read(position, {&byte, 1});
    byte = static_cast<std::uint8_t>(byte ^ (1U << (bit % 8)));
    overwrite(path, position, {&byte, 1});
}

void Disk::truncate(std::string_view path, std::uint64_t bytes) {
    Inode& inode = inode_at(path);
    inode.medium.cut(bytes);
    inode.cache.cut(bytes);
    inode.medium_size = std::min(inode.medium_size, bytes);
    inode.cache_size = std::min(inode.cache_size, bytes);
    inode.pending.erase(inode.pending.lower_bound((bytes + page_bytes - 1) / page_bytes), inode.pending.end());
}

void Disk::set_unreadable(std::string_view path, std::uint64_t page) { inode_at(path).unreadable.insert(page); }

void Disk::erase(std::string_view path) {
    const std::string name = normal_path(path);
    state_.names.erase(name);
    state_.durable_names.erase(name);
    std::erase_if(state_.name_ops, [&](const NameOp& op) { return op.path == name && op.kind != NameOp::resize; });
    forget_unnamed();
}

std::vector<std::string> Disk::paths() const {
    std::vector<std::string> found;
    for (const auto& [path, inode] : state_.names) {
        if (inode != directory_inode) found.push_back(path);
    }
    return found;
}

}  // namespace rivulet::sim
