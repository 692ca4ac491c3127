// Compares how variants of a model, with other weights or other routing, predict the same text.
#pragma once

#include <span>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"
#include "moe/hook.h"

namespace gremium::lab {

struct Variant {
    const Model* model;
    moe::RoutingHook* hook = nullptr;
};

// Means over predicted tokens, in nats.
struct Prediction {
    double loss = 0;  // −ln p(token)
    double kl = 0;    // Σ_v p(v) ln(p(v) / q(v)) with p from the original and q from this variant
};

struct Comparison {
    int64_t tokens = 0;  // predicted tokens: all but the first of each window
    Prediction original = {};
    std::vector<Prediction> variants = {};
};

// All windows must have the same length, and all vocabularies the same size. Each window begins a new context. Memory:
// two rows of logits per token of a batch, which holds at least one window.
Comparison compare(const Variant& original, std::span<const Variant> variants, const data::Windows& windows,
                   engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
