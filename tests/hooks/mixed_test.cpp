// Sequences under different steering in one batch: each gets, bit for bit, what it gets alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "engine/scheduler.h"
#include "engine/session.h"
#include "hooks/attribution.h"
#include "hooks/recorder.h"
#include "hooks/steering.h"
#include "hooks/trace_blocks.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/tiny_model.h"

namespace gremium::hooks {
namespace {

using test::random_tokens;
using test::tiny_spec;

constexpr int64_t chunk = 16;

std::vector<int> mixtures(const ModelSpec& spec) {
    std::vector<int> layers;
    for (const TraceLayer& layer : trace_layers(spec)) layers.push_back(layer.layer);
    return layers;
}

// Every kind of rule, and numbers of experts that differ between sequences and layers.
constexpr int plain = 0, watched = 1, biased = 2, forced = 3, dropped = 4, kinds = 5;
SteeringProfile profile_of(int kind, const ModelSpec& spec) {
    SteeringProfile profile;
    for (const int l : mixtures(spec)) {
        if (kind == biased) {
            profile.bias[{l, 1}] = 0.7f;
            profile.bias[{l, 4}] = -1;
            profile.mute.insert({l, 0});
        }
        if (kind == forced) profile.force.insert({l, 3});
        if (kind == dropped) profile.drop.insert({l, 2});
    }
    if (kind == biased) profile.layer_count[mixtures(spec).front()].top_k = 1;
    if (kind == forced) profile.count.top_k = 3;
    if (kind == dropped) profile.count.mass = 0.7f;
    return profile;
}

// All that recording hooks see of one sequence, which may be steered.
class Watch {
  public:
    Watch(const ModelSpec& spec, int kind)
        : steering_(profile_of(kind, spec), spec),
          routes_(spec),
          parts_(spec),
          trace_(spec, {.norms = true}, [this](const TraceBlock& block) { blocks_.push_back(block); }),
          chain_({&steering_, &routes_, &parts_, &trace_}) {}

    moe::RoutingHook* hook() { return &chain_; }
    const std::vector<TraceBlock>& blocks() {
        trace_.finish();
        return blocks_;
    }
    // In numbers that are the same where all was.
    std::vector<float> seen() {
        std::vector<float> all;
        const auto add = [&](const auto& values) { all.insert(all.end(), values.begin(), values.end()); };
        for (size_t i = 0; i < routes_.size(); ++i) {
            const RouteEvent event = routes_.event(i);
            add(std::vector{event.layer, event.position, event.token});
            add(event.experts);
            add(event.weights);
        }
        for (const TraceBlock& block : blocks()) {
            add(block.tokens);
            add(block.positions);
            for (const TraceBlock::Layer& layer : block.layers) {
                all.push_back(static_cast<float>(layer.top_k));
                add(layer.ids_Tk);
                add(layer.weights_Tk);
                add(layer.margin_T);
                add(layer.norms_Tk);
            }
        }
        for (const ContributionRecorder::Kept& part : parts_.parts()) add(part.x_D);
        return all;
    }

