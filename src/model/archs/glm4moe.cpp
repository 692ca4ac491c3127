// GLM-4.5 and 4.6: Zeng et al., "GLM-4.5: Agentic, Reasoning, and Coding Foundation Models" (2025). DeepSeek-V3's mixture
// under grouped-query attention that rotates half of each head; norms of q and k in the large ones.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr auto sigmoid = moe::RouterPolicy::Score::sigmoid;
constexpr NameRule gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"}};
constexpr std::string_view gguf_ignored[] = {"blk.{l}."}, hf_ignored[] = {"model.layers.{l}."};  // a second token's

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, glm4moe.name);
    set_qk_norm(spec, QkNorm::per_head);  // if its tensors are there
    read_gguf_deepseek(spec, metadata, sigmoid);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, glm4moe.name, {.eps = 1e-5f});
    set_qkv_bias(spec, config.get<bool>("attention_bias", false));
    if (config.get<bool>("use_qk_norm", false)) set_qk_norm(spec, QkNorm::per_head);
    read_hf_deepseek(spec, config, sigmoid);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_deepseek(spec, metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const AttentionSpec a = attention_of(spec);
    write_hf(spec, config);
    write_hf_deepseek(spec, config);
    config["attention_bias"] = a.qkv_bias;
    config["use_qk_norm"] = a.qk_norm == QkNorm::per_head;
    config["partial_rotary_factor"] = static_cast<double>(a.rope.dims) / a.head_dim;
    config["num_nextn_predict_layers"] = 0;
}

}  // namespace

const Architecture glm4moe{
    .name = "glm4moe",
    .gguf_name = "glm4moe",
    .hf_model_type = "glm4_moe",
    .hf_class = "Glm4MoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = {},
    .gguf_names = gguf_names,
    .hf_ignored = hf_ignored,
    .gguf_ignored = gguf_ignored,
    .gguf_optional_qk_norm = true,
};

}  // namespace gremium::archs
