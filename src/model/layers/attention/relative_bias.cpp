#include "model/layers/attention/relative_bias.h"

#include <algorithm>
#include <cmath>

namespace gremium {

int bucket_of(int64_t distance, const RelativeBiasSpec& spec, bool causal) {
    const int buckets = causal ? spec.buckets : spec.buckets / 2, single = buckets / 2;
    const int behind = !causal && distance > 0 ? buckets : 0;
    const int64_t away = causal ? std::max<int64_t>(0, -distance) : std::abs(distance);
    if (away < single) return behind + static_cast<int>(away);
    // In f32 as the original, because at powers of two the rounding of the logarithms decides.
    const float share = std::log(static_cast<float>(away) / static_cast<float>(single)) /
                        std::log(static_cast<float>(spec.max_distance) / static_cast<float>(single));
    const int wide = single + static_cast<int>(share * static_cast<float>(buckets - single));
    return behind + std::min(buckets - 1, wide);
}

RelativeBias make_relative_bias(Arena& arena, const RelativeBiasSpec& spec, TensorView weights, bool causal,
                                int64_t keys) {
    if (spec.buckets == 0) return {};
    constexpr int64_t margin = 64;
    const int64_t heads = weights.cols(), distances = 2 * keys + 1 + margin;
    const Tensor table = arena.tensor(DType::f32, {heads, distances});
    for (int64_t i = 0; i < distances; ++i) {
        const int bucket = bucket_of(i - keys, spec, causal);
        for (int64_t h = 0; h < heads; ++h) table.f32()[h * distances + i] = weights.f32()[bucket * heads + h];
    }
    return {table, keys};
}

}  // namespace gremium
