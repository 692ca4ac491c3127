#include "train/optimiser.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/rowwise/adamw.h"
#include "kernels/rowwise/elementwise.h"

namespace gremium::train {
namespace {

Tensor slice(Tensor t, int64_t begin, int64_t end) {
    if (!t) return {};
    return {t.data + row_bytes(t.dtype, begin), t.dtype, {end - begin}};
}

// Everything in one pass over memory: a chunk's gradients are zeroed for the next step while they are in the cache.
void update(const Part& part, const kernels::AdamW& options) {
    constexpr int64_t chunk = int64_t{1} << 14;
    parallel_chunks(part.weight.count(), chunk, [&](int64_t begin, int64_t end) {
        const Tensor gradient = slice(part.gradient, begin, end);
        kernels::adamw(slice(part.weight, begin, end), slice(part.momentum, begin, end),
                       slice(part.variance, begin, end), gradient, slice(part.shadow, begin, end), options);
        std::memset(gradient.data, 0, static_cast<size_t>(gradient.bytes()));
    });
}

}  // namespace

double apply_update(const Trainables& trainables, const TrainingConfig& config, int64_t step, double lr) {
    double squares = 0;
    for (const Tensor gradient : trainables.gradients) squares += kernels::sum_of_squares(gradient);
    const double norm = std::sqrt(squares);
    if (!std::isfinite(norm)) {
        fail("step {}: the gradient is not finite; a lower learning rate (lr = {}) or a longer warm-up may help", step,
             config.lr);
    }
    const double clip = config.clip > 0 && norm > config.clip ? config.clip / norm : 1;
    const auto count = static_cast<double>(step + 1);
    kernels::AdamW adamw{.lr = static_cast<float>(lr),
                         .beta1 = static_cast<float>(config.beta1),
                         .beta2 = static_cast<float>(config.beta2),
                         .eps = static_cast<float>(config.eps),
                         .grad_scale = static_cast<float>(clip),
                         .correction_m = static_cast<float>(1 - std::pow(config.beta1, count)),
                         .correction_v = static_cast<float>(1 - std::pow(config.beta2, count))};
    for (const Part& part : trainables.parts) {
        adamw.decay = part.decays ? static_cast<float>(config.weight_decay) : 0;
        update(part, adamw);
    }
    return norm;
}

}  // namespace gremium::train
