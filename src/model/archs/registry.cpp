#include <algorithm>
#include <iterator>
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
    {"blk.{l}.attn_q_a", "model.layers.{l}.self_attn.q_a_proj"},
    {"blk.{l}.attn_q_a_norm", "model.layers.{l}.self_attn.q_a_layernorm"},
    {"blk.{l}.attn_q_b", "model.layers.{l}.self_attn.q_b_proj"},
    {"blk.{l}.attn_kv_a_mqa", "model.layers.{l}.self_attn.kv_a_proj_with_mqa"},
    {"blk.{l}.attn_kv_a_norm", "model.layers.{l}.self_attn.kv_a_layernorm"},
    {"blk.{l}.ffn_norm", "model.layers.{l}.post_attention_layernorm"},
    {"blk.{l}.ffn_gate", "model.layers.{l}.mlp.gate_proj"},
    {"blk.{l}.ffn_up", "model.layers.{l}.mlp.up_proj"},
    {"blk.{l}.ffn_down", "model.layers.{l}.mlp.down_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.mlp.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.mlp.experts.{e}.gate_proj"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.mlp.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.mlp.experts.{e}.down_proj"},
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.mlp.gate.e_score_correction_bias"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_experts.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_experts.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_experts.down_proj"},
};

// Where GGUF files of any architecture may have experts instead: gate and up in one, or, before April 2024, one tensor
// an expert.
constexpr NameRule other_gguf_names[] = {
    {"blk.{l}.ffn_gate_exps", "blk.{l}.ffn_gate_up_exps", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_exps", "blk.{l}.ffn_gate_up_exps", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_gate_exps", "blk.{l}.ffn_gate.{e}"},
    {"blk.{l}.ffn_up_exps", "blk.{l}.ffn_up.{e}"},
    {"blk.{l}.ffn_down_exps", "blk.{l}.ffn_down.{e}"},
};

std::string replaced(std::string_view pattern, std::string_view placeholder, std::string_view filling) {
    std::string text(pattern);
    if (const size_t at = text.find(placeholder); at != std::string::npos)
        text.replace(at, placeholder.size(), filling);
    return text;
}
std::string fill(std::string_view pattern, std::string_view placeholder, int number) {
    return replaced(pattern, placeholder, std::to_string(number));
}

constexpr std::string_view encoder = "enc.";

// "{decoder|encoder}": the first for a decoder's tensor, the second for an encoder's.
std::string with_alternative(std::string name, bool of_encoder) {
    const size_t bar = name.find('|');
    if (bar == std::string::npos) return name;
    const size_t begin = name.rfind('{', bar), end = name.find('}', bar);
    const std::string chosen =
        of_encoder ? name.substr(bar + 1, end - bar - 1) : name.substr(begin + 1, bar - begin - 1);
    return with_alternative(name.replace(begin, end - begin + 1, chosen), of_encoder);
}

// Whether name is the pattern with some layer.
bool fits(std::string_view pattern, std::string_view name) {
    const size_t at = pattern.find("{l}");
    if (at == std::string_view::npos) return pattern == name;
    const std::string_view rest = pattern.substr(at + 3);
    if (!name.starts_with(pattern.substr(0, at)) || !name.ends_with(rest)) return false;
    if (name.size() <= at + rest.size()) return false;
    return std::ranges::all_of(name.substr(at, name.size() - at - rest.size()),
                               [](char c) { return c >= '0' && c <= '9'; });
}

// Calls found(rule, ".weight", ".bias" or nothing) for the rules of a name, those of whole names first.
template <typename Found>
void for_each_rule(std::span<const NameRule> rules, std::string_view name, Found&& found) {
    for (const size_t length : {name.size(), name.rfind('.')})
        for (const NameRule& rule : rules) {
            std::string_view stem = name.substr(0, length);
            if (rule.file.find('|') != std::string_view::npos && stem.starts_with(encoder))
                stem.remove_prefix(encoder.size());
            if (fits(rule.canonical, stem)) found(rule, name.substr(length));
        }
}

Place place_of(const NameRule& rule, std::string_view suffix, const TensorSlot& slot) {
    std::string name = fill(fill(rule.file, "{l}", slot.layer), "{e}", std::max(0, slot.expert));
    name = with_alternative(name, slot.name.starts_with(encoder));
    return {name + std::string(suffix), rule.layout, rule.file.find("{e}") != std::string_view::npos, rule.written};
}

