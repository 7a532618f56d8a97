#include "sim/crash.h"

#include <algorithm>

#include "sim/disk.h"

namespace rivulet::sim {

namespace {

using Fates = std::vector<PageFate>;

PageFate kept() { return {.kind = PageFate::kept}; }

Fates of_mask(std::uint64_t mask, std::size_t pages) {
    Fates fates(pages);
    for (std::size_t i = 0; i < std::min<std::size_t>(pages, 64); ++i) {
        if (mask >> i & 1) fates[i] = kept();
    }
    return fates;
}

Fates random_subset(std::size_t pages, Random& random) {
    Fates fates(pages);
    const std::uint64_t density = random.between(1, 7);  // mostly lost .. mostly kept
    for (PageFate& fate : fates) {
        if (random.chance(density, 8)) fate = kept();
    }
    return fates;
}

// All subsets, or none, all, prefixes, all but one, and a sample.
std::vector<Fates> subsets(std::size_t pages, const EnumerateOptions& options, Random& random) {
    std::vector<Fates> all;
    if (pages <= options.exhaustive_pages_max && pages < 20) {
        for (std::uint64_t mask = 0; mask < 1ULL << pages; ++mask) all.push_back(of_mask(mask, pages));
        return all;
    }
    all.emplace_back(pages);
    all.emplace_back(pages, kept());
    const std::size_t stride = std::max<std::size_t>(1, pages / std::max<std::size_t>(1, options.sample));
    for (std::size_t i = 0; i < pages; i += stride) {
        Fates prefix(pages);
        std::fill(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(i + 1), kept());
        all.push_back(std::move(prefix));
        Fates one_lost(pages, kept());
        one_lost[i] = {};
        all.push_back(std::move(one_lost));
    }
    for (std::size_t i = 0; i < options.sample; ++i) all.push_back(random_subset(pages, random));
    return all;
}

struct Enumeration {
    const Disk& disk;
    Fault kind;
    const EnumerateOptions& options;
    Random& random;
    std::vector<PendingPage> pending;
    std::vector<CrashPlan> plans;

    void add(Fates fates, std::size_t names) {
        CrashPlan plan;
        plan.pages = std::move(fates);
        plan.name_ops_kept = names;
        plan.noise_seed = random.next();
        plan.fault = kind;
        plans.push_back(std::move(plan));
    }
    // One page has a special fate while the others are all kept, all lost, a prefix, and at random.
    void around(std::size_t page, PageFate special) {
        const std::size_t names = disk.pending_name_ops().size();
        Fates others[] = {Fates(pending.size(), kept()), Fates(pending.size()), Fates(pending.size()), random_subset(pending.size(), random)};
        std::fill(others[2].begin(), others[2].begin() + static_cast<std::ptrdiff_t>(page), kept());
        const std::size_t n = pending.size() == 1 ? 1 : 4;
        for (std::size_t i = 0; i < n; ++i) {
            others[i][page] = special;
            add(std::move(others[i]), names);
        }
    }
    void subset() {
        const std::size_t names = disk.pending_name_ops().size();
        for (Fates& fates : subsets(pending.size(), options, random)) {
            if (names <= options.sample) {
                for (std::size_t kept_names = 0; kept_names < names; ++kept_names) add(fates, kept_names);
            }
            add(std::move(fates), names);
        }
        // Pages written more than once since the last sync may hold any of their versions.
        for (std::size_t i = 0; i < pending.size(); ++i) {
            for (std::size_t back = 1; back < pending[i].versions; ++back) {
                around(i, {.kind = PageFate::kept, .versions_back = static_cast<std::uint8_t>(back)});
            }
        }
    }
    void tear() {
        for (std::size_t i = 0; i < pending.size(); ++i) {
            for (unsigned s = 1; s < page_sectors; ++s) {
                const auto prefix = static_cast<std::uint8_t>((1U << s) - 1);
                around(i, {.kind = PageFate::torn, .sectors = prefix});
                around(i, {.kind = PageFate::torn, .sectors = static_cast<std::uint8_t>(~prefix)});
            }
            around(i, {.kind = PageFate::torn, .sectors = 0xaa});
            around(i, {.kind = PageFate::torn, .sectors = static_cast<std::uint8_t>(random.between(1, 254))});
        }
    }
    void misdirected() {
        const DiskState state = disk.snapshot();
        for (std::size_t i = 0; i < pending.size(); ++i) {
            const std::uint64_t pages = (state.inodes.at(pending[i].inode).cache_size + page_bytes - 1) / page_bytes;
            const std::uint64_t targets = std::min<std::uint64_t>(pages, options.sample);
            for (std::uint64_t t = 0; t < targets; ++t) {
                const std::uint64_t to = pages <= options.sample ? t : random.below(pages);
                if (to != pending[i].page) around(i, {.kind = PageFate::misdirected, .to_page = to});
            }
        }
    }
    void garbage_neighbour() {
        const std::size_t near = disk.neighbours().size();
        const std::size_t names = disk.pending_name_ops().size();
        for (std::size_t i = 0; i < near; ++i) {
            for (Fates fates : {Fates(pending.size()), Fates(pending.size(), kept()), random_subset(pending.size(), random)}) {
                add(std::move(fates), names);
                plans.back().garbage_neighbours = {i};
            }
        }
    }
};

}  // namespace

std::string_view name_of(Fault fault) {
    static constexpr std::string_view names[fault_kinds] = {"subset", "tear", "garbage page", "garbage neighbour", "misdirected",
                                                            "lying flush", "eio", "bit flip", "crash in recovery"};
    return names[static_cast<std::size_t>(fault)];
}

std::uint64_t CrashCounts::total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : states) sum += n;
    return sum;
}

