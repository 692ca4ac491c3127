#include "model/spec/spec.h"
#include "model/spec/size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "model/archs/architecture.h"
#include "model/layers/attention/rope_table.h"
#include "model/layers/layer_cache.h"
#include "model/spec/outline.h"
#include "model/spec/tensors.h"
#include "model/spec/validate.h"
#include "tests/model/tiny_model.h"

namespace gremium {
namespace {

// config.json as published, reduced to what counts.
ModelSpec published(const char* config) {
    const HfConfig parsed(nlohmann::json::parse(config), "config.json");
    ModelSpec spec = architecture_of(parsed).from_hf(parsed);
    validate(spec, "config.json");
    return spec;
}

ModelSpec mixtral_8x7b() {
    return published(R"({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
        "num_experts_per_tok": 2, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "vocab_size": 32000,
        "max_position_embeddings": 32768, "sliding_window": null, "tie_word_embeddings": false})");
}

ModelSpec qwen3_30b_a3b() {
    return published(R"({"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
        "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": true, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "rope_scaling": null, "vocab_size": 151936, "max_position_embeddings": 40960,
        "use_sliding_window": false, "sliding_window": null, "max_window_layers": 48, "decoder_sparse_step": 1,
        "mlp_only_layers": [], "hidden_act": "silu", "tie_word_embeddings": false, "attention_bias": false})");
}

ModelSpec olmoe_1b_7b() {
    return published(R"({"model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 1024,
        "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64,
        "num_experts_per_tok": 8, "norm_topk_prob": false, "clip_qkv": null, "vocab_size": 50304,
        "max_position_embeddings": 4096, "rope_theta": 10000.0, "tie_word_embeddings": false})");
}

ModelSpec qwen15_moe() {
    return published(R"({"model_type": "qwen2_moe", "hidden_size": 2048, "intermediate_size": 5632,
        "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4,
        "norm_topk_prob": false, "vocab_size": 151936, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 21})");
}

ModelSpec dots_llm1() {
    return published(R"({"model_type": "dots1", "hidden_size": 4096, "intermediate_size": 10944,
        "moe_intermediate_size": 1408, "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": 128, "n_routed_experts": 128, "n_shared_experts": 2, "num_experts_per_tok": 6,
        "first_k_dense_replace": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "n_group": 1,
        "topk_group": 1, "vocab_size": 152064, "max_position_embeddings": 32768, "rope_theta": 10000000,
        "rms_norm_eps": 1e-5, "sliding_window": null, "tie_word_embeddings": false})");
}

ModelSpec deepseek_v2_lite() {
    return published(R"({"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944,
        "moe_intermediate_size": 1408, "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "q_lora_rank": null, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "scoring_func": "softmax", "topk_method": "greedy", "n_group": 1,
        "topk_group": 1, "norm_topk_prob": false, "routed_scaling_factor": 1.0, "rms_norm_eps": 1e-6,
        "rope_theta": 10000, "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
        "beta_fast": 32, "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707}, "vocab_size": 102400,
        "max_position_embeddings": 163840, "tie_word_embeddings": false, "attention_bias": false})");
}

ModelSpec deepseek_v3() {
    return published(R"({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
        "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
        "first_k_dense_replace": 3, "moe_layer_freq": 1, "q_lora_rank": 1536, "kv_lora_rank": 512,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "scoring_func": "sigmoid",
        "topk_method": "noaux_tc", "n_group": 8, "topk_group": 4, "norm_topk_prob": true,
        "routed_scaling_factor": 2.5, "rms_norm_eps": 1e-6, "rope_theta": 10000, "rope_scaling": {"type": "yarn",
        "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0,
        "mscale_all_dim": 1.0}, "vocab_size": 129280, "max_position_embeddings": 163840,
        "num_nextn_predict_layers": 1, "tie_word_embeddings": false})");
}

constexpr const char* gpt_oss_20b_config = R"({"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
        "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
        "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128, "rope_theta": 150000,
        "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096,
        "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false}, "rms_norm_eps": 1e-5, "attention_bias": true,
        "swiglu_limit": 7.0, "vocab_size": 201088, "max_position_embeddings": 131072,
        "tie_word_embeddings": false})";
ModelSpec gpt_oss_20b() { return published(gpt_oss_20b_config); }

