// One tensor of a model in training: by its own numbers, or by a change of low rank.
#pragma once

#include <vector>

#include "kernels/rowwise/adamw.h"
#include "model/spec/spec.h"
#include "model/spec/tensors.h"
#include "ops/graph.h"
#include "tensor/arena.h"

namespace gremium::lab {

// W + scale · B · A with W as it was (Hu et al. 2021, "LoRA"). A is kept transposed.
struct LowRank {
    float scale = 0;
    OwnedTensor b_Nr, a_Kr;  // f32

    void add_to(Tensor w_NK) const;
};

// An f32 copy of a tensor with its gradient, as the model's one forward wants it. The gradient of W gives those of the
// factors, so a change of low rank passes the same operations.
class Trainable {
  public:
    Trainable(TensorSlot slot, TensorView value);
    // From here on only scale · B · A is trained; A begins random, B with zeros. A matrix expected.
    void make_low_rank(int rank, float scale, uint64_t seed);
    void keep_rows(std::vector<bool> rows) { rows_ = std::move(rows); }  // only these are trained

    const TensorSlot& slot() const { return slot_; }
    DType stored() const { return stored_; }  // the type that the model has it in
    const std::vector<bool>& rows() const { return rows_; }
    bool low_rank() const { return factors_.size() > 1; }
    LowRank take_low_rank() { return std::move(change_); }
    ops::Weight weight() const { return {weight_, gradient_}; }

    void zero_gradient();
    double finish_gradient();  // passes it on to what is trained; the sum of squares there
    void update(const kernels::AdamW& adamw);

  private:
    struct Factor {  // what AdamW sees
        Tensor value, gradient;
        OwnedTensor momentum, variance;
    };
    void train(Tensor value, Tensor gradient);

    TensorSlot slot_;
    DType stored_;
    OwnedTensor weight_, gradient_;
    std::vector<bool> rows_;  // empty: all
    OwnedTensor origin_, b_gradient_, a_gradient_;
    LowRank change_;
    std::vector<Factor> factors_;  // W, or B and A
};

}  // namespace gremium::lab
