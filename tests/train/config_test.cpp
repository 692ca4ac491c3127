#include "train/config.h"
#include "train/recipe_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
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
    EXPECT_EQ(config.model.moe.router.experts, 8);
    EXPECT_EQ(config.model.attention.head_dim, 16);
    EXPECT_EQ(config.model.moe.router.score, moe::RouterPolicy::Score::sigmoid);
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
    Outline model = default_model();
    model.model.dim = 40;
    model.layers = 6;
    model.attention.heads = 4;
    model.attention.kv_heads = 2;
    model.attention.head_dim = 10;
    model.attention.rope.enabled = false;
    model.attention_layers = {.period = 4, .offset = 2};
    model.mixture_layers = {.period = 2, .offset = 1};
    model.moe.router.experts = 4;
    const ModelSpec spec = model_spec(model, 300);
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
    EXPECT_FALSE(config.model.model.tied_head);
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

// Every word and truth that the architecture could say is named; of numbers, what they would become.
TEST(Config, RefusalsNameWhatIsPossible) {
    EXPECT_THAT(error_of(recipe, {"model.qk_norm=none"}),
                HasSubstr("architecture dots1 cannot express model.qk_norm = \"none\"; possible: \"per_head\""));
    EXPECT_THAT(error_of(recipe, {"model.shared_hidden=48"}),
                AllOf(HasSubstr("model.shared_hidden = 48"), HasSubstr("must be 32")));
    EXPECT_THAT(error_of(recipe, {"model.qkv_bias=true"}),
                AllOf(HasSubstr("model.qkv_bias = true"), HasSubstr("possible: false")));
    EXPECT_THAT(error_of(recipe, {"model.capacity=3"}), AllOf(HasSubstr("model.capacity = 3"), HasSubstr("must be 0")));
    EXPECT_THAT(error_of(recipe, {"model.attention_period=2"}),
                AllOf(HasSubstr("attention_period, attention_offset"), HasSubstr("layers 0, 1, 2 instead of 0, 2")));
    EXPECT_THAT(error_of(recipe, {"model.dense_also=[2]"}),
                AllOf(HasSubstr("dense_also"), HasSubstr("layers 1, 2 instead of 1")));
    const std::vector<std::string> latent = {"model.architecture=deepseek2", "model.qk_norm=none", "model.kv_heads=4",
                                             "model.latent_rank=12", "model.rope_dims=8"};
    EXPECT_EQ(error_of(recipe, latent), "");
    std::vector<std::string> unknown = latent;
    unknown.insert(unknown.end(),
                   {"model.score=sparsemixer", "model.sparse_epsilon=0.01", "model.correction_bias=false"});
    EXPECT_THAT(error_of(recipe, unknown), HasSubstr("possible: \"softmax\", \"softmax_selected\", \"sigmoid\""));
    EXPECT_THAT(error_of(recipe, {"model.architecture=nllb_moe"}), AllOf(HasSubstr("r.toml"), HasSubstr("encoder")));
}

TEST(Config, EveryKeyIsInTheReference) {
    std::map<std::string, RecipeKey> keys;
    for (const RecipeKey& key : recipe_reference()) {
        EXPECT_TRUE(keys.emplace(key.section + "." + key.name, key).second) << key.name;
        EXPECT_FALSE(key.help.empty()) << key.name;
        EXPECT_FALSE(key.values.empty()) << key.name;
    }
    const nlohmann::json json = to_json(parse_config(recipe, "r.toml"));
    for (const char* section : {"model", "tokenizer", "train", "output"})
        for (const auto& [key, value] : json.at(section).items())
            EXPECT_TRUE(keys.contains(section + ("." + key))) << key;
    for (const auto& [key, value] : json.at("data").at(0).items()) EXPECT_TRUE(keys.contains("data." + key)) << key;
    EXPECT_EQ(keys.at("train.steps").fallback, "0");
    EXPECT_EQ(keys.at("model.norm_eps").fallback, "1e-06");
    EXPECT_EQ(keys.at("model.score").values, "one of \"softmax\" \"softmax_selected\" \"sigmoid\" \"sparsemixer\"");
}

// What 1e0be70 stored knew fewer keys, and had numbers in double precision.
TEST(Config, RecipesOfEarlierProgramsAreTheSame) {
    const nlohmann::json now =
        to_json(parse_config(recipe, "r.toml", std::vector<std::string>{"model.scale=0.1234567890123"}));
    nlohmann::json saved = now;
    saved["model"]["scale"] = 0.1234567890123;
    for (const char* key :
         {"window", "groups", "sparse_epsilon", "norm", "yarn_factor", "dense_also", "full_attention_rope"})
        EXPECT_EQ(saved["model"].erase(key), 1u) << key;
    EXPECT_EQ(first_conflict(saved, now), "");
    saved["model"]["window"] = 5;
    EXPECT_EQ(first_conflict(saved, now), "model.window");
    saved["model"].erase("window");
    saved["model"]["invented_later"] = 1;
    EXPECT_EQ(first_conflict(saved, now), "model.invented_later");
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
