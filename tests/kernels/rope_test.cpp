#include <complex>

#include "kernels/rowwise/rope.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Rope : public EachVariant {};

OwnedTensor angles(int64_t positions, int64_t n_rot) {
    OwnedTensor out(DType::f32, {positions, n_rot});
    for (int64_t p = 0; p < positions; ++p) {
        for (int64_t i = 0; i < n_rot / 2; ++i) {
            const double angle =
                static_cast<double>(p) * std::pow(10000, -2.0 * static_cast<double>(i) / static_cast<double>(n_rot));
            out.get().f32()[p * n_rot + i] = static_cast<float>(std::cos(angle));
            out.get().f32()[p * n_rot + n_rot / 2 + i] = static_cast<float>(std::sin(angle));
        }
    }
    return out;
}

// Each pair is a complex number that is multiplied by e^{iθ}.
Doubles rope_64(Doubles x, TensorView cos_sin, const std::vector<int32_t>& positions, size_t heads, size_t head_dim,
                size_t n_rot, RopePairing pairing) {
    for (size_t t = 0; t < positions.size(); ++t) {
        const float* cos = cos_sin.f32() + positions[t] * static_cast<int32_t>(n_rot);
        for (size_t h = 0; h < heads; ++h) {
            double* head = &x[(t * heads + h) * head_dim];
            for (size_t i = 0; i < n_rot / 2; ++i) {
                const bool near = pairing == RopePairing::interleaved;
                double &re = head[near ? 2 * i : i], &im = head[near ? 2 * i + 1 : i + n_rot / 2];
                const auto turned = std::complex(re, im) * std::complex<double>(cos[i], cos[n_rot / 2 + i]);
                re = turned.real();
                im = turned.imag();
            }
        }
    }
    return x;
}

struct Case {
    int64_t heads, head_dim, n_rot;
    DType dtype;
};
const Case cases[] = {{1, 2, 2, DType::f32},    {3, 16, 16, DType::f32},  {2, 64, 64, DType::f32},
                      {4, 34, 34, DType::f32},  {2, 80, 32, DType::bf16}, {2, 128, 6, DType::f32},
                      {5, 64, 64, DType::bf16}, {1, 256, 256, DType::f32}};

TEST_P(Rope, TurnsPairs) {
    const std::vector<int32_t> positions{0, 7, 3, 3, 99, 1};
    for (const Case& c : cases) {
        for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
            const OwnedTensor table = angles(100, c.n_rot), x = random_tensor(c.dtype, {6, c.heads * c.head_dim}, 1);
            const Doubles expected = rope_64(doubles(x), table, positions, static_cast<size_t>(c.heads),
                                             static_cast<size_t>(c.head_dim), static_cast<size_t>(c.n_rot), pairing);
            rope(x, table, positions, c.head_dim, c.n_rot, pairing);
            expect_near(x, expected, 1e-6);
        }
    }
}

TEST_P(Rope, InverseTurnsBack) {
    const std::vector<int32_t> positions{0, 7, 3, 3, 99, 1};
    for (const Case& c : cases) {
        for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
            const OwnedTensor table = angles(100, c.n_rot), x = random_tensor(DType::f32, {6, c.heads * c.head_dim}, 1);
            const Doubles before = doubles(x);
            rope(x, table, positions, c.head_dim, c.n_rot, pairing);
            rope(x, table, positions, c.head_dim, c.n_rot, pairing, true);
            expect_near(x, before, 1e-6);
        }
    }
}

GREMIUM_EACH_VARIANT(Rope);

}  // namespace
}  // namespace gremium::kernels
