// Llama 4 (Scout, Maverick), its text model: Meta, "The Llama 4 herd" (2025). Router weights on the experts' input, a
// shared expert, mixtures in every or every other layer; three layers see chunks, every fourth sees all, without positions
// and with a temperature. llama.cpp knows chunk, temperature and this pattern by heart; so do we for GGUF.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Layout gate{.part = Layout::Part::first, .columns = true, .transposed = true};
constexpr Layout up{.part = Layout::Part::last, .columns = true, .transposed = true};
constexpr NameRule names[] = {
    {"blk.{l}.ffn_gate", "model.layers.{l}.feed_forward.gate_proj"},
    {"blk.{l}.ffn_up", "model.layers.{l}.feed_forward.up_proj"},
    {"blk.{l}.ffn_down", "model.layers.{l}.feed_forward.down_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.feed_forward.router"},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.feed_forward.experts.gate_up_proj", gate},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.feed_forward.experts.gate_up_proj", up},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.feed_forward.experts.down_proj", {.transposed = true}},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.feed_forward.shared_expert.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.feed_forward.shared_expert.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.feed_forward.shared_expert.down_proj"},
};
constexpr std::string_view ignored[] = {"vision_model.", "multi_modal_projector."};

constexpr int period = 4, maverick_experts = 128;

struct Positions {
    int chunk = 8192, stretch = 8192;
    float temperature = 0.1f;
    bool qk_norm = true;
};

void set_positions(ModelSpec& spec, const Positions& p) {
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        AttentionSpec& a = *spec.layers[l].attention();
        if ((l + 1) % period == 0) {
            a.rope.enabled = false;
            a.temperature = p.temperature;
            a.temperature_stretch = p.temperature > 0 ? p.stretch : 0;
        } else {
            a.chunk = p.chunk;
            if (p.qk_norm) a.qk_norm = QkNorm::rotated;
        }
    }
}

// Mixtures in every `step`-th layer.
void set_experts(ModelSpec& spec, MoeSpec moe, int step) {
    moe.router.score = moe::RouterPolicy::Score::sigmoid;
    moe.router.weight_on_input = true;
    moe.router.normalise = false;
    moe.shared_hidden = moe.hidden;
    for (size_t l = 0; l < spec.layers.size(); ++l)
        if (step > 0 && (l + 1) % static_cast<size_t>(step) == 0) spec.layers[l].feed_forward = moe;
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, llama4.name);
    const MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    set_positions(spec, {.qk_norm = moe.router.experts != maverick_experts});
    set_experts(spec, moe, metadata.get<int32_t>(key(metadata, "interleave_moe_layer_step"), 1));
    return spec;
}

ModelSpec from_hf(const HfConfig& whole) {
    const HfConfig config = whole.child("text_config").value_or(whole);
    ModelSpec spec = read_hf(config, llama4.name, {.eps = 1e-5f, .rope_theta = 500000});
    refuse_attention_bias(config);
    Positions p{.chunk = config.get<int32_t>("attention_chunk_size", 8192),
                .stretch = static_cast<int>(config.get<float>("floor_scale", 8192.0f)),
                .temperature = config.get<float>("attn_scale", 0.1f),
                .qk_norm = config.get<bool>("use_qk_norm", true)};
    // True, or a number in early files.
    const nlohmann::json* tuning = config.value("attn_temperature_tuning");
    if (tuning && (*tuning == false || *tuning == 0)) p.temperature = 0;
    const auto rotated = config.get<std::vector<int32_t>>("no_rope_layers", {});  // 0 where there is no rotation
    for (size_t l = 0; l < rotated.size() && l < spec.layers.size(); ++l)
        if ((rotated[l] == 0) != ((l + 1) % period == 0))
            fail("{}: no_rope_layers: every fourth layer expected, not layer {}", config.source(), l);
    set_positions(spec, p);
    for (LayerSpec& layer : spec.layers)
        layer.feed_forward = DenseSpec{.hidden = config.require<int32_t>("intermediate_size_mlp")};
    set_experts(spec, read_hf_experts(config, "intermediate_size"),
                config.get<int32_t>("interleave_moe_layer_step", 1));
    return spec;
}

// The distance of mixtures.
int step_of(const ModelSpec& spec) { return leading_dense_layers(spec) + 1; }

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "expert_feed_forward_length", metadata);
    metadata.set(key(metadata, "interleave_moe_layer_step"), static_cast<uint32_t>(step_of(spec)));
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    write_hf_experts(moe, "num_local_experts", config);
    config["intermediate_size"] = moe.hidden;
    config["intermediate_size_mlp"] = dense_of(spec).hidden;
    config["interleave_moe_layer_step"] = step_of(spec);
    const AttentionSpec a = attention_of(spec);
    config["attention_chunk_size"] = a.chunk;
    config["use_qk_norm"] = a.qk_norm == QkNorm::rotated;
    const bool tempered = spec.layers.size() >= period && spec.layers[period - 1].attention()->temperature > 0;
    config["attn_temperature_tuning"] = tempered;
    if (tempered) {
        config["attn_scale"] = decimal(spec.layers[period - 1].attention()->temperature);
        config["floor_scale"] = spec.layers[period - 1].attention()->temperature_stretch;
    }
    for (const LayerSpec& layer : spec.layers)
        config["no_rope_layers"].push_back(layer.attention()->rope.enabled ? 1 : 0);
}

}  // namespace

const Architecture llama4{
    .name = "llama4",
    .gguf_name = "llama4",
    .hf_model_type = "llama4_text",
    .hf_class = "Llama4ForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_pairing = kernels::RopePairing::interleaved,
    .hf_alias = "llama4",
    .hf_prefix = "language_model.",
    .hf_ignored = ignored,
};

}  // namespace gremium::archs
