// One tensor of a model in training: trained directly, or through a low-rank change (LoRA).
#pragma once

#include <vector>

#include "lab/edit/low_rank.h"
#include "model/spec/tensors.h"
#include "ops/graph.h"
#include "train/trainee.h"

namespace gremium::lab {

// An f32 copy of a tensor with its gradient, for the model's forward. The gradients of the low-rank factors follow from
// that of W, so the forward is the same with and without them.
class Trainable {
  public:
    Trainable(TensorSlot slot, TensorView value);
    // From here on only scale · B · A is trained; A begins random, B with zeros. The tensor must be a matrix.
    void make_low_rank(int rank, float scale, uint64_t seed);
    // Only these rows are trained.
    void keep_rows(std::vector<bool> rows) { rows_ = std::move(rows); }

    const TensorSlot& slot() const { return slot_; }
    // The type in which the model stores it.
    DType stored() const { return stored_; }
    const std::vector<bool>& rows() const { return rows_; }
    bool low_rank() const { return static_cast<bool>(origin_); }
    LowRank take_low_rank() { return std::move(change_); }
    ops::Weight weight() const { return {weight_, gradient_}; }

    // What training has come to, by name: values and moments. Whoever writes to it calls follow().
    std::vector<std::pair<std::string, Tensor>> state() const;

    // Passes the gradient on to what is trained, and adds that.
    void collect(train::Trainables& trainables);
    // Call it after the update: recomputes the tensor from what was trained.
    void follow();

  private:
    // The tensors that AdamW updates: W, or B and A.
    struct Factor {
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
    std::vector<Factor> factors_;
};

}  // namespace gremium::lab
