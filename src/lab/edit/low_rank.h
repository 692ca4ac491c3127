// A low-rank change of a matrix (LoRA).
#pragma once

#include "tensor/arena.h"

namespace gremium::lab {

// W + scale · B · A with W unchanged (Hu et al. 2021, "LoRA"). A is stored transposed.
struct LowRank {
    float scale = 0;
    OwnedTensor b_Nr, a_Kr;  // f32

    void add_to(Tensor w_NK) const;
};

}  // namespace gremium::lab
