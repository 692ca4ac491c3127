#include "kernels/attention.h"

#include "kernels/attention_reference.h"

namespace gremium::kernels {

void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans,
               const AttentionShape& shape) {
    reference::attention(out, lse, q, spans, shape);
}

void attention_backward(Tensor dq, Tensor dk, Tensor dv, TensorView dout, TensorView out, TensorView lse,
                        TensorView q, TensorView k, TensorView v, int64_t sequence_length,
                        const AttentionShape& shape) {
    reference::attention_backward(dq, dk, dv, dout, out, lse, q, k, v, sequence_length, shape);
}

}  // namespace gremium::kernels
