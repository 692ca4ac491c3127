// One tensor of a model in training: by its own numbers, or by a change of low rank.
#pragma once

#include <vector>

#include "lab/edit/low_rank.h"
#include "model/spec/tensors.h"
#include "ops/graph.h"
#include "train/trainee.h"

namespace gremium::lab {

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
    bool low_rank() const { return static_cast<bool>(origin_); }
    LowRank take_low_rank() { return std::move(change_); }
    ops::Weight weight() const { return {weight_, gradient_}; }

    // What training has come to, by name: values and moments. Whoever writes to it calls follow().
    std::vector<std::pair<std::string, Tensor>> state() const;

    // Passes the gradient on to what is trained, and adds that.
    void collect(train::Trainables& trainables);
    // After the update: the tensor follows what was trained.
    void follow();

  private:
    // What AdamW sees: W, or B and A.
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
