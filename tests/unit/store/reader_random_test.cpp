#include <doctest/doctest.h>

#include "unit/store/read_fixture.h"

using namespace rivulet;
using namespace rivulet::store;
using rivulet::test::FlashClient;
using rivulet::test::Journal;
using rivulet::test::Random;
using rivulet::test::small_store;

namespace {

// A consumer that reads on from where it is, now and then from elsewhere, while jobs run when they like.
struct Consumer {
    explicit Consumer(Journal& journal, std::uint64_t of) : client(journal), id(of) {}
    FlashClient client;
    std::uint64_t id;
    Offset at{0};
    Offset end_seen{0};
};

class Run {
public:
    explicit Run(std::uint64_t seed) : random_(seed), journal_(options(random_)) {
        for (std::uint64_t id = 16; id < 16 + logs; ++id) journal_.create(id);
        for (std::size_t i = 0; i < consumers_count; ++i) consumers_.push_back(std::make_unique<Consumer>(journal_, 16 + random_.below(logs)));
    }

    void go(int steps) {
        for (int step = 0; step < steps; ++step) {
            switch (random_.below(16)) {
                case 0: case 1: write(); break;
                case 2: if (random_.below(8) == 0) truncate(); break;
                case 3: if (random_.below(4) == 0) damage(); break;
                case 4: case 5: case 6: journal_.env.run_one(random_.below(8)); break;
                case 7: journal_.env.pass(WindowSet::patience_ns / 2); break;
                default: read(*consumers_[random_.below(consumers_count)]);
            }
        }
        // All that is left, for everyone.
        for (auto& consumer : consumers_) consumer->client.stop();
        journal_.env.run_all();
        for (std::uint64_t id = 16; id < 16 + logs; ++id) {
            Log& log = journal_.log(id);
            Consumer last(journal_, id);
            last.at = log.start;
            while (last.client.get(log, last.at) == ReadOutcome::data) check(last, log, log.end, 1 << 20);
            check_end(last, log.end);
        }
        check_fences();
    }

    std::size_t served = 0;

private:
    static constexpr std::uint64_t logs = 7;
    static constexpr std::size_t consumers_count = 9;

    static StoreOptions options(Random& random) {
        StoreOptions options = small_store(5 + static_cast<std::uint32_t>(random.below(6)));
        options.windows = 1 + static_cast<std::uint32_t>(random.below(5));
        options.logs_max = 8;
        options.index_samples_max = 16 + static_cast<std::uint32_t>(random.below(2) * 500);
        return options;
    }

