#include "lab/tune/trainable.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "kernels/matmul/grouped_matmul.h"
#include "kernels/rowwise/elementwise.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

void zero(Tensor x) { std::fill_n(x.f32(), x.count(), 0.0f); }

}  // namespace

Trainable::Trainable(TensorSlot slot, TensorView value)
    : slot_(std::move(slot)),
      stored_(value.dtype),
      weight_(DType::f32, slot_.shape),
      gradient_(DType::f32, slot_.shape) {
    convert(value, weight_);
    train(weight_, gradient_);
}

// Lets AdamW update a tensor; its moments begin with zeros.
void Trainable::train(Tensor value, Tensor gradient) {
    factors_.push_back({value, gradient, OwnedTensor(DType::f32, value.shape), OwnedTensor(DType::f32, value.shape)});
}

void Trainable::make_low_rank(int rank, float scale, uint64_t seed) {
    const Shape shape = weight_.get().shape;
    if (shape.rank != 2) fail("{} is not a matrix: a low-rank change is not possible", slot_.name);
    if (rank < 1 || rank > std::min(shape[0], shape[1]))
        fail("{} is {}: a change of rank {} is not possible", slot_.name, to_string(shape), rank);
    origin_ = OwnedTensor(DType::f32, shape);
    convert(weight_, origin_);
    change_ = {scale, OwnedTensor(DType::f32, {shape[0], rank}), OwnedTensor(DType::f32, {shape[1], rank})};
    b_gradient_ = OwnedTensor(DType::f32, {shape[0], rank});
    a_gradient_ = OwnedTensor(DType::f32, {shape[1], rank});
    Random random(seed);
    const double size = 1 / std::sqrt(static_cast<double>(shape[1]));
    for (int64_t i = 0; i < change_.a_Kr.get().count(); ++i)
        change_.a_Kr.get().f32()[i] = static_cast<float>(size * random.normal());
    factors_.clear();
    train(change_.b_Nr, b_gradient_);
    train(change_.a_Kr, a_gradient_);
}

std::vector<std::pair<std::string, Tensor>> Trainable::state() const {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (size_t i = 0; i < factors_.size(); ++i) {
        const Factor& f = factors_[i];
        const std::string stem = fmt::format("{}.{}.{}.", slot_.name, slot_.expert, i);
        tensors.emplace_back(stem + "value", f.value);
        tensors.emplace_back(stem + "momentum", f.momentum);
        tensors.emplace_back(stem + "variance", f.variance);
    }
    return tensors;
}

void Trainable::collect(train::Trainables& trainables) {
    const Tensor dw = gradient_;
    // A vector with one element per expert counts as rows of one element.
    if (!rows_.empty()) {
        const int64_t width = dw.count() / std::ssize(rows_);
        for (size_t r = 0; r < rows_.size(); ++r)
            if (!rows_[r]) std::fill_n(dw.f32() + static_cast<int64_t>(r) * width, width, 0.0f);
    }
    // W = b · aᵀ.
    if (low_rank()) {
        kernels::matmul_dx(b_gradient_, dw, change_.a_Kr);
        kernels::matmul_dw(a_gradient_, dw, change_.b_Nr);
        kernels::axpby(b_gradient_, b_gradient_, change_.scale, 0);
        kernels::axpby(a_gradient_, a_gradient_, change_.scale, 0);
        zero(dw);
    }
    for (const Factor& f : factors_) {
        trainables.parts.push_back({f.value, f.gradient, f.momentum, f.variance});
        trainables.gradients.push_back(f.gradient);
    }
}

void Trainable::follow() {
    if (!low_rank()) return;
    convert(origin_, weight_);
    change_.add_to(weight_);
}

}  // namespace gremium::lab
