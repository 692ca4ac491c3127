// Llama 1–3 and models of the same layout: Touvron et al., "LLaMA" (2023). Hugging Face: LlamaForCausalLM.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

void set_bias(ModelSpec& spec, bool bias) {
    for_each_attention(spec, [&](AttentionSpec& a) { a.qkv_bias = a.out_bias = bias; });
}

ModelSpec from_gguf(const Metadata& metadata) { return read_gguf(metadata, llama.name); }

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, llama.name);
    set_bias(spec, config.get<bool>("attention_bias", false));
    if (config.get<bool>("mlp_bias", false)) fail("{}: mlp_bias is not supported", config.source());
    return spec;
}

}  // namespace

const Architecture llama{
    .name = "llama",
    .gguf_name = "llama",
    .hf_model_type = "llama",
    .hf_class = "LlamaForCausalLM",
    .experts = false,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = write_gguf,
    .to_hf = write_hf,
    .names = {},
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
