// What a learner changes: a model, and those of its tensors that receive gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
#include "tensor/tensor.h"

namespace gremium::train {

// Tensors of one size that AdamW updates together.
struct Part {
    Tensor weight, gradient, momentum, variance;
    // The weights once more in bf16, for matmuls; may be empty.
    Tensor shadow = {};
    bool decays = false;
};

// What one update changes.
struct Trainables {
    std::vector<Part> parts = {};
    // Those of all parts, in as few tensors as they lie in: their common norm is clipped.
    std::vector<Tensor> gradients = {};
};

struct LayerLoad {
    int layer;
    std::vector<int64_t> load_E;  // tokens each expert received
};

class Trainee {
  public:
    virtual ~Trainee() = default;
    // What the forward reads. The backward adds to the gradients of its weights.
    virtual const Model& model() const = 0;
    // Called when a step's gradients are summed.
    virtual Trainables trainables() = 0;
    // Called after the update, with the tokens that each MoE layer's experts received in the step.
    virtual void updated(const std::vector<LayerLoad>& loads) = 0;
};

}  // namespace gremium::train
