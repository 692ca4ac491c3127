// Rotary position embedding. T rows of H heads, f32 or bf16.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kinds.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// Rotates pairs of the first n_rot columns of each head in place. x: [T, H·head_dim]. cos_sin: f32 [positions, n_rot]
// holding for each position n_rot/2 cosines, then n_rot/2 sines; positions[t] selects the row.
// interleaved pairs (x[2i], x[2i+1]); half_split pairs (x[i], x[i+n_rot/2]). `inverse` rotates back (the backward).
// Su et al.: RoFormer (2021).
void rope(Tensor x_THd, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim, int64_t n_rot,
          RopePairing pairing, bool inverse = false);

}  // namespace gremium::kernels
