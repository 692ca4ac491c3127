// LFM2 and LFM2-MoE: Liquid AI, "LFM2 Technical Report" (2025). Short convolutions with a few layers of attention among
// them; DeepSeek-V3's router without groups and shared experts.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule lfm2_names[] = {
    {"output_norm", "model.embedding_norm"},
    {"blk.{l}.attn_norm", "model.layers.{l}.operator_norm"},
    {"blk.{l}.ffn_norm", "model.layers.{l}.ffn_norm"},
    {"blk.{l}.attn_output", "model.layers.{l}.self_attn.out_proj"},
    {"blk.{l}.attn_q_norm", "model.layers.{l}.self_attn.q_layernorm"},
    {"blk.{l}.attn_k_norm", "model.layers.{l}.self_attn.k_layernorm"},
    {"blk.{l}.shortconv.in_proj", "model.layers.{l}.conv.in_proj"},
    {"blk.{l}.shortconv.conv", "model.layers.{l}.conv.conv"},
    {"blk.{l}.shortconv.out_proj", "model.layers.{l}.conv.out_proj"},
    {"blk.{l}.ffn_gate", "model.layers.{l}.feed_forward.w1"},
    {"blk.{l}.ffn_up", "model.layers.{l}.feed_forward.w3"},
    {"blk.{l}.ffn_down", "model.layers.{l}.feed_forward.w2"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.feed_forward.gate"},
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.feed_forward.expert_bias"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.feed_forward.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.feed_forward.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.feed_forward.experts.{e}.w2"},
};
constexpr NameRule lfm2_gguf_names[] = {{"output_norm", "token_embd_norm"}, {"output_norm", "output_norm"}};

// Which layers have attention: older files list them.
void read_lfm2_layers(const Input& in, Outline& o) {
    if (!in.hf) return;
    read_mixer_words(in, o, "layer_types", "full_attention", "conv");
    const auto with = in.hf->find<std::vector<int32_t>>("full_attn_idxs");
    for (int l = 0; with && !in.hf->contains("layer_types") && l < o.layers; ++l)
        if (std::ranges::find(*with, l) == with->end()) o.attention_layers.except.push_back(l);
}

// config.json of dense models may say a width of which the feed-forward has two thirds, rounded up.
void read_lfm2_width(const Input& in, Outline& o) {
    if (!in.hf) return;
    int64_t width = in.hf->get<int64_t>("block_ff_dim", o.dense.hidden);
    if (in.hf->get<bool>("block_auto_adjust_ff_dim", true)) {
        const auto multiple = in.hf->get<int64_t>("block_multiple_of", 256);
        if (multiple < 1) fail("{}: block_multiple_of is {}, expected at least 1", in.source(), multiple);
        width = static_cast<int64_t>(static_cast<double>(2 * width / 3) *
                                     in.hf->get<double>("block_ffn_dim_multiplier", 1));
        width = (width + multiple - 1) / multiple * multiple;
    }
    o.dense.hidden = static_cast<int>(width);
}

constexpr Field lfm2_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(other), OtherMixer::short_conv),
    field(FIELD_AT(short_conv.taps), {.gguf = "shortconv.l_cache", .hf = {"conv_L_cache"}, .hf_otherwise = 3}),
    layers_without_keys,
    special(read_lfm2_layers,
            [](const Outline& o, Output& out) { write_mixer_words(o, out, "layer_types", "full_attention", "conv"); }),
    field(FIELD_AT(model.norm.eps), {.hf = {"norm_eps"}, .otherwise = kept}),
    field(FIELD_AT(model.tied_head), {.hf = {"tie_word_embeddings", "tie_embedding"}, .otherwise = true}),
    written_and_expected("conv_bias", "false"),
};
constexpr Fields lfm2_fields = lfm2_table;

constexpr Field lfm2_dense_table[] = {special(read_lfm2_width), written("block_auto_adjust_ff_dim", "false")};
constexpr Fields lfm2_dense_fields = lfm2_dense_table;

constexpr Field lfm2moe_table[] = {
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    always(FIELD_AT(moe.router.normalise), true),
    always(FIELD_AT(moe.router.correction_bias), true),
    num_experts("num_experts"),
    experts_per_token,
    own_width_of_experts,
    field(FIELD_AT(moe.router.normalise), {.hf = {"norm_topk_prob"}, .otherwise = true}),
    field(FIELD_AT(moe.router.scale),
          {.gguf = "expert_weights_scale", .hf = {"routed_scaling_factor"}, .otherwise = 1, .unsaid_in_gguf = true}),
    field(FIELD_AT(moe.router.correction_bias), {.hf = {"use_expert_bias"}, .otherwise = true}),
    field(FIELD_AT(mixture_layers.first),
          {.gguf = "leading_dense_block_count", .hf = {"num_dense_layers"}, .otherwise = 0, .hf_otherwise = 2}),
    gating,
};
constexpr Fields lfm2moe_fields = lfm2moe_table;

constexpr HfDefaults lfm2_defaults{.eps = 1e-5f, .rope_base = 1e6f};

}  // namespace

const Architecture lfm2{.name = "lfm2",
                        .gguf_name = "lfm2",
                        .hf_model_type = "lfm2",
                        .hf_class = "Lfm2ForCausalLM",
                        .experts = false,
                        .fields = {&decoder_fields, &lfm2_fields, &lfm2_dense_fields},
                        .names = lfm2_names,
                        .hf_defaults = lfm2_defaults,
                        .gguf_names = lfm2_gguf_names};

const Architecture lfm2moe{.name = "lfm2moe",
                           .gguf_name = "lfm2moe",
                           .hf_model_type = "lfm2_moe",
                           .hf_class = "Lfm2MoeForCausalLM",
                           .experts = true,
                           .fields = {&decoder_fields, &lfm2_fields, &lfm2moe_fields},
                           .names = lfm2_names,
                           .hf_defaults = lfm2_defaults,
                           .gguf_names = lfm2_gguf_names};

}  // namespace gremium::archs
