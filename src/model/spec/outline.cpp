#include "model/spec/outline.h"

#include <algorithm>

namespace gremium {

namespace {

int of_layer(const std::vector<int32_t>& values_L, int layer, int common) {
    return values_L.empty() ? common : values_L.at(static_cast<size_t>(layer));
}

bool is_whole(const Outline& o, int layer) { return o.whole_period > 0 && (layer + 1) % o.whole_period == 0; }

bool flag_of(const std::vector<int32_t>& flags_L, int layer) {
    return !flags_L.empty() && flags_L.at(static_cast<size_t>(layer)) != 0;
}

}  // namespace

AttentionSpec attention_in(const Outline& o, int layer) {
    AttentionSpec a = o.windowed && flag_of(o.windowed_L, layer) ? *o.windowed : o.attention;
    a.heads = of_layer(o.heads_L, layer, a.heads);
    a.kv_heads = of_layer(o.kv_heads_L, layer, a.kv_heads);
    if (a.head_dim == 0 && a.heads > 0) a.head_dim = o.model.dim / a.heads;
    if (a.value_dim == 0) a.value_dim = a.head_dim;
    if (a.rope.enabled && a.rope.dims == 0) a.rope.dims = a.head_dim;
    if (o.windowed) {
        if (!o.rotated_L.empty()) a.rope.enabled = flag_of(o.rotated_L, layer);
    } else if (is_whole(o, layer)) {
        a.window = a.chunk = 0;
        a.rope.enabled = o.whole_rotated;
        if (!a.rope.enabled && a.qk_norm == QkNorm::rotated) a.qk_norm = QkNorm::none;
    } else if (o.whole_period > 0 && !o.whole_rotated) {
        a.temperature = 0;
        a.temperature_stretch = 0;
    }
    return a;
}

namespace {

Mixer other_mixer(const Outline& o) {
    switch (o.other) {
        case OtherMixer::short_conv: {
            ShortConvSpec conv = o.short_conv;
            conv.channels = o.model.dim;
            return conv;
        }
        case OtherMixer::delta_net:
            return o.delta_net;
        case OtherMixer::mamba2:
            return o.mamba2;
        default:
            return o.ssm;
    }
}

// The activation with a limit of its own; none: a plain SiLU.
kernels::Activation limited(float limit) {
    kernels::Activation a = limit > 0 ? kernels::Activation::capped_swiglu : kernels::Activation::silu;
    if (limit > 0) a.limit = limit;
    return a;
}
float limit_of(const kernels::Activation& a) { return a.kind == kernels::Activation::capped_swiglu ? a.limit : 0; }

MoeSpec mixture_in(const Outline& o, int layer) {
    MoeSpec m = o.moe;
    const auto l = static_cast<size_t>(layer);
    if (!o.limit_L.empty()) m.activation = limited(o.limit_L.at(l));
    if (o.shared_limit_L.empty()) return m;
    m.shared_activation = limited(o.shared_limit_L.at(l));
    if (m.shared_activation == m.activation) m.shared_activation.reset();
    return m;
}

LayerSpec layer_in(const Outline& o, int layer) {
    LayerSpec result;
    const bool attention = o.attention_layers.holds(layer);
    if (attention)
        result.mixer = attention_in(o, layer);
    else if (o.other_mixer)
        result.mixer = *o.other_mixer;
    else
        result.mixer = other_mixer(o);
    if (o.mixture_layers.holds(layer)) {
        result.feed_forward = mixture_in(o, layer);
        result.branch = o.branch;
    } else if (o.one_part ? of_layer(o.hidden_L, layer, 0) > 0 : o.others_dense) {
        DenseSpec dense = o.dense;
        dense.hidden = of_layer(o.hidden_L, layer, dense.hidden);
        result.feed_forward = dense;
    } else {
        result.feed_forward = NoFeedForward{};
    }
    if (o.one_part && result.has_feed_forward()) result.mixer = NoMixer{};
    if (attention && o.encoder) result.cross = *result.attention();
    result.post_norms = o.post_norms;
    result.parallel = o.parallel;
    return result;
}

template <typename Belongs>
LayerPattern pattern_of(const ModelSpec& spec, Belongs&& belongs) {
    LayerPattern pattern;
    const auto count = static_cast<int>(spec.layers.size());
    pattern.first = count;
    for (int l = 0; l < count; ++l) {
        const bool member = belongs(spec.layers[static_cast<size_t>(l)]);
        if (member) pattern.first = std::min(pattern.first, l);
        if (!member && l > pattern.first) pattern.except.push_back(l);
    }
    return pattern;
}

// Empty if all are equal.
std::vector<int32_t> unless_one(std::vector<int32_t> values) {
    const auto other = [&](int32_t value) { return value != values.front(); };
    if (std::ranges::none_of(values, other)) values.clear();
    return values;
}

// Where a period does not say which layers are windowed, or these differ in more: both kinds as they are.
void outline_two_kinds(const ModelSpec& spec, Outline& o) {
    const auto same = [&](int l) {
        const AttentionSpec* a = spec.layers[static_cast<size_t>(l)].attention();
        return !a || *a == attention_in(o, l);
    };
    bool expressed = true;
    for (int l = 0; l < o.layers && expressed; ++l) expressed = same(l);
    if (expressed) return;
    const AttentionSpec* whole = nullptr;
    const AttentionSpec* windowed = nullptr;
    bool all_rotated = true;
    std::vector<int32_t> windowed_L, rotated_L;
    for (const LayerSpec& layer : spec.layers) {
        const AttentionSpec* a = layer.attention();
        const bool has_window = a && a->window > 0;
        const AttentionSpec*& first = has_window ? windowed : whole;
        if (a && !first) first = a;
        if (a && !a->rope.enabled) all_rotated = false;
        windowed_L.push_back(has_window);
        rotated_L.push_back(a && a->rope.enabled);
    }
    if (!whole || !windowed) return;
    o.attention = *whole;
    o.windowed = *windowed;
    o.windowed_L = std::move(windowed_L);
    if (!all_rotated) {
        o.rotated_L = std::move(rotated_L);
        o.attention.rope.enabled = o.windowed->rope.enabled = true;
    }
    o.whole_period = 0;
    o.whole_rotated = true;
}

void outline_attention(const ModelSpec& spec, Outline& o) {
    const AttentionSpec* first = nullptr;
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const AttentionSpec* a = spec.layers[l].attention();
        o.heads_L.push_back(a ? a->heads : 0);
        o.kv_heads_L.push_back(a ? a->kv_heads : 0);
        if (!a) continue;
        if (!first) o.attention = *(first = a);
        const bool whole = a->window == 0 && a->chunk == 0;
        const bool differs = (first->window > 0 || first->chunk > 0) || a->rope.enabled != first->rope.enabled;
        if (o.whole_period > 0 || !whole || !differs) continue;
        o.whole_period = static_cast<int>(l) + 1;
        o.whole_rotated = a->rope.enabled;
        if (o.attention.temperature == 0) {
            o.attention.temperature = a->temperature;
            o.attention.temperature_stretch = a->temperature_stretch;
        }
    }
    // Layers without attention take the number of the first layer that has it.
    for (std::vector<int32_t>* values : {&o.heads_L, &o.kv_heads_L})
        for (int32_t& value : *values)
            if (value == 0 && first) value = values == &o.heads_L ? first->heads : first->kv_heads;
    o.heads_L = unless_one(std::move(o.heads_L));
    o.kv_heads_L = unless_one(std::move(o.kv_heads_L));
    outline_two_kinds(spec, o);
}

void outline_mixer(const Mixer& mixer, Outline& o) {
    if (const auto* ssm = std::get_if<SsmSpec>(&mixer)) {
        o.ssm = *ssm;
    } else if (const auto* conv = std::get_if<ShortConvSpec>(&mixer)) {
        o.short_conv = *conv;
        o.other = OtherMixer::short_conv;
    } else if (const auto* net = std::get_if<DeltaNetSpec>(&mixer)) {
        o.delta_net = *net;
        o.other = OtherMixer::delta_net;
    } else if (const auto* mamba = std::get_if<Mamba2Spec>(&mixer)) {
        o.mamba2 = *mamba;
        o.other = OtherMixer::mamba2;
    } else if (!std::holds_alternative<AttentionSpec>(mixer) && !std::holds_alternative<NoMixer>(mixer)) {
        o.other_mixer = mixer;
    }
}

void outline_feed_forward(const ModelSpec& spec, Outline& o) {
    const MoeSpec* moe = nullptr;
    const DenseSpec* dense = nullptr;
    for (const LayerSpec& layer : spec.layers) {
        if (!moe) moe = layer.moe();
        if (!dense) dense = layer.dense();
        o.others_dense = o.others_dense && layer.has_feed_forward();
        o.one_part = o.one_part || !layer.has_mixer();
    }
    if (moe) o.moe = *moe;
    for (const LayerSpec& layer : spec.layers) {
        const MoeSpec* m = layer.moe();
        o.limit_L.push_back(m ? limit_of(m->activation) : 0);
        o.shared_limit_L.push_back(m ? limit_of(m->shared_activation.value_or(m->activation)) : 0);
    }
    const auto none = [](const std::vector<float>& limits) {
        return std::ranges::all_of(limits, [](float limit) { return limit == 0; });
    };
    if (none(o.limit_L) && none(o.shared_limit_L)) o.limit_L = o.shared_limit_L = {};
    if (dense)
        o.dense = *dense;
    else
        // All layers are mixtures, but readers of the files require some width.
        o.dense.hidden = o.moe.hidden;
    for (const LayerSpec& layer : spec.layers)
        o.hidden_L.push_back(layer.dense() ? layer.dense()->hidden : o.one_part ? 0 : o.dense.hidden);
    o.hidden_L = unless_one(std::move(o.hidden_L));
}

}  // namespace

