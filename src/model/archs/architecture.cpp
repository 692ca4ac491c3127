// Metadata by field tables.
#include "model/archs/architecture.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace gremium {

namespace {

// GGUF files have had their keys in this order ("rope.": all that begin so), then others in that of the tables.
constexpr std::string_view gguf_order[] = {"block_count",
                                           "context_length",
                                           "embedding_length",
                                           "vocab_size",
                                           "attention.layer_norm_rms_epsilon",
                                           "feed_forward_length",
                                           "attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.value_length",
                                           "rope.",
                                           "attention.layer_norm_epsilon",
                                           "attention.key_length_mla",
                                           "attention.value_length_mla",
                                           "attention.kv_lora_rank",
                                           "attention.q_lora_rank",
                                           "ssm.",
                                           "expert_count",
                                           "expert_used_count",
                                           "expert_feed_forward_length",
                                           "leading_dense_block_count",
                                           "expert_shared_count",
                                           "expert_weights_scale",
                                           "expert_weights_norm",
                                           "expert_gating_func",
                                           "expert_group_count",
                                           "expert_group_used_count",
                                           "expert_shared_feed_forward_length"};

std::ptrdiff_t rank_of(std::string_view key) {
    const auto comes_here = [&](std::string_view listed) {
        return listed == key || (listed.ends_with('.') && key.starts_with(listed));
    };
    return std::ranges::find_if(gguf_order, comes_here) - std::begin(gguf_order);
}

void check_layer_count(const Outline& outline, const std::string& source) {
    if (outline.layers < 1 || outline.layers > archs::max_layers)
        fail("{}: the number of layers is {}, expected 1 to {}", source, outline.layers, archs::max_layers);
    if (outline.encoder) check_layer_count(*outline.encoder, source);
}

// A file may leave it away where all layers are mixtures.
void check_dense_width(const Outline& outline, const archs::Input& in) {
    if (!outline.others_dense) return;
    for (int l = 0; l < outline.layers; ++l) {
        const auto& each = outline.hidden_L;
        const int width = each.empty() ? outline.dense.hidden : each[static_cast<size_t>(l)];
        if (width == 0 && !outline.mixture_layers.holds(l))
            fail("{}: {} is missing or 0, but layer {} is dense", in.source(),
                 in.gguf ? archs::key(*in.gguf, "feed_forward_length") : "intermediate_size", l);
    }
}

}  // namespace

ModelSpec Architecture::read(const archs::Input& in, kernels::RopePairing pairing) const {
    Outline outline;
    outline.model.architecture = name;
    outline.attention.rope.pairing = pairing;
    outline.mixture_layers.period = experts;
    for (const archs::Fields* table : fields) {
        if (!table) break;
        for (const archs::Field& field : *table) archs::read_field(field, in, outline);
    }
    check_layer_count(outline, in.source());
    check_dense_width(outline, in);
    return spec_of(outline);
}

void Architecture::write(const ModelSpec& spec, archs::Output& out) const {
    const Outline outline = outline_of(spec);
    if (experts && !without_experts && outline.moe.router.experts == 0)
        fail("a {} model without experts cannot be written", spec.architecture);
    if (has_encoder != static_cast<bool>(outline.encoder))
        fail("a {} model with{} an encoder cannot be written", spec.architecture, has_encoder ? "out" : "");
    for (const archs::Fields* table : fields) {
        if (!table) break;
        for (const archs::Field& field : *table) archs::write_field(field, outline, out);
    }
}

void Architecture::refuse_hf(const std::string& where) const {
    fail("{}: the Hugging Face layout of {} is not certain enough to be read or written; its GGUF files are", where,
         name);
}

ModelSpec Architecture::from_gguf(const Metadata& metadata) const {
    if (gguf_name.empty()) fail("{}: GGUF has no layout for this architecture", metadata.source());
    return read({.gguf = &metadata, .defaults = hf_defaults}, gguf_pairing);
}

ModelSpec Architecture::from_hf(const HfConfig& config) const {
    if (hf_model_type.empty()) refuse_hf(config.source());
    const auto child = hf_child.empty() ? std::nullopt : config.child(hf_child);
    return read({.hf = child ? &*child : &config, .defaults = hf_defaults}, hf_pairing);
}

void Architecture::to_gguf(const ModelSpec& spec, Metadata& metadata) const {
    if (gguf_name.empty()) fail("{}: GGUF has no layout for {}", metadata.source(), spec.architecture);
    Metadata said(metadata.source());
    said.set("general.architecture", std::string(gguf_name));
    archs::Output out{.gguf = &said};
    write(spec, out);
    std::vector<Metadata::Entry> entries(said.begin() + 1, said.end());
    const size_t prefix = gguf_name.size() + 1;
    std::ranges::stable_sort(
        entries, {}, [&](const Metadata::Entry& entry) { return rank_of(std::string_view(entry.key).substr(prefix)); });
    for (Metadata::Entry& entry : entries) metadata.set(entry.key, std::move(entry.value));
}

void Architecture::to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) const {
    if (hf_model_type.empty()) refuse_hf(std::string(name));
    archs::Output out{.hf = &config};
    write(spec, out);
}

}  // namespace gremium
