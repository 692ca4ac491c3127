// SteeringProfile: settings that change routing, for a session or a request.
//
// A setting acts on the logits l that the router of a layer computed for a token, or on the choice made from them:
//   bias   l_e += b. The odds of expert e grow by the factor eᵇ. The gentle way: try this first.
//   mute   Expert e is never chosen; the next best takes its place.
//   drop   Expert e is chosen as usual and then left out; the token's other experts share its weight.
//   force  Expert e is always chosen, with at least the weight of the token's best expert.
//   experts_per_token  Another k. With a mass below 1, of these k only the fewest whose weights sum to that share.
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
    // An empty profile.
    SteeringProfile() = default;
    // From TOML; `source` names the text in messages. Keys: name, mute, drop, force (lists of "LAYER.EXPERT"),
    // num_experts, [bias] "LAYER.EXPERT" = NUMBER, [layers] LAYER = K. Throws Error naming the line.
    static SteeringProfile parse(std::string_view toml, const std::string& source = "profile");
    static SteeringProfile read(const std::string& path);

    // Each returns the profile, so that calls can be chained.
    SteeringProfile& bias(int layer, int expert, float value);
    SteeringProfile& mute(int layer, int expert);
    SteeringProfile& drop(int layer, int expert);
    SteeringProfile& force(int layer, int expert);
    // top_k 0: the model's k. Throws Error for a top_k below 0 and a mass outside (0, 1].
    SteeringProfile& experts_per_token(int top_k, float mass = 1);
    SteeringProfile& experts_per_token_of_layer(int layer, int top_k, float mass = 1);
    // Adds the settings of another profile; where both set the same number, the later one wins.
    SteeringProfile& merge(const SteeringProfile& later);

    bool empty() const;
    std::string name() const;
    // As TOML, which parse() reads.
    std::string toml() const;
    // Of everything but the name; empty for an empty profile.
    std::string hash() const;
    // "2 biased, 1 muted".
    std::string summary() const;

    // Throws Error, describing the layer, if the engine's model has no such layer or expert, or if no choice could
    // satisfy the settings. Sessions and schedulers check the profiles they are given.
    void check(const Engine& engine) const;

  private:
    friend struct api::Access;
    api::Profile& own();
    std::shared_ptr<const api::Profile> profile_;
};

}  // namespace v0
}  // namespace gremium
