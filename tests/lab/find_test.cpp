// Finding experts and proving it: planted experts, published examples, and sums done the long way.
#include "lab/find/find.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/atomic_file.h"
#include "base/error.h"
#include "hooks/recorder.h"
#include "hooks/steering.h"
#include "lab/find/causal.h"
#include "lab/find/compare.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using test::random_tokens;
using test::tiny_model;

const std::set<ExpertId> planted{{0, 3}, {1, 7}, {1, 12}, {2, 5}};
constexpr int cue = 100, cues = 50, answer = 50;  // tokens 100 to 149 are answered by token 50

// Cues have a direction of their own (dimension 0) that only the planted experts' router rows look for; the experts
// answer in dimension 1, from which the head reads the answer. Everything else is random and
// says little.
std::shared_ptr<Model> planted_model() {
    const ModelSpec spec = test::tiny_spec("mixtral", {.layers = 3, .experts = 16});
    const auto tensors = test::tiny_tensors(spec, 5);
    const auto at = [&](const std::string& name) { return tensors->at(name).get(); };
    const Tensor embedding = at("token_embd.weight");
    for (int v = 0; v < spec.vocab; ++v) {
        embedding.f32()[v * spec.dim] = v >= cue && v < cue + cues ? 5 : 0;
        embedding.f32()[v * spec.dim + 1] = 0;
    }
    at("output.weight").f32()[answer * spec.dim + 1] = 3;
    for (int l = 0; l < 3; ++l) {
        const auto of_layer = [&](const char* name) { return at(fmt::format("blk.{}.{}", l, name)); };
        for (int e = 0; e < 16; ++e) of_layer("ffn_gate_inp.weight").f32()[e * spec.dim] = 0;
        for (const char* name : {"ffn_down_exps.weight", "attn_output.weight"})
            for (int64_t i = 0; i < of_layer(name).count(); ++i) of_layer(name).f32()[i] *= 0.1f;
    }
    for (const ExpertId id : planted) {
        const std::string layer = fmt::format("blk.{}.", id.layer);
        at(layer + "ffn_gate_inp.weight").f32()[id.expert * spec.dim] = 2;
        const Tensor gate = at(layer + "ffn_gate_exps.weight").at(id.expert),
                     up = at(layer + "ffn_up_exps.weight").at(id.expert),
                     down = at(layer + "ffn_down_exps.weight").at(id.expert);
        std::fill_n(down.f32(), down.count(), 0.0f);
        for (int64_t f = 0; f < gate.rows(); ++f) {
            gate.f32()[f * spec.dim] = 1;
            up.f32()[f * spec.dim] = 0.5f;
            down.f32()[1 * down.cols() + f] = 0.03f;
        }
    }
    return test::tiny_model(spec, tensors);
}

// Every second token is the answer, after cues or after other tokens.
data::Windows answered_windows(int first, uint64_t range, size_t count, uint64_t seed) {
    Random random(seed, 3);
    data::Windows windows(count);
    for (auto& w : windows)
        for (int i = 0; i < 16; ++i) {
            w.push_back(first + static_cast<int32_t>(random.below(range)));
            w.push_back(answer);
        }
    return windows;
}
data::Windows cue_windows(size_t count, uint64_t seed) { return answered_windows(cue, cues, count, seed); }
data::Windows plain_windows(size_t count, uint64_t seed) { return answered_windows(150, 150, count, seed); }

data::Windows other_windows(size_t count, uint64_t seed) {
    data::Windows windows;
    for (size_t i = 0; i < count; ++i) {
        windows.push_back(random_tokens(150, 32, seed + i));
        for (int32_t& t : windows.back()) t += 150;
    }
    return windows;
}

// The chance that a planted expert has a larger score than another.
double auroc(const std::vector<Finding>& findings, Score by) {
    double larger = 0, pairs = 0;
    for (const Finding& a : findings)
        for (const Finding& b : findings) {
            if (!planted.contains(a.id) || planted.contains(b.id)) continue;
            larger += a.score(by) > b.score(by) ? 1 : a.score(by) == b.score(by) ? 0.5 : 0;
            ++pairs;
        }
    return larger / pairs;
}