  private:
    SteeringHook steering_;
    RouteRecorder routes_;
    ContributionRecorder parts_;
    std::vector<TraceBlock> blocks_;
    TraceCollector trace_;
    moe::HookChain chain_;
};

std::shared_ptr<Model> quantised(const ModelSpec& spec) {
    const auto tensors = test::tiny_tensors(spec);
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const bool matrix = slot.role == TensorRole::matrix || slot.role == TensorRole::expert;
        if (!matrix || slot.shape[slot.shape.rank - 1] % 32 != 0) continue;
        OwnedTensor blocks(DType::q4_0, slot.shape);
        convert(tensors->at(slot.name), blocks);
        tensors->at(slot.name) = std::move(blocks);
    }
    return test::tiny_model(spec, tensors);
}

// Experts that take three choices of a sequence, and second choices that are drawn.
std::shared_ptr<Model> crowded() {
    ModelSpec spec = tiny_spec("mixtral");
    for (LayerSpec& layer : spec.layers) {
        auto& router = std::get<MoeSpec>(layer.feed_forward).router;
        router.capacity = 3;
        router.normalise_dropped = true;
        router.second = moe::RouterPolicy::Second::sampled;
    }
    return test::tiny_model(spec, test::tiny_tensors(spec));
}

std::shared_ptr<Model> model_of(const std::string& name) {
    if (name == "crowded") return crowded();
    if (name == "quantised") return quantised(tiny_spec("qwen3moe", {.dim = 64, .hidden = 64, .expert_hidden = 32}));
    return test::tiny_model(name);
}

bool chosen(const TraceBlock::Layer& layer, int32_t expert) {
    return std::ranges::find(layer.ids_Tk, expert) != layer.ids_Tk.end();
}

// That the profile was in force, and no other.
void expect_steered(int kind, const Model& model, Watch& watch) {
    const moe::RouterPolicy policy = model.spec.layers[static_cast<size_t>(mixtures(model.spec).front())].moe()->router;
    for (const TraceBlock& block : watch.blocks()) {
        const TraceBlock::Layer &first = block.layers.front(), &last = block.layers.back();
        EXPECT_EQ(first.top_k, kind == biased ? 1 : kind == forced ? 3 : policy.top_k);
        if (block.layers.size() > 1) {
            EXPECT_EQ(last.top_k, kind == forced ? 3 : policy.top_k);
        }
        EXPECT_EQ(first.ids_Tk.size(), block.size() * static_cast<size_t>(first.top_k));
        const auto rows = static_cast<std::ptrdiff_t>(block.size());
        EXPECT_FALSE(kind == biased && chosen(last, 0));
        EXPECT_FALSE(kind == dropped && chosen(last, 2));
        EXPECT_TRUE(kind != forced || policy.capacity > 0 || std::ranges::count(last.ids_Tk, 3) == rows);
    }
}

class MixedSteering : public testing::TestWithParam<std::string> {};

// Prompts of all lengths join at different steps, so that chunks of some are read while others decode.
TEST_P(MixedSteering, EverySequenceGetsWhatItGetsAlone) {
    const auto model = model_of(GetParam());
    const auto prompt = [&](size_t n) { return random_tokens(300, 2 + 9 * (n % 4), n); };
    const auto options = [](size_t n) {
        return engine::GenerateOptions{
            .max_tokens = 4 + static_cast<int64_t>(n), .sampler = {.temperature = 1.2f, .seed = n}, .ignore_end = true};
    };
    constexpr size_t requests = 2 * kinds;
    std::vector<std::vector<int32_t>> made(requests);
    std::vector<std::unique_ptr<Watch>> watches;
    engine::Scheduler scheduler(model, {.sequences = 6, .prefill_chunk = chunk});
    for (size_t n = 0; n < requests; ++n) {
        const int kind = static_cast<int>(n) % kinds;
        watches.push_back(std::make_unique<Watch>(model->spec, kind));
        scheduler.submit({.prompt = prompt(n),
                          .generate = options(n),
                          .hook = kind == plain ? nullptr : watches.back()->hook(),
                          .on_token = [&made, n](int32_t token) {
                              made[n].push_back(token);
                              return true;
                          }});
        if (n % 3 == 2) scheduler.step();
    }
    while (scheduler.step()) {
    }
    for (size_t n = 0; n < requests; ++n) {
        const int kind = static_cast<int>(n) % kinds;
        Watch alone(model->spec, kind);
        engine::Session session(model, {.prefill_chunk = chunk, .hook = kind == plain ? nullptr : alone.hook()});
        EXPECT_EQ(generate(session, prompt(n), options(n), nullptr), made[n]) << n;
        if (kind == plain) continue;
        EXPECT_EQ(watches[n]->seen(), alone.seen()) << n;
        expect_steered(kind, *model, *watches[n]);
    }
}

std::vector<std::string> with_experts() {
    std::vector<std::string> names{"crowded", "quantised"};
    for (const std::string& name : test::tiny_architectures())
        if (!mixtures(tiny_spec(name)).empty()) names.push_back(name);
    return names;
}
INSTANTIATE_TEST_SUITE_P(Models, MixedSteering, testing::ValuesIn(with_experts()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace gremium::hooks
