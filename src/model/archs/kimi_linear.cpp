// Kimi Linear: Kimi Team, "Kimi Linear: An Expressive, Efficient Attention Architecture" (2025). Delta nets with a
// decay a channel, latent attention without positions among them, DeepSeek-V3's mixture. Ling 3 (bailingmoe3, 2026):
// the same with bounded decays, full projections, rotated latent attention and a gate a head.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Layout kimi_key_rows{.part = Layout::Part::first, .transposed = true, .joined = true};
constexpr Layout kimi_value_rows{.part = Layout::Part::last, .joined = true};
constexpr NameRule kimi_gguf_names[] = {
    {"blk.{l}.attn_k_b", "blk.{l}.attn_kv_b", kimi_key_rows},
    {"blk.{l}.attn_v_b", "blk.{l}.attn_kv_b", kimi_value_rows},
};

void read_channels(const Input&, Outline& o) {
    DeltaNetSpec& net = o.delta_net;
    net.heads = net.key_heads = o.attention.heads;
    net.value_dim = net.key_dim;
    net.channels = true;
    o.attention.kv_heads = o.attention.heads;
    o.kv_heads_L.clear();
}

// The part of a key that others rotate is used as it is. Decays and gates go through as many numbers as a head has.
void read_kimi(const Input&, Outline& o) {
    o.attention.rope = {.enabled = false, .pairing = o.attention.rope.pairing, .dims = o.attention.rope.dims};
    o.delta_net.rank = o.delta_net.key_dim;
}

void read_ling(const Input& in, Outline& o) {
    if (!in.gguf->get<bool>(key(*in.gguf, "kda.safe_gate"), true) || !(o.delta_net.lower_bound < 0))
        fail("{}: kda.safe_gate without a negative kda.gate_lower_bound is not supported", in.source());
}

void write_ling(const Outline&, Output& out) { out.gguf->set(key(*out.gguf, "kda.safe_gate"), true); }

void write_kimi(const Outline& o, Output& out) {
    std::vector<int32_t> kv_heads;
    for (int l = 0; l < o.layers; ++l) kv_heads.push_back(o.attention_layers.holds(l));
    out.gguf->set(key(*out.gguf, "attention.head_count_kv"), MetaArray(kv_heads));
    out.say("attention.key_length", "", o.attention.latent.rank + o.attention.rope.dims);
    out.say("attention.value_length", "", o.attention.latent.rank);
    out.say("rope.dimension_count", "", o.attention.rope.dims);
}

constexpr Field kimi_table[] = {
    always(FIELD_AT(other), OtherMixer::delta_net),
    special(read_layers_without_keys),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    field(FIELD_AT(delta_net.key_dim), {.gguf = "kda.head_dim"}),
    field(FIELD_AT(delta_net.conv), {.gguf = "ssm.conv_kernel"}),
    field(FIELD_AT(attention.rope.dims), {.gguf = "rope.dimension_count", .written = false}),
    field(FIELD_AT(attention.head_dim), {.gguf = "attention.key_length_mla"}),
    field(FIELD_AT(attention.value_dim), {.gguf = "attention.value_length_mla"}),
    field(FIELD_AT(attention.latent.rank), {.gguf = "attention.kv_lora_rank"}),
    special(read_channels, write_kimi),
};
constexpr Fields kimi_fields = kimi_table;
constexpr Field kimi_own_table[] = {special(read_kimi)};
constexpr Field ling_table[] = {
    field(FIELD_AT(delta_net.lower_bound), {.gguf = "kda.gate_lower_bound"}),
    field(FIELD_AT(attention.latent.query_rank),
          {.gguf = "attention.q_lora_rank", .otherwise = 0, .unsaid_in_gguf = true}),
    field(FIELD_AT(moe.shared_hidden), {.gguf = "expert_shared_feed_forward_length", .otherwise = kept}),
    always(FIELD_AT(attention.gate.kind), GateKind::sigmoid),
    always(FIELD_AT(attention.gate.per_head), true),
    special(read_ling, write_ling),
};
constexpr Fields kimi_own_fields = kimi_own_table, ling_fields = ling_table;

}  // namespace

// Its Hugging Face names are not verified.
const Architecture kimi_linear{
    .name = "kimi-linear",
    .gguf_name = "kimi-linear",
    .hf_model_type = {},
    .hf_class = {},
    .experts = true,
    .fields = {&decoder_fields, &kimi_fields, &kimi_own_fields, &deepseek_mixture_fields},
    .names = {},
    .gguf_names = kimi_gguf_names,
    .gguf_needs_head = true,
};

const Architecture bailingmoe3{
    .name = "bailingmoe3",
    .gguf_name = "bailingmoe3",
    .hf_model_type = {},
    .hf_class = {},
    .experts = true,
    .fields = {&decoder_fields, &kimi_fields, &deepseek_mixture_fields, &ling_fields},
    .names = {},
    .gguf_names = kimi_gguf_names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
