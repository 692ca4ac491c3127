// Why this token and not another: direct logit attribution. The final residual is the sum of what the embedding and
// every part of every layer added to it, and the logits are linear in it once the final norm's scale is held at what it
// was at that position (Elhage et al.: A Mathematical Framework for Transformer Circuits, 2021). So with x = Σ_p x_p,
// norm weights w, head rows h and the divisor c of the logits
//   logit(a) − logit(b) = Σ_p ⟨x_p, w ⊙ (h_a − h_b)⟩ / (rms(x) · c) + constant,
// where experts count with their weights, layers' parts with the residual scale, a layer norm takes each part's mean
// off first, and the constant is what biases of the norm and the head add. Exact up to the rounding of the f32 forward.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "moe/hook.h"

namespace gremium::hooks {

// What a part added to the residual stream at one position.
struct PartShare {
    moe::Part part;
    int layer, expert;  // −1: none
    float weight;       // of the expert; 1 for other parts
    double value;       // nats of the difference of logits
};

struct Attribution {
    int32_t token, against;
    double difference;  // logit(token) − logit(against), as the model computed it
    double constant;
    std::vector<PartShare> parts;
    double sum() const;                  // of the parts and the constant: the difference, but for rounding
    double total(moe::Part part) const;  // of all parts of this kind
    // The experts that weighed most, for or against; at most so many.
    std::vector<PartShare> strongest_experts(size_t most) const;
};
std::string_view name_of(moe::Part part);  // embedding, mixer, cross, dense, experts, shared
// Every kind of part that added something to any of the tokens.
std::vector<moe::Part> parts_of(std::span<const Attribution> tokens);

// The hook that keeps what the last token of the latest forward was made of: (parts + k) · D floats a layer.
class ContributionRecorder : public moe::RoutingHook {
  public:
    explicit ContributionRecorder(const ModelSpec& spec) : spec_(spec) {}
    void contributes(const moe::Contribution& contribution) override;

    struct Kept {
        moe::Part part;
        int layer, expert;
        float weight;
        std::vector<float> x_D;  // as added to the residual stream: weight and residual scale included
    };
    const std::vector<Kept>& parts() const { return parts_; }

  private:
    void keep(const moe::Contribution& c, int64_t row, int expert, float weight);

    const ModelSpec& spec_;
    std::vector<Kept> parts_;
};

// Of the logits after the latest forward.
Attribution attribute(const Model& model, const ContributionRecorder& recorder, std::span<const float> logits_V,
                      int32_t token, int32_t against);

// The most probable other token.
int32_t runner_up(std::span<const float> logits_V, int32_t token);

}  // namespace gremium::hooks
