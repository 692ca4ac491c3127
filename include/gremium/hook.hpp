// RoutingHook: your code at every decision of every router.
//
// Each layer that has experts gives every token logits, one for each of its E experts, and chooses k of them. A hook
// sees both sides of that choice. Hooks belong to a session or to a request: one in a batch sees its own tokens only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gremium/error.hpp>

namespace gremium {
inline namespace v0 {

// What a hook may ask of the choice beyond other logits and another k, for all tokens of the call.
struct SelectionRules {
    // Experts chosen before all others, whatever their scores; at most k. Their weights still come from their logits.
    std::vector<int32_t> forced;
    // Experts given up where they were chosen; the token's other experts get their weight, in proportion.
    std::vector<int32_t> dropped;
    // In (0, 1]: keeps only as many of the first choices as have this share of the weight of all k.
    float mass = 1;
};

// T tokens before a layer chooses. All spans end with the call.
struct BeforeSelection {
    int layer;
    int experts;  // E
    std::span<const int32_t> tokens_T, positions_T;
    std::span<float> logits_TE;  // may be changed: add to prefer an expert, −infinity to mute it
    int& top_k;                  // k, may be changed: 1 … E
    SelectionRules& rules;       // empty; what several hooks ask for is put together
};

// The same tokens after the choice.
struct AfterSelection {
    int layer;
    int experts, top_k;
    std::span<const int32_t> tokens_T, positions_T;
    std::span<const float> logits_TE;
    // k choices a token, best first. A choice that was given up has the id −1 and the weight 0.
    std::span<const int32_t> ids_Tk;
    std::span<const float> weights_Tk;
    // Score of the last expert chosen minus that of the best one not chosen; infinity when all are chosen.
    std::span<const float> margin_T;
};

// Override what you need. Functions are called on the thread that called evaluate(), generate() or step(), never two
// at a time for one session or scheduler. What they throw comes out of that call: a session's context may hold fewer
// tokens then, and of a scheduler all requests that ran have ended as failed.
class RoutingHook {
  public:
    RoutingHook() = default;
    RoutingHook(const RoutingHook&) = default;
    RoutingHook& operator=(const RoutingHook&) = default;
    virtual ~RoutingHook();

    virtual void before_selection(const BeforeSelection& selection);
    virtual void after_selection(const AfterSelection& selection);
    // Names what the hook does to routing. Two hooks of one fingerprint decide alike; contexts computed under
    // different fingerprints are not mixed. Empty, the default: it only looks, and changes no bit of any result. It
    // must not change while a context is in use.
    virtual std::string fingerprint() const;
};

}  // namespace v0
}  // namespace gremium
