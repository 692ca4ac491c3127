// RoutingHook: your code, called at every decision of every router.
//
// In each layer that has experts, the router computes one logit per expert for every token and chooses k of the E
// experts. A hook is called before and after that choice. Hooks belong to a session or a request: in a batch, the hook
// of a request sees the tokens of that request only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gremium/error.hpp>

namespace gremium {
inline namespace v0 {

// Further rules that a hook may set for the choice, for all tokens of the call.
struct SelectionRules {
    // These experts are chosen first, whatever their scores; at most k. Their weights still come from their logits.
    std::vector<int32_t> forced;
    // These experts are dropped after the choice; their weight goes to the token's other experts, in proportion.
    std::vector<int32_t> dropped;
    // In (0, 1]: of the k choices, best first, keeps the fewest whose weights sum to this share of the total weight.
    float mass = 1;
};

// T tokens, before a layer chooses their experts. All spans are valid only during the call.
struct BeforeSelection {
    int layer;
    int experts;  // E
    std::span<const int32_t> tokens_T, positions_T;
    // [T, E]. May be changed: add to a logit to prefer an expert, set it to −infinity to mute the expert.
    std::span<float> logits_TE;
    // k. May be changed: 1 … E.
    int& top_k;
    // Empty at first; the rules of several hooks are merged.
    SelectionRules& rules;
};

// The same tokens, after the choice. All spans are valid only during the call.
struct AfterSelection {
    int layer;
    int experts, top_k;
    std::span<const int32_t> tokens_T, positions_T;
    std::span<const float> logits_TE;
    // [T, k]: k choices per token, best first. A dropped choice has id −1 and weight 0.
    std::span<const int32_t> ids_Tk;
    std::span<const float> weights_Tk;
    // [T]: score of the last expert chosen minus score of the best one not chosen; infinity if all were chosen.
    std::span<const float> margin_T;
};

// Override what you need. Functions are called on the thread that called evaluate(), generate() or step(), never two
// at a time for one session or scheduler. What they throw leaves that call: a session's context may then hold fewer
// tokens, and all running requests of a scheduler have ended as failed.
class RoutingHook {
  public:
    RoutingHook() = default;
    RoutingHook(const RoutingHook&) = default;
    RoutingHook& operator=(const RoutingHook&) = default;
    virtual ~RoutingHook();

    virtual void before_selection(const BeforeSelection& selection);
    virtual void after_selection(const AfterSelection& selection);
    // Identifies what the hook does to routing: hooks with the same fingerprint must decide alike. Contexts computed
    // under different fingerprints are never mixed. Empty, the default: the hook only observes and changes nothing. The
    // fingerprint must not change while a context is in use.
    virtual std::string fingerprint() const;
};

}  // namespace v0
}  // namespace gremium
