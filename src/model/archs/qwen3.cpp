// Qwen3, dense: Yang et al., "Qwen3 Technical Report" (2025). RMSNorm over each head of q and k.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, qwen3.name);
    set_qk_norm(spec, QkNorm::per_head);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, qwen3.name);
    set_qk_norm(spec, QkNorm::per_head);
    refuse_attention_bias(config);
    return spec;
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    config["use_sliding_window"] = false;
}

}  // namespace

const Architecture qwen3{
    .name = "qwen3",
    .gguf_name = "qwen3",
    .hf_model_type = "qwen3",
    .hf_class = "Qwen3ForCausalLM",
    .experts = false,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = write_gguf,
    .to_hf = to_hf,
    .names = {},
};

}  // namespace gremium::archs
