// What decoding several sequences together gains.
#pragma once

#include <memory>

#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::bench {

struct SequencesBench {
    int64_t sequences, prompt, predict;  // tokens of each
    int repeats;
    DType cache = DType::f32;  // of keys and values
    engine::Arithmetic arithmetic = engine::Arithmetic::running;
    bool random_routing = false;  // every expert is as likely as the others: the least that sequences can share
};

struct SequencesSpeed {
    double together = 0, alone = 0;  // tokens/s: of all sequences, of one that runs by itself; medians
    double ratio = 0;                // median of those of neighbouring measurements
    // Of one sequence's weight bytes a token to those of a step that all share: the ratio where nothing but reading
    // weights costs time.
    double limit = 0;
    double experts = 0;  // distinct ones that a step uses, mean of the layers that have some
};

// Sequences of different random prompts whose tokens are drawn.
SequencesSpeed run_sequences_bench(const std::shared_ptr<const Model>& model, const SequencesBench& options);

}  // namespace gremium::bench
