#include "kernels/rowwise/adamw.h"

#include <cassert>
#include <cmath>

#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/adamw.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

void adamw_row(float* w, float* m, float* v, const float* g, const AdamW& o, int64_t n) {
    const F32 d;
    const VecF beta1 = hn::Set(d, o.beta1), rest1 = hn::Set(d, (1 - o.beta1) * o.grad_scale);
    const VecF beta2 = hn::Set(d, o.beta2), rest2 = hn::Set(d, (1 - o.beta2) * o.grad_scale * o.grad_scale);
    const VecF rate = hn::Set(d, o.lr / o.correction_m), keep = hn::Set(d, 1 - o.lr * o.decay);
    const VecF inverse_v = hn::Set(d, 1 / o.correction_v), eps = hn::Set(d, o.eps);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF grad = lanes.load(g + i);
        const VecF first = hn::MulAdd(beta1, lanes.load(m + i), hn::Mul(rest1, grad));
        const VecF second = hn::MulAdd(beta2, lanes.load(v + i), hn::Mul(hn::Mul(rest2, grad), grad));
        const VecF step = hn::Div(hn::Mul(rate, first), hn::Add(hn::Sqrt(hn::Mul(second, inverse_v)), eps));
        lanes.store(first, m + i);
        lanes.store(second, v + i);
        lanes.store(hn::Sub(hn::Mul(keep, lanes.load(w + i)), step), w + i);
    });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

void adamw_row(float* w, float* m, float* v, const float* g, const AdamW& o, int64_t n) {
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

HWY_EXPORT(adamw_row);

void adamw(Tensor w, Tensor m, Tensor v, TensorView g, Tensor shadow_bf16, const AdamW& options) {
    const auto row = GREMIUM_SELECT(adamw_row);
    assert(m.count() == w.count() && v.count() == w.count() && g.count() == w.count());
    assert(!shadow_bf16 || (shadow_bf16.dtype == DType::bf16 && shadow_bf16.count() == w.count()));
    parallel_chunks(w.count(), task_elements, [&](int64_t begin, int64_t end) {
        float* out = w.f32() + begin;
        row(out, m.f32() + begin, v.f32() + begin, g.f32() + begin, options, end - begin);
        if (shadow_bf16) store_row(DType::bf16, out, shadow_bf16.data + 2 * begin, end - begin);
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
