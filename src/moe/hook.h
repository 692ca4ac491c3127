// The one door through which routing is watched and steered: tracing, statistics, steering and live views are its
// clients. A hook belongs to a sequence: it is told of that sequence's tokens alone, and what it asks for holds for
// them alone, whatever else is in the batch. Without caches all tokens of a batch are one sequence here. Hooks are
// called one after the other, from the thread that runs the forward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gremium::moe {

// The T tokens that a hook is told of; the spans are empty where a caller of route() knows nothing of them.
struct TokenBatch {
    std::span<const int32_t> tokens, positions;
};

// What a hook may ask of selection beyond other logits and another k. Nothing by default. Choices can be given up
// (dropped, mass) only where the graph does not train.
struct SelectionRules {
    // Chosen before all others, whatever their scores and groups; at most k. Weights still come from their logits.
    std::vector<int32_t> forced;
    // Given up where they were chosen; the token's other choices get their weight, in proportion.
    std::vector<int32_t> dropped;
    // In (0, 1]: only as few of the first choices are kept as have this share of the weight of all k. Weights are then
    // what the router's policy makes of so many choices.
    float mass = 1;

    // Asks for what `other` asks for too: the experts that either names, each once, and the smaller mass. An expert
    // that one forces and the other drops is an Error of route().
    void merge(const SelectionRules& other);
    bool give_up() const { return !dropped.empty() || mass < 1; }
};

// Before selection: logits may be changed (add to prefer, −infinity to mute) and k may be changed (1 … E) for this
// layer's tokens. Logits are what the router's matrix and bias gave: scores, correction bias and groups come later.
// Rules are empty: what other hooks of the sequence ask for is merged with them afterwards.
struct BeforeSelection {
    int layer;
    const TokenBatch& batch;
    int experts;
    std::span<float> logits_TE;
    int& top_k;
    SelectionRules& rules;
};

// After selection: what was chosen. margin_T: selection score of the last chosen expert minus that of the best expert
// not chosen (infinity when k = E). A choice dropped for want of capacity has id −1 and weight 0; those that rules gave
// up do too, and stand behind the others.
struct AfterSelection {
    int layer;
    const TokenBatch& batch;
    int experts, top_k;
    std::span<const float> logits_TE;
    std::span<const int32_t> ids_Tk;
    std::span<const float> weights_Tk;
    std::span<const float> margin_T;
};

// What a part of the model is about to add to the residual stream, layers' parts before ModelSpec::residual_scale.
// Valid during the call only: memory is reused. `cross`: attention to a source.
enum class Part : uint8_t { embedding, mixer, cross, dense, experts, shared };
struct Contribution {
    Part part;
    int layer;  // −1: embedding
    const TokenBatch& batch;
    TensorView y;  // f32 or bf16, [T, D]; of experts [R, D], where row_of says which rows are this sequence's
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
    // Names what it does to routing: hooks of one fingerprint decide alike, and what was computed under another must
    // not be mixed with it. Empty: it only looks.
    virtual std::string fingerprint() const { return {}; }
};

// Several hooks of one sequence, one after the other; they must outlive it. Logits and k pass through them, so that a
// later one's k holds; their rules are merged.
class HookChain final : public RoutingHook {
  public:
    explicit HookChain(std::vector<RoutingHook*> hooks) : hooks_(std::move(hooks)) {}
    void before_selection(const BeforeSelection& s) override;
    void after_selection(const AfterSelection& s) override;
    void contributes(const Contribution& c) override;
    std::string fingerprint() const override;

  private:
    std::vector<RoutingHook*> hooks_;
};

// Neighbouring rows of a batch, those of one sequence, and the hook that is told of them.
struct HookedRows {
    RoutingHook* hook;
    int64_t row, rows;
    TokenBatch batch;
};

}  // namespace gremium::moe
