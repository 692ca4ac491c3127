// ModelSpec: everything the one decoder needs to know about a model. Files in archs/ read metadata into this record and
// name tensors; nothing below them knows an architecture's name. The record of each kind of layer is in its folder in
// layers/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "model/layers/kinds.h"

namespace gremium {

enum class NormKind : uint8_t { rms, layer };

struct NormSpec {
    NormKind kind = NormKind::rms;
    float eps = 1e-5f;
    bool bias = false;
    friend bool operator==(const NormSpec&, const NormSpec&) = default;
};

struct LayerSpec {
    Mixer mixer;
    FeedForward feed_forward;
    // Attention over the encoder's output, between mixer and feed-forward.
    std::optional<AttentionSpec> cross = {};
    // What mixer and feed-forward give is normed before it is added ("sandwich": AFMoE, Grok, Gemma).
    bool post_norms = false;
    // The feed-forward reads the mixer's normed input, and both are added at once (Cohere). There is one norm.
    bool parallel = false;
    // A dense feed-forward in the place of `feed_forward`, with a norm of its own. `feed_forward` then reads the
    // block's input, and both are added to what follows the mixer (Arctic: a residual dense branch beside the
    // mixture).
    std::optional<DenseSpec> branch = {};
    friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
    const AttentionSpec* attention() const { return std::get_if<AttentionSpec>(&mixer); }
    AttentionSpec* attention() { return std::get_if<AttentionSpec>(&mixer); }
    const SsmSpec* ssm() const { return std::get_if<SsmSpec>(&mixer); }
    SsmSpec* ssm() { return std::get_if<SsmSpec>(&mixer); }
    bool has_mixer() const { return !std::holds_alternative<NoMixer>(mixer); }
    const DenseSpec* dense() const { return std::get_if<DenseSpec>(&feed_forward); }
    bool has_feed_forward() const { return !std::holds_alternative<NoFeedForward>(feed_forward); }
    const MoeSpec* moe() const { return std::get_if<MoeSpec>(&feed_forward); }
};

struct ModelSpec {
    std::string architecture;  // registry name of archs/: "llama", "qwen3moe", …
    std::string name;          // the model's name
    int dim = 0, vocab = 0, context = 0;
    NormSpec norm;
    bool tied_head = false;  // the head is the embedding table
    bool head_bias = false;
    // Granite's scales: embeddings and what each part of a block adds are multiplied, logits are divided.
    float embedding_scale = 1, residual_scale = 1, logit_divisor = 1;
    float logit_softcap = 0;  // c > 0: a logit z becomes c·tanh(z / c)
    RelativeBiasSpec relative_bias;
    // Adds sinusoidal position embeddings; the first token has this position. −1: none.
    int first_sinusoid = -1;
    std::vector<LayerSpec> layers;
    // For encoder–decoder models: the encoder, which shares the decoder's embeddings and has no head.
    Boxed<ModelSpec> encoder = {};
    int decoder_start = -1;  // the token that the decoder begins with
    friend bool operator==(const ModelSpec&, const ModelSpec&) = default;
};

// Of a mixer with rates A, whether its tensor holds ln(−A); null for others. `Layer` is LayerSpec or const LayerSpec.
template <typename Layer>
auto* log_rates_of(Layer& layer) {
    using Flag = std::conditional_t<std::is_const_v<Layer>, const bool, bool>;
    return std::visit(
        [](auto& kind) -> Flag* {
            if constexpr (requires { kind.log_rates; })
                return &kind.log_rates;
            else
                return nullptr;
        },
        layer.mixer);
}

// Calls visit(attention) for every layer that has attention. `Spec` is ModelSpec or const ModelSpec.
template <typename Spec, typename Visit>
void for_each_attention(Spec& spec, Visit&& visit) {
    for (auto& layer : spec.layers)
        if (auto* attention = layer.attention()) visit(*attention);
}

}  // namespace gremium