// Scout (experts 16, a mixture in every layer) or Maverick (128, in every other).
ModelSpec llama4_model(int experts, int step) {
    return published(fmt::format(R"({{"model_type": "llama4", "text_config": {{"hidden_size": 5120,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
        "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_local_experts": {},
        "num_experts_per_tok": 1, "interleave_moe_layer_step": {}, "attention_chunk_size": 8192,
        "rope_theta": 500000.0, "rms_norm_eps": 1e-5, "vocab_size": 202048, "max_position_embeddings": 1048576,
        "use_qk_norm": {}}}}})",
                                 experts, step, experts == 16)
                         .c_str());
}

ModelSpec granite_1b() {
    return published(R"({"model_type": "granitemoe", "hidden_size": 1024, "intermediate_size": 512,
        "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 8, "num_local_experts": 32,
        "num_experts_per_tok": 8, "embedding_multiplier": 12.0, "attention_multiplier": 0.015625,
        "residual_multiplier": 0.22, "logits_scaling": 6.0, "rms_norm_eps": 1e-6, "rope_theta": 10000,
        "vocab_size": 49155, "max_position_embeddings": 4096, "tie_word_embeddings": true})");
}

ModelSpec llama31_8b() {
    return published(R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "vocab_size": 128256,
        "max_position_embeddings": 131072, "tie_word_embeddings": false})");
}

// Counted in published GGUF files (a rope_freqs tensor is none of ours).
TEST(TensorSlots, CountsOfPublishedModels) {
    EXPECT_EQ(tensor_slots(llama31_8b()).size() + 1, 292u);
    EXPECT_EQ(tensor_slots(mixtral_8x7b()).size(), 323u);
    EXPECT_EQ(tensor_slots(qwen3_30b_a3b()).size(), 579u);
    EXPECT_EQ(tensor_slots(olmoe_1b_7b()).size(), 195u);
    EXPECT_EQ(tensor_slots(qwen15_moe()).size(), 411u);
    EXPECT_EQ(tensor_slots(deepseek_v2_lite()).size(), 404u);
    EXPECT_EQ(tensor_slots(deepseek_v3()).size(), 1086u);
    EXPECT_EQ(tensor_slots(gpt_oss_20b()).size(), 459u);
    EXPECT_EQ(tensor_slots(llama4_model(16, 1)).size() + 1, 628u);
    EXPECT_EQ(tensor_slots(llama4_model(128, 2)).size(), 531u);
    EXPECT_EQ(tensor_slots(granite_1b()).size(), 242u);
}

// As their authors state them: 46.7B with 12.9B active, 30.5B with 3.3B, 6.9B with 1.3B, 14.3B with 2.7B,
// 142B with 14B.
TEST(ModelSize, PublishedModels) {
    const auto billions = [](int64_t count) { return static_cast<double>(count) / 1e9; };
    const auto expect = [&](const ModelSpec& spec, double total, double active) {
        EXPECT_NEAR(billions(size_of(spec).total_parameters), total, 0.06) << spec.architecture;
        EXPECT_NEAR(billions(size_of(spec).active_parameters + int64_t{spec.vocab} * spec.dim), active, 0.1)
            << spec.architecture;  // authors count the whole embedding
    };
    expect(mixtral_8x7b(), 46.7, 12.9);
    expect(qwen3_30b_a3b(), 30.5, 3.3);
    expect(olmoe_1b_7b(), 6.9, 1.3);
    expect(qwen15_moe(), 14.3, 2.7);
    expect(llama31_8b(), 8.03, 8.03);
    expect(gpt_oss_20b(), 20.9, 4.2);
    expect(deepseek_v2_lite(), 15.7, 2.7);
    EXPECT_NEAR(billions(size_of(deepseek_v3()).total_parameters), 671, 1);
    EXPECT_NEAR(billions(size_of(deepseek_v3()).active_parameters + int64_t{129280} * 7168), 37.5, 0.5);
    EXPECT_NEAR(billions(size_of(llama4_model(16, 1)).total_parameters), 107.8, 0.5);
    EXPECT_NEAR(billions(size_of(llama4_model(128, 2)).total_parameters), 400, 1);
    EXPECT_NEAR(billions(size_of(dots_llm1()).total_parameters), 142, 1);
    EXPECT_NEAR(billions(size_of(dots_llm1()).active_parameters + int64_t{152064} * 4096), 14, 0.5);
}

