// dots.llm1: Huo et al., "dots.llm1 Technical Report" (2025). DeepSeek-V3's router without groups, ungated shared
// experts, leading dense layers, per-head q/k norm.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr auto sigmoid = moe::RouterPolicy::Score::sigmoid;

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, dots1.name);
    set_qk_norm(spec, QkNorm::per_head);
    read_gguf_deepseek(spec, metadata, sigmoid);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, dots1.name);
    set_qk_norm(spec, QkNorm::per_head);
    refuse_attention_bias(config);
    read_hf_deepseek(spec, config, sigmoid);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_deepseek(spec, metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    write_hf_deepseek(spec, config);
    config["scoring_func"] = "noaux_tc";  // llama.cpp's converter asks for it
    config["sliding_window"] = nullptr;
}

}  // namespace

const Architecture dots1{
    .name = "dots1",
    .gguf_name = "dots1",
    .hf_model_type = "dots1",
    .hf_class = "Dots1ForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = {},
    .gguf_needs_head = true,
    .gguf_needs_own_keys = true,
};

}  // namespace gremium::archs
