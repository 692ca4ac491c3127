// Hunyuan-A13B: Tencent, "Hunyuan-A13B Technical Report" (2025). Queries and keys are normed after rotation; a shared
// expert beside those of a softmax router.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule hunyuan_names[] = {
    {"blk.{l}.attn_q_norm", "model.layers.{l}.self_attn.query_layernorm"},
    {"blk.{l}.attn_k_norm", "model.layers.{l}.self_attn.key_layernorm"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.mlp.gate.wg"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_mlp.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_mlp.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_mlp.down_proj"},
};

// config.json says of each layer what is the same in all of them. In GGUF the shared width stands alone.
void read_hunyuan(const Input& in, Outline& o) {
    MoeSpec& m = o.moe;
    if (in.gguf) {
        m.hidden = in.number("feed_forward_length", "", 0);
        m.hidden = m.hidden > 0 ? m.hidden : in.number("expert_feed_forward_length", "", 0);
        m.shared_hidden = in.number("expert_shared_feed_forward_length", "", m.hidden);
        if (const int own = in.number("expert_feed_forward_length", "", m.hidden); own != m.hidden)
            fail("{}: experts are {} wide by feed_forward_length and {} by expert_feed_forward_length", in.source(),
                 m.hidden, own);
        return;
    }
    m.router.top_k = same_of_all(*in.hf, {"moe_topk", "num_experts_per_tok"}, 1);
    m.hidden = same_of_all(*in.hf, "moe_intermediate_size", o.dense.hidden);
    m.shared_hidden = m.hidden * same_of_all(*in.hf, "num_shared_expert", 1);
}

void write_hunyuan(const Outline& o, Output& out) {
    const MoeSpec& m = o.moe;
    out.say("feed_forward_length", "intermediate_size", m.hidden);
    out.say("expert_feed_forward_length", "moe_intermediate_size", m.hidden);
    out.say("expert_shared_feed_forward_length", "", m.shared_hidden);
    out.say("expert_used_count", "moe_topk", m.router.top_k);
    out.say("", "num_shared_expert", m.shared_hidden / std::max(1, m.hidden));
}

constexpr Field hunyuan_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::after_rotation),
    written_and_expected("use_qk_norm", "true"),
    expected("use_cla", "false"),
    num_experts("num_experts"),
    field(FIELD_AT(moe.router.top_k), {.gguf = "expert_used_count"}),
    special(read_hunyuan, write_hunyuan),
    always(FIELD_AT(moe.router.normalise), true),
};
constexpr Fields hunyuan_fields = hunyuan_table;

}  // namespace

const Architecture hunyuan_moe{
    .name = "hunyuan-moe",
    .gguf_name = "hunyuan-moe",
    .hf_model_type = "hunyuan_v1_moe",
    .hf_class = "HunYuanMoEV1ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &hunyuan_fields},
    .names = hunyuan_names,
    .hf_defaults = {.eps = 1e-5f},
};

}  // namespace gremium::archs
