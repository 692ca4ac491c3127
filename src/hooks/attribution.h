// Direct logit attribution: which parts of the model made one token more likely than another. The final residual is the
// sum of what the embedding and every part of every layer added to it, and the logits are linear in it if the final
// norm's scale is held at its value at that position (Elhage et al.: A Mathematical Framework for Transformer Circuits,
// 2021). With x = Σ_p x_p, norm weights w, head rows h and the divisor c of the logits:
//   logit(a) − logit(b) = Σ_p ⟨x_p, w ⊙ (h_a − h_b)⟩ / (rms(x) · c) + constant.
// Experts count with their routing weights, parts of layers with the residual scale; a layer norm first subtracts the
// mean of each part; the constant comes from the biases of the norm and the head. Exact up to the rounding of the f32
// forward.
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
    float weight;       // routing weight of the expert; 1 for other parts
    double value;       // its part of the difference of logits, in nats
};

struct Attribution {
    int32_t token, against;
    double difference;  // logit(token) − logit(against), as the model computed it
    double constant;
    std::vector<PartShare> parts;
    // The sum of the parts and the constant: the difference, up to rounding.
    double sum() const;
    // The sum of all parts of one kind.
    double total(moe::Part part) const;
    // The experts with the largest absolute values; at most `most`.
    std::vector<PartShare> strongest_experts(size_t most) const;
};
// embedding, mixer, cross, dense, experts, shared.
std::string_view name_of(moe::Part part);
// The kinds of parts that contributed to any of the tokens.
std::vector<moe::Part> parts_of(std::span<const Attribution> tokens);

// The hook that keeps all contributions to the last token of the latest forward: (parts + k) · D floats per layer.
class ContributionRecorder : public moe::RoutingHook {
  public:
    explicit ContributionRecorder(const ModelSpec& spec) : spec_(spec) {}
    void contributes(const moe::Contribution& contribution) override;

    struct Kept {
        moe::Part part;
        int layer, expert;
        float weight;
        // As added to the residual stream, with routing weight and residual scale applied.
        std::vector<float> x_D;
    };
    const std::vector<Kept>& parts() const { return parts_; }

  private:
    void keep(const moe::Contribution& c, int64_t row, int expert, float weight);

    const ModelSpec& spec_;
    std::vector<Kept> parts_;
};

// Explains the logits of the latest forward.
Attribution attribute(const Model& model, const ContributionRecorder& recorder, std::span<const float> logits_V,
                      int32_t token, int32_t against);

// The most probable other token.
int32_t runner_up(std::span<const float> logits_V, int32_t token);

}  // namespace gremium::hooks
