// Changes of low rank to experts' matrices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "lab/edit/adapt.h"
#include "lab/edit/adapter.h"
#include "lab/edit/edit_recipe.h"
#include "lab/find/compare.h"
#include "lab/tune/trainable.h"
#include "lab/tune/tune.h"
#include "model/spec/tensors.h"
#include "tensor/quantised/blocks.h"
#include "tests/formats/files.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"
#include "train/optimiser.h"
#include "versions/named_tensors.h"

namespace gremium::lab {
namespace {

using test::tiny_model;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

data::Windows circle(size_t count) {
    data::Windows windows;
    for (size_t i = 0; i < count; ++i) {
        std::vector<int32_t> w;
        for (int t = 0; t < 24; ++t) w.push_back(10 + (static_cast<int>(i) * 7 + t) % 40);
        windows.push_back(w);
    }
    return windows;
}

// Two steps of plain descent (AdamW with an epsilon that outweighs everything, so that a step is rate · gradient) of
// the loss Σ C ∘ W, whose gradient is C, against the same in double by the definition W = W₀ + scale · B · A.
TEST(Lora, FactorsDescendAsTheirDefinitionSays) {
    constexpr int64_t N = 12, K = 20, r = 3;
    constexpr double rate = 0.1, epsilon = 1e9, scale = 2;
    const TensorSlot slot{.name = "w", .shape = {N, K}, .role = TensorRole::expert};
    OwnedTensor origin(DType::f32, {N, K});
    Random random(7);
    std::vector<double> w(N * K), c(N * K);
    for (size_t i = 0; i < w.size(); ++i) {
        origin.get().f32()[i] = static_cast<float>(random.normal());
        w[i] = origin.get().f32()[i];
        c[i] = static_cast<float>(random.normal());
    }
    Trainable trained(slot, origin);
    trained.make_low_rank(r, scale, 1);
    for (size_t i = 0; i < w.size(); ++i) ASSERT_EQ(trained.weight().value.f32()[i], origin.get().f32()[i]);

    std::vector<double> a, b(N * r);
    for (int step = 0; step < 2; ++step) {
        for (size_t i = 0; i < c.size(); ++i) trained.weight().grad.f32()[i] = static_cast<float>(c[i]);
        train::Trainables trainables;
        trained.collect(trainables);
        train::apply_update(trainables, {.beta1 = 0, .beta2 = 0, .eps = epsilon, .clip = 0}, step, rate * epsilon);
        trained.follow();
    }
    Trainable fresh(slot, origin);
    fresh.make_low_rank(r, scale, 1);
    const LowRank first = fresh.take_low_rank();  // A as it began
    for (int64_t i = 0; i < K * r; ++i) a.push_back(first.a_Kr.get().f32()[i]);
    for (int step = 0; step < 2; ++step) {
        std::vector<double> da(K * r), db(N * r);
        for (int64_t n = 0; n < N; ++n)
            for (int64_t k = 0; k < K; ++k)
                for (int64_t j = 0; j < r; ++j) {
                    db[n * r + j] += scale * c[n * K + k] * a[k * r + j];
                    da[k * r + j] += scale * c[n * K + k] * b[n * r + j];
                }
        for (size_t i = 0; i < a.size(); ++i) a[i] -= rate * da[i];
        for (size_t i = 0; i < b.size(); ++i) b[i] -= rate * db[i];
    }
    double moved = 0;
    for (int64_t n = 0; n < N; ++n)
        for (int64_t k = 0; k < K; ++k) {
            double expected = w[n * K + k];
            for (int64_t j = 0; j < r; ++j) expected += scale * b[n * r + j] * a[k * r + j];
            EXPECT_NEAR(trained.weight().value.f32()[n * K + k], expected, 1e-4) << n << ", " << k;
            moved = std::max(moved, std::abs(expected - w[n * K + k]));
        }
    EXPECT_GT(moved, 0.5);
}

TEST(Lora, LearnsAndIsTheModelPlusItsFactors) {
    const auto model = tiny_model("mixtral");
    const data::Windows text = circle(30);
    const Tuned tuned =
        tune(model, text, {},
             {.experts = experts_for(*model, text, 0.5), .rank = 4, .alpha = 8, .steps = 60, .batch = 4, .lr = 2e-2});
    EXPECT_LT(compare({tuned.model.get()}, {}, text).original.loss, compare({model.get()}, {}, text).original.loss - 1);
    ASSERT_EQ(tuned.adapter.parts.size(), 27u);  // gate, up and down of nine experts
    const versions::NamedTensors before(*model), after(*tuned.model);
    for (const Adapter::Part& part : tuned.adapter.parts) {
        const auto old = to_floats(before(part.slot)), now = to_floats(after(part.slot));
        const Tensor a = part.change.a_Kr, b = part.change.b_Nr;
        ASSERT_EQ(part.change.scale, 2);
        ASSERT_EQ(a.cols(), 4);
        for (int64_t n = 0; n < b.rows(); ++n)
            for (int64_t k = 0; k < a.rows(); ++k) {
                double sum = 0;
                for (int64_t j = 0; j < 4; ++j) sum += double{b.f32()[n * 4 + j]} * a.f32()[k * 4 + j];
                const auto i = static_cast<size_t>(n * a.rows() + k);
                ASSERT_NEAR(now[i], old[i] + 2 * sum, 1e-5);
            }
    }
}

TEST(Lora, OnlyTheChosenExpertsMatricesChange) {
    const auto model = tiny_model("gptoss");  // whose experts have biases
    const TuneOptions options{.experts = {{1, 2}}, .rank = 2, .steps = 3};
    const Tuned tuned = tune(model, circle(8), {}, options);
    EXPECT_THAT(differing_tensors(*model, *tuned.model),
                UnorderedElementsAre("blk.1.ffn_gate_exps.weight of expert 2", "blk.1.ffn_up_exps.weight of expert 2",
                                     "blk.1.ffn_down_exps.weight of expert 2"));
    EXPECT_EQ(trained_slots(*model, options).size(), 3u);
}

class AdapterFile : public testing::Test {
  protected:
    std::shared_ptr<const Model> model_ = tiny_model("dots1");
    test::TemporaryDirectory folder_;
    std::filesystem::path path_ = folder_.path() / "adapter.safetensors";
    Tuned tuned_ = tune(model_, circle(10), {}, {.experts = {{1, 0}, {2, 3}}, .rank = 2, .steps = 4, .lr = 1e-2});
};

TEST_F(AdapterFile, MakesTheTunedModelOfTheOldOne) {
    save_adapter(tuned_.adapter, path_);
    Draft draft(model_);
    apply_edit(draft, parse_edit("adapt file=" + path_.string(), "test"), {});
    EXPECT_THAT(differing_tensors(*draft.model(), *tuned_.model), ElementsAre());
    EXPECT_GE(differing_tensors(*model_, *tuned_.model).size(), 3u);
    Draft half(model_);
    adapt(half, path_, 0.5f);
    EXPECT_EQ(differing_tensors(*half.model(), *model_), differing_tensors(*tuned_.model, *model_));
    const auto mean = [&](const Model& m) { return to_floats(m.experts->peek({2, 3}).down.value); };
    const auto old = mean(*model_), whole = mean(*tuned_.model), middle = mean(*half.model());
    for (size_t i = 0; i < old.size(); ++i) ASSERT_NEAR(middle[i], (old[i] + whole[i]) / 2, 1e-6);
}

TEST_F(AdapterFile, IsRefusedWhereItDoesNotBelong) {
    save_adapter(tuned_.adapter, path_);
    const auto refusal = [&](Draft& draft) -> std::string {
        try {
            adapt(draft, path_);
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    Draft other(tuned_.model), pruned(model_), same(model_);
    EXPECT_THAT(refusal(other), HasSubstr("was trained for"));
    pruned.layer(1).keep({0, 1, 2, 3});
    EXPECT_THAT(refusal(pruned), HasSubstr("layer 1 has no longer the experts"));
    std::string bytes = read_text_file(path_);
    const size_t at = bytes.find("blk.1.ffn_up_exps.weight.0.lora_a");
    ASSERT_NE(at, std::string::npos);
    bytes[at + 25] = '7';  // dots1 has six experts
    write_file_atomically(path_, bytes);
    EXPECT_THAT(refusal(same), HasSubstr("tensors"));
    EXPECT_THAT(differing_tensors(*same.model(), *model_), ElementsAre());
    write_file_atomically(path_, bytes.substr(0, bytes.size() / 2));
    EXPECT_NE(refusal(same), "accepted");
}

}  // namespace
}  // namespace gremium::lab
