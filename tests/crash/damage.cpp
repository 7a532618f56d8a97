// Damage to what was synced long ago, page by page: class b.
#include "crash/suite.h"

namespace rivulet::crash {

namespace {

constexpr std::size_t moments_damaged = 6;
constexpr unsigned flips_per_page = 3;

// What is at a place of the disk becomes something else, durably.
template <class Change>
sim::DiskState changed(const sim::DiskState& before, Change change) {
    sim::Disk disk(before, 1);
    disk.crash_with({});
    change(disk);
    return disk.snapshot();
}

}  // namespace

void Suite::damages(const Workload& workload, const Recorder& recorder) {
    if (!wanted_kind(std::string(workload.name) + "/damage")) return;
    std::vector<const Moment*> moments;
    for (const Moment& moment : recorder.moments) {
        if (moment.created && moment.history.proved_ticket > 1 && sim::Disk(moment.disk, 1).pending_pages().empty()) moments.push_back(&moment);
    }
    std::uint64_t number = 0;
    const std::size_t step = std::max<std::size_t>(1, moments.size() / moments_damaged);
    for (std::size_t i = step - 1; i < moments.size(); i += step) {
        const sim::Disk disk(moments[i]->disk, 1);
        for (const std::string& path : disk.paths()) {
            const auto content = disk.contents(path);
            for (std::uint64_t page = 0; page * sim::page_bytes < content.size(); ++page) {
                const Bytes bytes = Bytes(content).subspan(static_cast<std::size_t>(page) * sim::page_bytes, sim::page_bytes);
                // Pages that hold nothing are tried now and then.
                if (sim::content_of(nullptr).size() == bytes.size() && equal(bytes, sim::content_of(nullptr)) && page % 16 != 0) continue;
                damage(workload, *moments[i], path, page, number);
            }
        }
    }
}

void Suite::damage(const Workload& workload, const Moment& moment, const std::string& path, std::uint64_t page, std::uint64_t& number) {
    sim::Random random = sim::Random(9).split(path, page).split(workload.name);
    const auto run = [&](sim::Fault fault, const sim::DiskState& disk, const std::string& what) {
        const std::string name = std::string(workload.name) + "/damage:" + std::to_string(number++);
        if (!wanted(name)) return;
        const State state{workload.options, disk, moment.history, {}, {}, FaultClass::b, number, verbose};
        count(fault, name, moment.call + ", " + what + " at page " + std::to_string(page) + " of " + path, run_state(state, salvages_));
    };
    const std::uint64_t at = page * sim::page_bytes;
    sim::Page noise;
    random.fill(noise);
    run(sim::Fault::garbage_page, changed(moment.disk, [&](sim::Disk& disk) { disk.overwrite(path, at, noise); }), "garbage");
    const std::uint64_t pages = sim::Disk(moment.disk, 1).size_of(path) / sim::page_bytes;
    const std::uint64_t other = random.below(pages);
    run(sim::Fault::misdirected, changed(moment.disk, [&](sim::Disk& disk) {
            const auto content = disk.contents(path);
            disk.overwrite(path, at, Bytes(content).subspan(static_cast<std::size_t>(other) * sim::page_bytes, sim::page_bytes));
        }), "page " + std::to_string(other));
    for (unsigned i = 0; i < flips_per_page; ++i) {
        // The first bytes are those of headers and tables.
        const std::uint64_t byte = i == 0 ? random.below(160) : random.below(sim::page_bytes);
        const auto bit = static_cast<unsigned>(random.below(8));
        run(sim::Fault::bit_flip, changed(moment.disk, [&](sim::Disk& disk) { disk.flip_bit(path, at + byte, bit); }), "a bit flip");
    }
}

}  // namespace rivulet::crash