TEST(ModelSize, FlopsAreTwiceTheMatricesATokenMeets) {
    // D 32, 4 heads and 2 kv heads of 8: q 1024, k and v 512, out 1024; router 6·32; 2 of 6 experts 3·12·32;
    // head 300·32.
    const int64_t layer = 1024 + 512 + 512 + 1024 + 6 * 32 + 2 * 3 * 12 * 32;
    EXPECT_EQ(size_of(test::tiny_spec("mixtral")).flops_per_token, 2 * (3 * layer + 300 * 32));
    EXPECT_EQ(size_of(test::tiny_spec("mixtral", {.tied = true})).flops_per_token, 2 * (3 * layer + 300 * 32));
    EXPECT_EQ(size_of(test::tiny_spec("mixtral", {.tied = true})).total_parameters + 300 * 32,
              size_of(test::tiny_spec("mixtral")).total_parameters);
}

// From Meta's formula at d = 128, base 500000.
TEST(RopeSpec, Llama3Divisors) {
    const std::vector<float> divisors = llama31_8b().layers[0].attention()->rope.divisors;
    ASSERT_EQ(divisors.size(), 64u);
    EXPECT_EQ(divisors[28], 1);
    EXPECT_NEAR(divisors[29], 1.207484, 1e-5);
    EXPECT_NEAR(divisors[32], 2.69453, 1e-5);
    EXPECT_NEAR(divisors[34], 5.257327, 1e-5);
    EXPECT_EQ(divisors[35], 8);
}

// A scale of scores is 1/√192 times the square of 1 + 0.1·mscale·ln 40.
TEST(AttentionSpec, ScalesOfDeepSeek) {
    EXPECT_NEAR(score_scale(*deepseek_v3().layers[0].attention()), 0.13523378, 1e-7);
    EXPECT_NEAR(score_scale(*deepseek_v2_lite().layers[0].attention()), 0.11472139, 1e-7);
    EXPECT_EQ(deepseek_v3().layers[0].attention()->rope.magnitude, 1);
    EXPECT_NEAR(gpt_oss_20b().layers[0].attention()->rope.magnitude, 1.3465736, 1e-6);
    EXPECT_EQ(cache_of(*deepseek_v3().layers[0].attention()).key, 576);
    EXPECT_EQ(cache_of(*deepseek_v3().layers[0].attention()).value, 0);
}

// cos(frequency) at position 1, for frequencies given by transformers' formulas.
TEST(RopeTable, YarnFrequencies) {
    const auto expect = [](const ModelSpec& spec, const std::vector<std::pair<int, double>>& frequencies) {
        Arena arena;
        const std::vector<int32_t> positions{1};
        const RopeTables tables(arena, spec, positions, spec.context);
        const RopeSpec& rope = spec.layers[0].attention()->rope;
        const TensorView table = tables.of(rope);
        for (const auto& [i, frequency] : frequencies)
            EXPECT_NEAR(table.f32()[rope.dims / 2 + i], rope.magnitude * std::sin(frequency), 1e-5 * frequency) << i;
    };
    expect(deepseek_v3(), {{1, .749894},
                           {10, .0562341},
                           {12, .0268794},
                           {16, .0055},
                           {18, .00224937},
                           {20, 7.90569e-4},
                           {23, 3.3338e-5},
                           {31, 3.3338e-6}});
    expect(gpt_oss_20b(), {{1, .689044},
                           {8, .0508133},
                           {9, .0317057},
                           {10, .019335},
                           {12, .00679496},
                           {16, 4.56484e-4},
                           {17, 1.29319e-4},
                           {18, 3.83088e-5},
                           {31, 3.02351e-7}});
}

TEST(Architectures, RoutersAreAsPublished) {
    const auto router = [](const ModelSpec& spec) { return spec.layers.back().moe()->router; };
    EXPECT_TRUE(router(mixtral_8x7b()).normalise);
    EXPECT_FALSE(router(olmoe_1b_7b()).normalise);
    EXPECT_FALSE(router(qwen15_moe()).normalise);
    EXPECT_TRUE(qwen15_moe().layers[0].moe()->shared_gate);
    const ModelSpec dots = dots_llm1();
    EXPECT_EQ(dots.layers[0].moe(), nullptr);
    EXPECT_EQ(dots.layers[1].moe()->shared_hidden, 2816);
    EXPECT_EQ(router(dots).score, moe::RouterPolicy::Score::sigmoid);
    EXPECT_EQ(router(dots).scale, 2.5f);
    EXPECT_TRUE(router(dots).correction_bias);
    const moe::RouterPolicy v3 = router(deepseek_v3());
    EXPECT_EQ(std::tuple(v3.groups, v3.groups_used, v3.scale, v3.normalise), std::tuple(8, 4, 2.5f, true));
    EXPECT_EQ(v3.group_score, moe::RouterPolicy::GroupScore::two_best);
    const moe::RouterPolicy scout = router(llama4_model(16, 1));
    EXPECT_TRUE(scout.weight_on_input);
    EXPECT_EQ(scout.top_k, 1);
    EXPECT_EQ(llama4_model(128, 2).layers[0].moe(), nullptr);
    EXPECT_EQ(std::get<DenseSpec>(llama4_model(128, 2).layers[0].feed_forward).hidden, 16384);
}

