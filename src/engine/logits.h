// Logits of many rows, computed a few rows at a time to bound their memory.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "model/decoder.h"

namespace gremium::engine {

// 32 rows of logits for a vocabulary of 256k take 32 MiB.
inline constexpr int64_t logit_rows = 32;

std::vector<int32_t> rows_from(int64_t first, int64_t count);

// Error where a logit, or a loss made of logits, is infinite or not a number: it names the weight at fault, or says
// that the activations are.
void require_finite(std::span<const float> numbers, std::string_view what, const Model& model);

// Calls it for each row of hidden_TD, in their order. Error where one is not finite. Logits are valid during the call.
using OnLogits = std::function<void(int64_t row, std::span<const float> logits_V)>;
void each_logits(ops::Graph& g, const Model& model, ops::Var hidden_TD, const OnLogits& on_row);

}  // namespace gremium::engine
