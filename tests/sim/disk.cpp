#include "sim/disk.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sim/guard.h"

namespace rivulet::sim {

using SimCode = AllocationGuard::SimCode;

std::string_view name_of(DiskOp op) {
    static constexpr std::string_view names[] = {"open", "create", "close", "lock", "size", "allocate", "read", "write", "sync",
                                                 "make_directory", "sync_directory", "remove", "exists", "has_name"};
    return names[static_cast<std::size_t>(op)];
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string normal_path(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (part.empty() || part == ".") continue;
        if (!out.empty()) out += '/';
        out += part;
    }
    return out;
}

Disk::Disk(std::uint64_t seed) : random_(Random(seed).split("disk")) {}

void Disk::violation(std::string_view text) {
    if (host_) {
        host_->on_violation(text);
        return;
    }
    std::fprintf(stderr, "simulated disk: %.*s\n", static_cast<int>(text.size()), text.data());
    std::abort();
}

Status Disk::begin(const DiskCall& call) {
    fault_now_.reset();
    if (host_) host_->on_disk_call(call);
    if (changes_disk(call.op)) {
        if (observer && !cut_) observer(call, ops_);
        if (ops_ >= cut_at_ && !std::exchange(cut_, true) && host_) host_->on_disk_power_cut();
        if (!cut_) ++ops_;
    }
    if (cut_) return fail(Error::io, EIO);
    if (changes_disk(call.op) && read_only_) return fail(Error::read_only, EROFS);
    if (call.op == DiskOp::read) { ++stats_.reads; stats_.bytes_read += call.bytes; }
    if (call.op == DiskOp::write) { ++stats_.writes; stats_.bytes_written += call.bytes; }
    if (call.op == DiskOp::sync) ++stats_.syncs;
    for (auto p = planned_.begin(); p != planned_.end();) {
        if (p->op == call.op && --p->calls_left == 0) {
            fault_now_ = *p;
            p = planned_.erase(p);
        } else {
            ++p;
        }
    }
    const auto by_rate = [&](DiskOp op, std::uint32_t rate, bool flip) {
        if (call.op == op && rate != 0 && random_.chance(rate, 1'000'000)) fault_now_ = Planned{op, 0, {Error::io, EIO}, random_.chance(1, 2), flip};
    };
    by_rate(DiskOp::read, rates.read_bit_flip, true);
    by_rate(DiskOp::read, rates.read_eio, false);
    by_rate(DiskOp::write, rates.write_eio, false);
    by_rate(DiskOp::sync, rates.sync_eio, false);
    if (fault_now_ && !fault_now_->flip) return fault_now_->failure;
    return {};
}

Disk::OpenFile& Disk::handle(env::File& file) {
    for (const auto& open : open_) {
        if (reinterpret_cast<env::File*>(open.get()) == &file) return *open;
    }
    violation("a file that is not open (any more)");
    std::fprintf(stderr, "simulated disk: a file that is not open (any more)\n");
    std::abort();
}

bool Disk::is_directory(const std::string& path) const {
    const auto at = state_.names.find(path);
    return at != state_.names.end() && at->second == directory_inode;
}

void Disk::add_name(NameOp op) {
    if (op.kind == NameOp::link) state_.names[op.path] = op.inode;
    if (op.kind == NameOp::unlink) state_.names.erase(op.path);
    state_.name_ops.push_back(std::move(op));
}

Result<env::File*> Disk::open(std::string_view path, env::OpenMode mode) {
    const SimCode scope;
    const std::string name = normal_path(path);
    RIVULET_TRY(begin({mode == env::OpenMode::create ? DiskOp::create : DiskOp::open, name}));
    if (mode == env::OpenMode::read_write && read_only_) return fail(Error::read_only, EROFS);
    auto at = state_.names.find(name);
    if (mode == env::OpenMode::create) {
        if (at != state_.names.end()) return fail(Error::exists, EEXIST);
        if (!is_directory(parent_of(name))) return fail(Error::not_found, ENOENT);
        const std::uint32_t number = state_.next_inode++;
        state_.inodes[number];
        add_name({NameOp::link, name, number, 0});
        at = state_.names.find(name);
    }
    if (at == state_.names.end()) return fail(Error::not_found, ENOENT);
    if (at->second == directory_inode) return fail(Error::io, EISDIR);
    if (open_.size() >= env::files_max) violation("more than files_max open files");
    open_.push_back(std::make_unique<OpenFile>(OpenFile{at->second, name, mode != env::OpenMode::read_only, false}));
    return reinterpret_cast<env::File*>(open_.back().get());
}

void Disk::close(env::File& file) {
    const SimCode scope;
    if (open_.empty()) return;  // of a process that is gone
    OpenFile& open = handle(file);
    (void)begin({DiskOp::close, open.path}).ok();
    std::erase_if(open_, [&](const auto& o) { return o.get() == &open; });
    forget_unnamed();
}

Status Disk::lock(env::File& file) {
    const SimCode scope;
    OpenFile& open = handle(file);
    RIVULET_TRY(begin({DiskOp::lock, open.path}));
    for (const auto& other : open_) {
        if (other.get() != &open && other->inode == open.inode && other->locked) return fail(Error::store_in_use, EWOULDBLOCK);
    }
    open.locked = true;
    return {};
}

Result<std::uint64_t> Disk::size(env::File& file) {
    const SimCode scope;
    OpenFile& open = handle(file);
    RIVULET_TRY(begin({DiskOp::size, open.path}));
    return inode_of(open).cache_size;
}

std::uint64_t Disk::bytes_used() const {
    std::uint64_t sum = 0;
    for (const auto& [number, inode] : state_.inodes) sum += inode.cache_size;
    return sum;
}

void Disk::resize(std::uint32_t number, std::uint64_t bytes) {
    Inode& inode = state_.inodes.at(number);
    if (bytes <= inode.cache_size) return;
    inode.cache_size = bytes;
    // Growing by many small writes is one operation for a crash to choose, as long as nothing else came between.
    if (!state_.name_ops.empty() && state_.name_ops.back().kind == NameOp::resize && state_.name_ops.back().inode == number) {
        state_.name_ops.back().size_after = bytes;
        return;
    }
    state_.name_ops.push_back({NameOp::resize, {}, number, bytes});
}

Status Disk::allocate(env::File& file, std::uint64_t bytes) {
    const SimCode scope;
    OpenFile& open = handle(file);
    RIVULET_TRY(begin({DiskOp::allocate, open.path, 0, {}, bytes}));
    if (!open.writable) return fail(Error::io, EBADF);
    const std::uint64_t have = inode_of(open).cache_size;
    if (bytes > have && bytes - have > capacity_ - std::min(capacity_, bytes_used())) return fail(Error::no_space, ENOSPC);
    resize(open.inode, bytes);
    return {};
}

Result<std::size_t> Disk::read(env::File& file, std::uint64_t position, MutableBytes into) {
    const SimCode scope;
    OpenFile& open = handle(file);
    RIVULET_TRY(begin({DiskOp::read, open.path, position, {}, into.size()}));
    const Inode& inode = inode_of(open);
    if (position >= inode.cache_size || into.empty()) return std::size_t{0};
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), inode.cache_size - position));
    const auto bad = inode.unreadable.lower_bound(position / page_bytes);
    if (bad != inode.unreadable.end() && *bad <= (position + n - 1) / page_bytes) return fail(Error::io, EIO);
    inode.cache.read(position, into.first(n));
    if (fault_now_ && fault_now_->flip) into[static_cast<std::size_t>(random_.below(n))] ^= static_cast<std::uint8_t>(1U << random_.below(8));
    return n;
}

