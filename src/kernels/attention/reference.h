// The attention kernels in their plainest form: what the fast ones have to agree with.
#pragma once

#include <span>

#include "kernels/attention/shape.h"

namespace gremium::kernels::reference {

void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans, const AttentionShape& shape);
void attention_backward(Tensor dq, Tensor dk, Tensor dv, TensorView dout, TensorView out, TensorView lse, TensorView q,
                        TensorView k, TensorView v, int64_t sequence_length, const AttentionShape& shape);

}  // namespace gremium::kernels::reference
