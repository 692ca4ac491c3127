#include "model/rope_table.h"

#include <algorithm>
#include <cmath>

namespace gremium {

namespace {

Tensor make_table(Arena& arena, const RopeSpec& rope, int32_t first, int32_t count) {
    const Tensor table = arena.tensor(DType::f32, {count, rope.dims});
    const int half = rope.dims / 2;
    for (int i = 0; i < half; ++i) {
        const double divisor = rope.divisors.empty() ? 1 : rope.divisors[static_cast<size_t>(i)];
        const double frequency =
            std::pow(double{rope.base}, -2.0 * i / rope.dims) / (rope.linear_factor * divisor);
        for (int32_t p = 0; p < count; ++p) {
            const double angle = frequency * (first + p);
            float* row = reinterpret_cast<float*>(table.row(p));
            row[i] = static_cast<float>(std::cos(angle));
            row[half + i] = static_cast<float>(std::sin(angle));
        }
    }
    return table;
}

}  // namespace

RopeTables::RopeTables(Arena& arena, const ModelSpec& spec, std::span<const int32_t> positions)
    : rows_(positions.begin(), positions.end()) {
    if (rows_.empty()) return;
    const auto [low, high] = std::ranges::minmax(rows_);
    for (int32_t& row : rows_) row -= low;
    for_each_attention(spec, [&, low = low, high = high](const AttentionSpec& a) {
        const auto same = [&](const Table& table) { return *table.rope == a.rope; };
        if (a.rope.enabled && std::ranges::none_of(tables_, same))
            tables_.push_back({&a.rope, make_table(arena, a.rope, low, high - low + 1)});
    });
}

TensorView RopeTables::of(const RopeSpec& rope) const {
    return std::ranges::find_if(tables_, [&](const Table& table) { return *table.rope == rope; })->cos_sin;
}

}  // namespace gremium
