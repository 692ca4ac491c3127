#include "train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace gremium::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view recipe = R"(
[model]
architecture = "dots1"
dim = 64
layers = 3
heads = 4
kv_heads = 2
context = 128
qk_norm = "per_head"
experts = 8
top_k = 2
expert_hidden = 32
shared_hidden = 64
dense_layers = 1
dense_hidden = 96
score = "sigmoid"
correction_bias = true

[tokenizer]
vocab_size = 512

[[data]]
name = "english"
files = ["a.txt", "b-*.txt"]
heldout_share = 0.1

[[data]]
name = "code"
files = "c.txt"
weight = 0.5

[train]
tokens = 10_000
sequence = 64
batch_tokens = 1024
micro_batch = 4
lr = 2e-3
schedule = "wsd"

[output]
dir = "out"
)";

std::string error_of(std::string_view text, std::vector<std::string> overrides = {}) {
    try {
        parse_config(text, "r.toml", overrides);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

TEST(Config, ReadsEverySectionAndDerivesSteps) {
    const TrainConfig config = parse_config(recipe, "r.toml");
    EXPECT_EQ(config.model.experts, 8);
    EXPECT_EQ(config.model.head_dim, 16);
    EXPECT_EQ(config.model.score, moe::RouterPolicy::Score::sigmoid);
    EXPECT_EQ(config.data.size(), 2u);
    EXPECT_THAT(config.data[0].files, testing::ElementsAre("a.txt", "b-*.txt"));
    EXPECT_THAT(config.data[1].files, testing::ElementsAre("c.txt"));
    EXPECT_EQ(config.data[1].weight, 0.5);
    EXPECT_EQ(config.train.schedule, ScheduleKind::wsd);
    EXPECT_EQ(config.train.steps, 10);  // ⌈10000 / 1024⌉
    EXPECT_EQ(config.sequences_a_step(), 16);
}

TEST(Config, MakesTheSpecOfTheArchitecture) {
    const ModelSpec spec = model_spec(parse_config(recipe, "r.toml").model, 512);
    ASSERT_EQ(spec.layers.size(), 3u);
    EXPECT_EQ(std::get<DenseSpec>(spec.layers[0].feed_forward).hidden, 96);
    ASSERT_NE(spec.layers[1].moe(), nullptr);
    EXPECT_EQ(spec.layers[2].moe()->shared_hidden, 64);
    EXPECT_EQ(spec.layers[2].attention()->qk_norm, QkNorm::per_head);
    EXPECT_EQ(spec.vocab, 512);
}

TEST(Config, StateSpacesAndMixturesByPeriod) {
    const ModelSpec spec = model_spec({.dim = 40,
                                       .layers = 6,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .head_dim = 10,
                                       .rope = false,
                                       .attention_period = 4,
                                       .attention_offset = 2,
                                       .expert_period = 2,
                                       .expert_offset = 1,
                                       .experts = 4},
                                      300);
    for (size_t l = 0; l < 6; ++l) {
        EXPECT_EQ(spec.layers[l].attention() != nullptr, l == 2);
        EXPECT_EQ(spec.layers[l].moe() != nullptr, l % 2 == 1);
        EXPECT_EQ(spec.layers[l].has_feed_forward(), l % 2 == 1);
    }
    EXPECT_FALSE(spec.layers[2].attention()->rope.enabled);
    EXPECT_EQ(*spec.layers[0].ssm(), (SsmSpec{.inner = 80, .state = 16, .conv = 4, .dt_rank = 3, .log_rates = true}));
}

TEST(Config, OverridesWin) {
    const TrainConfig config = parse_config(recipe, "r.toml",
                                            std::vector<std::string>{"train.lr=0.5", "output.dir=elsewhere/x",
                                                                     "data.code.weight=3", "model.tied_head=false"});
    EXPECT_EQ(config.train.lr, 0.5);
    EXPECT_EQ(config.output.dir, "elsewhere/x");
    EXPECT_EQ(config.data[1].weight, 3);
    EXPECT_FALSE(config.model.tied_head);
}

TEST(Config, UnknownKeysNameTheNearest) {
    EXPECT_THAT(error_of("[train]\nlerning_rate = 1\nwarmpu = 3\n"), HasSubstr("r.toml:2"));
    EXPECT_THAT(error_of("[train]\nwarmpu = 3\n"), AllOf(HasSubstr("warmpu"), HasSubstr("nearest: warmup")));
    EXPECT_THAT(error_of("[modle]\n"), AllOf(HasSubstr("[modle]"), HasSubstr("model")));
    EXPECT_THAT(error_of(recipe, {"train.stps=3"}), AllOf(HasSubstr("--set"), HasSubstr("steps")));
    EXPECT_THAT(error_of(recipe, {"data.french.weight=3"}), HasSubstr("french"));
    EXPECT_THAT(error_of(recipe, {"lr=3"}), HasSubstr("section.key=value"));
}

TEST(Config, WrongTypesAndValuesSayWhatIsExpected) {
    EXPECT_THAT(error_of("[train]\nsequence = \"long\"\n"),
                AllOf(HasSubstr("train.sequence"), HasSubstr("an integer")));
    EXPECT_THAT(error_of("[train]\nsequence = 1.5\n"), HasSubstr("an integer"));
    EXPECT_THAT(error_of("[train]\nschedule = \"step\"\n"), AllOf(HasSubstr("cosine"), HasSubstr("wsd")));
    EXPECT_THAT(error_of("[train\n"), HasSubstr("r.toml:1"));
    EXPECT_THAT(error_of(recipe, {"train.batch_tokens=1000"}), HasSubstr("multiple"));
    EXPECT_THAT(error_of(recipe, {"train.sequence=256"}), HasSubstr("context"));
    EXPECT_THAT(error_of(recipe, {"train.steps=5"}), HasSubstr("either train.steps or train.tokens"));
    EXPECT_THAT(error_of(recipe, {"data.code.weight=0"}), HasSubstr("weight"));
    EXPECT_THAT(error_of(recipe, {"data.code.name=english"}), HasSubstr("two [[data]]"));
    EXPECT_THAT(error_of(recipe, {"train.lr=nan"}), HasSubstr("train.lr"));
    EXPECT_THAT(error_of(recipe, {"model.top_k=9"}), Not(testing::IsEmpty()));
}

TEST(Config, WhatTheArchitectureCannotSayIsRefusedBeforeTraining) {
    EXPECT_THAT(error_of(recipe, {"model.score=softmax"}), AllOf(HasSubstr("dots1"), HasSubstr("score")));
    EXPECT_THAT(error_of(recipe, {"model.qk_norm=none"}), HasSubstr("qk_norm"));
    EXPECT_THAT(error_of(recipe, {"model.shared_hidden=48"}), HasSubstr("shared_hidden"));
    EXPECT_THAT(error_of(recipe, {"model.architecture=nonsense"}), HasSubstr("dots1"));
}

TEST(Config, ResumedRunsMayChangeThePlanButNotTheRun) {
    const auto json = [](std::vector<std::string> overrides) {
        return to_json(parse_config(recipe, "r.toml", overrides));
    };
    const nlohmann::json saved = json({});
    EXPECT_EQ(first_conflict(saved, json({"train.lr=1", "train.threads=7", "train.keep=9"})), "");
    EXPECT_EQ(first_conflict(saved, json({"train.seed=1"})), "train.seed");
    EXPECT_THAT(first_conflict(saved, json({"model.layers=4"})), HasSubstr("layers"));
    EXPECT_THAT(first_conflict(saved, json({"data.code.weight=4"})), HasSubstr("data"));
}

}  // namespace
}  // namespace gremium::train
