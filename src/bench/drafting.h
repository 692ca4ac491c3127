// What drafts gain (engine/drafting/drafter.h) where it is known how often they are right.
#pragma once

#include <memory>

#include "engine/arithmetic.h"
#include "engine/drafting/gate.h"
#include "model/model.h"

namespace gremium::bench {

struct DraftingBench {
    int64_t prompt, predict;  // tokens
    int repeats;
    DType cache = DType::f32;  // of keys and values
    engine::Arithmetic arithmetic = engine::Arithmetic::running;
    double right = 0.7;  // the share of drafted tokens that are those of the answer
    int most = 8;        // tokens of a draft
};

struct DraftingSpeed {
    double drafted = 0, plain = 0;  // tokens/s of decoding; medians
    double ratio = 0;               // median of those of neighbouring measurements
    engine::DraftStats stats;       // of all runs
};

// Greedy answers to random prompts, each with drafts and without. Drafting itself costs nothing here.
DraftingSpeed run_drafting_bench(const std::shared_ptr<const Model>& model, const DraftingBench& options);

}  // namespace gremium::bench
