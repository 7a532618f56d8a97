#include "server/compact/aliases.h"

namespace rivulet::server::compact {

CellIndex AliasPool::take() {
    CellIndex index = free_;
    if (index != no_cell) free_ = cells_[index].next;
    else if (untouched_ < cells_.size()) index = static_cast<CellIndex>(untouched_++);
    else return no_cell;
    ++taken_;
    cells_[index].next = cells_[index].key_next = no_cell;
    return index;
}

// With the cells of its key.
void AliasPool::give_one(CellIndex index) {
    while (index != no_cell) {
        const CellIndex more = cells_[index].key_next;
        cells_[index].next = free_;
        free_ = index;
        --taken_;
        index = more;
    }
}

Alias& AliasPool::load(CellIndex index) {
    const auto& from = cells_[index].alias;
    loaded_ = {LogId(from.first_log), from.partitions, from.partition, static_cast<Error>(from.error), from.id, from.key_bytes,
               static_cast<wire::compact::Placement>(from.placement), from.settles_at_once};
    return loaded_;
}

const Alias* AliasPool::find(CellIndex& chain, std::uint64_t id) {
    CellIndex before = no_cell;
    for (CellIndex at = chain; at != no_cell; before = at, at = cells_[at].next) {
        if (cells_[at].alias.id != id) continue;
        if (before != no_cell) {
            cells_[before].next = cells_[at].next;
            cells_[at].next = chain;
            chain = at;
        }
        return &load(at);
    }
    return nullptr;
}

Status AliasPool::put(CellIndex& chain, const Alias& alias, Bytes key) {
    RIVULET_CHECK(key.size() <= key_bytes_max);
    if (find(chain, alias.id)) {
        const CellIndex replaced = chain;
        chain = cells_[replaced].next;
        give_one(replaced);
    }
    const CellIndex index = take();
    if (index == no_cell) return fail(Error::limit_reached);
    auto& to = cells_[index].alias;
    to.first_log = alias.first_log.value;
    to.partitions = alias.partitions;
    to.partition = alias.partition;
    to.error = static_cast<std::uint16_t>(alias.error);
    to.id = alias.id;
    to.key_bytes = static_cast<std::uint8_t>(key.size());
    to.placement = static_cast<std::uint8_t>(alias.placement);
    to.settles_at_once = alias.settles_at_once;
    const std::size_t here = key.size() < Cell::key_here ? key.size() : Cell::key_here;
    copy(key.first(here), to.key);
    key = key.subspan(here);
    for (CellIndex last = index; !key.empty();) {
        const CellIndex more = take();
        if (more == no_cell) {
            give_one(index);
            return fail(Error::limit_reached);
        }
        cells_[last].key_next = more;
        const std::size_t n = key.size() < Cell::key_alone ? key.size() : Cell::key_alone;
        copy(key.first(n), cells_[more].key);
        key = key.subspan(n);
        last = more;
    }
    cells_[index].next = chain;
    chain = index;
    return {};
}

Bytes AliasPool::key(CellIndex chain, MutableBytes scratch) const {
    const Cell& cell = cells_[chain];
    const std::size_t bytes = cell.alias.key_bytes;
    if (bytes <= Cell::key_here) return Bytes(cell.alias.key).first(bytes);
    copy(cell.alias.key, scratch);
    std::size_t done = Cell::key_here;
    for (CellIndex at = cell.key_next; at != no_cell; at = cells_[at].key_next) {
        const std::size_t n = bytes - done < Cell::key_alone ? bytes - done : Cell::key_alone;
        copy(Bytes(cells_[at].key).first(n), scratch.subspan(done));
        done += n;
    }
    return scratch.first(bytes);
}

void AliasPool::give(CellIndex& chain) {
    while (chain != no_cell) {
        const CellIndex next = cells_[chain].next;
        give_one(chain);
        chain = next;
    }
}

}  // namespace rivulet::server::compact
