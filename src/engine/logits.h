// Logits of many rows, computed a few rows at a time to bound their memory.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/decoder.h"

namespace gremium::engine {

// 32 rows of logits for a vocabulary of 256k take 32 MiB.
inline constexpr int64_t logit_rows = 32;

std::vector<int32_t> rows_from(int64_t first, int64_t count);

// Calls on_row for each row of hidden_TD, in order. The logits are valid during the call.
using OnLogits = std::function<void(int64_t row, std::span<const float> logits_V)>;
void each_logits(ops::Graph& g, const Model& model, ops::Var hidden_TD, const OnLogits& on_row);

}  // namespace gremium::engine
