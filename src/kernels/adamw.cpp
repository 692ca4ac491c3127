#include <cassert>
#include <cmath>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

void adamw(float* w, float* m, float* v, const float* g, const AdamW& o, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const float grad = g[i] * o.grad_scale;
        m[i] = o.beta1 * m[i] + (1 - o.beta1) * grad;
        v[i] = o.beta2 * v[i] + (1 - o.beta2) * grad * grad;
        const float step = m[i] / o.correction_m / (std::sqrt(v[i] / o.correction_v) + o.eps);
        w[i] -= o.lr * (step + o.decay * w[i]);
    }
}

}  // namespace
}  // namespace reference

void adamw(Tensor w, Tensor m, Tensor v, TensorView g, Tensor shadow_bf16, const AdamW& options) {
    assert(m.count() == w.count() && v.count() == w.count() && g.count() == w.count());
    assert(!shadow_bf16 || (shadow_bf16.dtype == DType::bf16 && shadow_bf16.count() == w.count()));
    parallel_chunks(w.count(), task_elements, [&](int64_t begin, int64_t end) {
        float* out = w.f32() + begin;
        reference::adamw(out, m.f32() + begin, v.f32() + begin, g.f32() + begin, options, end - begin);
        if (shadow_bf16) store_row(DType::bf16, out, shadow_bf16.data + 2 * begin, end - begin);
    });
}

}  // namespace gremium::kernels
