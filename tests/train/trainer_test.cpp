#include "train/trainer.h"
#include "model/files/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "model/model.h"
#include "tests/train/toy_run.h"
#include "train/checkpoint.h"
#include "train/heldout.h"
#include "train/metrics.h"

namespace gremium::train {
namespace {

using testing::HasSubstr;

struct Recorder : TrainObserver {
    void on_start(const RunInfo& run) override { info = run; }
    void on_step(const StepReport& report) override { losses.push_back(report.loss); }
    void on_evaluation(int64_t, const std::vector<DomainScore>& scores) override { evaluations.push_back(scores); }
    void on_warning(std::string_view text) override { warnings.emplace_back(text); }
    void on_note(std::string_view text) override { notes.emplace_back(text); }
    bool keep_going() override { return static_cast<int>(losses.size()) < stop_after; }
    RunInfo info;
    std::vector<double> losses;
    std::vector<std::vector<DomainScore>> evaluations;
    std::vector<std::string> warnings, notes;
    int stop_after = 1 << 30;
};

std::string error_of(const TrainConfig& config, TrainOptions options = {}) {
    TrainObserver observer;
    try {
        train(config, options, observer);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

TEST(Trainer, LearnsAndLeavesEverythingBehind) {
    const ScratchDirectory dir;
    const TrainConfig config = toy_recipe(dir, "out", {"train.steps=80"});
    Recorder seen;
    const TrainSummary summary = train(config, {}, seen);
    ASSERT_EQ(seen.losses.size(), 80u);
    EXPECT_NEAR(seen.losses.front(), std::log(268), 0.3);  // nothing known yet: uniform over the vocabulary
    EXPECT_LT(seen.losses.back(), 1.6);
    ASSERT_EQ(seen.evaluations.size(), 8u);
    ASSERT_EQ(seen.evaluations.back().size(), 2u);
    EXPECT_LT(seen.evaluations.back()[1].bits_per_byte, 0.6 * seen.evaluations.front()[1].bits_per_byte);
    EXPECT_TRUE(summary.finished);
    EXPECT_EQ(summary.tokens, 80 * 256);
    EXPECT_TRUE(std::filesystem::exists(summary.report));
    EXPECT_EQ(seen.info.domains[0].name, "one");
    EXPECT_NEAR(seen.info.domains[0].share, 2.0 / 3, 1e-9);

    // The checkpoint is a model that others load; it scores what the trainer said.
    const auto model = load_model(summary.checkpoint);
    EXPECT_EQ(model->spec, model_spec(config.model, model->spec.vocab));
    const Corpus corpus = prepare_corpus(config, {}, [](std::string_view) {});
    const std::vector<DomainScore> scores = evaluate_domains(*model, corpus, config.train);
    EXPECT_EQ(scores[0].loss, seen.evaluations.back()[0].loss);
    EXPECT_EQ(scores[1].bits_per_byte, seen.evaluations.back()[1].bits_per_byte);
    EXPECT_EQ(model->tokenizer->vocabulary().tokens, byte_vocabulary().tokens);
}

TEST(Trainer, MetricsHoldEachStepOnce) {
    const ScratchDirectory dir;
    const TrainConfig config = toy_recipe(dir, "out");
    Recorder stopped;
    stopped.stop_after = 13;
    train(config, {}, stopped);
    Recorder seen;
    train(config, {.resume = true}, seen);
    EXPECT_EQ(seen.info.first_step, 13);
    std::vector<int64_t> steps;
    int evaluations = 0, loads = 0;
    for (const auto& row : read_metrics(dir / "out/metrics.jsonl")) {
        if (row["kind"] == "train") steps.push_back(row["step"]);
        evaluations += row["kind"] == "evaluation";
        loads += row["kind"] == "experts";
    }
    ASSERT_EQ(steps.size(), 40u);
    for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<int64_t>(i) + 1);
    EXPECT_EQ(evaluations, 4);
    EXPECT_EQ(loads, 5);  // windows of 7 steps go on across the pause
}

TEST(Trainer, StoppedAndResumedIsBitIdenticalForAnyNumberOfThreads) {
    const ScratchDirectory dir;
    for (const char* compute : {"f32", "bf16"}) {
        const std::string set = std::string("train.compute=") + compute, name = compute;
        Recorder whole, first, second;
        const auto config = [&](const std::string& output, int threads) {
            return toy_recipe(dir, output, {set, "train.threads=" + std::to_string(threads)});
        };
        const TrainSummary one = train(config("whole-" + name, 1), {}, whole);
        first.stop_after = 17;
        train(config("parts-" + name, 2), {}, first);
        const TrainSummary two = train(config("parts-" + name, 2), {.resume = true}, second);
        EXPECT_EQ(second.losses.size(), 23u);
        EXPECT_EQ(whole.losses.back(), second.losses.back());
        EXPECT_TRUE(checkpoint_bytes(one.checkpoint) == checkpoint_bytes(two.checkpoint)) << compute;
    }
    set_threads(0);
}

// Recipes of models with state space layers: Jamba's (attention and a mixture in the middle of three layers),
// MoE-Mamba's (a mixture after each) and Mamba's (nothing else).
using Keys = std::vector<std::string>;
const Keys with_state_spaces = {"model.qk_norm=none",  "model.rope=false",      "model.dense_layers=0",
                                "model.score=softmax", "model.shared_hidden=0", "model.correction_bias=false",
                                "model.ssm_state=4"};
const Keys like_jamba = {"model.architecture=jamba", "model.layers=3",        "model.attention_period=3",
                         "model.attention_offset=1", "model.expert_period=3", "model.expert_offset=1",
                         "model.expert_hidden=32",   "model.normalise=false", "model.ssm_norms=true"};
const Keys like_moe_mamba = {"model.architecture=moe_mamba", "model.attention_period=0", "model.capacity_factor=1",
                             "model.second_expert=likely"};
const Keys like_mamba = {"model.architecture=mamba", "model.attention_period=0", "model.experts=0",
                         "model.dense_hidden=0"};

TrainConfig state_space_recipe(const ScratchDirectory& dir, const std::string& output, const Keys& architecture,
                               const Keys& more = {}) {
    Keys all = with_state_spaces;
    all.insert(all.end(), architecture.begin(), architecture.end());
    all.insert(all.end(), more.begin(), more.end());
    return toy_recipe(dir, output, all);
}

TEST(Trainer, StateSpacesLearn) {
    const ScratchDirectory dir;
    for (const Keys& architecture : {like_jamba, like_moe_mamba, like_mamba}) {
        const TrainConfig config = state_space_recipe(dir, architecture.front(), architecture);
        Recorder seen;
        const TrainSummary summary = train(config, {}, seen);
        EXPECT_NEAR(seen.losses.front(), std::log(268), 0.3) << architecture.front();
        EXPECT_LT(seen.losses.back(), 0.6 * seen.losses.front()) << architecture.front();
        const auto model = load_model(summary.checkpoint);
        EXPECT_EQ(model->spec, model_spec(config.model, model->spec.vocab));
    }
}

// What the engine runs can be trained: a recipe for each router and each kind of attention that has an architecture to
// say it.
const Keys plain_mixture = {"model.qk_norm=none",    "model.dense_layers=0",        "model.score=softmax",
                            "model.shared_hidden=0", "model.correction_bias=false", "train.steps=20"};
const Keys windows = {"model.architecture=mixtral", "model.window=8"};
const Keys latent_groups = {"model.architecture=deepseek2",
                            "model.kv_heads=2",
                            "model.rope_dims=8",
                            "model.value_dim=12",
                            "model.latent_rank=12",
                            "model.latent_query_rank=10",
                            "model.dense_layers=1",
                            "model.score=sigmoid",
                            "model.correction_bias=true",
                            "model.groups=2",
                            "model.groups_used=1",
                            "model.group_score=two_best",
                            "model.scale=2.5"};
const Keys sparsemixer = {"model.architecture=phimoe", "model.norm=layer",          "model.norm_bias=true",
                          "model.score=sparsemixer",   "model.sparse_epsilon=0.05", "model.normalise=false",
                          "model.qkv_bias=true",       "model.out_bias=true",       "model.head_bias=true"};
const Keys sinks = {"model.architecture=gptoss",
                    "model.qkv_bias=true",
                    "model.out_bias=true",
                    "model.sinks=true",
                    "model.window=8",
                    "model.full_attention_period=2",
                    "model.score=softmax_selected",
                    "model.normalise=false",
                    "model.router_bias=true",
                    "model.expert_bias=true",
                    "model.expert_activation=clamped_swiglu",
                    "model.yarn_factor=2",
                    "model.original_context=16"};
const Keys chunks = {"model.architecture=llama4",     "model.layers=4",
                     "model.qk_norm=rotated",         "model.chunk=8",
                     "model.full_attention_period=4", "model.full_attention_rope=false",
                     "model.temperature=0.1",         "model.temperature_stretch=8",
                     "model.score=sigmoid",           "model.normalise=false",
                     "model.weight_on_input=true",    "model.shared_hidden=16",
                     "model.expert_period=2",         "model.expert_offset=1"};
const Keys scales = {"model.architecture=granitemoe", "model.score=softmax_selected", "model.normalise=false",
                     "model.embedding_scale=3",       "model.residual_scale=0.5",     "model.logit_divisor=2",
                     "model.attention_scale=0.25"};

TEST(Trainer, WhatRunsLearns) {
    const ScratchDirectory dir;
    for (const Keys& architecture : {windows, latent_groups, sparsemixer, sinks, chunks, scales}) {
        Keys keys = plain_mixture;
        keys.insert(keys.end(), architecture.begin(), architecture.end());
        const TrainConfig config = toy_recipe(dir, architecture.front(), keys);
        Recorder seen;
        const TrainSummary summary = train(config, {}, seen);
        ASSERT_EQ(seen.losses.size(), 20u) << architecture.front();
        EXPECT_LT(seen.losses.back(), 0.85 * seen.losses.front()) << architecture.front();
        const auto model = load_model(summary.checkpoint);
        EXPECT_EQ(model->spec, model_spec(config.model, model->spec.vocab)) << architecture.front();
    }
}

// Attention in the last of three layers, or in the second, and another mixer in the others.
const Keys short_conv = {"model.architecture=lfm2moe", "model.other_mixer=short_conv", "model.attention_offset=1",
                         "model.shared_hidden=0"};
const Keys delta_net = {"model.architecture=qwen3next",
                        "model.score=softmax",
                        "model.correction_bias=false",
                        "model.dense_layers=0",
                        "model.shared_gate=true",
                        "model.attention_gate=sigmoid",
                        "model.attention_gate_beside_queries=true",
                        "model.attention_offset=2",
                        "model.other_mixer=delta_net",
                        "model.delta_key_heads=2",
                        "model.delta_heads=4",
                        "model.delta_key_dim=8",
                        "model.delta_value_dim=6"};
const Keys mamba2 = {"model.architecture=granitehybrid",
                     "model.qk_norm=none",
                     "model.rope=false",
                     "model.score=softmax_selected",
                     "model.normalise=false",
                     "model.correction_bias=false",
                     "model.dense_layers=0",
                     "model.dense_hidden=16",
                     "model.attention_scale=0.25",
                     "model.attention_offset=1",
                     "model.other_mixer=mamba2",
                     "model.mamba2_inner=64",
                     "model.mamba2_heads=4",
                     "model.mamba2_state=8",
                     "model.mamba2_groups=2"};

TEST(Trainer, RecurrentMixersLearnWhateverTheThreads) {
    const ScratchDirectory dir;
    for (const Keys& architecture : {short_conv, delta_net, mamba2}) {
        SCOPED_TRACE(architecture.front());
        const auto config = [&](const std::string& output, const char* threads) {
            Keys keys = {"model.layers=3", "model.attention_period=3", "train.steps=20", threads};
            keys.insert(keys.end(), architecture.begin(), architecture.end());
            return toy_recipe(dir, architecture.front() + output, keys);
        };
        Recorder seen;
        const TrainConfig whole = config("whole", "train.threads=1");
        const TrainSummary straight = train(whole, {}, seen);
        EXPECT_LT(seen.losses.back(), 0.85 * seen.losses.front());
        const auto model = load_model(straight.checkpoint);
        EXPECT_EQ(model->spec, model_spec(whole.model, model->spec.vocab));
        Recorder again;
        const TrainSummary two = train(config("other", "train.threads=2"), {}, again);
        EXPECT_EQ(checkpoint_bytes(straight.checkpoint), checkpoint_bytes(two.checkpoint));
    }
}

TEST(Trainer, StateSpacesResumeBitIdentically) {
    const ScratchDirectory dir;
    for (const char* compute : {"train.compute=f32", "train.compute=bf16"}) {
        const auto config = [&](const std::string& output, const char* threads) {
            return state_space_recipe(dir, compute + output, like_jamba, {"train.steps=12", compute, threads});
        };
        Recorder whole, first, second;
        const TrainSummary one = train(config("-whole", "train.threads=1"), {}, whole);
        first.stop_after = 7;
        train(config("-parts", "train.threads=2"), {}, first);
        const TrainSummary two = train(config("-parts", "train.threads=2"), {.resume = true}, second);
        EXPECT_EQ(second.losses.size(), 5u);
        EXPECT_TRUE(checkpoint_bytes(one.checkpoint) == checkpoint_bytes(two.checkpoint)) << compute;
    }
    set_threads(0);
}

TEST(Trainer, RecomputationChangesNoBit) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    const TrainSummary plain = train(toy_recipe(dir, "plain", {"train.steps=6"}), {}, quiet);
    const TrainSummary again = train(toy_recipe(dir, "again", {"train.steps=6", "train.recompute=always"}), {}, quiet);
    EXPECT_TRUE(checkpoint_bytes(plain.checkpoint) == checkpoint_bytes(again.checkpoint));
}

TEST(Trainer, RecomputesWhatWouldNotFit) {
    const ScratchDirectory dir;
    const auto notes = [&](const std::string& output, const std::string& set) {
        Recorder seen;
        train(toy_recipe(
                  dir, output,
                  {"train.steps=1", "model.expert_hidden=256", "model.shared_hidden=256", "train.micro_batch=8", set}),
              {}, seen);
        return seen.notes;
    };
    const auto decided = testing::Contains(testing::HasSubstr("computed again in the backward"));
    // Each of 8 · 32 tokens keeps at least two experts' three activations of 256: 1.5 MiB.
    EXPECT_THAT(notes("tight", "train.activation_memory=1"), decided);
    EXPECT_THAT(notes("wide", "train.activation_memory=1000"), testing::Not(decided));
    EXPECT_THAT(notes("free", "train.recompute=auto"), testing::Not(decided));
}

// The same batch in one piece or in four gives the same gradients but for rounding. (Balance terms are means over
// micro-batches, so they are left out.)
TEST(Trainer, AccumulationEqualsOneBatch) {
    const ScratchDirectory dir;
    Recorder whole, parts;
    const std::vector<std::string> common = {"train.steps=10", "train.balance_coef=0", "train.z_coef=0",
                                             "train.lr=1e-3"};
    const auto with = [&](const std::string& output, const std::string& set) {
        std::vector<std::string> overrides = common;
        overrides.push_back(set);
        return toy_recipe(dir, output, overrides);
    };
    train(with("whole", "train.micro_batch=8"), {}, whole);
    train(with("parts", "train.micro_batch=2"), {}, parts);
    for (size_t i = 0; i < whole.losses.size(); ++i) EXPECT_NEAR(whole.losses[i], parts.losses[i], 2e-4);
}

TEST(Trainer, KeepsTheLastCheckpoints) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    train(toy_recipe(dir, "out", {"train.keep=3", "train.steps=23"}), {}, quiet);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir / "out")) {
        const std::string name = entry.path().filename().string();
        EXPECT_NE(name[0], '.') << name;
        if (name.rfind("ckpt-", 0) == 0) names.push_back(name);
    }
    EXPECT_THAT(names, testing::UnorderedElementsAre("ckpt-000015", "ckpt-000020", "ckpt-000023"));
}