std::vector<Place> places(std::span<const NameRule> rules, const TensorSlot& slot) {
    std::vector<Place> result;
    for_each_rule(rules, slot.name, [&](const NameRule& rule, std::string_view suffix) {
        result.push_back(place_of(rule, suffix, slot));
    });
    return result;
}

// Where transformers from version 5 on keeps what others have an expert at a time, and the router beside it: stacks of
// all experts, gate and up in one, with the same path or below "mlp".
void add_stacks(const TensorSlot& slot, std::vector<Place>& result) {
    constexpr std::string_view router = ".block_sparse_moe.gate.", experts = ".experts.";
    const std::string file = result.front().name;
    if (const size_t at = file.find(router); at != std::string::npos)
        result.push_back({file.substr(0, at) + ".mlp.gate." + file.substr(at + router.size()), {}});
    if (!result.front().each_expert || slot.role != TensorRole::expert) return;
    const std::string path = file.substr(0, file.find(experts)), layer = path.substr(0, path.rfind('.'));
    const Matrix matrix = slot.traits.matrix;
    const Layout layout = matrix == Matrix::gate ? Layout{.part = Layout::Part::first}
                          : matrix == Matrix::up ? Layout{.part = Layout::Part::last}
                                                 : Layout{};
    const std::string_view name = matrix == Matrix::down ? "down_proj" : "gate_up_proj";
    result.push_back({fmt::format("{}{}{}", path, experts, name), layout});
    if (path != layer + ".mlp") result.push_back({fmt::format("{}.mlp{}{}", layer, experts, name), layout});
}

}  // namespace

std::span<const Architecture* const> architectures() {
    using namespace archs;
    static constexpr const Architecture* all[] = {
        &llama,         &mixtral,        &qwen2,       &qwen3,      &qwen2moe,  &qwen3moe,
        &olmoe,         &dots1,          &granitemoe,  &phimoe,     &gptoss,    &llama4,
        &deepseek2,     &glm4moe,        &jamba,       &mamba,      &moe_mamba, &switch_transformers,
        &nllb_moe,      &lfm2,           &lfm2moe,     &qwen3next,  &qwen35,    &qwen35moe,
        &granitehybrid, &nemotron_h_moe, &kimi_linear, &bailingmoe3};
    return all;
}

std::string supported_architectures() {
    std::vector<std::string> names;
    for (const Architecture* a : architectures())
        names.push_back(a->name == a->hf_model_type || a->hf_model_type.empty()
                            ? std::string(a->name)
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
        if ((!type.empty() && a->hf_model_type == type) || (!a->hf_alias.empty() && a->hf_alias == type)) return *a;
    fail("{}: model_type \"{}\" is not supported; supported: {}", config.source(), type, supported_architectures());
}

const Architecture& architecture_of(const ModelSpec& spec) {
    for (const Architecture* a : architectures())
        if (a->name == spec.architecture) return *a;
    fail("architecture \"{}\" is not supported; supported: {}", spec.architecture, supported_architectures());
}

std::vector<Place> hf_places(const Architecture& architecture, const TensorSlot& slot) {
    std::vector<Place> result = places(architecture.names, slot);
    if (result.empty()) result = places(common_names, slot);
    if (result.empty()) fail("{} has no Hugging Face name for tensor {}", architecture.name, slot.name);
    add_stacks(slot, result);
    return result;
}

std::vector<Place> gguf_places(const Architecture& architecture, const TensorSlot& slot) {
    std::vector<Place> result = places(architecture.gguf_names, slot);
    if (result.empty() || !(result.front().layout.plain() || result.front().written))
        result.insert(result.begin(), Place{slot.name, {}});
    std::ranges::move(places(other_gguf_names, slot), std::back_inserter(result));
    return result;
}

bool begins_with_any(std::string_view name, std::span<const std::string_view> beginnings, const ModelSpec& spec) {
    return std::ranges::any_of(beginnings, [&](std::string_view beginning) {
        return name.starts_with(fill(beginning, "{l}", static_cast<int>(spec.layers.size())));
    });
}

}  // namespace gremium
