// gpt-oss: OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card" (2025). Attention sinks, every other layer windowed, YaRN,
// biases everywhere, clamped SwiGLU. In GGUF files of llama.cpp's converter YaRN's blend begins and ends at whole
// dimensions, as llama.cpp computes it; in the original it does not.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"}};

// Gate and up are interleaved. Matrices are [in, out], but those in MXFP4, which are as here.
constexpr Layout gate{.part = Layout::Part::even, .columns = true, .transposed = true};
constexpr Layout up{.part = Layout::Part::odd, .columns = true, .transposed = true};
constexpr NameRule names[] = {
    {"blk.{l}.attn_sinks.weight", "model.layers.{l}.self_attn.sinks"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.mlp.router"},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj", gate},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj", up},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.mlp.experts.down_proj", {.transposed = true}},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj_blocks", {.part = Layout::Part::even}},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj_blocks", {.part = Layout::Part::odd}},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.mlp.experts.down_proj_blocks"},
    {"blk.{l}.ffn_gate_exps.bias", "model.layers.{l}.mlp.experts.gate_up_proj_bias", {.part = Layout::Part::even}},
    {"blk.{l}.ffn_up_exps.bias", "model.layers.{l}.mlp.experts.gate_up_proj_bias", {.part = Layout::Part::odd}},
    {"blk.{l}.ffn_down_exps.bias", "model.layers.{l}.mlp.experts.down_proj_bias"},
};

void set_gptoss(ModelSpec& spec, MoeSpec moe, int window) {
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        AttentionSpec& a = *spec.layers[l].attention();
        a.qkv_bias = a.out_bias = a.sinks = true;
        a.window = l % 2 == 0 ? window : 0;
    }
    moe.router.score = moe::RouterPolicy::Score::softmax_selected;
    moe.router_bias = moe.bias = true;
    moe.activation.kind = kernels::Activation::clamped_swiglu;
    set_mixture(spec, moe);
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, gptoss.name);
    set_gptoss(spec, read_gguf_experts(metadata, "expert_feed_forward_length"),
               metadata.require<int32_t>(key(metadata, "attention.sliding_window")));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, gptoss.name, {.eps = 1e-5f, .rope_theta = 150000, .reads_windows = true});
    MoeSpec moe = read_hf_experts(config, "intermediate_size");
    moe.activation.limit = config.get<float>("swiglu_limit", moe.activation.limit);
    set_gptoss(spec, moe, config.get<int32_t>("sliding_window", 128));
    const auto types = config.get<std::vector<std::string>>("layer_types", {});
    for (size_t l = 0; l < types.size() && l < spec.layers.size(); ++l)
        if ((types[l] == "sliding_attention") != (spec.layers[l].attention()->window > 0))
            fail("{}: layer_types: layer {} is {}, expected windows in every other layer from 0 on", config.source(), l,
                 types[l]);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    const MoeSpec moe = mixture_of(spec);
    write_gguf(spec, metadata);
    write_gguf_experts(moe, "expert_feed_forward_length", metadata);
    metadata.set(key(metadata, "attention.sliding_window"), static_cast<uint32_t>(attention_of(spec).window));
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    write_hf_experts(mixture_of(spec), "num_local_experts", config);
    config["sliding_window"] = attention_of(spec).window;
    // Absent would be YaRN.
    if (config["rope_scaling"].is_null()) config["rope_scaling"] = {{"rope_type", "default"}};
    config["swiglu_limit"] = mixture_of(spec).activation.limit;
    for (const LayerSpec& layer : spec.layers)
        config["layer_types"].push_back(layer.attention()->window > 0 ? "sliding_attention" : "full_attention");
}

}  // namespace

const Architecture gptoss{
    .name = "gptoss",
    .gguf_name = "gpt-oss",
    .hf_model_type = "gpt_oss",
    .hf_class = "GptOssForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_names = gguf_names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
