// How well a model predicts a text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/reader.h"

namespace gremium::engine {

struct Evaluation {
    double nats = 0;     // Σ −ln p(token)
    int64_t tokens = 0;  // predicted tokens
    double mean() const { return tokens ? nats / static_cast<double>(tokens) : 0; }
    // Bits per byte of the text that the tokens stand for.
    double bits_per_byte(int64_t bytes) const;
};

struct EvaluateOptions {
    int64_t window = 512;  // the most tokens in a forward
    // A window begins every `stride` tokens (0: every `window`) and counts the tokens that no earlier one has counted.
    // So every token but the first is predicted exactly once, from at least window − stride tokens if the text has
    // them. A smaller stride costs window / stride times the work and measures the model with longer contexts.
    int64_t stride = 0;
    // Instead: whole windows side by side, of which each counts the tokens behind its middle alone, and what is left
    // over counts nothing. llama-perplexity's way (tools/perplexity of llama.cpp), which also wants two windows at
    // least.
    bool last_halves = false;
    int64_t batch = 8;  // windows evaluated together
    DType compute = DType::f32;
    moe::RoutingHook* hook = nullptr;
    kernels::MatmulObserver* observer = nullptr;
};

Evaluation evaluate(const Model& model, std::span<const int32_t> tokens, const EvaluateOptions& options = {});

}  // namespace gremium::engine
