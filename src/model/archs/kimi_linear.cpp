// Kimi Linear: Kimi Team, "Kimi Linear: An Expressive, Efficient Attention Architecture" (2025). Delta nets with a decay a
// channel, latent attention without positions among them, DeepSeek-V3's mixture.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Layout kimi_key_rows{.part = Layout::Part::first, .transposed = true, .joined = true};
constexpr Layout kimi_value_rows{.part = Layout::Part::last, .joined = true};
constexpr NameRule kimi_gguf_names[] = {
    {"blk.{l}.attn_k_b", "blk.{l}.attn_kv_b", kimi_key_rows},
    {"blk.{l}.attn_v_b", "blk.{l}.attn_kv_b", kimi_value_rows},
};

// The part of a key that others rotate is used as it is. Decays and gates go through as many numbers as a head has.
void read_kimi(const Input&, Outline& o) {
    o.attention.rope = {.enabled = false, .pairing = o.attention.rope.pairing, .dims = o.attention.rope.dims};
    DeltaNetSpec& net = o.delta_net;
    net.heads = net.key_heads = o.attention.heads;
    net.value_dim = net.rank = net.key_dim;
    net.channels = true;
    o.attention.kv_heads = o.attention.heads;
    o.kv_heads_L.clear();
}

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
    special(read_kimi, write_kimi),
};
constexpr Fields kimi_fields = kimi_table;

}  // namespace

// Its Hugging Face names are not verified.
const Architecture kimi_linear{
    .name = "kimi-linear",
    .gguf_name = "kimi-linear",
    .hf_model_type = {},
    .hf_class = {},
    .experts = true,
    .fields = {&decoder_fields, &kimi_fields, &deepseek_mixture_fields},
    .names = {},
    .gguf_names = kimi_gguf_names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
