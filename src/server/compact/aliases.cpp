#include "server/compact/aliases.h"

namespace rivulet::server::compact {

CellIndex AliasPool::take() {
    CellIndex index = free_;
    if (index != no_cell) {
        free_ = cells_[index].next;
    } else {
        RIVULET_CHECK(untouched_ < cells_.size());
        index = static_cast<CellIndex>(untouched_++);
    }
    ++taken_;
    cells_[index].next = no_cell;
    return index;
}

void AliasPool::give_cell(CellIndex index) {
    cells_[index].next = free_;
    free_ = index;
    --taken_;
}

// With the cells of its key.
void AliasPool::give_one(CellIndex index) {
    CellIndex more = cells_[index].alias.key_next;
    give_cell(index);
    while (more != no_cell) {
        const CellIndex next = cells_[more].next;
        give_cell(more);
        --keys_taken_;
        more = next;
    }
}

Alias& AliasPool::load(CellIndex index) {
    const auto& from = cells_[index].alias;
    const Error error = from.failed ? static_cast<Error>(from.partitions) : Error::none;
    const std::uint32_t partitions = from.failed ? 0U : from.partitions;
    loaded_ = {LogId(std::uint64_t{from.first_log[1]} << 32 | from.first_log[0]), partitions, from.partition, error, from.id, from.key_bytes,
               static_cast<wire::compact::Placement>(from.placement), from.settles_at_once, from.one_range};
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

bool AliasPool::key_fits(CellIndex chain, std::size_t key_bytes) const {
    std::size_t mine = key_cells_of(key_bytes);
    if (mine == 0) return true;
    const std::size_t all = cells_.size() - aliases_;
    if (mine > all - keys_taken_) return false;
    for (CellIndex at = chain; at != no_cell; at = cells_[at].next) mine += key_cells_of(cells_[at].alias.key_bytes);
    return mine <= all / 4 || mine <= key_cells_of(key_bytes_max);
}

Status AliasPool::put(CellIndex& chain, const Alias& alias, Bytes key) {
    RIVULET_CHECK(key.size() <= key_bytes_max && alias.partitions <= UINT16_MAX && alias.partition <= INT16_MAX);
    if (find(chain, alias.id)) {
        const CellIndex replaced = chain;
        chain = cells_[replaced].next;
        give_one(replaced);
    }
    if (!key_fits(chain, key.size())) return fail(Error::limit_reached);
    RIVULET_CHECK(taken_ - keys_taken_ < aliases_);
    const CellIndex index = take();
    auto& to = cells_[index].alias;
    to.key_next = no_cell;
    to.first_log[0] = static_cast<std::uint32_t>(alias.first_log.value);
    to.first_log[1] = static_cast<std::uint32_t>(alias.first_log.value >> 32);
    to.failed = alias.error != Error::none;
    to.partitions = to.failed ? static_cast<std::uint16_t>(alias.error) : static_cast<std::uint16_t>(alias.partitions);
    to.partition = static_cast<std::int16_t>(alias.partition);
    to.id = alias.id;
    to.key_bytes = static_cast<std::uint8_t>(key.size());
    to.placement = static_cast<std::uint8_t>(alias.placement) & 3U;
    to.settles_at_once = alias.settles_at_once;
    to.one_range = alias.one_range;
    const std::size_t here = key.size() < key_bytes_here ? key.size() : key_bytes_here;
    copy(key.first(here), to.key);
    key = key.subspan(here);
    for (CellIndex* link = &to.key_next; !key.empty();) {
        const CellIndex more = take();
        ++keys_taken_;
        *link = more;
        link = &cells_[more].next;
        const std::size_t n = key.size() < Cell::key_alone ? key.size() : Cell::key_alone;
        copy(key.first(n), cells_[more].key);
        key = key.subspan(n);
    }
    cells_[index].next = chain;
    chain = index;
    return {};
}

Bytes AliasPool::key(CellIndex chain, MutableBytes scratch) const {
    const auto& alias = cells_[chain].alias;
    const std::size_t bytes = alias.key_bytes;
    if (bytes <= key_bytes_here) return Bytes(alias.key).first(bytes);
    copy(alias.key, scratch);
    std::size_t done = key_bytes_here;
    for (CellIndex at = alias.key_next; at != no_cell; at = cells_[at].next) {
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