TEST(Trainer, RefusesToMixRuns) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    train(toy_recipe(dir, "out", {"train.steps=5"}), {}, quiet);
    EXPECT_THAT(error_of(toy_recipe(dir, "out")), HasSubstr("earlier run"));
    EXPECT_THAT(error_of(toy_recipe(dir, "out", {"train.seed=9"}), {.resume = true}), HasSubstr("train.seed"));
    EXPECT_THAT(error_of(toy_recipe(dir, "out", {"model.layers=3"}), {.resume = true}), HasSubstr("model.layers"));
    EXPECT_THAT(error_of(toy_recipe(dir, "new", {"data.one.files=nowhere-*.txt"})), HasSubstr("nowhere-*.txt"));
}

// Whatever key of a recipe another value has: a run goes on with it only where the numbers stay, or the plan is said.
TEST(Trainer, ResumesOnlyWithNumbersAsTheyWere) {
    const ScratchDirectory dir;
    const TrainConfig begun = toy_recipe(dir, "out");
    const nlohmann::json saved = to_json(begun);
    const std::set<std::string> free = {"recompute",  "activation_memory", "threads",
                                        "eval_every", "eval_tokens",       "checkpoint_every",
                                        "keep",       "log_every",         "load_window"},
                                plan = {"steps", "tokens", "lr", "min_lr", "schedule", "warmup", "decay_share"};
    EXPECT_EQ(first_conflict(saved, saved), "");
    for (const auto& [key, value] : saved.at("train").items()) {
        nlohmann::json now = saved;
        if (value.is_string())
            now["train"][key] = "another";
        else
            now["train"][key] = value.get<double>() + 1;
        EXPECT_EQ(first_conflict(saved, now), free.contains(key) || plan.contains(key) ? "" : "train." + key);
        EXPECT_EQ(replanned(saved, now).size(), plan.contains(key) ? 1u : 0u) << key;
    }
}

