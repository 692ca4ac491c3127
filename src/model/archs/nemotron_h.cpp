// Nemotron 3: NVIDIA, "Nemotron 3 Nano" (2025). A layer is one part: Mamba-2, attention without positions, a mixture
// or a dense feed-forward. Experts have no gate and a squared ReLU; in large models they work in a latent width.
#include <algorithm>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule nemotron_names[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"blk.{l}.attn_norm", "backbone.layers.{l}.norm"},
    {"blk.{l}.ffn_norm", "backbone.layers.{l}.norm"},
    {"blk.{l}.attn_q", "backbone.layers.{l}.mixer.q_proj"},
    {"blk.{l}.attn_k", "backbone.layers.{l}.mixer.k_proj"},
    {"blk.{l}.attn_v", "backbone.layers.{l}.mixer.v_proj"},
    {"blk.{l}.attn_output", "backbone.layers.{l}.mixer.o_proj"},
    {"blk.{l}.ssm_in", "backbone.layers.{l}.mixer.in_proj"},
    {"blk.{l}.ssm_conv1d", "backbone.layers.{l}.mixer.conv1d"},
    {"blk.{l}.ssm_dt.bias", "backbone.layers.{l}.mixer.dt_bias"},
    {"blk.{l}.ssm_a", "backbone.layers.{l}.mixer.A_log"},
    {"blk.{l}.ssm_d", "backbone.layers.{l}.mixer.D"},
    {"blk.{l}.ssm_norm", "backbone.layers.{l}.mixer.norm"},
    {"blk.{l}.ssm_out", "backbone.layers.{l}.mixer.out_proj"},
    {"blk.{l}.ffn_up", "backbone.layers.{l}.mixer.up_proj"},
    {"blk.{l}.ffn_down", "backbone.layers.{l}.mixer.down_proj"},
    {"blk.{l}.ffn_gate_inp", "backbone.layers.{l}.mixer.gate"},
    {"blk.{l}.exp_probs_b.bias", "backbone.layers.{l}.mixer.gate.e_score_correction_bias"},
    {"blk.{l}.ffn_up_exps", "backbone.layers.{l}.mixer.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "backbone.layers.{l}.mixer.experts.{e}.down_proj"},
    {"blk.{l}.ffn_up_shexp", "backbone.layers.{l}.mixer.shared_experts.up_proj"},
    {"blk.{l}.ffn_down_shexp", "backbone.layers.{l}.mixer.shared_experts.down_proj"},
    {"blk.{l}.ffn_latent_down", "backbone.layers.{l}.mixer.fc1_latent_proj"},
    {"blk.{l}.ffn_latent_up", "backbone.layers.{l}.mixer.fc2_latent_proj"},
};
constexpr NameRule nemotron_gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.attn_norm"}};

// A letter (or a word) a layer: M Mamba-2, * attention, E a mixture, − a dense feed-forward. In GGUF widths say which
// there are, and those of experts which of them are mixtures.
void read_nemotron_layers(const Input& in, Outline& o) {
    o.one_part = true;
    o.others_dense = false;
    o.attention.rope = {.enabled = false};
    o.dense.gated = o.moe.gated = false;
    o.dense.activation = o.moe.activation = kernels::Activation::relu_squared;
    std::string letters;
    const auto words = in.hf ? in.hf->find<std::vector<std::string>>("layers_block_type") : std::nullopt;
    if (in.hf && !words) letters = in.hf->require<std::string>("hybrid_override_pattern");
    for (const std::string& word : words.value_or(std::vector<std::string>()))
        letters += word == "mamba" ? 'M' : word == "attention" ? '*' : word == "moe" ? 'E' : word == "mlp" ? '-' : '?';
    const auto of = [](const std::vector<int32_t>& each, int all, int l) {
        return each.empty() ? all : each[static_cast<size_t>(l)];
    };
    for (int l = 0; in.gguf && l < o.layers; ++l) {
        const int width = of(o.hidden_L, o.dense.hidden, l), keys = of(o.kv_heads_L, o.attention.kv_heads, l);
        letters += width > 0 ? (width == o.moe.hidden ? 'E' : '-') : keys > 0 ? '*' : 'M';
    }
    if (letters.size() != static_cast<size_t>(o.layers) || letters.find_first_not_of("M*E-") != std::string::npos)
        fail("{}: hybrid_override_pattern is \"{}\", expected one of M, *, E and - for each of {} layers", in.source(),
             letters, o.layers);
    const std::vector<int32_t> widths = o.hidden_L;
    o.attention_layers = o.mixture_layers = {};
    o.hidden_L.clear();
    if (!o.kv_heads_L.empty()) o.attention.kv_heads = std::ranges::max(o.kv_heads_L);
    for (int l = 0; l < o.layers; ++l) {
        const char letter = letters[static_cast<size_t>(l)];
        if (letter != '*') o.attention_layers.except.push_back(l);
        if (letter != 'E') o.mixture_layers.except.push_back(l);
        o.hidden_L.push_back(letter == '-' ? of(widths, o.dense.hidden, l) : 0);
    }
}

void write_nemotron_layers(const Outline& o, Output& out) {
    std::string letters;
    std::vector<int32_t> widths;
    for (const LayerSpec& layer : spec_of(o).layers) {
        widths.push_back(layer.moe() ? layer.moe()->hidden : layer.dense() ? layer.dense()->hidden : 0);
        letters += layer.moe() ? 'E' : layer.dense() ? '-' : layer.attention() ? '*' : 'M';
    }
    if (out.hf) (*out.hf)["hybrid_override_pattern"] = letters;
    if (out.gguf) out.gguf->set(key(*out.gguf, "feed_forward_length"), MetaArray(widths));
}

constexpr Field nemotron_table[] = {
    field(FIELD_AT(model.norm.eps), {.gguf = "attention.layer_norm_epsilon", .otherwise = kept}),
    field(FIELD_AT(model.norm.eps),
          {.gguf = "attention.layer_norm_rms_epsilon", .hf = {"layer_norm_epsilon", "norm_eps"}, .otherwise = kept}),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    written_and_expected("mlp_hidden_act", "\"relu2\""),
};
constexpr Field nemotron_last_table[] = {
    field(FIELD_AT(moe.shared_hidden), {.gguf = "expert_shared_feed_forward_length",
                                        .hf = {"moe_shared_expert_intermediate_size"},
                                        .otherwise = kept}),
    field(FIELD_AT(moe.latent),
          {.gguf = "moe_latent_size", .hf = {"moe_latent_size"}, .otherwise = 0, .unsaid_in_gguf = true}),
    special(read_nemotron_layers, write_nemotron_layers),
    special(nullptr, write_layers_without_keys),
};
constexpr Fields nemotron_fields = nemotron_table, nemotron_last_fields = nemotron_last_table;

}  // namespace

const Architecture nemotron_h_moe{
    .name = "nemotron_h_moe",
    .gguf_name = "nemotron_h_moe",
    .hf_model_type = "nemotron_h",
    .hf_class = "NemotronHForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &mamba2_fields, &nemotron_fields, &deepseek_mixture_fields, &nemotron_last_fields},
    .names = nemotron_names,
    .gguf_names = nemotron_gguf_names,
    .without_experts = true,
};

}  // namespace gremium::archs
