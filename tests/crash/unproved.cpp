#include "crash/unproved.h"

#include <algorithm>

#include "base/crc32c.h"
#include "store/group.h"

namespace rivulet::crash {

namespace {

std::uint64_t bad_extents(Bytes bytes, const store::GroupHeader& header) {
    const Bytes table = bytes.subspan(store::group_header_bytes, header.table_bytes);
    if (store::table_crc(header.salt, table) != header.table_crc) return header.extent_count;
    std::uint64_t bad = 0;
    store::TableReader reader(header, table);
    for (store::Extent extent; reader.next(extent);) bad += crc32c(bytes.subspan(header.payload_position() + extent.position, extent.bytes)) != extent.crc;
    return bad;
}

}  // namespace

std::uint64_t bad_unproved_extents(sim::Disk& disk, const Unproved& unproved) {
    const store::Geometry& geometry = unproved.geometry;
    const Result<env::File*> journal = disk.open("store/journal", env::OpenMode::read_only);
    if (!journal) return 0;
    std::uint64_t bad = 0;
    Buffer bytes(geometry.group_bytes_max);
    for (Lsn at = unproved.from; at < unproved.to; at += store::page_bytes) {
        if (geometry.position_in_segment(at) == 0) continue;
        const std::uint64_t left = geometry.segment_bytes - geometry.position_in_segment(at);
        const MutableBytes into = MutableBytes(bytes).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
        if (!disk.read(**journal, geometry.file_position(at), into)) continue;
        const auto header = store::decode_group_header(into, at, geometry);
        if (header && header->salt == unproved.salt && header->total_bytes <= into.size()) bad += bad_extents(into, *header);
    }
    disk.close(**journal);
    return bad;
}

std::string told_of(StoreHarness& harness, std::uint64_t bad_extents) {
    const std::uint64_t counted = harness.store().state().damage.unproved_extents_lost;
    if (counted < bad_extents) return "of " + std::to_string(bad_extents) + " extents lost under a good header " + std::to_string(counted) + " are counted";
    const auto& lines = harness.world.recent_log();
    const auto says = [&](const char* text) {
        return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
    };
    const bool logged = says("unproved commit are lost") || says("has lost its table") || says("are damaged");
    return bad_extents == 0 || logged ? std::string() : "extents of the unproved commit are lost, and no line says so";
}

}  // namespace rivulet::crash
