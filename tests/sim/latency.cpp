#include "sim/latency.h"

#include <algorithm>

namespace rivulet::sim {

namespace {

struct Quantile {
    std::uint64_t per_million;
    std::int64_t us;
};
using Distribution = std::array<Quantile, 6>;

constexpr Distribution distributions[env::job_kinds] = {
    {{{0, 300}, {500'000, 2'000}, {900'000, 12'000}, {990'000, 300'000}, {999'000, 1'000'000}, {1'000'000, 1'500'000}}},
    {{{0, 100}, {500'000, 700}, {900'000, 4'000}, {990'000, 60'000}, {999'000, 300'000}, {1'000'000, 800'000}}},
    {{{0, 50}, {500'000, 1'500}, {900'000, 8'000}, {990'000, 40'000}, {999'000, 100'000}, {1'000'000, 200'000}}},
};

std::int64_t sample(const Distribution& distribution, Random& random) {
    const std::uint64_t u = random.below(1'000'000);
    std::size_t i = 1;
    while (distribution[i].per_million <= u) ++i;
    const Quantile& low = distribution[i - 1];
    const Quantile& high = distribution[i];
    const auto share = static_cast<std::int64_t>((u - low.per_million) * 1000 / (high.per_million - low.per_million));
    return low.us * 1000 + (high.us - low.us) * share;  // us * share / 1000 * 1000 ns
}

}  // namespace

Latency::Latency(const LatencyOptions& options, Random random)
    : options_(options), random_(random),
      scale_percent_(options.scale_percent != 0 ? options.scale_percent : static_cast<unsigned>(random_.between(25, 200))) {}

std::int64_t Latency::job(env::JobKind kind) {
    const auto k = static_cast<std::size_t>(kind);
    if (options_.fixed_ns[k] >= 0) return options_.fixed_ns[k];
    const std::int64_t scaled = sample(distributions[k], random_) * scale_percent_ / 100;
    return std::min<std::int64_t>(scaled, 1500 * ns_per_ms);
}

}  // namespace rivulet::sim