void Disk::put(std::uint32_t number, std::uint64_t position, Bytes bytes) {
    Inode& inode = state_.inodes.at(number);
    resize(number, position + bytes.size());
    while (!bytes.empty()) {
        const std::uint64_t page = position / page_bytes;
        const auto at = static_cast<std::size_t>(position % page_bytes);
        const std::size_t n = std::min(bytes.size(), page_bytes - at);
        PageRef fresh = patched(inode.cache.page(page), at, bytes.first(n));
        PendingVersions& pending = inode.pending[page];
        if (pending.versions.size() == versions_remembered) pending.versions.erase(pending.versions.begin());
        pending.versions.push_back(fresh);
        pending.dropped = false;
        inode.unreadable.erase(page);
        inode.cache.set_page(page, std::move(fresh));
        bytes = bytes.subspan(n);
        position += n;
    }
}

Status Disk::write(env::File& file, std::uint64_t position, std::span<const Bytes> buffers) {
    const SimCode scope;
    OpenFile& open = handle(file);
    std::vector<std::uint8_t> bytes;
    for (const Bytes b : buffers) bytes.insert(bytes.end(), b.begin(), b.end());
    const Status begun = begin({DiskOp::write, open.path, position, buffers, bytes.size()});
    Bytes taken = bytes;
    if (!begun) {
        if (!fault_now_) return begun;
        taken = taken.first(static_cast<std::size_t>(random_.below(bytes.size() + 1)));
    }
    if (!open.writable) return fail(Error::io, EBADF);
    const std::uint64_t have = inode_of(open).cache_size;
    const std::uint64_t end = position + taken.size();
    if (end > have && end - have > capacity_ - std::min(capacity_, bytes_used())) return fail(Error::no_space, ENOSPC);
    if (!taken.empty()) put(open.inode, position, taken);
    return begun;
}

