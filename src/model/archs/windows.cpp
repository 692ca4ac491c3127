// Layers with a window between layers that see the whole context.
#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

// windowed iff l mod p < p − 1, or l mod p ≠ 0; all of them if p is 0.
std::vector<int32_t> by_period(const Outline& o, int period, bool whole_first) {
    std::vector<int32_t> flags_L;
    for (int l = 0; l < o.layers; ++l)
        flags_L.push_back(period <= 0 || (whole_first ? l % period != 0 : l % period < period - 1));
    return flags_L;
}

std::vector<int32_t> usual_pattern(const Input& in, const Outline& o, const Windows& usual) {
    if (usual.period == 0) fail("{}: nothing says which layers have the attention window", in.source());
    return by_period(o, usual.period, usual.whole_first);
}

std::vector<int32_t> pattern_in_gguf(const Input& in, const Outline& o, const Windows& usual) {
    const std::string name = key(*in.gguf, "attention.sliding_window_pattern");
    const MetaValue* said = in.gguf->value(name);
    if (!said) return usual_pattern(in, o, usual);
    if (!std::holds_alternative<MetaArray>(*said))
        return by_period(o, in.gguf->require<int32_t>(name), usual.whole_first);
    const auto flags = *in.gguf->find_per_layer<bool>(name, static_cast<size_t>(o.layers));
    return {flags.begin(), flags.end()};
}

std::vector<int32_t> pattern_in_hf(const Input& in, const Outline& o, const Windows& usual) {
    const auto kinds = in.hf->find<std::vector<std::string>>("layer_types");
    if (!kinds) return usual_pattern(in, o, usual);
    if (std::cmp_less(kinds->size(), o.layers))
        fail("{}: layer_types has {} entries, expected {}", in.source(), kinds->size(), o.layers);
    std::vector<int32_t> flags_L;
    for (int l = 0; l < o.layers; ++l) {
        const std::string& kind = (*kinds)[static_cast<size_t>(l)];
        if (kind != "sliding_attention" && kind != "full_attention")
            fail("{}: layer_types: layer {} is {}, expected sliding_attention or full_attention", in.source(), l, kind);
        flags_L.push_back(kind == "sliding_attention");
    }
    return flags_L;
}

// Frequencies are scaled for layers that see far.
RopeSpec unscaled(RopeSpec rope) {
    rope.linear_factor = rope.magnitude = 1;
    rope.yarn = {};
    rope.original_context = 0;
    return rope;
}

void read_own_rotation(const Input& in, RopeSpec& rope) {
    if (in.gguf) {
        rope.base = in.gguf->get<float>(key(*in.gguf, "rope.freq_base_swa"), rope.base);
        rope.dims = in.gguf->get<int32_t>(key(*in.gguf, "rope.dimension_count_swa"), rope.dims);
        return;
    }
    const auto by_kind = in.hf->child("rope_parameters");
    const auto own = by_kind ? by_kind->child("sliding_attention") : std::nullopt;
    if (own) rope.base = own->get<float>("rope_theta", rope.base);
}

void require_known_lengths(const Input& in, const AttentionSpec& a) {
    for (const auto& [name, length] : {std::pair("attention.key_length_swa", a.head_dim),
                                       {"attention.value_length_swa", a.value_dim == 0 ? a.head_dim : a.value_dim}})
        if (const int said = in.gguf->get<int32_t>(key(*in.gguf, name), length); said != length)
            fail("{}: {} is {}, expected {}: heads of another length in windowed layers are not supported here",
                 in.source(), key(*in.gguf, name), said, length);
}

}  // namespace

void read_windows(const Input& in, Outline& o, const Windows& usual) {
    const int window = in.number("attention.sliding_window", "sliding_window", 0);
    o.attention.window = 0;
    if (window == 0) return;  // all layers see everything, and are rotated
    o.windowed_L = in.gguf ? pattern_in_gguf(in, o, usual) : pattern_in_hf(in, o, usual);
    AttentionSpec& windowed = o.windowed.emplace(o.attention);
    windowed.window = window;
    if (usual.whole_rotated) windowed.rope = unscaled(windowed.rope);
    if (usual.own_rotation) read_own_rotation(in, windowed.rope);
    if (in.gguf) require_known_lengths(in, o.attention);
    if (!usual.whole_rotated) o.rotated_L = o.windowed_L;
}

void write_windows(const Outline& o, Output& out, const Windows& usual) {
    std::vector<bool> windowed_L;
    nlohmann::ordered_json kinds = nlohmann::ordered_json::array();
    std::optional<AttentionSpec> windowed;
    for (int l = 0; l < o.layers; ++l) {
        const AttentionSpec a = attention_in(o, l);
        windowed_L.push_back(a.window > 0);
        kinds.push_back(a.window > 0 ? "sliding_attention" : "full_attention");
        if (a.window > 0 && !windowed) windowed = a;
    }
    if (out.hf) (*out.hf)["layer_types"] = kinds;
    if (!windowed) return;
    out.say("attention.sliding_window", "sliding_window", windowed->window);
    if (!out.gguf) return;
    out.gguf->set(key(*out.gguf, "attention.sliding_window_pattern"), MetaArray(windowed_L));
    if (!usual.own_rotation) return;
    out.gguf->set(key(*out.gguf, "rope.freq_base_swa"), windowed->rope.base);
    if (windowed->rope.dims != o.attention.rope.dims)
        out.gguf->set(key(*out.gguf, "rope.dimension_count_swa"), static_cast<uint32_t>(windowed->rope.dims));
}

}  // namespace gremium::archs
