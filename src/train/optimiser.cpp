#include "train/optimiser.h"

#include <cmath>

#include "base/error.h"
#include "kernels/rowwise.h"

namespace gremium::train {

double apply_update(Parameters& parameters, const TrainingConfig& config, int64_t step, double lr) {
    const double norm = std::sqrt(kernels::sum_of_squares(parameters.gradients()));
    if (!std::isfinite(norm)) {
        fail(
            "step {}: the gradient is not finite; a lower learning rate (train.lr = {}) or a longer warm-up "
            "may help",
            step, config.lr);
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
    for (const Parameters::Part& part : {parameters.decaying(), parameters.plain()}) {
        adamw.decay = part.decays ? static_cast<float>(config.weight_decay) : 0;
        kernels::adamw(part.weight, part.momentum, part.variance, part.gradient, part.shadow, adamw);
    }
    parameters.zero_gradients();
    return norm;
}

}  // namespace gremium::train
