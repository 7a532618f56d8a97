// All that a simulated disk holds: a value, so that one recorded run is forked into many crash states.
// Owns:     files by inode, the names that the kernel shows and those that are durable, and what lies between: unsynced pages and
//           name operations, and the last syncs (to tell afterwards that they lied). Copies share pages.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>

#include "sim/pages.h"

namespace rivulet::sim {

constexpr std::size_t syncs_remembered = 4;
constexpr std::size_t versions_remembered = 4;

// A page written since it was last durable.
struct PendingVersions {
    std::vector<PageRef> versions;  // oldest first
    bool dropped = false;           // a failed sync marked it clean: later syncs skip it, a crash may still have kept it
};

struct Inode {
    PagedBytes medium;
    PagedBytes cache;
    std::uint64_t medium_size = 0;
    std::uint64_t cache_size = 0;
    std::map<std::uint64_t, PendingVersions> pending;  // by page number
    std::set<std::uint64_t> unreadable;                // pages whose reads fail until they are rewritten
};

constexpr std::uint32_t directory_inode = 0;  // files start at 1
using Names = std::map<std::string, std::uint32_t>;

struct NameOp {
    enum Kind : std::uint8_t { link, unlink, resize };
    Kind kind;
    std::string path;           // resize: none
    std::uint32_t inode;
    std::uint64_t size_after;   // resize
};

struct SyncRecord {
    struct SyncedPage {
        std::uint64_t number;
        PageRef before;
        std::vector<PageRef> versions;
    };
    std::uint32_t inode = directory_inode;  // or a directory
    std::uint64_t size_before = 0;
    std::uint64_t size_after = 0;
    std::vector<SyncedPage> pages;
    Names names_before;               // of a directory
    std::vector<NameOp> name_ops;     // likewise: those that it made durable
};

struct DiskState {
    Names names{{"", directory_inode}};
    Names durable_names{{"", directory_inode}};
    std::vector<NameOp> name_ops;
    std::map<std::uint32_t, Inode> inodes;
    std::uint32_t next_inode = 1;
    std::deque<SyncRecord> syncs;
};

// The directory that holds `path`; "" is the root.
std::string parent_of(const std::string& path);
// Without "./", doubled or trailing slashes: "/a//b/" and "a/b" are one.
std::string normal_path(std::string_view path);

}  // namespace rivulet::sim
