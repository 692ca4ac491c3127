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

// Where GGUF files of any architecture may have tensors instead: q, k and v in one; of experts gate and up in one, or,
// before April 2024, one tensor an expert.
constexpr NameRule other_gguf_names[] = {
    {"blk.{l}.attn_q", "blk.{l}.attn_qkv", {.part = Layout::Part::next}},
    {"blk.{l}.attn_k", "blk.{l}.attn_qkv", {.part = Layout::Part::next}},
    {"blk.{l}.attn_v", "blk.{l}.attn_qkv", {.part = Layout::Part::next}},
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
        &llama,         &mixtral,        &qwen2,       &qwen3,       &qwen2moe,   &qwen3moe,
        &olmoe,         &dots1,          &granitemoe,  &phimoe,      &gptoss,     &llama4,
        &deepseek2,     &glm4moe,        &jamba,       &mamba,       &moe_mamba,  &switch_transformers,
        &nllb_moe,      &lfm2,           &lfm2moe,     &qwen3next,   &qwen35,     &qwen35moe,
        &granitehybrid, &nemotron_h_moe, &kimi_linear, &bailingmoe3, &minimax_m2, &bailingmoe2,
        &hy_v3,         &ernie4_5_moe,   &hunyuan_moe, &mellum,      &qwen3vlmoe, &exaone_moe,
        &mimo2,         &smallthinker,   &cohere2moe,  &dbrx,        &arctic,     &grok,
        &afmoe,         &laguna,         &step35,      &grovemoe};
    return all;
}

namespace {

// Names of files that stay out, and what can be done instead.
struct Outside {
    std::string_view name, instead;
};
constexpr Outside outside_gguf[] = {
    {"deepseek", "the nearest supported one is deepseek2"},
    {"deepseek2-ocr", "the nearest supported one is deepseek2"},
    {"mistral4", "the nearest supported one is deepseek2"},
    {"bailingmoe", "the nearest supported one is bailingmoe2"},
    {"hy_v4", "the nearest supported one is hy_v3"},
    {"dots3note", "the nearest supported one is dots1"},
    {"minimax01", "the nearest supported one is minimax-m2"},
    {"llada-moe", "a diffusion model; the nearest that predicts token by token is olmoe"},
    {"rnd1", "a diffusion model; the nearest that predicts token by token is qwen3moe"},
    {"nomic-bert-moe", "it makes embeddings and predicts no tokens"},
};
constexpr Outside outside_hf[] = {
    {"solar_open", "its names are not certain; GGUF files made of it are supported, as glm4moe"},
    {"qwen3_vl_moe", "how its experts lie is not certain; GGUF files of its text model are supported, as qwen3vlmoe"},
    {"qwen3_omni_moe", "how its experts lie is not certain; GGUF files of its text model are supported, as qwen3vlmoe"},
    {"sarvam_moe", "its names are not certain; GGUF files made of it are supported, as bailingmoe2"},
    {"hy_v3", "its names are not certain; its GGUF files are supported"},
    {"mellum", "its names are not certain; its GGUF files are supported"},
    {"exaone_moe", "its names are not certain; its GGUF files are supported, as exaone-moe"},
    {"mimo_v2_flash", "its names are not certain; its GGUF files are supported, as mimo2"},
    {"afmoe", "its names are not certain; its GGUF files are supported"},
    {"laguna", "its names are not certain; its GGUF files are supported"},
    {"step3p5", "its names are not certain; its GGUF files are supported, as step35"},
    {"cohere2_moe", "its names are not certain; its GGUF files are supported, as cohere2moe"},
    {"smallthinker", "its names are not certain; its GGUF files are supported"},
    {"grove_moe", "its names are not certain; its GGUF files are supported, as grovemoe"},
    {"dbrx", "its names are not certain; its GGUF files are supported"},
    {"arctic", "its names are not certain; its GGUF files are supported"},
    {"grok-1", "its names are not certain; its GGUF files are supported, as grok"},
    {"mistral3", "its names are not certain; GGUF files of Mistral Large 3 are supported, as deepseek2"},
    {"bailing_moe", "the nearest supported one is bailing_moe_v2"},
};

// ": …" or nothing.
std::string instead_of(std::span<const Outside> outside, std::string_view name) {
    const auto found = std::ranges::find(outside, name, &Outside::name);
    return found == outside.end() ? "" : fmt::format(": {}", found->instead);
}

}  // namespace

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
        fail("{}: architecture \"{}\" is not supported{}; supported: {}", metadata.source(), name,
             instead_of(outside_gguf, name), supported_architectures());
    return *found;
}

const Architecture& architecture_of(const HfConfig& config) {
    const auto type = config.require<std::string>("model_type");
    for (const Architecture* a : architectures())
        if (!type.empty() && (a->hf_model_type == type || std::ranges::count(a->hf_aliases, type) > 0)) return *a;
    fail("{}: model_type \"{}\" is not supported{}; supported: {}", config.source(), type, instead_of(outside_hf, type),
         supported_architectures());
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
    std::vector<Place> others = places(other_gguf_names, slot);
    const bool joined = !others.empty() && others.front().layout.part == Layout::Part::next;
    const auto at = joined && architecture.gguf_joins_qkv ? result.begin() : result.end();
    result.insert(at, std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
    return result;
}

bool begins_with_any(std::string_view name, std::span<const std::string_view> beginnings, const ModelSpec& spec) {
    return std::ranges::any_of(beginnings, [&](std::string_view beginning) {
        return name.starts_with(fill(beginning, "{l}", static_cast<int>(spec.layers.size())));
    });
}

}  // namespace gremium
