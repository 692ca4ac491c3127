// The attention kernels in their plainest form: what the fast ones have to agree with.
#pragma once

#include <span>

#include "kernels/attention/shape.h"

namespace gremium::kernels::reference {

void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans, const AttentionShape& shape);
void attention_backward(const AttentionGradients& gradients);

}  // namespace gremium::kernels::reference
