#include "model/layers/attention/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gremium {

namespace {

// The share of YaRN's division, 0 to 1, for the frequency of index i (Peng et al. 2023, as transformers computes it).
double yarn_share(const RopeSpec& rope, int i) {
    const YarnSpec& yarn = rope.yarn;
    const auto dimension = [&](double turns) {
        return rope.dims * std::log(rope.original_context / (turns * 2 * std::numbers::pi)) /
               (2 * std::log(double{rope.base}));
    };
    double low = dimension(yarn.beta_fast), high = dimension(yarn.beta_slow);
    if (yarn.truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, rope.dims - 1.0);
    return std::clamp((i - low) / std::max(high - low, 0.001), 0.0, 1.0);
}

double frequency(const RopeSpec& rope, const std::vector<float>& divisors, int i) {
    const double divisor = divisors.empty() ? 1 : divisors[static_cast<size_t>(i)];
    const double plain = std::pow(double{rope.base}, -2.0 * i / rope.dims) / (rope.linear_factor * divisor);
    if (rope.yarn.factor == 1) return plain;
    const double share = yarn_share(rope, i);
    return plain * (share / rope.yarn.factor + 1 - share);
}

Tensor make_table(Arena& arena, const RopeSpec& rope, std::span<const int32_t> positions, int64_t context) {
    const Tensor table = arena.tensor(DType::f32, {std::ssize(positions), rope.dims});
    const int half = rope.dims / 2;
    const bool extended = !rope.long_divisors.empty() && context > rope.original_context;
    for (int i = 0; i < half; ++i) {
        const double turn = frequency(rope, extended ? rope.long_divisors : rope.divisors, i);
        for (size_t p = 0; p < positions.size(); ++p) {
            const double angle = turn * positions[p];
            float* row = reinterpret_cast<float*>(table.row(static_cast<int64_t>(p)));
            row[i] = static_cast<float>(rope.magnitude * std::cos(angle));
            row[half + i] = static_cast<float>(rope.magnitude * std::sin(angle));
        }
    }
    return table;
}

}  // namespace

RopeTables::RopeTables(Arena& arena, const ModelSpec& spec, std::span<const int32_t> positions, int64_t context)
    : rows_(positions.begin(), positions.end()) {
    if (rows_.empty()) return;
    std::vector<int32_t> distinct = rows_;
    std::ranges::sort(distinct);
    distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
    for (int32_t& row : rows_) row = static_cast<int32_t>(std::ranges::lower_bound(distinct, row) - distinct.begin());
    for_each_attention(spec, [&](const AttentionSpec& a) {
        const auto same = [&](const Table& table) { return *table.rope == a.rope; };
        if (a.rope.enabled && std::ranges::none_of(tables_, same))
            tables_.push_back({&a.rope, make_table(arena, a.rope, distinct, context)});
    });
}

TensorView RopeTables::of(const RopeSpec& rope) const {
    return std::ranges::find_if(tables_, [&](const Table& table) { return *table.rope == rope; })->cos_sin;
}

}  // namespace gremium
