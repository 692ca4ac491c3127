#include "kernels/rowwise/rope.h"

#include <cassert>

#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/rope.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

struct Turned {
    VecF a, b;
};
HWY_INLINE Turned turn(VecF a, VecF b, VecF cos, VecF sin) {
    return {hn::NegMulAdd(b, sin, hn::Mul(a, cos)), hn::MulAdd(a, sin, hn::Mul(b, cos))};
}

HWY_INLINE void rope_halves(float* x, const float* cos, const float* sin, int64_t pairs, VecF direction) {
    for_vectors(pairs, [&](int64_t i, auto lanes) HWY_ATTR {
        const auto [a, b] = turn(lanes.load(x + i), lanes.load(x + pairs + i), lanes.load(cos + i),
                                 hn::Mul(lanes.load(sin + i), direction));
        lanes.store(a, x + i);
        lanes.store(b, x + pairs + i);
    });
}

HWY_INLINE void rope_neighbours(float* x, const float* cos, const float* sin, int64_t pairs, float direction) {
    int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
    const F32 d;
    const int64_t width = static_cast<int64_t>(hn::Lanes(d));
    for (; i + width <= pairs; i += width) {
        VecF a, b;
        hn::LoadInterleaved2(d, x + 2 * i, a, b);
        const Turned t = turn(a, b, hn::LoadU(d, cos + i), hn::Mul(hn::LoadU(d, sin + i), hn::Set(d, direction)));
        hn::StoreInterleaved2(t.a, t.b, d, x + 2 * i);
    }
#endif
    for (; i < pairs; ++i) {
        const float a = x[2 * i], b = x[2 * i + 1], s = sin[i] * direction;
        x[2 * i] = a * cos[i] - b * s;
        x[2 * i + 1] = a * s + b * cos[i];
    }
}

void rope_head(float* x, const float* cos, const float* sin, int64_t pairs, RopePairing pairing, float direction) {
    if (pairing == RopePairing::half_split) return rope_halves(x, cos, sin, pairs, hn::Set(F32(), direction));
    rope_neighbours(x, cos, sin, pairs, direction);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

// One head: `pairs` pairs (x[i·step], x[i·step + apart]) turned by the angles with these cosines and sines.
void rope_head(float* x, const float* cos, const float* sin, int64_t pairs, RopePairing pairing, float direction) {
    const int64_t step = pairing == RopePairing::interleaved ? 2 : 1;
    const int64_t apart = pairing == RopePairing::interleaved ? 1 : pairs;
    for (int64_t i = 0; i < pairs; ++i) {
        float &a = x[i * step], &b = x[i * step + apart];
        const float s = sin[i] * direction, turned = a * cos[i] - b * s;
        b = a * s + b * cos[i];
        a = turned;
    }
}

}  // namespace
}  // namespace reference

HWY_EXPORT(rope_head);

void rope(Tensor x_THd, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim, int64_t n_rot,
          RopePairing pairing, bool inverse) {
    const auto turn_head = GREMIUM_SELECT(rope_head);
    assert(n_rot <= head_dim && n_rot % 2 == 0 && cos_sin.cols() == n_rot && x_THd.cols() % head_dim == 0);
    assert(static_cast<int64_t>(positions.size()) == x_THd.rows());
    parallel_rows(x_THd.rows(), x_THd.cols(), [&](int64_t begin, int64_t end) {
        RowWriter x(x_THd);
        for (int64_t t = begin; t < end; ++t) {
            const int64_t position = positions[static_cast<size_t>(t)];
            assert(position >= 0 && position < cos_sin.rows());
            const float* cos = cos_sin.f32() + position * n_rot;
            float* row = x.edit(t);
            for (int64_t h = 0; h < x_THd.cols(); h += head_dim) {
                turn_head(row + h, cos, cos + n_rot / 2, n_rot / 2, pairing, inverse ? -1.f : 1.f);
            }
            x.finish(t);
        }
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
