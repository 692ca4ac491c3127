// The one interface through which routing is observed and steered: traces, statistics, steering and live views all use
// it. A hook belongs to a sequence: it sees only that sequence's tokens, and its changes apply only to them, whatever
// else is in the batch. Without caches, all tokens of a batch count as one sequence here. Hooks are called one after
// the other, from the thread that runs the forward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gremium::moe {

// The T tokens of a call; the spans are empty if the caller of route() does not know them.
struct TokenBatch {
    std::span<const int32_t> tokens, positions;
};

// Further rules that a hook may set for the selection; none by default. Choices can be given up (dropped, mass) only if
// the graph does not train.
struct SelectionRules {
    // Chosen before all others, whatever their scores and groups; at most k. Their weights still come from their
    // logits.
    std::vector<int32_t> forced;
    // Dropped after the selection; the token's other choices get their weight, in proportion.
    std::vector<int32_t> dropped;
    // In (0, 1]: of the k choices, best first, keeps the fewest whose weights sum to this share of the total. The
    // router's policy then computes weights as for this smaller number of choices.
    float mass = 1;

    // Adds the rules of `other`: the union of the experts, and the smaller mass. If one forces an expert that the other
    // drops, route() throws Error.
    void merge(const SelectionRules& other);
    bool give_up() const { return !dropped.empty() || mass < 1; }
};

// Before selection: the hook may change logits (add to prefer an expert, −infinity to mute it) and k (1 … E) for this
// layer's tokens. Logits are the output of the router's matrix and bias; scores, correction bias and groups come later.
// The rules are empty; those of the sequence's other hooks are merged afterwards.
struct BeforeSelection {
    int layer;
    const TokenBatch& batch;
    int experts;
    std::span<float> logits_TE;
    int& top_k;
    SelectionRules& rules;
};

// After selection. margin_T: selection score of the last expert chosen minus that of the best expert not chosen
// (infinity if k = E). A choice that was dropped, for lack of capacity or by a rule, has id −1 and weight 0; those
// dropped by a rule come last.
struct AfterSelection {
    int layer;
    const TokenBatch& batch;
    int experts, top_k;
    std::span<const float> logits_TE;
    std::span<const int32_t> ids_Tk;
    std::span<const float> weights_Tk;
    std::span<const float> margin_T;
};

// What a part of the model is about to add to the residual stream; for parts of layers, before
// ModelSpec::residual_scale. Valid only during the call, because the memory is reused. `cross`: attention over a
// source.
enum class Part : uint8_t { embedding, mixer, cross, dense, experts, shared };
struct Contribution {
    Part part;
    int layer;  // −1: embedding
    const TokenBatch& batch;
    // f32 or bf16. [T, D]; for experts [R, D], where row_of selects the rows of this sequence.
    TensorView y;
    // For experts only. Choice j of token t adds weights[t, j] · y[row_of[t, j]]; row −1: the choice was dropped. If
    // weights were applied to the experts' input, weights_Tk is empty and each row counts once.
    std::span<const int32_t> ids_Tk = {}, row_of_Tk = {};
    std::span<const float> weights_Tk = {};
};

class RoutingHook {
  public:
    virtual ~RoutingHook() = default;
    virtual void before_selection(const BeforeSelection&) {}
    virtual void after_selection(const AfterSelection&) {}
    virtual void contributes(const Contribution&) {}
    // Identifies what the hook does to routing: hooks with the same fingerprint decide alike, and results computed
    // under different fingerprints must not be mixed. Empty: the hook only observes.
    virtual std::string fingerprint() const { return {}; }
};

// Several hooks of one sequence, called in order; they must outlive the chain. Logits and k pass through all of them,
// so the last one's k counts; their rules are merged.
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

// The rows of one sequence in a batch, which are contiguous, and the sequence's hook.
struct HookedRows {
    RoutingHook* hook;
    int64_t row, rows;
    TokenBatch batch;
};

}  // namespace gremium::moe
