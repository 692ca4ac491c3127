// A weight as operations see it.
#pragma once

#include "tensor/tensor.h"

namespace gremium::ops {

// What to compute with, and where its gradient is summed. An empty grad means frozen.
struct Weight {
    TensorView value;
    Tensor grad;
    explicit operator bool() const { return static_cast<bool>(value); }
};

}  // namespace gremium::ops