void Disk::drop_unsynced(Inode& inode, bool evicted) {
    for (auto& [page, pending] : inode.pending) {
        pending.dropped = true;
        if (evicted) inode.cache.set_page(page, inode.medium.page(page));
    }
}

void Disk::remember(SyncRecord record) {
    state_.syncs.push_back(std::move(record));
    if (state_.syncs.size() > syncs_remembered) state_.syncs.pop_front();
}

Status Disk::sync(env::File& file) {
    const SimCode scope;
    OpenFile& open = handle(file);
    Inode& inode = inode_of(open);
    const Status begun = begin({DiskOp::sync, open.path});
    if (!begun) {
        if (fault_now_) drop_unsynced(inode, fault_now_->evicted);
        return begun;
    }
    SyncRecord record;
    record.inode = open.inode;
    record.size_before = inode.medium_size;
    record.size_after = inode.medium_size = inode.cache_size;
    for (auto p = inode.pending.begin(); p != inode.pending.end();) {
        if (p->second.dropped) {
            ++p;
            continue;
        }
        const PageRef last = p->second.versions.back();
        record.pages.push_back({p->first, inode.medium.page(p->first), std::move(p->second.versions)});
        inode.medium.set_page(p->first, last);
        p = inode.pending.erase(p);
    }
    std::erase_if(state_.name_ops, [&](const NameOp& op) { return op.kind == NameOp::resize && op.inode == open.inode; });
    remember(std::move(record));
    return {};
}

void Disk::drop_cache(env::File& file) {
    const SimCode scope;
    Inode& inode = inode_of(handle(file));
    for (const auto& [page, pending] : inode.pending)
        if (pending.dropped) inode.cache.set_page(page, inode.medium.page(page));
}

Result<bool> Disk::has_name(env::File& file) {
    const SimCode scope;
    const OpenFile& open = handle(file);
    RIVULET_TRY(begin({DiskOp::has_name, open.path}));
    return std::any_of(state_.names.begin(), state_.names.end(), [&](const auto& name) { return name.second == open.inode; });
}

Status Disk::make_directory(std::string_view path) {
    const SimCode scope;
    const std::string name = normal_path(path);
    RIVULET_TRY(begin({DiskOp::make_directory, name}));
    for (std::size_t end = 0; end != std::string::npos && !name.empty();) {
        end = name.find('/', end == 0 ? 0 : end + 1);
        const std::string prefix = name.substr(0, end);
        if (is_directory(prefix)) continue;
        if (state_.names.contains(prefix)) return fail(Error::exists, ENOTDIR);
        add_name({NameOp::link, prefix, directory_inode, 0});
    }
    return {};
}

Status Disk::sync_directory(std::string_view path) {
    const SimCode scope;
    const std::string name = normal_path(path);
    RIVULET_TRY(begin({DiskOp::sync_directory, name}));
    if (!is_directory(name)) return fail(Error::not_found, ENOENT);
    SyncRecord record;
    record.names_before = state_.durable_names;
    for (auto op = state_.name_ops.begin(); op != state_.name_ops.end();) {
        const bool own = op->kind == NameOp::link && op->inode == directory_inode && (name == op->path || name.starts_with(op->path + '/'));
        if (op->kind == NameOp::resize || (!own && parent_of(op->path) != name)) {
            ++op;
            continue;
        }
        if (op->kind == NameOp::link) state_.durable_names[op->path] = op->inode;
        else state_.durable_names.erase(op->path);
        record.name_ops.push_back(*op);
        op = state_.name_ops.erase(op);
    }
    remember(std::move(record));
    return {};
}

Status Disk::remove(std::string_view path) {
    const SimCode scope;
    const std::string name = normal_path(path);
    RIVULET_TRY(begin({DiskOp::remove, name}));
    const auto at = state_.names.find(name);
    if (at == state_.names.end()) return fail(Error::not_found, ENOENT);
    if (at->second == directory_inode) {
        const auto below = state_.names.lower_bound(name + '/');
        if (name.empty() || (below != state_.names.end() && below->first.starts_with(name + '/'))) return fail(Error::io, ENOTEMPTY);
    }
    add_name({NameOp::unlink, name, at->second, 0});
    return {};
}

Result<bool> Disk::exists(std::string_view path) {
    const SimCode scope;
    const std::string name = normal_path(path);
    RIVULET_TRY(begin({DiskOp::exists, name}));
    return state_.names.contains(name);
}

}  // namespace rivulet::sim
