#include "train/parameters.h"
#include "model/spec/tensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/quantised/blocks.h"
#include "tests/train/toy_run.h"
#include "train/optimiser.h"

namespace gremium::train {
namespace {

using Buffer = Parameters::Buffer;

ModelSpec toy_spec() {
    const ScratchDirectory dir;
    return model_spec(toy_recipe(dir, "out").model, 300);
}

const Parameters::Entry& entry_of(const Parameters& parameters, const std::string& name) {
    for (const auto& entry : parameters.entries()) {
        if (entry.slot.name == name) return entry;
    }
    throw Error("no tensor " + name);
}

TEST(Parameters, InitialisationFollowsTheRoles) {
    const Parameters parameters(toy_spec(), DType::f32, 5);
    for (const auto& entry : parameters.entries()) {
        const Tensor w = parameters.tensor(Buffer::weight, entry);
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < w.count(); ++i) {
            sum += w.f32()[i];
            squares += double{w.f32()[i]} * w.f32()[i];
        }
        const auto n = static_cast<double>(w.count());
        const std::string& name = entry.slot.name;
        if (entry.slot.role == TensorRole::norm) {
            EXPECT_EQ(sum, n) << name;
        } else if (entry.slot.role == TensorRole::correction || entry.slot.role == TensorRole::bias) {
            EXPECT_EQ(squares, 0) << name;
        } else if (n > 400) {
            const bool residual = name.find("down") != std::string::npos || name.find("output") != std::string::npos;
            const double deviation = residual ? 0.02 / std::sqrt(2.0 * 2) : 0.02;  // two layers
            EXPECT_NEAR(std::sqrt(squares / n), deviation, 5 * deviation / std::sqrt(2 * n)) << name;
            EXPECT_NEAR(sum / n, 0, 5 * deviation / std::sqrt(n)) << name;
        }
    }
}

TEST(Parameters, TheSeedDecidesEverythingTheThreadsNothing) {
    set_threads(1);
    const Parameters one(toy_spec(), DType::f32, 5);
    set_threads(2);
    const Parameters two(toy_spec(), DType::f32, 5), other(toy_spec(), DType::f32, 6);
    set_threads(0);
    const Tensor a = one.decaying().weight, b = two.decaying().weight, c = other.decaying().weight;
    EXPECT_EQ(std::memcmp(a.data, b.data, static_cast<size_t>(a.bytes())), 0);
    EXPECT_NE(std::memcmp(a.data, c.data, static_cast<size_t>(a.bytes())), 0);
}

TEST(Parameters, ShadowsAreTheRoundedWeights) {
    const Parameters parameters(toy_spec(), DType::bf16, 5);
    const auto model = parameters.bind(Parameters::View::compute);
    const TensorView q = model->weights.layers[0].attention().q.value;
    ASSERT_EQ(q.dtype, DType::bf16);
    const Tensor master = parameters.tensor(Buffer::weight, entry_of(parameters, "blk.0.attn_q.weight"));
    for (int64_t i = 0; i < q.count(); ++i) ASSERT_EQ(q.bf16()[i], f32_to_bf16(master.f32()[i]));
    EXPECT_EQ(model->weights.layers[0].mixer_norm.weight.value.dtype, DType::f32);
    EXPECT_EQ(model->weights.layers[1].moe().router.value.dtype, DType::f32);
    EXPECT_FALSE(model->weights.layers[1].moe().correction.grad);
    EXPECT_EQ(parameters.bind(Parameters::View::master)->weights.layers[0].attention().q.value.dtype, DType::f32);
}

// Against the update written out in double precision.
TEST(Optimiser, IsAdamWWithClippingAndDecayOnMatricesOnly) {
    Parameters parameters(toy_spec(), DType::f32, 5);
    TrainingConfig config;
    config.clip = 0.5;
    config.weight_decay = 0.1;
    struct Watched {
        Tensor weight, gradient;
        double w, m = 0, v = 0, decay;
    };
    std::vector<Watched> watched;
    const std::pair<const char*, double> names[] = {{"blk.0.attn_q.weight", 0.1},
                                                    {"blk.1.ffn_gate_inp.weight", 0.1},
                                                    {"blk.1.ffn_norm.weight", 0},
                                                    {"token_embd.weight", 0.1}};
    for (const auto& [name, decay] : names) {
        const auto& entry = entry_of(parameters, name);
        const Tensor weight = parameters.tensor(Buffer::weight, entry);
        watched.push_back({weight, parameters.tensor(Buffer::gradient, entry), weight.f32()[3], 0, 0, decay});
    }
    for (int step = 0; step < 5; ++step) {
        double squares = 0;
        for (size_t i = 0; i < watched.size(); ++i) {
            const double g = 0.3 * static_cast<double>(i + 1) * (step % 2 ? -1 : 1);
            watched[i].gradient.f32()[3] = static_cast<float>(g);
            squares += g * g;
        }
        const double lr = 0.01 * (step + 1);
        EXPECT_NEAR(apply_update(parameters.trainables(), config, step, lr), std::sqrt(squares), 1e-6);
        const double clip = 0.5 / std::sqrt(squares);
        for (size_t i = 0; i < watched.size(); ++i) {
            Watched& x = watched[i];
            const double g = clip * 0.3 * static_cast<double>(i + 1) * (step % 2 ? -1 : 1);
            x.m = 0.9 * x.m + 0.1 * g;
            x.v = 0.95 * x.v + 0.05 * g * g;
            const double m = x.m / (1 - std::pow(0.9, step + 1)), v = x.v / (1 - std::pow(0.95, step + 1));
            x.w -= lr * (m / (std::sqrt(v) + 1e-8) + x.decay * x.w);
            EXPECT_NEAR(x.weight.f32()[3], x.w, 1e-5) << i << " step " << step;
            EXPECT_EQ(x.gradient.f32()[3], 0);
        }
    }
}

TEST(Optimiser, AGradientThatIsNotFiniteChangesNothing) {
    Parameters parameters(toy_spec(), DType::f32, 5);
    const float before = parameters.decaying().weight.f32()[7];
    parameters.decaying().gradient.f32()[7] = NAN;
    EXPECT_THROW(apply_update(parameters.trainables(), {}, 3, 0.1), Error);
    EXPECT_EQ(parameters.decaying().weight.f32()[7], before);
}

}  // namespace
}  // namespace gremium::train
