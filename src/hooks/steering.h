// The routing hook that applies a steering profile.
#pragma once

#include <string>
#include <vector>

#include "hooks/steering_profile.h"
#include "moe/hook.h"

namespace gremium::hooks {

class SteeringHook final : public moe::RoutingHook {
  public:
    // Throws Error if the profile does not fit the model (check()).
    SteeringHook(SteeringProfile profile, const ModelSpec& spec);

    void before_selection(const moe::BeforeSelection& selection) override;
    std::string fingerprint() const override { return hash_; }
    const SteeringProfile& profile() const { return profile_; }

  private:
    struct Layer {
        std::vector<std::pair<int, float>> bias;
        std::vector<int> muted;
        moe::SelectionRules rules;
        int top_k = 0;
        bool changes_logits() const { return !bias.empty() || !muted.empty() || !rules.forced.empty(); }
    };
    static void steer(std::span<float> logits_E, const Layer& layer);

    SteeringProfile profile_;
    std::string hash_;
    std::vector<Layer> layers_;
};

}  // namespace gremium::hooks