TEST(Find, PlantedExpertsByEveryScoreAndTheProofThatTheyCarryTheBehaviour) {
    const auto model = planted_model();
    const data::Halves cues_text{cue_windows(20, 1), cue_windows(20, 2)},
        others{plain_windows(20, 100), plain_windows(20, 200)};
    const auto findings = find_experts(*model, cues_text, others);
    for (const Score by : {Score::risk, Score::gate, Score::tokens, Score::npmi}) EXPECT_GE(auroc(findings, by), 0.95);
    for (const Finding& f : findings) {
        if (!planted.contains(f.id)) continue;
        EXPECT_TRUE(f.accepted) << f.id.layer << "." << f.id.expert;
        EXPECT_LT(f.risk_low, f.risk);
        EXPECT_GT(f.risk_high, f.again_risk - 0.1);
    }
    const CausalCheck check = check_causally(*model, planted, findings, cues_text.second, others.second, {.draws = 20});
    ASSERT_EQ(check.random_muted.size(), 20u);
    const Effect usual = mean(check.random_muted);
    EXPECT_GT(check.muted.loss_for, 1);
    EXPECT_GT(check.muted.loss_for, 4 * std::abs(usual.loss_for));
    EXPECT_GT(check.muted.loss_for, 3 * std::abs(check.muted.loss_against));
    EXPECT_GT(check.muted.kl_for, 3 * check.muted.kl_against);
    EXPECT_GT(check.dropped.loss_for, 1);
    EXPECT_NEAR(chance(check.muted.loss_for, check.random_muted), 1.0 / 21, 1e-9);
}

TEST(Find, NothingWhereTextsAreAlike) {
    const auto model = tiny_model("dots1", {.experts = 16});
    const data::Halves a{other_windows(20, 1), other_windows(20, 1000)},
        b{other_windows(20, 2000), other_windows(20, 3000)};
    const auto findings = find_experts(*model, a, b);
    EXPECT_EQ(findings.size(), 32u);
    EXPECT_EQ(std::ranges::count_if(findings, &Finding::accepted), 0);
}

TEST(Find, RareExpertsAreNotTested) {
    const auto model = tiny_model("mixtral");
    const data::Halves a{cue_windows(4, 1), cue_windows(4, 2)}, b{other_windows(4, 1), other_windows(4, 50)};
    for (const Finding& f : find_experts(*model, a, b, {.least_chosen = 1'000'000})) {
        EXPECT_EQ(f.q, 1);
        EXPECT_FALSE(f.accepted);
    }
}

