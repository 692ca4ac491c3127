// How a router's logits become the scores that weights are made of.
#pragma once

#include <cstdint>
#include <span>

#include "moe/policy.h"
#include "ops/graph.h"

namespace gremium::moe {

// Keeps a division by a sum of vanished scores finite (as DeepSeek-V3's own code does); far below any other sum.
inline constexpr float tiny_score = 1e-20f;

// softmax of a few numbers in place.
void softmax(std::span<float> x);

// softmax of each row, in the graph's arena.
Tensor softmax_of(ops::Graph& g, Tensor logits_TE);

// What weights are made of: the softmax or sigmoids; the logits themselves where the softmax is that of selected or
// near ones only.
Tensor scores(ops::Graph& g, RouterPolicy::Score kind, Tensor logits_TE);

// share_E: the softmax of a token's SparseMixer choice j (policy.h); 0 for experts that do not compete.
void sparsemixer_shares(std::span<float> share_E, std::span<const float> logits_E, std::span<const int32_t> ids_k,
                        size_t j, float epsilon);

// What the weights of a token's choices are divided by. ids_k: −1 for dropped ones.
float divisor(const RouterPolicy& policy, std::span<const float> score_k, std::span<const int32_t> ids_k);

}  // namespace gremium::moe
