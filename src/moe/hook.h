// The one door through which routing is watched and steered: tracing, statistics, steering and live views are its clients.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::moe {

// Which tokens a batch holds; all spans have T entries (sequences may be empty: one sequence).
struct TokenBatch {
    std::span<const int32_t> tokens, positions, sequences;
};

// Before selection: logits may be changed (add to prefer, −infinity to mute) and k may be changed (1 … E) for this
// layer's tokens.
struct BeforeSelection {
    int layer;
    const TokenBatch& batch;
    int experts;
    std::span<float> logits_TE;
    int& top_k;
};

// After selection: what was chosen. margin_T: selection score of the last chosen expert minus that of the best expert not
// chosen (infinity when k = E). A choice dropped for want of capacity has id −1 and weight 0.
struct AfterSelection {
    int layer;
    const TokenBatch& batch;
    int experts, top_k;
    std::span<const float> logits_TE;
    std::span<const int32_t> ids_Tk;
    std::span<const float> weights_Tk;
    std::span<const float> margin_T;
};

// What a part of the model is about to add to the residual stream, layers' parts before ModelSpec::residual_scale. Valid
// during the call only: memory is reused.
enum class Part : uint8_t { embedding, mixer, cross, dense, experts, shared };  // cross: attention to a source
struct Contribution {
    Part part;
    int layer;  // −1: embedding
    const TokenBatch& batch;
    TensorView y;  // f32 or bf16, [T, D]; of experts [R, D], a row for each choice that was not dropped
    // Of experts only. Choice j of token t adds weights[t, j] · y[row_of[t, j]]; a row of −1 was dropped. Where weights
    // were applied to the experts' input they are not given (empty): each row counts once.
    std::span<const int32_t> ids_Tk = {}, row_of_Tk = {};
    std::span<const float> weights_Tk = {};
};

class RoutingHook {
  public:
    virtual ~RoutingHook() = default;
    virtual void before_selection(const BeforeSelection&) {}
    virtual void after_selection(const AfterSelection&) {}
    virtual void contributes(const Contribution&) {}
};

}  // namespace gremium::moe