TEST(Architectures, AnActivationTakesItsLimitFromTheFile) {
    nlohmann::json config = nlohmann::json::parse(gpt_oss_20b_config);
    const auto limit_of = [](const ModelSpec& spec) {
        return std::get<MoeSpec>(spec.layers.back().feed_forward).activation.limit;
    };
    EXPECT_EQ(limit_of(gpt_oss_20b()), 7);
    config["swiglu_limit"] = 5.5;
    const ModelSpec spec = published(config.dump().c_str());
    EXPECT_EQ(limit_of(spec), 5.5f);
    nlohmann::ordered_json written;
    architecture_of(HfConfig(config, "config.json")).to_hf(spec, written);
    EXPECT_EQ(written["swiglu_limit"], 5.5);
    config["swiglu_limit"] = 0;
    EXPECT_THAT([&] { published(config.dump().c_str()); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("the activation's limit is 0")));
}

TEST(Architectures, HuggingFaceNames) {
    const auto name = [](const char* architecture, const char* slot, int layer, int expert) {
        ModelSpec spec;
        spec.architecture = architecture;
        return hf_places(architecture_of(spec), {slot, {}, TensorRole::matrix, layer, expert}).front().name;
    };
    EXPECT_EQ(name("mixtral", "blk.7.ffn_down_exps.weight", 7, 5),
              "model.layers.7.block_sparse_moe.experts.5.w2.weight");
    EXPECT_EQ(name("mixtral", "blk.7.ffn_up_exps.weight", 7, 5), "model.layers.7.block_sparse_moe.experts.5.w3.weight");
    EXPECT_EQ(name("mixtral", "blk.0.ffn_gate_inp.weight", 0, -1), "model.layers.0.block_sparse_moe.gate.weight");
    EXPECT_EQ(name("qwen2moe", "blk.11.ffn_gate_inp_shexp.weight", 11, -1),
              "model.layers.11.mlp.shared_expert_gate.weight");
    EXPECT_EQ(name("qwen2", "blk.1.attn_q.bias", 1, -1), "model.layers.1.self_attn.q_proj.bias");
    EXPECT_EQ(name("dots1", "blk.3.exp_probs_b.bias", 3, -1), "model.layers.3.mlp.gate.e_score_correction_bias");
    EXPECT_EQ(name("dots1", "blk.3.ffn_up_shexp.weight", 3, -1), "model.layers.3.mlp.shared_experts.up_proj.weight");
    EXPECT_EQ(name("dots1", "blk.0.ffn_up.weight", 0, -1), "model.layers.0.mlp.up_proj.weight");
    EXPECT_EQ(name("olmoe", "output.weight", -1, -1), "lm_head.weight");
    EXPECT_EQ(name("phimoe", "output.bias", -1, -1), "lm_head.bias");
    EXPECT_EQ(name("granitemoe", "blk.4.ffn_up_exps.weight", 4, -1),
              "model.layers.4.block_sparse_moe.input_linear.weight");
    EXPECT_EQ(name("gptoss", "blk.4.ffn_up_exps.bias", 4, -1), "model.layers.4.mlp.experts.gate_up_proj_bias");
    EXPECT_EQ(name("gptoss", "blk.4.attn_sinks.weight", 4, -1), "model.layers.4.self_attn.sinks");
    EXPECT_EQ(name("llama4", "blk.1.ffn_gate_exps.weight", 1, -1), "model.layers.1.feed_forward.experts.gate_up_proj");
    EXPECT_EQ(name("deepseek2", "blk.3.attn_v_b.weight", 3, -1), "model.layers.3.self_attn.kv_b_proj.weight");
    EXPECT_EQ(name("deepseek2", "blk.3.attn_kv_a_norm.weight", 3, -1),
              "model.layers.3.self_attn.kv_a_layernorm.weight");
    EXPECT_EQ(name("llama", "blk.2.ffn_norm.weight", 2, -1), "model.layers.2.post_attention_layernorm.weight");
}

