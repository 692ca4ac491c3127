#include "train/full_model.h"

#include "model/spec/tensors.h"
#include "moe/routers/router.h"

namespace gremium::train {

FullModel::FullModel(const ModelSpec& spec, const TrainingConfig& config)
    : bias_rate_(config.bias_rate),
      parameters_(spec, config.compute, static_cast<uint64_t>(config.seed)),
      compute_(parameters_.bind(Parameters::View::compute)),
      master_(parameters_.bind(Parameters::View::master)) {}

void FullModel::set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer) {
    compute_->tokenizer = master_->tokenizer = std::move(tokenizer);
}

// Updates the correction biases of routers that balance by them.
void FullModel::updated(const std::vector<LayerLoad>& loads) {
    if (bias_rate_ <= 0) return;
    for (const LayerLoad& load : loads) {
        for (const Parameters::Entry& entry : parameters_.entries()) {
            if (entry.slot.role != TensorRole::correction || entry.slot.layer != load.layer) continue;
            moe::update_correction(parameters_.tensor(Parameters::Buffer::weight, entry), load.load_E,
                                   static_cast<float>(bias_rate_));
        }
    }
}

}  // namespace gremium::train
