// An architecture is data: everything the one decoder needs to know about a model. Files in archs/ read
// metadata into this record and name tensors; nothing below them knows an architecture's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/kinds.h"
#include "moe/policy.h"
#include "tensor/tensor.h"

namespace gremium {

enum class NormKind : uint8_t { rms, layer };

struct NormSpec {
    NormKind kind = NormKind::rms;
    float eps = 1e-5f;
    bool bias = false;
    friend bool operator==(const NormSpec&, const NormSpec&) = default;
};

// YaRN (Peng et al. 2023): a frequency that turns fewer than beta_slow times within the original context is divided by
// `factor`, one that turns more than beta_fast times is kept; between them lies a blend.
struct YarnSpec {
    float factor = 1;  // 1: none
    float beta_fast = 32, beta_slow = 1;
    bool truncate = true;      // the blend begins and ends at whole dimensions
    float log_multiplier = 0;  // scores times (1 + log_multiplier · ln factor)² (a tenth of DeepSeek's mscale_all_dim)
    friend bool operator==(const YarnSpec&, const YarnSpec&) = default;
};

struct RopeSpec {
    bool enabled = true;
    kernels::RopePairing pairing = kernels::RopePairing::half_split;
    int dims = 0;  // rotated dimensions of each head
    float base = 10000;
    float linear_factor = 1;           // positions divided by this
    std::vector<float> divisors = {};  // [dims/2] frequency divisors ("rope_freqs", llama3 scaling); empty: 1
    // Others for when the context in use is longer than the original one (longrope); empty: none.
    std::vector<float> long_divisors = {};
    YarnSpec yarn = {};
    int original_context = 0;  // positions that were trained before scaling
    float magnitude = 1;       // of the cosines and sines
    friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

// The root mean square of each head or of the whole vector, before rotation with weights; or that of each head after
// rotation without (Llama 4).
enum class QkNorm : uint8_t { none, per_head, full, rotated };

// Keys and values are made from `rank` numbers a token, which with one rotated key for all heads are what is cached
// (multi-head latent attention: DeepSeek-V2, 2024). The last rope.dims of head_dim are the rotated ones.
struct LatentSpec {
    int rank = 0;        // 0: keys and values are projected from the input
    int query_rank = 0;  // queries are made from so many numbers; 0: from the input
    friend bool operator==(const LatentSpec&, const LatentSpec&) = default;
};

// Biases of scores by the distance of key and query, in buckets that widen with it (Raffel et al.: T5, 2020). One table
// [buckets, heads] for all layers.
struct RelativeBiasSpec {
    int buckets = 0;         // 0: none
    int max_distance = 128;  // from here on all distances are one
    friend bool operator==(const RelativeBiasSpec&, const RelativeBiasSpec&) = default;
};

struct AttentionSpec {
    int heads = 0, kv_heads = 0, head_dim = 0, value_dim = 0;
    bool qkv_bias = false, out_bias = false;
    QkNorm qk_norm = QkNorm::none;
    RopeSpec rope;
    LatentSpec latent;
    int window = 0;      // 0: whole context
    int chunk = 0;       // positions see back to the last multiple of this only; 0: to the beginning
    float scale = 0;     // of the scores; 0: 1/√head_dim
    bool causal = true;  // otherwise all positions see each other (encoders)
    bool sinks = false;  // a score a head that takes part in the softmax without a value (gpt-oss)
    // Queries times 1 + temperature · ln(1 + ⌊(position + 1) / temperature_stretch⌋) (Llama 4).
    float temperature = 0;
    int temperature_stretch = 0;
    friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

// A selective state space mixer (Gu, Dao: Mamba, 2023). Its two projections have no biases, convolution and step sizes do.
struct SsmSpec {
    int inner = 0;             // channels
    int state = 0;             // numbers of recurrent state a channel
    int conv = 0;              // positions that the convolution sees
    int dt_rank = 0;           // numbers a token from which the step sizes of all channels are made
    bool inner_norms = false;  // RMSNorm of those numbers and of B and C (Jamba)
    bool log_rates = false;    // the tensor of rates holds ln(−A) (Hugging Face, training) instead of A (GGUF)
    friend bool operator==(const SsmSpec&, const SsmSpec&) = default;
};

struct DenseSpec {
    int hidden = 0;
    kernels::Activation activation = kernels::Activation::silu;
    bool gated = true;  // otherwise down( act(up·x) )
    bool bias = false;  // of each matrix
    friend bool operator==(const DenseSpec&, const DenseSpec&) = default;
};

struct MoeSpec {
    moe::RouterPolicy router;
    int hidden = 0;            // of one expert
    bool router_bias = false;  // added to the router's logits
    bool bias = false;         // of each matrix of an expert
    kernels::Activation activation = kernels::Activation::silu;
    bool gated = true;         // as DenseSpec's
    int shared_hidden = 0;     // width of the shared expert(s) together; 0: none
    bool shared_gate = false;  // shared output times σ(w·x)
    friend bool operator==(const MoeSpec&, const MoeSpec&) = default;
};

struct NoFeedForward {
    friend bool operator==(const NoFeedForward&, const NoFeedForward&) = default;
};

struct LayerSpec {
    std::variant<AttentionSpec, SsmSpec> mixer;
    std::variant<DenseSpec, MoeSpec, NoFeedForward> feed_forward;
    std::optional<AttentionSpec> cross = {};  // over what an encoder made of a source, between mixer and feed-forward
    friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
    const AttentionSpec* attention() const { return std::get_if<AttentionSpec>(&mixer); }
    AttentionSpec* attention() { return std::get_if<AttentionSpec>(&mixer); }
    const SsmSpec* ssm() const { return std::get_if<SsmSpec>(&mixer); }
    SsmSpec* ssm() { return std::get_if<SsmSpec>(&mixer); }
    const DenseSpec* dense() const { return std::get_if<DenseSpec>(&feed_forward); }
    bool has_feed_forward() const { return !std::holds_alternative<NoFeedForward>(feed_forward); }
    const MoeSpec* moe() const { return std::get_if<MoeSpec>(&feed_forward); }
};

struct ModelSpec {
    std::string architecture;  // registry name of archs/: "llama", "qwen3moe", …
    std::string name;          // the model's own
    int dim = 0, vocab = 0, context = 0;
    NormSpec norm;
    bool tied_head = false;  // the head is the embedding table
    bool head_bias = false;
    // Granite's: embeddings and what each part of a block adds are multiplied, logits divided.
    float embedding_scale = 1, residual_scale = 1, logit_divisor = 1;
    RelativeBiasSpec relative_bias;
    // sinusoidal positions are added to embeddings, the first token's has this number; −1: not
    int first_sinusoid = -1;
    std::vector<LayerSpec> layers;
    // Of an encoder–decoder model, one: a stack with the decoder's embeddings and no head.
    std::vector<ModelSpec> encoder = {};
    int decoder_start = -1;  // the token that the decoder begins with
    friend bool operator==(const ModelSpec&, const ModelSpec&) = default;
};

// Calls visit(attention) for every layer that has one. `Spec` is ModelSpec or const ModelSpec.
template <typename Spec, typename Visit>
void for_each_attention(Spec& spec, Visit&& visit) {
    for (auto& layer : spec.layers)
        if (auto* attention = layer.attention()) visit(*attention);
}

// What scores are multiplied with, after scale and rope.yarn.
float score_scale(const AttentionSpec& attention);

// Numbers a token that a cache holds of a layer.
struct CacheWidths {
    int64_t key = 0, value = 0;
};
CacheWidths cache_widths(const AttentionSpec& attention);

// Throws Error naming `source` (a file) and the first contradiction: counts that are not positive, heads that
// kv_heads does not divide, rotary dims odd or above head_dim, top_k above experts, …
void validate(const ModelSpec& spec, const std::string& source);

// Every tensor the spec implies, by canonical name (GGUF's spelling): the order files are written in, what
// the loader requires, what the trainer initialises.
enum class TensorRole : uint8_t {
    embedding,
    head,
    norm,
    bias,
    matrix,
    router,
    correction,
    expert,
    expert_bias,
    // of a state space mixer: taps of the convolution, rates A, factors D, biases of steps
    filter,
    rates,
    skip,
    step_bias
};
struct TensorSlot {
    std::string name;  // "blk.3.ffn_gate_exps.weight"
    Shape shape;       // torch order; experts stacked: [E, F, D]
    TensorRole role;
    int layer = -1;
    int expert = -1;          // ≥ 0: only that expert's part of the stack `name`, [F, D]
    bool of_encoder = false;  // the layer is the encoder's, the name begins with "enc."

    bool of_experts() const { return role == TensorRole::expert || role == TensorRole::expert_bias; }
};
std::vector<TensorSlot> tensor_slots(const ModelSpec& spec);
// A slot of the encoder's own specification as one of the whole model's.
TensorSlot in_encoder(TensorSlot slot);
// The layer that a slot belongs to; null outside layers.
const LayerSpec* layer_of(const ModelSpec& spec, const TensorSlot& slot);
// One expert's part of a stacked slot.
TensorSlot part_of(const TensorSlot& stack, int expert);

// Sizes for humans, inspect and the demo.
struct ModelSize {
    int64_t total_parameters = 0;
    int64_t active_parameters = 0;  // met by one token: k experts of each MoE layer; one row of the embedding
    int64_t flops_per_token = 0;    // 2 · active matrix parameters (attention scores not counted)
};
ModelSize size_of(const ModelSpec& spec);

}  // namespace gremium