    void write() {
        for (std::size_t groups = 1 + random_.below(6); groups != 0; --groups) {
            for (std::uint64_t id = 16; id < 16 + logs; ++id) {
                if (random_.below(3) == 0) continue;
                for (std::size_t n = 1 + random_.below(3); n != 0; --n)
                    journal_.add(journal_.log(id), 61 + random_.below(random_.below(10) == 0 ? 20'000 : 600), 1 + static_cast<std::int32_t>(random_.below(9)));
            }
            if (!journal_.pending.empty()) journal_.commit();
        }
    }

    void truncate() {
        const std::uint64_t id = 16 + random_.below(logs);
        Log& log = journal_.log(id);
        const auto& batches = journal_.model[id];
        auto at = batches.lower_bound(log.start.value);
        if (at == batches.end()) return;
        for (std::size_t n = random_.below(static_cast<std::size_t>(std::distance(at, batches.end()))); n != 0; --n) ++at;
        if (at->second.base < log.start) return;
        journal_.truncate(log, at->second.base);
    }

    // A page or a few bytes somewhere in what is live and not in a window that was loaded before.
    void damage() {
        const State& state = *journal_.state;
        const std::uint64_t id = 16 + random_.below(logs);
        const auto& batches = journal_.model[id];
        auto at = batches.lower_bound(journal_.log(id).start.value);
        if (at == batches.end()) return;
        for (std::size_t n = random_.below(static_cast<std::size_t>(std::distance(at, batches.end()))); n != 0; --n) ++at;
        const Lsn lsn = at->second.lsn;
        if (state.geometry.sequence(lsn) < state.head.first_live) return;
        const auto header = decode_group_header(Bytes(journal_.env.memory_disk.bytes).subspan(journal_.position(lsn), group_header_bytes), lsn, state.geometry);
        if (!header) return;
        damaged_.insert(lsn.value);
        journal_.garble(lsn, group_header_bytes + random_.below(page_bytes - group_header_bytes));
    }

    // Whether the model's batch may be missing: its group was damaged at some time. (It may also be served: from a window loaded before.)
    bool may_be_lost(const test::StoredBatch& batch) const { return damaged_.contains(batch.lsn.value); }

    void read(Consumer& consumer) {
        if (consumer.client.linked()) {
            if (random_.below(10) == 0) consumer.client.stop();
            return;
        }
        Log& log = journal_.log(consumer.id);
        if (random_.below(12) == 0 || consumer.at > log.end) consumer.at = log.start + static_cast<std::int64_t>(random_.below(static_cast<std::size_t>(log.end - log.start + 1)));
        if (consumer.at < log.start) consumer.at = log.start;
        const Offset limit = random_.below(4) == 0 ? log.end - static_cast<std::int64_t>(random_.below(20)) : log.end;
        const std::size_t bytes_max = random_.below(3) == 0 ? 1 + random_.below(3000) : 1 << 20;
        switch (consumer.client.read(log, consumer.at, limit, bytes_max)) {
            case ReadOutcome::data: check(consumer, log, limit, bytes_max); break;
            case ReadOutcome::end: check_end(consumer, limit); break;
            case ReadOutcome::pending: break;
            case ReadOutcome::out_of_range: FAIL("in range");
        }
        if (random_.below(3) == 0) consumer.client.stop();
    }

    void check(Consumer& consumer, Log& log, Offset limit, std::size_t bytes_max) {
        const ReadView& view = consumer.client.view;
        auto expected = journal_.model[log.id.value].lower_bound(consumer.at.value);
        const auto batches = consumer.client.batches();
        REQUIRE(!batches.empty());
        REQUIRE((batches.size() == 1 || view.bytes <= bytes_max));
        for (const test::Buffer& batch : batches) {
            const Offset base = record::decode_header(batch).base_offset;
            REQUIRE(base < limit);
            while (expected->second.base < base) {
                REQUIRE((may_be_lost(expected->second) || gone(expected->second)));
                ++expected;
                REQUIRE(expected != journal_.model[log.id.value].end());
            }
            REQUIRE(expected->second.bytes == batch);
            ++expected;
        }
        consumer.at = view.next;
        served += view.bytes;
    }
    void check_end(Consumer& consumer, Offset limit) {
        if (consumer.at >= limit) return;
        const auto& stored = journal_.model[consumer.id];
        for (auto left = stored.lower_bound(consumer.at.value); left != stored.end() && left->second.base < limit; ++left)
            REQUIRE((may_be_lost(left->second) || gone(left->second)));
    }
    bool gone(const test::StoredBatch& batch) const { return journal_.state->geometry.sequence(batch.lsn) < journal_.state->head.first_live; }

    // Fences say nothing of what is there, nor of what went with the ring's tail.
    void check_fences() {
        for (auto& [id, batches] : journal_.model) {
            for (auto& [last, batch] : batches) {
                if (may_be_lost(batch)) continue;
                for (std::size_t i = 0; i < journal_.state->fences.count(); ++i) {
                    const FenceImage& fence = journal_.state->fences.at(i);
                    if (fence.log != LogId(id)) continue;
                    REQUIRE((fence.to <= batch.base || fence.from > batch.last));
                }
            }
        }
    }

    Random random_;
    Journal journal_;
    std::vector<std::unique_ptr<Consumer>> consumers_;
    std::set<std::uint64_t> damaged_;
};

}  // namespace

TEST_CASE("reader: random logs, readers, truncations, damage and recycling against a model") {
    std::size_t served = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        Run run(seed);
        run.go(3000);
        served += run.served;
    }
    CHECK(served > 5'000'000);
}
