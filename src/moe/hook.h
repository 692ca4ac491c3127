// The one door through which routing is watched and steered: tracing, statistics, steering and live views are its clients.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gremium::moe {

// Which tokens a batch holds; all spans have T entries (sequences may be empty: one sequence).
struct TokenBatch {
    std::span<const int32_t> tokens, positions, sequences;
};

// What a hook may ask of selection beyond other logits and another k, for all of this layer's tokens. Nothing by default.
// Choices can be given up (dropped, mass) only where the graph does not train.
struct SelectionRules {
    // Chosen before all others, whatever their scores and groups; at most k. Weights still come from their logits.
    std::vector<int32_t> forced;
    // Given up where they were chosen; the token's other choices get their weight, in proportion.
    std::vector<int32_t> dropped;
    // In (0, 1]: only as few of the first choices are kept as have this share of the weight of all k. Weights are then
    // what the router's policy makes of so many choices.
    float mass = 1;
};

// Before selection: logits may be changed (add to prefer, −infinity to mute) and k may be changed (1 … E) for this
// layer's tokens. Logits are what the router's matrix and bias gave: scores, correction bias and groups come later.
struct BeforeSelection {
    int layer;
    const TokenBatch& batch;
    int experts;
    std::span<float> logits_TE;
    int& top_k;
    SelectionRules& rules;
};

// After selection: what was chosen. margin_T: selection score of the last chosen expert minus that of the best expert not
// chosen (infinity when k = E). A choice dropped for want of capacity has id −1 and weight 0; those that rules gave up do
// too, and stand behind the others.
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
// during the call only: memory is reused. `cross`: attention to a source.
enum class Part : uint8_t { embedding, mixer, cross, dense, experts, shared };
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
    // Names what it does to routing: hooks of one fingerprint decide alike, and what was computed under another must not be
    // mixed with it. Empty: it only looks.
    virtual std::string fingerprint() const { return {}; }
};

// Several hooks one after the other; they must outlive it.
class HookChain final : public RoutingHook {
  public:
    explicit HookChain(std::vector<RoutingHook*> hooks) : hooks_(std::move(hooks)) {}
    void before_selection(const BeforeSelection& s) override {
        for (RoutingHook* hook : hooks_) hook->before_selection(s);
    }
    void after_selection(const AfterSelection& s) override {
        for (RoutingHook* hook : hooks_) hook->after_selection(s);
    }
    void contributes(const Contribution& c) override {
        for (RoutingHook* hook : hooks_) hook->contributes(c);
    }
    std::string fingerprint() const override {
        std::string all;
        for (const RoutingHook* hook : hooks_) all += hook->fingerprint();
        return all;
    }

  private:
    std::vector<RoutingHook*> hooks_;
};

}  // namespace gremium::moe