TEST(Trainer, RefusesToGoOnWithAnotherTextOrVocabulary) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    const std::vector<std::string> own_vocabulary = {"tokenizer.path=\"\"", "tokenizer.vocab_size=304"};
    const auto recipe = [&](const std::string& output, std::vector<std::string> keys, int steps) {
        keys.push_back("train.steps=" + std::to_string(steps));
        keys.push_back("data.two.heldout_share=0");
        keys.push_back("data.two.heldout_files=" + (dir / "held.txt").string());
        return toy_recipe(dir, output, keys);
    };
    toy_recipe(dir, "made");
    write_text(dir / "held.txt", toy_text(40, 3));
    const auto files_of = [&](const std::string& output) {
        std::set<std::string> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / output))
            files.insert(entry.path().string());
        return files;
    };
    for (const auto& keys : {std::vector<std::string>{}, own_vocabulary}) {
        const std::string output = keys.empty() ? "given" : "trained";
        train(recipe(output, keys, 5), {}, quiet);
        const auto before = files_of(output);
        for (const char* changed : {"one.txt", "held.txt"}) {
            write_text(dir / changed, toy_text(120, 1) + "one more line");
            EXPECT_THAT(error_of(recipe(output, keys, 10), {.resume = true}), HasSubstr("not what the run was started"))
                << changed;
            EXPECT_EQ(files_of(output), before);
            write_text(dir / changed, changed == std::string("one.txt") ? toy_text(120, 1) : toy_text(40, 3));
        }
        EXPECT_EQ(error_of(recipe(output, keys, 10), {.resume = true}), "");
    }
    // The same size, the same text, other tokens.
    Vocabulary other = byte_vocabulary();
    std::swap(other.tokens[260], other.tokens[261]);
    write_hf_tokenizer(other, dir / "tokenizer");
    EXPECT_THAT(error_of(recipe("given", {}, 15), {.resume = true}), HasSubstr("vocabulary"));
}

