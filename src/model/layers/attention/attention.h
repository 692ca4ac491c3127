// Attention over the tokens before: grouped-query, latent, windowed, chunked; and over the source that an encoder read.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kinds.h"
#include "model/layers/kind.h"

namespace gremium {

class KvCache;
struct Model;
struct ModelSpec;

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

// D: the model's width. H query heads and G key/value heads of N numbers (head_dim), values of V (value_dim). Of latent
// attention: R its rank, Q the queries' rank, P the rotated dimensions of a head.
struct AttentionWeights {
    ops::Weight q;                // [H·N, D]
    ops::Weight k;                // [G·N, D]
    ops::Weight v;                // [G·V, D]
    ops::Weight out;              // [D, H·V]
    ops::Weight q_bias;           // [H·N]
    ops::Weight k_bias;           // [G·N]
    ops::Weight v_bias;           // [G·V]
    ops::Weight out_bias;         // [D]
    ops::Weight q_norm;           // [N], or of whole vectors [H·N]
    ops::Weight k_norm;           // [N], or [G·N]
    ops::Weight sinks;            // [H]
    ops::Weight q_a, q_a_norm;    // [Q, D], [Q]
    ops::Weight q_b;              // [H·N, Q]; without a queries' rank q
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
    int chunk = 0;       // positions see back to the last multiple of this only; 0: to the beginning
    float scale = 0;     // of the scores; 0: 1/√head_dim
    bool causal = true;  // otherwise all positions see each other (encoders)
    bool sinks = false;  // a score a head that takes part in the softmax without a value (gpt-oss)
    // Queries times 1 + temperature · ln(1 + ⌊(position + 1) / temperature_stretch⌋) (Llama 4).
    float temperature = 0;
    int temperature_stretch = 0;
    friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

// What scores are multiplied with, after scale and rope.yarn.
float score_scale(const AttentionSpec& attention);

void check(const AttentionSpec& a, const Check& check);
// All layers that share these biases must have the heads of the first.
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
// Lets the cache remember the keys and values of what the encoder made of a source, for all layers.
void remember_source(ops::Graph& g, ops::Var source_SD, const Model& model, KvCache& cache);

}  // namespace gremium
