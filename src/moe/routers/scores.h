// How a router's logits become the scores from which weights are computed.
#pragma once

#include <cstdint>
#include <span>

#include "moe/policy.h"
#include "ops/graph.h"

namespace gremium::moe {

// Keeps a division finite when all scores underflow to zero (as DeepSeek-V3's code does); far below any other sum.
inline constexpr float tiny_score = 1e-20f;

// softmax of a few numbers in place.
void softmax(std::span<float> x);

// softmax of each row, in the graph's arena.
Tensor softmax_of(ops::Graph& g, Tensor logits_TE);

// What weights are computed from: the softmax or sigmoids, or the logits themselves if the softmax is taken over the
// selected experts or over those near the best one only.
Tensor scores(ops::Graph& g, RouterPolicy::Score kind, Tensor logits_TE);

// share_E: the softmax of choice j of a token with SparseMixer (policy.h); 0 for experts that do not compete.
void sparsemixer_shares(std::span<float> share_E, std::span<const float> logits_E, std::span<const int32_t> ids_k,
                        size_t j, float epsilon);

// The number by which the weights of a token's choices are divided. ids_k: −1 for dropped choices.
float divisor(const RouterPolicy& policy, std::span<const float> score_k, std::span<const int32_t> ids_k);

}  // namespace gremium::moe