bool LayerPattern::holds(int layer) const {
    return period > 0 && layer >= first && layer % period == offset && std::ranges::find(except, layer) == except.end();
}

std::vector<int32_t> LayerPattern::among(int layers) const {
    std::vector<int32_t> result;
    for (int l = 0; l < layers; ++l)
        if (holds(l)) result.push_back(l);
    return result;
}

bool sees_whole(const Outline& o, int layer) {
    if (o.windowed) return !flag_of(o.windowed_L, layer);
    const bool all = o.whole_rotated && o.attention.window == 0 && o.attention.chunk == 0;
    return all || is_whole(o, layer);
}

ModelSpec spec_of(const Outline& o) {
    ModelSpec spec = o.model;
    spec.layers.clear();
    for (int l = 0; l < o.layers; ++l) spec.layers.push_back(layer_in(o, l));
    if (o.encoder) spec.encoder = spec_of(*o.encoder);
    return spec;
}

Outline outline_of(const ModelSpec& spec) {
    Outline o;
    o.model = spec;
    o.model.layers.clear();
    o.model.encoder = {};
    o.layers = static_cast<int>(spec.layers.size());
    o.attention_layers = pattern_of(spec, [](const LayerSpec& layer) { return layer.attention() != nullptr; });
    o.mixture_layers = pattern_of(spec, [](const LayerSpec& layer) { return layer.moe() != nullptr; });
    for (auto layer = spec.layers.rbegin(); layer != spec.layers.rend(); ++layer) {
        outline_mixer(layer->mixer, o);
    }
    outline_attention(spec, o);
    outline_feed_forward(spec, o);
    for (const LayerSpec& layer : spec.layers) {
        o.post_norms = o.post_norms || layer.post_norms;
        o.parallel = o.parallel || layer.parallel;
        if (layer.branch) o.branch = layer.branch;
    }
    if (spec.encoder) {
        o.encoder = outline_of(*spec.encoder);
        if (o.moe.router.experts == 0) o.moe = o.encoder->moe;
    }
    return o;
}

}  // namespace gremium
