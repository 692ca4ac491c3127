#include <algorithm>
#include <vector>

#include "model/archs/all.h"

namespace gremium {

namespace {

// Names that most architectures share, without ".weight" and ".bias"; an architecture's own come first.
constexpr NameRule common_names[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.{l}.attn_norm", "model.layers.{l}.input_layernorm"},
    {"blk.{l}.attn_q", "model.layers.{l}.self_attn.q_proj"},
    {"blk.{l}.attn_k", "model.layers.{l}.self_attn.k_proj"},
    {"blk.{l}.attn_v", "model.layers.{l}.self_attn.v_proj"},
    {"blk.{l}.attn_output", "model.layers.{l}.self_attn.o_proj"},
    {"blk.{l}.attn_q_norm", "model.layers.{l}.self_attn.q_norm"},
    {"blk.{l}.attn_k_norm", "model.layers.{l}.self_attn.k_norm"},
    {"blk.{l}.ffn_norm", "model.layers.{l}.post_attention_layernorm"},
    {"blk.{l}.ffn_gate", "model.layers.{l}.mlp.gate_proj"},
    {"blk.{l}.ffn_up", "model.layers.{l}.mlp.up_proj"},
    {"blk.{l}.ffn_down", "model.layers.{l}.mlp.down_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.mlp.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.mlp.experts.{e}.gate_proj"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.mlp.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.mlp.experts.{e}.down_proj"},
};

std::string fill(std::string_view pattern, std::string_view placeholder, int number) {
    std::string text(pattern);
    if (const size_t at = text.find(placeholder); at != std::string::npos)
        text.replace(at, placeholder.size(), std::to_string(number));
    return text;
}

const NameRule* find_rule(std::span<const NameRule> rules, std::string_view canonical, int layer) {
    const auto rule = std::ranges::find_if(
        rules, [&](const NameRule& r) { return fill(r.canonical, "{l}", layer) == canonical; });
    return rule == rules.end() ? nullptr : &*rule;
}

// The rule and what follows its name: ".weight", ".bias" or, for a rule that names a whole tensor, nothing.
std::pair<const NameRule*, std::string> rule_of(const Architecture& architecture, const TensorSlot& slot) {
    const size_t dot = slot.name.rfind('.');
    for (const size_t length : {slot.name.size(), dot})
        for (const auto rules : {architecture.names, std::span<const NameRule>(common_names)})
            if (const NameRule* rule =
                    find_rule(rules, std::string_view(slot.name).substr(0, length), slot.layer))
                return {rule, slot.name.substr(length)};
    fail("{} has no Hugging Face name for tensor {}", architecture.name, slot.name);
}

}  // namespace

std::span<const Architecture* const> architectures() {
    using namespace archs;
    static constexpr const Architecture* all[] = {&llama,    &mixtral,  &qwen2, &qwen3,
                                                  &qwen2moe, &qwen3moe, &olmoe, &dots1};
    return all;
}

std::string supported_architectures() {
    std::vector<std::string> names;
    for (const Architecture* a : architectures())
        names.push_back(a->name == a->hf_model_type ? std::string(a->name)
                                                    : fmt::format("{} ({})", a->name, a->hf_model_type));
    std::ranges::sort(names);
    return fmt::format("{}", fmt::join(names, ", "));
}

const Architecture& architecture_of(const Metadata& metadata) {
    const auto name = metadata.require<std::string>("general.architecture");
    const bool experts = metadata.get<int32_t>(name + ".expert_count", 0) > 0;
    const Architecture* found = nullptr;
    for (const Architecture* a : architectures())
        if (a->gguf_name == name && (!found || a->experts == experts)) found = a;
    if (!found)
        fail("{}: architecture \"{}\" is not supported; supported: {}", metadata.source(), name,
             supported_architectures());
    return *found;
}

const Architecture& architecture_of(const HfConfig& config) {
    const auto type = config.require<std::string>("model_type");
    for (const Architecture* a : architectures())
        if (a->hf_model_type == type) return *a;
    fail("{}: model_type \"{}\" is not supported; supported: {}", config.source(), type,
         supported_architectures());
}

const Architecture& architecture_of(const ModelSpec& spec) {
    for (const Architecture* a : architectures())
        if (a->name == spec.architecture) return *a;
    fail("architecture \"{}\" is not supported; supported: {}", spec.architecture, supported_architectures());
}

std::string hf_name(const Architecture& architecture, const TensorSlot& slot) {
    const auto [rule, suffix] = rule_of(architecture, slot);
    return fill(fill(rule->hugging_face, "{l}", slot.layer), "{e}", slot.expert) + suffix;
}

}  // namespace gremium
