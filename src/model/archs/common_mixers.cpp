// Which layers have attention, and which another mixer.
#include <algorithm>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

// config.json of some says how much wider the inner channels are than the model.
void read_inner(const Input& in, Outline& o) {
    if (in.gguf) return;
    const int heads = o.mamba2.heads, width = in.hf->get<int32_t>("mamba_head_dim", 0);
    const auto wide = in.hf->value("mamba_d_head");
    if (width > 0)
        o.mamba2.inner = heads * width;
    else if (wide && wide->is_number_integer())
        o.mamba2.inner = heads * in.hf->require<int32_t>("mamba_d_head");
    else
        o.mamba2.inner = o.model.dim * in.hf->get<int32_t>({"mamba_expand", "expand"}, 2);
}

void write_inner(const Outline& o, Output& out) {
    if (!out.hf || o.mamba2.heads == 0) return;
    for (const char* name : {"mamba_head_dim", "mamba_d_head"}) (*out.hf)[name] = o.mamba2.inner / o.mamba2.heads;
}

constexpr Field mamba2_table[] = {
    always(FIELD_AT(other), OtherMixer::mamba2),
    field(FIELD_AT(mamba2.conv), {.gguf = "ssm.conv_kernel", .hf = {"mamba_d_conv", "conv_kernel"}, .hf_otherwise = 4}),
    field(FIELD_AT(mamba2.inner), {.gguf = "ssm.inner_size"}),
    field(FIELD_AT(mamba2.state), {.gguf = "ssm.state_size", .hf = {"mamba_d_state", "ssm_state_size"}}),
    field(FIELD_AT(mamba2.heads), {.gguf = "ssm.time_step_rank", .hf = {"mamba_n_heads", "mamba_num_heads"}}),
    field(FIELD_AT(mamba2.groups), {.gguf = "ssm.group_count", .hf = {"mamba_n_groups", "n_groups"}, .otherwise = 1}),
    special(read_inner, write_inner),
    rates_as_logarithms,
};

}  // namespace

constinit const Fields mamba2_fields = mamba2_table;

void read_layers_without_keys(const Input& in, Outline& o) {
    for (int l = 0; in.gguf && l < o.layers; ++l)
        if ((o.kv_heads_L.empty() ? o.attention.kv_heads : o.kv_heads_L[static_cast<size_t>(l)]) == 0)
            o.attention_layers.except.push_back(l);
    if (in.gguf && !o.kv_heads_L.empty()) o.attention.kv_heads = std::ranges::max(o.kv_heads_L);
}

void write_layers_without_keys(const Outline& o, Output& out) {
    if (!out.gguf) return;
    std::vector<int32_t> kv_heads;
    for (const LayerSpec& layer : spec_of(o).layers)
        kv_heads.push_back(layer.attention() ? layer.attention()->kv_heads : 0);
    out.gguf->set(key(*out.gguf, "attention.head_count_kv"), MetaArray(kv_heads));
}

void read_mixer_words(const Input& in, Outline& o, const char* name, std::string_view attention,
                      std::string_view other) {
    const auto words = in.hf->find<std::vector<std::string>>(name);
    if (!words) return;
    if (words->size() < static_cast<size_t>(o.layers))
        fail("{}: {} has {} entries, expected {}", in.source(), name, words->size(), o.layers);
    for (int l = 0; l < o.layers; ++l) {
        const std::string& word = (*words)[static_cast<size_t>(l)];
        if (word != attention && word != other)
            fail("{}: {} says \"{}\" of layer {}, expected \"{}\" or \"{}\"", in.source(), name, word, l, attention,
                 other);
        if (word == other) o.attention_layers.except.push_back(l);
    }
}

void write_mixer_words(const Outline& o, Output& out, const char* name, std::string_view attention,
                       std::string_view other) {
    if (!out.hf) return;
    nlohmann::ordered_json& words = (*out.hf)[name] = nlohmann::ordered_json::array();
    for (int l = 0; l < o.layers; ++l) words.push_back(o.attention_layers.holds(l) ? attention : other);
}

}  // namespace gremium::archs
