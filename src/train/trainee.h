// The model that a learner trains, and those of its tensors that receive gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
#include "tensor/tensor.h"

namespace gremium::train {

// Tensors of the same size that AdamW updates together.
struct Part {
    Tensor weight, gradient, momentum, variance;
    // A bf16 copy of the weights for matmuls; may be empty.
    Tensor shadow = {};
    bool decays = false;
};

// The tensors that one update changes.
struct Trainables {
    std::vector<Part> parts = {};
    // The gradients of all parts, in as few contiguous tensors as possible; their common norm is clipped.
    std::vector<Tensor> gradients = {};
};

struct LayerLoad {
    int layer;
    std::vector<int64_t> load_E;  // tokens per expert
};

class Trainee {
  public:
    virtual ~Trainee() = default;
    // The model that the forward reads. The backward adds to the gradients of its weights.
    virtual const Model& model() const = 0;
    // Called when the gradients of a step are summed.
    virtual Trainables trainables() = 0;
    // Called after the update, with the loads of each MoE layer's experts in the step.
    virtual void updated(const std::vector<LayerLoad>& loads) = 0;
};

}  // namespace gremium::train