// Runs of programs that noted neither text nor vocabulary.
TEST(Trainer, TheVocabularyOfAnEarlierProgramsRunIsThatOfItsCheckpoint) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    const std::vector<std::string> keys = {"tokenizer.path=\"\"", "tokenizer.vocab_size=304"};
    const auto recipe = [&](const char* steps) {
        std::vector<std::string> all = keys;
        all.emplace_back(steps);
        return toy_recipe(dir, "out", all);
    };
    const TrainSummary first = train(recipe("train.steps=5"), {}, quiet);
    nlohmann::json state = read_state({first.checkpoint, 5});
    ASSERT_EQ(state.erase("origin"), 1u);
    write_text(first.checkpoint / "state.json", state.dump());
    const std::string text = toy_text(120, 1);
    write_text(dir / "one.txt", text + "zebra quartz jigsaw zebra quartz jigsaw zebra quartz jigsaw");
    EXPECT_THAT(error_of(recipe("train.steps=8"), {.resume = true}), HasSubstr("vocabulary"));
    write_text(dir / "one.txt", text);
    EXPECT_EQ(error_of(recipe("train.steps=8"), {.resume = true}), "");
}

TEST(Trainer, OneProgramAtATimeTrainsInADirectory) {
    const ScratchDirectory dir;
    struct Second : TrainObserver {
        explicit Second(const TrainConfig& its_recipe) : config(its_recipe) {}
        void on_note(std::string_view) override { tried.push_back(error_of(config)); }
        void on_step(const StepReport& step) override {
            if (step.step == 3) tried.push_back(error_of(config, {.resume = true}));
        }
        const TrainConfig& config;
        std::vector<std::string> tried;
    };
    const TrainConfig config = toy_recipe(dir, "out", {"train.steps=5"});
    Second second(config);
    EXPECT_TRUE(train(config, {}, second).finished);
    ASSERT_GE(second.tried.size(), 2u);  // also before the first checkpoint
    for (const std::string& refusal : second.tried) EXPECT_THAT(refusal, HasSubstr("another program"));
    EXPECT_THAT(error_of(config), HasSubstr("earlier run"));
}

