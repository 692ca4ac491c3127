// Qwen2 and Qwen2.5, dense: Yang et al., "Qwen2 Technical Report" (2024). Biases on q, k and v.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, qwen2.name);
    set_qkv_bias(spec, true);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, qwen2.name);
    set_qkv_bias(spec, true);
    return spec;
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    config["use_sliding_window"] = false;
}

}  // namespace

const Architecture qwen2{
    .name = "qwen2",
    .gguf_name = "qwen2",
    .hf_model_type = "qwen2",
    .hf_class = "Qwen2ForCausalLM",
    .experts = false,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = write_gguf,
    .to_hf = to_hf,
    .names = {},
};

}  // namespace gremium::archs
