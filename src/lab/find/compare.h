// Compares how variants of a model, with other weights or other routing, predict the same text.
#pragma once

#include <functional>
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

// Windows must be of one length, vocabularies of one size. Each window begins a fresh context. Memory: two rows of
// logits a token of a batch, a batch is at least one window. `between` (may be null) is called after each batch; what
// it throws ends the comparison.
Comparison compare(const Variant& original, std::span<const Variant> variants, const data::Windows& windows,
                   engine::Arithmetic arithmetic = engine::Arithmetic::exact,
                   const std::function<void()>& between = {});

}  // namespace gremium::lab
