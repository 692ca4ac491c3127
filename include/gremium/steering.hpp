// SteeringProfile: wishes about routing as a record, for a session or a request.
//
// A wish says what to do where the router of a layer has given a token its logits l:
//   bias   l_e += b. The odds of expert e grow by the factor eᵇ. The gentle way: try this first.
//   mute   e is never chosen; the next best takes its place.
//   drop   e is chosen as usual and then left out; the token's other experts share its weight.
//   force  e is always chosen, with at least the weight of a best expert.
//   experts_per_token  another k; with a mass below 1, of those k only the first that have this share of their weight.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <gremium/engine.hpp>

namespace gremium {
namespace api {
struct Profile;
}

inline namespace v0 {

// A value: copies are independent. Const functions may be called from several threads at once.
class SteeringProfile {
  public:
    SteeringProfile() = default;  // no wishes
    // From TOML; `source` names it in messages. Keys: name, mute, drop, force (lists of "LAYER.EXPERT"), num_experts,
    // [bias] "LAYER.EXPERT" = NUMBER, [layers] LAYER = K. Throws Error with the line at fault.
    static SteeringProfile parse(std::string_view toml, const std::string& source = "profile");
    static SteeringProfile read(const std::string& path);

    // Each returns the profile, so that wishes can be written one behind the other.
    SteeringProfile& bias(int layer, int expert, float value);
    SteeringProfile& mute(int layer, int expert);
    SteeringProfile& drop(int layer, int expert);
    SteeringProfile& force(int layer, int expert);
    // top_k 0: the model's own. Throws Error for a top_k below 0 and a mass outside (0, 1].
    SteeringProfile& experts_per_token(int top_k, float mass = 1);
    SteeringProfile& experts_per_token_of_layer(int layer, int top_k, float mass = 1);
    // Adds the wishes of another profile; where both give a number, the other's counts.
    SteeringProfile& merge(const SteeringProfile& later);

    bool empty() const;
    std::string name() const;
    std::string toml() const;     // what parse() reads
    std::string hash() const;     // of all but the name; empty for an empty profile
    std::string summary() const;  // "2 biased, 1 muted"

    // Throws Error, with the facts of the layer, where the engine's model has no such layer or expert, or no token
    // could satisfy the wishes. Sessions and schedulers check what they are given.
    void check(const Engine& engine) const;

  private:
    friend struct api::Access;
    api::Profile& own();
    std::shared_ptr<const api::Profile> profile_;
};

}  // namespace v0
}  // namespace gremium