TEST(Trainer, HoldsAPartOfOneDocumentOutOrSaysThatNothingIs) {
    const ScratchDirectory dir;
    std::string text = toy_text(120, 1);
    std::ranges::replace(text, '\0', '\n');
    write_text(dir / "whole.txt", text);
    const std::string files = "data.one.files=" + (dir / "whole.txt").string();
    for (const char* share : {"0.05", "0.5", "0.9"}) {
        Recorder seen;
        train(toy_recipe(dir, share, {files, std::string("data.one.heldout_share=") + share, "train.steps=2"}), {},
              seen);
        EXPECT_GT(seen.info.domains[0].tokens, 0);
        EXPECT_GT(seen.info.domains[0].heldout_tokens, 0) << share;
        EXPECT_THAT(seen.notes, testing::Not(testing::Contains(HasSubstr("held out"))));
    }
    Recorder without;
    train(toy_recipe(dir, "without", {"data.one.heldout_share=0", "train.steps=2"}), {}, without);
    EXPECT_THAT(without.notes, testing::Contains(HasSubstr("nothing of \"one\" is held out")));
    Recorder same;
    const std::string heldout = "data.one.heldout_files=" + (dir / "whole.txt").string();
    train(toy_recipe(dir, "same", {files, heldout, "data.one.heldout_share=0", "train.steps=2"}), {}, same);
    EXPECT_THAT(same.notes, testing::Contains(HasSubstr("trained on as well")));
}

TEST(Trainer, ALittleTextGivesALittleVocabulary) {
    const ScratchDirectory dir;
    Recorder seen;
    const TrainSummary summary =
        train(toy_recipe(dir, "out", {"tokenizer.path=\"\"", "tokenizer.vocab_size=8000", "train.steps=1"}), {}, seen);
    const int size = load_model(summary.checkpoint)->spec.vocab;
    EXPECT_LT(size, 1000);
    EXPECT_THAT(seen.notes, testing::Contains(HasSubstr(fmt::format("a vocabulary of {} tokens", size))));
}

TEST(Trainer, TrainsAVocabularyWhenNoneIsGiven) {
    const ScratchDirectory dir;
    TrainObserver quiet;
    const TrainConfig config = toy_recipe(
        dir, "out",
        {"tokenizer.path=\"\"", "tokenizer.vocab_size=304", "tokenizer.sample_bytes=20000", "train.steps=3"});
    const TrainSummary summary = train(config, {}, quiet);
    const auto model = load_model(summary.checkpoint);
    EXPECT_EQ(model->spec.vocab, 304);
    EXPECT_EQ(model->tokenizer->decode(model->tokenizer->encode("the bat eats")), "the bat eats");
}

}  // namespace
}  // namespace gremium::train
