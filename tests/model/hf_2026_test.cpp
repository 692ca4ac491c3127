// Hugging Face directories of families of 2026, their names and orders written down from the modelling code of each:
// they are read as the model that they describe, and written so.
#include <gtest/gtest.h>

#include <unistd.h>

#include "formats/hugging_face/hf.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/model/fixtures.h"
#include "tests/model/hf_layout.h"

namespace gremium::test {
namespace {

// What a canonical name behind "blk.N." is called behind "model.layers.N."; of a stack "{}" is the expert.
using Names = std::map<std::string, std::string>;

struct Family {
    ModelSpec spec;
    Json config;
    Names names;
    bool joined = false;  // q, k and v below each other
};

Json common_config(const ModelSpec& spec, const char* type) {
    const AttentionSpec& a = *spec.layers[0].attention();
    return {{"model_type", type},
            {"hidden_size", spec.dim},
            {"num_hidden_layers", spec.layers.size()},
            {"num_attention_heads", a.heads},
            {"num_key_value_heads", a.kv_heads},
            {"head_dim", a.head_dim},
            {"vocab_size", spec.vocab},
            {"max_position_embeddings", spec.context},
            {"rms_norm_eps", 1e-6},
            {"rope_theta", 500000.0},
            {"hidden_act", "silu"},
            {"tie_word_embeddings", false}};
}

Names common_names(const std::string& attention, const std::string& mlp) {
    Names names{{"attn_norm.weight", "input_layernorm.weight"}, {"ffn_norm.weight", "post_attention_layernorm.weight"}};
    for (const auto& [ours, theirs] :
         {std::pair("q", "q_proj"), {"k", "k_proj"}, {"v", "v_proj"}, {"output", "o_proj"}})
        names[fmt::format("attn_{}.weight", ours)] = fmt::format("{}.{}.weight", attention, theirs);
    for (const char* part : {"gate", "up", "down"}) {
        names[fmt::format("ffn_{}.weight", part)] = fmt::format("{}.{}_proj.weight", mlp, part);
        names[fmt::format("ffn_{}_exps.weight", part)] = fmt::format("{}.experts.{{}}.{}_proj.weight", mlp, part);
        names[fmt::format("ffn_{}_shexp.weight", part)] = fmt::format("{}.shared_experts.{}_proj.weight", mlp, part);
    }
    names["ffn_gate_inp.weight"] = mlp + ".gate.weight";
    return names;
}

// The sizes and the mixture of dots1: leading dense layers, sigmoids, corrections, shared experts.
ModelSpec spec_like_dots(const char* architecture) {
    ModelSpec spec = tiny_spec("dots1");
    spec.architecture = architecture;
    return spec;
}

MoeSpec* mixture_in_layer(LayerSpec& layer) { return std::get_if<MoeSpec>(&layer.feed_forward); }

Family minimax() {
    Family f{
        .spec = spec_like_dots("minimax-m2"), .config = {}, .names = common_names("self_attn", "block_sparse_moe")};
    MoeSpec m = *f.spec.layers[1].moe();
    m.router.normalise = true;
    m.router.scale = 1;
    m.shared_hidden = 0;
    for (LayerSpec& layer : f.spec.layers) {
        layer.feed_forward = m;
        layer.attention()->qk_norm = QkNorm::full;
        layer.attention()->rope.dims = 4;
    }
    f.config = common_config(f.spec, "minimax_m2");
    f.config.update({{"num_local_experts", m.router.experts},
                     {"num_experts_per_tok", m.router.top_k},
                     {"intermediate_size", m.hidden},
                     {"rotary_dim", 4},
                     {"scoring_func", "sigmoid"},
                     {"use_qk_norm", true},
                     {"use_routing_bias", true}});
    f.names.merge(Names{{"attn_q_norm.weight", "self_attn.q_norm.weight"},
                        {"attn_k_norm.weight", "self_attn.k_norm.weight"},
                        {"exp_probs_b.bias", "block_sparse_moe.e_score_correction_bias"}});
    for (const auto& [part, letter] : {std::pair("gate", "w1"), {"down", "w2"}, {"up", "w3"}})
        f.names[fmt::format("ffn_{}_exps.weight", part)] =
            fmt::format("block_sparse_moe.experts.{{}}.{}.weight", letter);
    return f;
}

Family bailing() {
    Family f{
        .spec = spec_like_dots("bailingmoe2"), .config = {}, .names = common_names("attention", "mlp"), .joined = true};
    for (LayerSpec& layer : f.spec.layers) {
        layer.attention()->rope.dims = 4;
        if (MoeSpec* m = mixture_in_layer(layer)) {
            m->router.groups = 3;
            m->router.groups_used = 2;
            m->router.group_score = moe::RouterPolicy::GroupScore::two_best;
        }
    }
    const MoeSpec& m = *f.spec.layers[1].moe();
    f.config = common_config(f.spec, "bailing_moe_v2");
    f.config.update({{"intermediate_size", 24},
                     {"num_experts", m.router.experts},
                     {"num_experts_per_tok", m.router.top_k},
                     {"moe_intermediate_size", m.hidden},
                     {"num_shared_experts", 2},
                     {"first_k_dense_replace", 1},
                     {"n_group", 3},
                     {"topk_group", 2},
                     {"norm_topk_prob", true},
                     {"routed_scaling_factor", 2.5},
                     {"score_function", "sigmoid"},
                     {"moe_router_enable_expert_bias", true},
                     {"use_qk_norm", true},
                     {"partial_rotary_factor", 0.5},
                     {"num_nextn_predict_layers", 0}});
    f.names["attn_output.weight"] = "attention.dense.weight";
    f.names.merge(Names{{"attn_q_norm.weight", "attention.query_layernorm.weight"},
                        {"attn_k_norm.weight", "attention.key_layernorm.weight"},
                        {"exp_probs_b.bias", "mlp.gate.expert_bias"}});
    return f;
}

Family hunyuan() {
    Family f{.spec = spec_like_dots("hunyuan-moe"), .config = {}, .names = common_names("self_attn", "mlp")};
    MoeSpec m = *f.spec.layers[1].moe();
    m.router = {.experts = m.router.experts, .top_k = m.router.top_k, .normalise = true};
    for (LayerSpec& layer : f.spec.layers) {
        layer.feed_forward = m;
        layer.attention()->qk_norm = QkNorm::after_rotation;
        layer.attention()->rope.base = static_cast<float>(500000.0 * std::pow(1000.0, 8.0 / 6));
    }
    f.config = common_config(f.spec, "hunyuan_v1_moe");
    const Json three = Json::array({m.hidden, m.hidden, m.hidden});
    f.config.update({{"intermediate_size", m.hidden},
                     {"num_experts", m.router.experts},
                     {"moe_topk", Json::array({m.router.top_k, m.router.top_k, m.router.top_k})},
                     {"moe_intermediate_size", three},
                     {"num_shared_expert", Json::array({2, 2, 2})},
                     {"use_qk_norm", true},
                     {"rope_scaling", {{"type", "dynamic"}, {"alpha", 1000.0}}}});
    f.names["ffn_gate_inp.weight"] = "mlp.gate.wg.weight";
    for (const char* part : {"gate", "up", "down"})
        f.names[fmt::format("ffn_{}_shexp.weight", part)] = fmt::format("mlp.shared_mlp.{}_proj.weight", part);
    f.names.merge(Names{{"attn_q_norm.weight", "self_attn.query_layernorm.weight"},
                        {"attn_k_norm.weight", "self_attn.key_layernorm.weight"}});
    return f;
}

Family ernie() {
    Family f{.spec = spec_like_dots("ernie4_5-moe"), .config = {}, .names = common_names("self_attn", "mlp")};
    for (LayerSpec& layer : f.spec.layers) {
        layer.attention()->qk_norm = QkNorm::none;
        layer.attention()->rope.pairing = kernels::RopePairing::interleaved;
        if (MoeSpec* m = mixture_in_layer(layer))
            m->router = {
                .experts = m->router.experts, .top_k = m->router.top_k, .correction_bias = true, .normalise = true};
    }
    const MoeSpec& m = *f.spec.layers[1].moe();
    f.config = common_config(f.spec, "ernie4_5_moe");
    f.config.update({{"intermediate_size", 24},
                     {"moe_num_experts", m.router.experts},
                     {"moe_k", m.router.top_k},
                     {"moe_intermediate_size", m.hidden},
                     {"moe_layer_interval", 1},
                     {"moe_layer_start_index", 1},
                     {"moe_num_shared_experts", 2},
                     {"use_bias", false}});
    f.names["exp_probs_b.bias"] = "mlp.moe_statics.e_score_correction_bias";
    return f;
}

RawTensors tensors_of(const Family& family, const Tensors& canonical) {
    RawTensors result;
    const auto put = [&](const std::string& name, const OwnedTensor& tensor) {
        const Shape& shape = tensor.get().shape;
        std::vector<int64_t> dims(shape.dim.begin(), shape.dim.begin() + shape.rank);
        if (name.ends_with("moe_statics.e_score_correction_bias")) dims.insert(dims.begin(), 1);
        const float* values = tensor.get().f32();
        result[name] = raw_f32(dims, {values, values + shape.count()});
    };
    put(family.joined ? "model.word_embeddings.weight" : "model.embed_tokens.weight",
        canonical.at("token_embd.weight"));
    put("model.norm.weight", canonical.at("output_norm.weight"));
    put("lm_head.weight", canonical.at("output.weight"));
    for (const auto& [name, tensor] : canonical) {
        if (!name.starts_with("blk.")) continue;
        const size_t dot = name.find('.', 4);
        const std::string path = "model.layers." + name.substr(4, dot - 4) + ".", own = name.substr(dot + 1);
        if (family.joined && (own == "attn_q.weight" || own == "attn_k.weight" || own == "attn_v.weight")) continue;
        const std::string& theirs = family.names.at(own);
        const size_t hole = theirs.find("{}");
        if (hole == std::string::npos) {
            put(path + theirs, tensor);
            continue;
        }
        const Shape& s = tensor.get().shape;
        for (int64_t e = 0; e < s[0]; ++e) {
            const float* values = tensor.get().f32() + e * s[1] * s[2];
            result[path + theirs.substr(0, hole) + std::to_string(e) + theirs.substr(hole + 2)] =
                raw_f32({s[1], s[2]}, {values, values + s[1] * s[2]});
        }
    }
    for (size_t l = 0; family.joined && l < family.spec.layers.size(); ++l) {
        std::vector<float> rows;
        for (const char* part : {"q", "k", "v"}) {
            const Tensor t = canonical.at(fmt::format("blk.{}.attn_{}.weight", l, part)).get();
            rows.insert(rows.end(), t.f32(), t.f32() + t.count());
        }
        const int64_t count = std::ssize(rows) / family.spec.dim;
        result[fmt::format("model.layers.{}.attention.query_key_value.weight", l)] =
            raw_f32({count, family.spec.dim}, rows);
    }
    return result;
}

TEST(Hf2026, AreReadAndWrittenAsTransformersHasThem) {
    const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("gremium-hf-2026-" + std::to_string(getpid()));
    for (const Family& family : {minimax(), bailing(), hunyuan(), ernie()}) {
        SCOPED_TRACE(family.spec.architecture);
        const auto canonical = tiny_tensors(family.spec);
        const RawTensors raw = tensors_of(family, *canonical);
        write_hf(directory, family.config, raw);
        const auto read = load_model(directory);
        EXPECT_TRUE(read->warnings.empty()) << read->warnings.front();
        ModelSpec named = read->spec;
        named.name = family.spec.name;
        EXPECT_EQ(named, family.spec);
        const auto model = tiny_model(family.spec, canonical);
        const auto tokens = random_tokens(family.spec.vocab, 16);
        EXPECT_EQ(all_logprobs(read, tokens), all_logprobs(model, tokens));

        save_model(*model, directory, {.container = Container::hugging_face});
        const HfModel ours = open_hf(directory);
        size_t count = 0;
        for (const TensorEntry& t : ours.tensors) {
            ASSERT_TRUE(raw.contains(t.name)) << t.name;
            const std::vector<int64_t> shape(t.view.shape.dim.begin(), t.view.shape.dim.begin() + t.view.shape.rank);
            EXPECT_EQ(shape, raw.at(t.name).shape) << t.name;
            EXPECT_EQ(std::string(reinterpret_cast<const char*>(t.view.data), static_cast<size_t>(t.view.bytes())),
                      raw.at(t.name).bytes)
                << t.name;
            ++count;
        }
        EXPECT_EQ(count, raw.size());
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace gremium::test
