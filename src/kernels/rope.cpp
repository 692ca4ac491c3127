#include <cassert>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

// One head: `pairs` pairs (x[i·step], x[i·step + apart]) turned by the angles with these cosines and sines.
void rope(float* x, const float* cos, const float* sin, int64_t pairs, RopePairing pairing, float direction) {
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

void rope(Tensor x_THd, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim,
          int64_t n_rot, RopePairing pairing, bool inverse) {
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
                reference::rope(row + h, cos, cos + n_rot / 2, n_rot / 2, pairing, inverse ? -1.f : 1.f);
            }
            x.finish(t);
        }
    });
}

}  // namespace gremium::kernels
