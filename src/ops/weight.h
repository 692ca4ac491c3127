// A weight as operations take it.
#pragma once

#include "tensor/tensor.h"

namespace gremium::ops {

// The value to compute with, and the tensor to which its gradient is added. An empty grad: the weight is frozen.
struct Weight {
    TensorView value;
    Tensor grad;
    // f32 [1]: products with the value are multiplied by it (NVFP4). Empty: they are not.
    TensorView scale = {};
    explicit operator bool() const { return static_cast<bool>(value); }
};

}  // namespace gremium::ops
