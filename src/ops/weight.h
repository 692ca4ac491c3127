// A weight as operations take it.
#pragma once

#include "tensor/tensor.h"

namespace gremium::ops {

// The value to compute with, and the tensor to which its gradient is added. An empty grad: the weight is frozen.
struct Weight {
    TensorView value;
    Tensor grad;
    explicit operator bool() const { return static_cast<bool>(value); }
};

}  // namespace gremium::ops
