// Attention over preceding tokens (grouped-query, latent, windowed, chunked), and over the source that an encoder read.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kinds.h"
#include "model/layers/kind.h"

namespace gremium {

class KvCache;
struct Model;
struct ModelSpec;

// YaRN (Peng et al. 2023): a frequency with fewer than beta_slow turns within the original context is divided by
// `factor`, one with more than beta_fast turns is kept, and frequencies between them are blended.
struct YarnSpec {
    float factor = 1;  // 1: none
    float beta_fast = 32, beta_slow = 1;
    // The blend begins and ends at whole dimensions.
    bool truncate = true;
    // Scores are multiplied by (1 + log_multiplier · ln factor)² (a tenth of DeepSeek's mscale_all_dim).
    float log_multiplier = 0;
    friend bool operator==(const YarnSpec&, const YarnSpec&) = default;
};

struct RopeSpec {
    bool enabled = true;
    kernels::RopePairing pairing = kernels::RopePairing::half_split;
    int dims = 0;  // rotated dimensions of each head
    float base = 10000;
    // Positions are divided by this.
    float linear_factor = 1;
    // [dims/2]: frequencies are divided by these ("rope_freqs", llama3 scaling); empty: 1.
    std::vector<float> divisors = {};
    // Used instead if the context in use is longer than the original one (longrope); empty: none.
    std::vector<float> long_divisors = {};
    YarnSpec yarn = {};
    int original_context = 0;  // the trained context before scaling
    float magnitude = 1;       // factor of the cosines and sines
    friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

// RMSNorm of queries and keys: of each head or of the whole vector, before rotation and with weights; or of each head
// after rotation, without weights (Llama 4) or with them (Hunyuan).
enum class QkNorm : uint8_t { none, per_head, full, rotated, after_rotation };

// Multi-head latent attention (DeepSeek-V2, 2024): keys and values are projected from a latent vector of `rank` numbers
// per token. The cache holds that vector and one rotated key for all heads. The last rope.dims of head_dim are rotated.
struct LatentSpec {
    int rank = 0;        // 0: keys and values are projected from the input
    int query_rank = 0;  // rank of the queries' latent vector; 0: queries are projected from the input
    friend bool operator==(const LatentSpec&, const LatentSpec&) = default;
};

// Score biases that depend on the distance of key and query, in buckets that widen with the distance (Raffel et al.:
// T5, 2020). One table [buckets, heads] serves all layers.
struct RelativeBiasSpec {
    int buckets = 0;         // 0: none
    int max_distance = 128;  // all distances from here on share a bucket
    friend bool operator==(const RelativeBiasSpec&, const RelativeBiasSpec&) = default;
};

// What multiplies the heads' results before they are projected to the output (Qiu et al., "Gated Attention for Large
// Language Models", 2025): a function of a product of the layer's input.
enum class GateKind : uint8_t { none, sigmoid, softplus };

struct OutputGateSpec {
    GateKind kind = GateKind::none;
    bool per_head = false;  // one number a head instead of one an element
    // Its rows are rows of the queries' matrix: each head's queries, then that head's gate (Qwen3-Next).
    bool beside_queries = false;
    friend bool operator==(const OutputGateSpec&, const OutputGateSpec&) = default;
};

// D: model width; H query heads and G key/value heads of width N (head_dim), values of width V (value_dim). For latent
// attention: R its rank, Q the queries' rank, P the rotated dimensions of a head.
struct AttentionWeights {
    ops::Weight q;                // [H·N, D]; with gates beside queries [H·(N + V), D]
    ops::Weight k;                // [G·N, D]
    ops::Weight v;                // [G·V, D]
    ops::Weight out;              // [D, H·V]
    ops::Weight q_bias;           // [H·N]
    ops::Weight k_bias;           // [G·N]
    ops::Weight v_bias;           // [G·V]
    ops::Weight out_bias;         // [D]
    ops::Weight q_norm;           // [N]; [H·N] for whole vectors
    ops::Weight k_norm;           // [N]; [G·N] for whole vectors
    ops::Weight sinks;            // [H]
    ops::Weight gate;             // [H·V, D], or [H, D]
    ops::Weight q_a, q_a_norm;    // [Q, D], [Q]
    ops::Weight q_b;              // [H·N, Q]; without query_rank: q
    ops::Weight kv_a, kv_a_norm;  // [R + P, D], [R]
    ops::Weight k_b;              // [H, R, N − P]
    ops::Weight v_b;              // [H, V, R]
};

struct AttentionSpec {
    using Weights = AttentionWeights;
    static constexpr const char* kind_name = "attention";

    int heads = 0, kv_heads = 0, head_dim = 0, value_dim = 0;
    bool qkv_bias = false, out_bias = false;
    QkNorm qk_norm = QkNorm::none;
    RopeSpec rope;
    LatentSpec latent;
    int window = 0;      // 0: whole context
    int chunk = 0;       // positions attend back to the last multiple of this only; 0: to the beginning
    float scale = 0;     // of the scores; 0: 1/√head_dim
    bool causal = true;  // false: all positions attend to each other (encoders)
    bool sinks = false;  // one score per head takes part in the softmax without a value (gpt-oss)
    // Queries are multiplied by 1 + temperature · ln(1 + ⌊(position + 1) / temperature_stretch⌋) (Llama 4).
    float temperature = 0;
    int temperature_stretch = 0;
    OutputGateSpec gate;
    int temperature_from = 1;  // what is added to the position there: 0 in Mistral Large 3
    // Attention's result is multiplied by this (MiMo-V2).
    float value_scale = 1;
    // Queries, keys and values are clipped to ± this before rotation (DBRX); 0: they are not.
    float clip = 0;
    // c > 0: scores s are c·tanh(s / c) (Grok).
    float softcap = 0;
    friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

// The factor of the scores, from `scale` and rope.yarn.
float score_scale(const AttentionSpec& attention);

void check(const AttentionSpec& a, const Check& check);
// All layers that share these biases must have as many heads as the first one.
void check_relative_bias(const ModelSpec& spec, const Check& check);
void list_tensors(const AttentionSpec& a, AttentionWeights& w, TensorList& list);
LayerCache cache_of(const AttentionSpec& a);
int64_t forward_bytes(const AttentionSpec& a, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var x_TD, const AttentionSpec& a, const AttentionWeights& w, int layer,
                       const BlockContext& context);

// Attention over a source, between mixer and feed-forward of an encoder–decoder model.
void list_cross_tensors(const AttentionSpec& a, AttentionWeights& w, TensorList& list);
int64_t cross_forward_bytes(const AttentionSpec& a, int64_t dim, const RowBytes& t);
ops::Var cross_forward(ops::Graph& g, ops::Var x_TD, const AttentionSpec& a, const AttentionWeights& w, int layer,
                       const BlockContext& context);
// Stores in the cache, for all layers, the keys and values of a source's encoder output. source_SD: [S, D], S source
// tokens.
void remember_source(ops::Graph& g, ops::Var source_SD, const Model& model, KvCache& cache);

}  // namespace gremium
