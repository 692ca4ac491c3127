// DeepSeek-V2, V2-Lite (2024), V3 and R1: DeepSeek-AI, "DeepSeek-V2" and "DeepSeek-V3 Technical Report" (2024). Latent
// attention, YaRN that also scales scores, a mixture with groups. Files converted before GGUF had keys for groups are
// known by their number of experts.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

using Score = moe::RouterPolicy::Score;

// Keys' and values' matrices out of the latent lie below each other, head by head.
constexpr Layout key_rows{.part = Layout::Part::first, .transposed = true, .joined = true};
constexpr Layout value_rows{.part = Layout::Part::last, .joined = true};
constexpr NameRule gguf_names[] = {
    {"blk.{l}.attn_k_b", "blk.{l}.attn_kv_b", key_rows},
    {"blk.{l}.attn_v_b", "blk.{l}.attn_kv_b", value_rows},
};
constexpr NameRule names[] = {
    {"blk.{l}.attn_q_a", "model.layers.{l}.self_attn.q_a_proj"},
    {"blk.{l}.attn_q_a_norm", "model.layers.{l}.self_attn.q_a_layernorm"},
    {"blk.{l}.attn_q_b", "model.layers.{l}.self_attn.q_b_proj"},
    {"blk.{l}.attn_kv_a_mqa", "model.layers.{l}.self_attn.kv_a_proj_with_mqa"},
    {"blk.{l}.attn_kv_a_norm", "model.layers.{l}.self_attn.kv_a_layernorm"},
    {"blk.{l}.attn_k_b", "model.layers.{l}.self_attn.kv_b_proj", key_rows},
    {"blk.{l}.attn_v_b", "model.layers.{l}.self_attn.kv_b_proj", value_rows},
};
constexpr std::string_view ignored[] = {"model.layers.{l}."};  // predicts a second token (V3)

void set_released_groups(ModelSpec& spec) {
    for (LayerSpec& layer : spec.layers) {
        auto* m = std::get_if<MoeSpec>(&layer.feed_forward);
        if (!m) continue;
        moe::RouterPolicy& r = m->router;
        if (r.experts == 256 && r.score == Score::sigmoid) {
            r.groups = 8, r.groups_used = 4, r.group_score = moe::RouterPolicy::GroupScore::two_best;
        } else if (r.experts == 160 && r.score == Score::softmax) {
            r.groups = 8, r.groups_used = 3;
        }
    }
}

// Sizes as `head_dim` and `value_dim` of a head before it is absorbed, of which `turned` are rotated.
struct Heads {
    int head_dim, value_dim, turned, rank, query_rank;
};
void set_latent(ModelSpec& spec, const Heads& h) {
    for_each_attention(spec, [&](AttentionSpec& a) {
        a.kv_heads = a.heads;
        a.head_dim = h.head_dim;
        a.value_dim = h.value_dim;
        a.rope.dims = h.turned;
        a.latent = {.rank = h.rank, .query_rank = h.query_rank};
    });
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, deepseek2.name);
    const auto number = [&](const char* name) { return metadata.require<int32_t>(key(metadata, name)); };
    const bool absorbed = metadata.contains(key(metadata, "attention.key_length_mla"));
    set_latent(spec, {.head_dim = number(absorbed ? "attention.key_length_mla" : "attention.key_length"),
                      .value_dim = number(absorbed ? "attention.value_length_mla" : "attention.value_length"),
                      .turned = number("rope.dimension_count"),
                      .rank = number("attention.kv_lora_rank"),
                      .query_rank = metadata.get<int32_t>(key(metadata, "attention.q_lora_rank"), 0)});
    read_gguf_deepseek(spec, metadata, Score::softmax);
    if (!metadata.contains(key(metadata, "expert_group_count"))) set_released_groups(spec);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, deepseek2.name);
    refuse_attention_bias(config);
    if (!config.get<bool>("rope_interleave", true)) fail("{}: rope_interleave false is not supported", config.source());
    const int turned = config.require<int32_t>("qk_rope_head_dim");
    set_latent(spec, {.head_dim = config.require<int32_t>("qk_nope_head_dim") + turned,
                      .value_dim = config.require<int32_t>("v_head_dim"),
                      .turned = turned,
                      .rank = config.require<int32_t>("kv_lora_rank"),
                      .query_rank = config.get<int32_t>("q_lora_rank", 0)});
    const auto scaling = config.child({"rope_scaling", "rope_parameters"});
    for_each_attention(spec, [&](AttentionSpec& a) {
        if (a.rope.yarn.factor != 1)
            a.rope.yarn.log_multiplier = static_cast<float>(0.1 * scaling->get<double>("mscale_all_dim", 0));
    });
    const bool third = config.get<std::string>("model_type", "") == "deepseek_v3";
    read_hf_deepseek(spec, config, third ? Score::sigmoid : Score::softmax);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    const AttentionSpec a = attention_of(spec);
    const auto set = [&](const char* name, int value) {
        metadata.set(key(metadata, name), static_cast<uint32_t>(value));
    };
    write_gguf(spec, metadata);
    set("attention.head_count_kv", 1);
    set("attention.key_length", a.latent.rank + a.rope.dims);
    set("attention.value_length", a.latent.rank);
    set("attention.key_length_mla", a.head_dim);
    set("attention.value_length_mla", a.value_dim);
    set("attention.kv_lora_rank", a.latent.rank);
    if (a.latent.query_rank > 0) set("attention.q_lora_rank", a.latent.query_rank);
    write_gguf_deepseek(spec, metadata);
    if (mixture_of(spec).router.groups == 1) set("expert_group_count", 1);  // said, so that it is not guessed
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const AttentionSpec a = attention_of(spec);
    const moe::RouterPolicy r = mixture_of(spec).router;
    write_hf(spec, config);
    write_hf_deepseek(spec, config);
    config.erase("head_dim");
    config["qk_nope_head_dim"] = a.head_dim - a.rope.dims;
    config["qk_rope_head_dim"] = a.rope.dims;
    config["v_head_dim"] = a.value_dim;
    config["kv_lora_rank"] = a.latent.rank;
    config["q_lora_rank"] = a.latent.query_rank > 0 ? nlohmann::ordered_json(a.latent.query_rank) : nullptr;
    config["moe_layer_freq"] = 1;
    config["num_nextn_predict_layers"] = 0;
    config["topk_method"] = r.score == Score::sigmoid ? "noaux_tc" : r.groups > 1 ? "group_limited_greedy" : "greedy";
    if (r.score == Score::sigmoid) return;
    config["model_type"] = "deepseek_v2";
    config["architectures"] = {"DeepseekV2ForCausalLM"};
}

}  // namespace

const Architecture deepseek2{
    .name = "deepseek2",
    .gguf_name = "deepseek2",
    .hf_model_type = "deepseek_v3",
    .hf_class = "DeepseekV3ForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_names = gguf_names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_pairing = kernels::RopePairing::interleaved,
    .hf_alias = "deepseek_v2",
    .hf_ignored = ignored,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
