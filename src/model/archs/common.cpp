#include "model/archs/common.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace gremium::archs {

namespace {

int checked_layers(const std::string& source, const std::string& name, int layers) {
    if (layers < 1 || layers > max_layers) fail("{}: {} is {}, expected 1 to {}", source, name, layers, max_layers);
    return layers;
}

void write_layer_count(const Outline& outline, Output& out) {
    out.say("block_count", "num_hidden_layers", outline.layers);
}

// Absent: keys for every head; and in GGUF, values as long as the width allows, whatever keys are.
void complete_heads(const Input& in, Outline& outline) {
    AttentionSpec& a = outline.attention;
    if (a.kv_heads == -1) {
        a.kv_heads = a.heads;
        outline.kv_heads_L = outline.heads_L;
    }
    const int share = a.heads > 0 ? outline.model.dim / a.heads : 0;
    if (in.gguf && a.value_dim == 0 && a.head_dim > 0) a.value_dim = share;
    if (a.head_dim == 0 && outline.heads_L.empty()) a.head_dim = share;
}

void require_attention(const Outline& outline, Output&) {
    if (outline.attention.heads == 0)
        fail("a {} model without attention cannot be written", outline.model.architecture);
}

void read_rotation(const Input& in, Outline& outline) {
    RopeSpec& rope = outline.attention.rope;
    if (in.gguf) {
        rope.base = in.gguf->get<float>(key(*in.gguf, "rope.freq_base"), 10000.0f);
        rope.dims = in.gguf->get<int32_t>(key(*in.gguf, "rope.dimension_count"), outline.attention.head_dim);
        return;
    }
    double share = in.defaults.rotated_share;
    rope.base = in.defaults.rope_base;
    if (const auto parameters = rotation_said(in, "rope_parameters")) {
        rope.base = parameters->get<float>("rope_theta", rope.base);
        share = parameters->get<double>("partial_rotary_factor", share);
    }
    rope.base = in.hf->get<float>("rope_theta", rope.base);
    share = in.hf->get<double>("partial_rotary_factor", share);
    rope.dims = static_cast<int>(std::lround(outline.attention.head_dim * share));
}

void write_rotation(const Outline& outline, Output& out) {
    const RopeSpec& rope = outline.attention.rope;
    if (out.hf) (*out.hf)["rope_theta"] = decimal(rope.base);
    if (!out.gguf || !rope.enabled) return;
    out.gguf->set(key(*out.gguf, "rope.dimension_count"), static_cast<uint32_t>(rope.dims));
    out.gguf->set(key(*out.gguf, "rope.freq_base"), rope.base);
}

void read_activation(const Input& in, Outline&) {
    if (!in.hf) return;
    const std::string act = in.hf->get<std::string>({"hidden_act", "hidden_activation"}, "silu");
    if (act != "silu" && act != "swish") fail("{}: hidden_act \"{}\" is not supported (silu is)", in.source(), act);
}

void refuse_quantisation(const Input& in, Outline&) {
    const auto quantised = in.hf ? in.hf->child("quantization_config") : std::nullopt;
    if (!quantised) return;
    const auto method = quantised->get<std::string>("quant_method", "");
    if (method != "mxfp4" && method != "fp8")
        fail("{}: quantised weights (quantization_config) of method \"{}\" are not supported (mxfp4 and fp8 are)",
             in.source(), method);
}

// Where a list says which layers have a window (short: that it is shorter than the context).
void refuse_windows_by_layer(const Input& in, bool is_short) {
    const auto listed = in.hf->object().find("layer_types");
    if (in.defaults.reads_windows || listed == in.hf->object().end() || !listed->is_array()) return;
    const auto is = [](std::string_view kind) { return [kind](const nlohmann::json& value) { return value == kind; }; };
    const auto windows = std::ranges::count_if(*listed, is("sliding_attention"));
    if (windows > 0 && is_short) fail("{}: sliding window attention is not supported here", in.source());
    const auto understood = windows + std::ranges::count_if(*listed, is("full_attention"));
    if (std::cmp_equal(understood, listed->size())) in.hf->value("layer_types");
}

// A window that is shorter than the context, in the layers that have one.
void read_window(const Input& in, Outline& outline) {
    if (!in.hf) return;
    const int64_t context = outline.model.context, window = in.hf->get<int64_t>("sliding_window", context);
    const auto whole = in.hf->get<int64_t>("max_window_layers", 0);  // so many layers see the whole context
    refuse_windows_by_layer(in, window < context);
    if (!in.hf->get<bool>("use_sliding_window", in.defaults.use_sliding_window)) return;
    if (window >= context || whole >= outline.layers) return;
    if (!in.defaults.reads_windows || whole > 0)
        fail("{}: sliding window attention is not supported here", in.source());
    outline.attention.window = static_cast<int>(window);
}

void read_eps(const Input& in, Outline& outline) {
    if (in.hf) outline.model.norm.eps = in.defaults.eps;
    if (in.gguf && in.defaults.layer_norms && !in.gguf->contains(key(*in.gguf, "attention.layer_norm_rms_epsilon")))
        outline.model.norm.kind = NormKind::layer;
}

// LayerNorms of some architectures have a key of their own.
std::string eps_key(const Metadata& gguf, const NormSpec& norm, bool layer_norms) {
    const bool own = norm.kind == NormKind::layer && layer_norms;
    return key(gguf, own ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
}

void read_gguf_eps(const Input& in, Outline& outline) {
    NormSpec& norm = outline.model.norm;
    if (in.gguf) norm.eps = in.gguf->require<float>(eps_key(*in.gguf, norm, in.defaults.layer_norms));
}

void write_gguf_eps(const Outline& outline, Output& out) {
    if (!out.gguf) return;
    const bool layer_norms = architecture_of(outline.model).hf_defaults.layer_norms;
    out.gguf->set(eps_key(*out.gguf, outline.model.norm, layer_norms), outline.model.norm.eps);
}

void write_attention_bias(const Outline& outline, Output& out) {
    if (out.hf) (*out.hf)["attention_bias"] = outline.attention.out_bias;
}

// Files have the keys of config.json in this order.
constexpr Field decoder_table[] = {
    read_layers,
    model_name,
    vocabulary_size,
    field(FIELD_AT(model.dim), {.gguf = "embedding_length", .hf = {"hidden_size"}}),
    field(FIELD_AT(dense.hidden), {.gguf = "feed_forward_length",
                                   .hf = {"intermediate_size"},
                                   .otherwise = 0,  // Architecture::read asks for it where a layer is dense
                                   .each = &Outline::hidden_L}),
    special(nullptr, write_layer_count),
    field(FIELD_AT(attention.heads),
          {.gguf = "attention.head_count", .hf = {"num_attention_heads"}, .each = &Outline::heads_L}),
    field(FIELD_AT(attention.kv_heads), {.gguf = "attention.head_count_kv",
                                         .hf = {"num_key_value_heads"},
                                         .otherwise = -1,
                                         .each = &Outline::kv_heads_L}),
    field(FIELD_AT(attention.head_dim), {.gguf = "attention.key_length", .hf = {"head_dim"}, .otherwise = 0}),
    field(FIELD_AT(attention.value_dim), {.gguf = "attention.value_length", .otherwise = 0}),
    special(complete_heads, require_attention),
    special(read_activation),
    written("hidden_act", "\"silu\""),
    field(FIELD_AT(model.context), {.gguf = "context_length", .hf = {"max_position_embeddings"}}),
    special(refuse_quantisation),
    special(read_window),
    special(read_eps),
    special(read_gguf_eps, write_gguf_eps),
    field(FIELD_AT(model.norm.eps), {.hf = {"rms_norm_eps"}, .otherwise = kept}),
    special(read_rotation, write_rotation),
    special(read_rope_scaling, write_rope_scaling),
    field(FIELD_AT(model.tied_head), {.hf = {"tie_word_embeddings"}, .otherwise = false}),
    special(nullptr, write_attention_bias),
    written("attention_dropout", "0.0"),
    written("use_cache", "true"),
};

}  // namespace

constinit const Fields decoder_fields = decoder_table;

namespace {

// A model's name where files have the path it was loaded from: its last part, and "OWNER/NAME" stays. None where that
// is a snapshot's hash.
std::string name_of(const std::string& name_or_path, size_t separators_of_names) {
    constexpr std::string_view separators = "/\\", beginnings = "/\\.~";
    const auto is_separator = [&](char c) { return separators.find(c) != std::string_view::npos; };
    std::string_view name = name_or_path;
    while (!name.empty() && is_separator(name.back())) name.remove_suffix(1);
    const bool begins = !name.empty() && (beginnings.find(name.front()) != std::string_view::npos);
    const bool drive = name.size() > 2 && name[1] == ':' && is_separator(name[2]);
    const auto count = static_cast<size_t>(std::ranges::count_if(name, is_separator));
    if (!begins && !drive && count <= separators_of_names) return std::string(name);
    name.remove_prefix(name.find_last_of(separators) + 1);
    const auto is_hash_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    constexpr size_t hash_digits = 40;
    const bool hash = name.size() == hash_digits && std::ranges::all_of(name, is_hash_digit);
    return hash || name == "~" || name == ".." ? "" : std::string(name);
}

}  // namespace

void read_name(const Input& in, Outline& outline) {
    outline.model.name = in.gguf ? name_of(in.gguf->get<std::string>("general.name", ""), std::string::npos)
                                 : name_of(in.hf->get<std::string>("_name_or_path", ""), 1);
}

// GGUF's is written with the file's other general keys.
void write_name(const Outline& outline, Output& out) {
    if (out.hf && !outline.model.name.empty()) (*out.hf)["_name_or_path"] = outline.model.name;
}

// 0 in GGUF: the loader takes it from the embedding.
void read_vocabulary_size(const Input& in, Outline& outline) {
    if (in.hf) {
        outline.model.vocab = in.hf->require<int32_t>("vocab_size");
    } else if (const auto size = in.gguf->find<int32_t>(key(*in.gguf, "vocab_size"))) {
        outline.model.vocab = *size;
    } else {
        const auto tokens = in.gguf->find<std::vector<std::string>>("tokenizer.ggml.tokens");
        outline.model.vocab = tokens ? static_cast<int>(tokens->size()) : 0;
    }
}

void write_vocabulary_size(const Outline& outline, Output& out) {
    out.say("vocab_size", "vocab_size", outline.model.vocab);
}

int layer_count(const HfConfig& config, const std::string& name) {
    return checked_layers(config.source(), name, config.require<int32_t>(name));
}

// Layers that predict further tokens come last in GGUF and are not used.
void read_layer_count(const Input& in, Outline& outline) {
    if (in.hf) {
        outline.layers = layer_count(*in.hf, "num_hidden_layers");
        return;
    }
    const std::string name = key(*in.gguf, "block_count");
    const int further = in.gguf->get<int32_t>(key(*in.gguf, "nextn_predict_layers"), 0);
    outline.layers = checked_layers(in.source(), name, in.gguf->require<int32_t>(name) - further);
}

LayerPattern every(int step) { return {.period = std::max(0, step), .offset = step - 1}; }

int step_of(const Outline& outline) {
    return outline.mixture_layers.first < outline.layers ? outline.mixture_layers.first + 1 : 0;
}

int sixteenth_of_width(const Outline& outline) { return (outline.model.dim + 15) / 16; }

void read_logit_scale(const Input& in, Outline& o, float otherwise) {
    const float scale = in.gguf ? in.gguf->get<float>(key(*in.gguf, "logit_scale"), otherwise)
                                : in.hf->get<float>("logit_scale", otherwise);
    o.model.logit_divisor = 1 / scale;
}

// The number whose reciprocal is the divisor: it, or a neighbour.
void write_logit_scale(const Outline& o, Output& out) {
    const float divisor = o.model.logit_divisor;
    float scale = 1 / divisor;
    for (const float near : {std::nextafter(scale, 0.0f), std::nextafter(scale, INFINITY)})
        if (1 / scale != divisor && 1 / near == divisor) scale = near;
    if (out.gguf) out.gguf->set(key(*out.gguf, "logit_scale"), scale);
    if (out.hf) (*out.hf)["logit_scale"] = decimal(scale);
}

// Mistral Large 3 in GGUF: queries grow with the position, from 0.
void read_query_temperature(const Input& in, Outline& o) {
    if (!in.gguf) return;
    AttentionSpec& a = o.attention;
    a.temperature = in.gguf->get<float>(key(*in.gguf, "attention.temperature_scale"), 0.0f);
    if (a.temperature == 0) return;
    a.temperature_from = 0;
    a.temperature_stretch = in.number("attention.temperature_length", "", a.rope.original_context);
}

void write_query_temperature(const Outline& o, Output& out) {
    if (!out.gguf || o.attention.temperature == 0) return;
    out.gguf->set(key(*out.gguf, "attention.temperature_scale"), o.attention.temperature);
    out.say("attention.temperature_length", "", o.attention.temperature_stretch);
}

void write_rotated_share(const Outline& o, Output& out) {
    if (out.hf) (*out.hf)["partial_rotary_factor"] = static_cast<double>(o.attention.rope.dims) / o.attention.head_dim;
}

int same_of_all(const HfConfig& config, const Keys& keys, int otherwise) {
    const nlohmann::json* value = config.value(keys);
    if (!value || !value->is_array()) return config.get<int32_t>(keys, otherwise);
    const auto each = config.require<std::vector<int32_t>>(keys);
    if (each.empty() || std::ranges::any_of(each, [&](int32_t other) { return other != each.front(); }))
        fail("{}: {} is {}: layers that differ in it are not supported here", config.source(), keys.names.front(),
             value->dump());
    return each.front();
}

void complete_stacks(Outline& outline) {
    outline.attention.kv_heads = outline.attention.heads;
    outline.attention.rope.enabled = false;
    outline.dense.activation = outline.moe.activation = kernels::Activation::relu;
    outline.dense.gated = outline.moe.gated = false;
    outline.moe.hidden = outline.dense.hidden;

    const Outline said = std::move(*outline.encoder);
    outline.encoder = {};
    Outline encoder = outline;
    encoder.layers = said.layers;
    encoder.mixture_layers = said.mixture_layers;
    encoder.attention.heads = encoder.attention.kv_heads = said.attention.heads;
    encoder.attention.causal = false;
    encoder.dense.hidden = encoder.moe.hidden = said.dense.hidden;
    encoder.model.tied_head = true;
    encoder.model.logit_divisor = 1;
    encoder.model.decoder_start = -1;
    outline.encoder = std::move(encoder);
}

void write_sections(const Outline& outline, Output& out) {
    if (!out.gguf) return;
    const int pairs = outline.attention.rope.dims / 2, other = pairs * 5 / 16;
    out.gguf->set(key(*out.gguf, "rope.dimension_sections"),
                  MetaArray(std::vector<int32_t>{pairs - 2 * other, other, other, 0}));
}

}  // namespace gremium::archs
