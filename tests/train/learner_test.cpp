#include "train/learner.h"

#include <gtest/gtest.h>

#include "tests/train/toy_run.h"
#include "train/full_model.h"

namespace gremium::train {
namespace {

// Sequences so long that attention of a running model rounds its operands (model/layers/attention_layer.cpp).
TEST(Learner, RecomputationChangesNoBitOfLongSequencesInBf16) {
    const ScratchDirectory dir;
    TrainConfig config = toy_recipe(dir, "out", {"model.context=1100"});
    config.train.compute = DType::bf16;
    config.train.sequence = config.train.batch_tokens = 1100;
    config.train.micro_batch = 1;
    std::vector<int32_t> inputs, targets;
    for (int32_t t = 0; t < 1100; ++t) {
        inputs.push_back(t * t % 251);
        targets.push_back((t + 1) * (t + 1) % 251);
    }
    const auto learn = [&](Recompute recompute) {
        config.train.recompute = recompute;
        FullModel model(model_spec(config.model, 300), config.train);
        Learner learner(model, config.train);
        const StepResult result = learner.step(inputs, targets, 0, 1e-3);
        return std::pair(result.losses.cross_entropy, result.gradient_norm);
    };
    EXPECT_EQ(learn(Recompute::never), learn(Recompute::always));
}

}  // namespace
}  // namespace gremium::train