CrashPlan CrashPlan::subset(std::uint64_t mask, std::size_t pages) {
    CrashPlan plan;
    plan.pages = of_mask(mask, pages);
    return plan;
}

CrashPlan CrashPlan::all_kept(const Disk& disk) {
    CrashPlan plan;
    plan.pages.assign(disk.pending_pages().size(), kept());
    plan.name_ops_kept = disk.pending_name_ops().size();
    return plan;
}

CrashPlan random_plan(const Disk& disk, Random& random, const CrashFaults& faults) {
    CrashPlan plan;
    plan.noise_seed = random.next();
    const DiskState now = disk.snapshot();
    Disk view(now, 1);
    const std::size_t lying = std::min(faults.lying_syncs_max, view.syncs_revocable());
    if (lying != 0 && random.chance(1, 2)) {
        plan.lying_syncs = static_cast<std::size_t>(random.between(1, lying));
        plan.fault = Fault::lying_flush;
        view.revoke_syncs(plan.lying_syncs);
    }
    const std::vector<PendingPage> pending = view.pending_pages();
    plan.pages = random_subset(pending.size(), random);
    plan.name_ops_kept = static_cast<std::size_t>(random.between(0, view.pending_name_ops().size()));
    if (random.chance(1, 2)) return plan;
    for (std::size_t i = 0; i < pending.size(); ++i) {
        PageFate& fate = plan.pages[i];
        fate.versions_back = static_cast<std::uint8_t>(random.below(pending[i].versions));
        const std::uint64_t dice = random.below(16);
        if (dice < 3 && faults.tears) {
            fate.kind = PageFate::torn;
            fate.sectors = static_cast<std::uint8_t>(random.between(1, 254));
        } else if (dice == 3 && faults.garbage_pages) {
            fate.kind = PageFate::garbage;
        } else if (dice == 4 && faults.misdirected) {
            fate.kind = PageFate::misdirected;
            fate.to_page = random.below(std::max<std::uint64_t>(1, now.inodes.at(pending[i].inode).cache_size / page_bytes));
        }
    }
    const std::size_t near = faults.garbage_neighbours ? view.neighbours().size() : 0;
    if (near != 0 && random.chance(1, 2)) plan.garbage_neighbours.push_back(static_cast<std::size_t>(random.below(near)));
    return plan;
}

std::vector<CrashPlan> every_plan(const Disk& disk, Fault kind, const EnumerateOptions& options, Random random) {
    Enumeration e{disk, kind, options, random, disk.pending_pages(), {}};
    switch (kind) {
        case Fault::subset: e.subset(); break;
        case Fault::tear: e.tear(); break;
        case Fault::garbage_page:
            for (std::size_t i = 0; i < e.pending.size(); ++i) e.around(i, {.kind = PageFate::garbage});
            break;
        case Fault::garbage_neighbour: e.garbage_neighbour(); break;
        case Fault::misdirected: e.misdirected(); break;
        case Fault::lying_flush: {
            const DiskState now = disk.snapshot();
            for (std::size_t n = 1; n <= std::min(options.lying_syncs_max, disk.syncs_revocable()); ++n) {
                Disk view(now, 1);
                view.revoke_syncs(n);
                for (CrashPlan& plan : every_plan(view, Fault::subset, options, random.split("lying", n))) {
                    plan.lying_syncs = n;
                    plan.fault = kind;
                    e.plans.push_back(std::move(plan));
                }
            }
            break;
        }
        case Fault::eio:
        case Fault::bit_flip:
        case Fault::crash_in_recovery: break;  // calls fail or power goes during the run: Disk::fail_nth, flip_bit, cut_power_at
    }
    return std::move(e.plans);
}

}  // namespace rivulet::sim
