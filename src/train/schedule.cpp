#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gremium::train {

double learning_rate(const TrainingConfig& config, int64_t step) {
    if (step < config.warmup) return config.lr * static_cast<double>(step + 1) / static_cast<double>(config.warmup);
    const auto last = static_cast<double>(std::max<int64_t>(1, config.steps - 1));
    const auto now = std::min(static_cast<double>(step), last);
    if (config.schedule == ScheduleKind::wsd) {
        const double decay = config.decay_share * static_cast<double>(config.steps);
        const double left = decay > 0 ? std::min(1.0, (last - now) / decay) : 1.0;
        return config.min_lr + (config.lr - config.min_lr) * left;
    }
    const double start = std::min(static_cast<double>(config.warmup), last - 1);
    const double done = (now - start) / (last - start);
    return config.min_lr + (config.lr - config.min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace gremium::train