TEST(Outline, SaysEveryKindOfModel) {
    for (const std::string& architecture : test::tiny_architectures()) {
        const ModelSpec spec = test::tiny_spec(architecture, {.layers = 5});
        EXPECT_EQ(spec_of(outline_of(spec)), spec) << architecture;
    }
    ModelSpec uneven = test::tiny_spec("llama");
    uneven.layers[1].attention()->heads = 8;
    std::get<DenseSpec>(uneven.layers[2].feed_forward).hidden = 40;
    EXPECT_EQ(spec_of(outline_of(uneven)), uneven);
}

// Mixtral's windows are those of all layers; a window as long as the context is none.
TEST(Architectures, MixtralReadsWindows) {
    const auto with = [](const char* window) {
        return published(fmt::format(R"({{"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
            "vocab_size": 300, "max_position_embeddings": 128, "sliding_window": {}}})",
                                     window)
                             .c_str());
    };
    EXPECT_EQ(with("16").layers[1].attention()->window, 16);
    EXPECT_EQ(with("null").layers[1].attention()->window, 0);
    EXPECT_EQ(with("128").layers[1].attention()->window, 0);
}

TEST(Architectures, NamesAreDistinct) {
    std::set<std::string_view> names, types;
    for (const Architecture* a : architectures()) {
        EXPECT_TRUE(names.insert(a->name).second) << a->name;
        // Nothing where that layout is not verified.
        EXPECT_TRUE(a->hf_model_type.empty() || types.insert(a->hf_model_type).second) << a->hf_model_type;
    }
}

TEST(Validate, NamesTheFirstContradiction) {
    const auto expect_error = [](const std::function<void(ModelSpec&)>& change, const std::string& fragment) {
        ModelSpec spec = test::tiny_spec("qwen2moe");
        EXPECT_NO_THROW(validate(spec, "x.gguf"));
        change(spec);
        try {
            validate(spec, "x.gguf");
            ADD_FAILURE() << "expected: " << fragment;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
            EXPECT_EQ(std::string(error.what()).rfind("x.gguf: ", 0), 0u) << error.what();
        }
    };
    const auto moe = [](ModelSpec& s) -> MoeSpec& { return std::get<MoeSpec>(s.layers[1].feed_forward); };
    expect_error([](ModelSpec& s) { s.dim = 0; }, "embedding length is 0");
    expect_error([](ModelSpec& s) { s.vocab = -3; }, "vocabulary size is -3");
    expect_error(
        [&](ModelSpec& s) {
            s.dim = moe(s).hidden = 1 << 24;
            moe(s).router.experts = 1 << 16;
        },
        "more than any file can hold");
    expect_error([](ModelSpec& s) { s.context = 0; }, "context length is 0");
    expect_error([](ModelSpec& s) { s.layers.clear(); }, "number of layers is 0");
    expect_error([](ModelSpec& s) { s.norm.eps = std::nanf(""); }, "epsilon");
    expect_error([](ModelSpec& s) { s.layers[2].attention()->kv_heads = 3; }, "layer 2 has 4 attention heads");
    expect_error([](ModelSpec& s) { s.layers[0].attention()->head_dim = 0; }, "key length");
    expect_error([](ModelSpec& s) { s.layers[0].attention()->rope.dims = 5; }, "rotary dimensions is 5");
    expect_error([](ModelSpec& s) { s.layers[0].attention()->rope.base = -1; }, "rotary base");
    expect_error([](ModelSpec& s) { s.layers[0].attention()->rope.divisors = {1}; }, "1 rotary frequency divisors");
    expect_error([](ModelSpec& s) { s.layers[0].attention()->rope.divisors = {1, 1, 0, 1}; }, "divisor is 0");
    expect_error([&](ModelSpec& s) { moe(s).router.top_k = 7; }, "experts used per token is 7");
    expect_error([&](ModelSpec& s) { moe(s).router.experts = 0; }, "number of experts is 0");
    expect_error([&](ModelSpec& s) { moe(s).hidden = 0; }, "width of an expert is 0");
    expect_error([&](ModelSpec& s) { moe(s).shared_hidden = 0; }, "no shared experts");
}

}  // namespace
}  // namespace gremium