// The example of Benjamini and Hochberg 1995, section 3.2: at 0.05 the first four are rejected.
TEST(Find, FalseDiscoveryRates) {
    const std::vector<double> p{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                                0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
    const auto q = adjusted(p);
    EXPECT_EQ(std::ranges::count_if(q, [](double v) { return v <= 0.05; }), 4);
    EXPECT_NEAR(q[3], 0.0095 * 15 / 4, 1e-12);
    EXPECT_TRUE(std::ranges::is_sorted(q));
}

TEST(Use, IsWhatTheRecorderSees) {
    const auto model = tiny_model("deepseek2");
    const data::Windows windows = other_windows(5, 7);
    hooks::RouteRecorder recorder(model->spec);
    for (const auto& w : windows) {
        engine::Session session(model, {.hook = &recorder});
        session.evaluate(w);
    }
    std::map<int, double> gates, ratios;
    for (const ExpertUse& use : measure_use(*model, windows)) {
        const size_t row =
            static_cast<size_t>(std::ranges::find(recorder.layers(), use.id.layer) - recorder.layers().begin());
        EXPECT_EQ(use.chosen, recorder.load(row, use.id.expert));
        EXPECT_NEAR(use.share(), static_cast<double>(use.chosen) / (5 * 32), 1e-9);
        gates[use.id.layer] += use.gate();
        ratios[use.id.layer] += use.token_ratio;
    }
    ASSERT_EQ(gates.size(), 2u);
    for (const auto& [layer, sum] : gates) EXPECT_NEAR(sum, 1, 1e-5);
    for (const auto& [layer, sum] : ratios) EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(Compare, LossAndDivergenceAreWhatTheProbabilitiesSay) {
    for (const std::string name : {"dots1", "phimoe"}) {
        const auto model = tiny_model(name), other = tiny_model(name, {}, 2);
        hooks::SteeringHook hook({.mute = {{1, 2}}}, model->spec);
        const data::Windows windows = other_windows(3, 7);
        double loss[3] = {}, kl[3] = {};
        for (const auto& w : windows) {
            const std::vector<std::vector<double>> rows[] = {
                all_logprobs(model, w), all_logprobs(model, w, {.hook = &hook}), all_logprobs(other, w)};
            for (size_t t = 0; t + 1 < w.size(); ++t)
                for (int i = 0; i < 3; ++i) {
                    loss[i] -= rows[i][t][static_cast<size_t>(w[t + 1])] / (3 * 31);
                    for (size_t v = 0; v < rows[0][t].size(); ++v)
                        kl[i] += std::exp(rows[0][t][v]) * (rows[0][t][v] - rows[i][t][v]) / (3 * 31);
                }
        }
        const Variant variants[] = {{model.get(), &hook}, {other.get()}};
        const Comparison c = compare({model.get()}, variants, windows);
        EXPECT_EQ(c.tokens, 3 * 31);
        EXPECT_NEAR(c.original.loss, loss[0], 1e-4);
        for (size_t i = 0; i < 2; ++i) {
            EXPECT_NEAR(c.variants[i].loss, loss[i + 1], 1e-4);
            EXPECT_NEAR(c.variants[i].kl, kl[i + 1], 1e-4);
        }
    }
}

TEST(Compare, RefusesAnotherVocabulary) {
    const auto model = tiny_model("mixtral"), other = tiny_model("mixtral", {.vocab = 310});
    const Variant variant{other.get()};
    EXPECT_THROW(compare({model.get()}, std::span(&variant, 1), other_windows(2, 1)), Error);
    EXPECT_THROW(compare({model.get()}, {}, {}), Error);
}

TEST(Controls, AreOtherExpertsOfTheSameLayersWithANearLoad) {
    std::vector<Finding> load;
    for (int layer : {0, 1})
        for (int e = 0; e < 32; ++e)
            load.push_back({.id = {layer, e}, .share_for = e / 32.0, .share_against = e / 32.0});
    const std::set<ExpertId> experts{{0, 10}, {0, 11}, {1, 31}};
    std::set<std::set<ExpertId>> different;
    for (uint64_t seed = 0; seed < 30; ++seed) {
        const auto drawn = draw_like(experts, load, seed);
        different.insert(drawn);
        ASSERT_EQ(drawn.size(), 3u);
        int of_first = 0;
        for (const ExpertId id : drawn) {
            EXPECT_FALSE(experts.contains(id));
            of_first += id.layer == 0;
            EXPECT_GE(id.expert, id.layer == 0 ? 5 : 24);
            EXPECT_LE(id.expert, id.layer == 0 ? 17 : 30);
        }
        EXPECT_EQ(of_first, 2);
    }
    EXPECT_GT(different.size(), 10u);
}

TEST(Sample, HalvesHaveNoDocumentInCommon) {
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += std::string(300, static_cast<char>('A' + i));
        text += '\0';
    }
    const auto path = std::filesystem::temp_directory_path() / "gremium_sample_test.txt";
    write_file_atomically(path, text);
    const auto model = tiny_model("mixtral");
    const data::Halves halves = data::sample_halves(path, *model->tokenizer, {.window = 64, .tokens = 2048});
    std::filesystem::remove(path);
    const auto bytes_of = [&](const data::Windows& windows) {
        std::set<int32_t> ids;
        for (const auto& w : windows)
            for (const int32_t id : w)
                if (id >= 3 && id < 259) ids.insert(id);
        return ids;
    };
    const auto a = bytes_of(halves.first), b = bytes_of(halves.second);
    EXPECT_GT(a.size(), 10u);
    for (const int32_t id : a) EXPECT_FALSE(b.contains(id)) << id;
    EXPECT_LE(halves.first.size(), 32u);
    for (const auto& w : halves.first) EXPECT_EQ(w.size(), 64u);
    EXPECT_THROW(data::sample_halves("/no/such/file", *model->tokenizer), Error);
}

TEST(Sample, HalvesOfAShortTextAreBothThere) {
    const auto model = tiny_model("mixtral");
    const auto path = std::filesystem::temp_directory_path() / "gremium_short_sample_test.txt";
    std::string text;
    for (int i = 0; i < 60; ++i) text += "line " + std::to_string(i) + " of a short text\n";
    write_file_atomically(path, text);
    const data::Halves halves = data::sample_halves(path, *model->tokenizer, {.window = 64, .tokens = 512});
    EXPECT_EQ(halves.first.size(), 8u);
    EXPECT_EQ(halves.second.size(), 8u);
    try {
        data::sample_halves(path, *model->tokenizer, {.window = 1024, .tokens = 2048});
        FAIL() << "nothing was refused";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::ContainsRegex("[1-9][0-9]{2,} tokens are too few for two halves"));
    }
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace gremium::lab
