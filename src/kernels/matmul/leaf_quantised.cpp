// The tile kernel for panels of quants (panel.h).
#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>

#include "kernels/matmul/leaf.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/leaf_quantised.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/dot_bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

const Leaf* quantised_leaf(QuantisedFormat, bool) { return nullptr; }

#else

constexpr int tile_rows = HWY_CAP_GE512 ? 6 : 4;
constexpr int tile_cols = 2 * static_cast<int>(factor_lanes);

// What belongs to a part of a row of x beside its sums of products: −zero times its total, as a whole number where
// quants have a zero; otherwise the sum of x. Both for two parts together where parts hold 32; then every second
// counts.
template <int64_t part>
HWY_INLINE void part_terms(int32_t* out, const Rounded& x, int zero) {
    const FactorTag d;
    const hn::Rebind<int32_t, FactorTag> di;
    for (int64_t p = 0; p < chunk_parts; p += factor_lanes) {
        auto total = hn::Load(di, x.total + p);
        if constexpr (part == 2 * part_size) total = hn::Add(total, hn::Shuffle2301(total));
        const auto sum = hn::Mul(hn::ConvertTo(d, total), hn::Load(d, x.scale + p));
        hn::Store(zero ? hn::Mul(total, hn::Set(di, -zero)) : hn::BitCast(di, sum), di, out + p);
    }
}

// Products of whole numbers are summed over a part, whose factors then bring them to f32.
template <int64_t part, bool wide, bool fine, int R>
void tile_of(float* c, int64_t ldc, const std::byte* const* a, const uint32_t* b, int64_t k, int zero, bool add) {
    using Row = std::conditional_t<fine, FineRounded, Rounded>;
    const FactorTag d;
    const hn::ScalableTag<uint32_t> d32;
    const auto four = [](const int8_t* q) HWY_ATTR {
        uint32_t bits;
        std::memcpy(&bits, q, sizeof bits);
        return hn::BitCast(I8(), hn::Set(hn::ScalableTag<uint32_t>(), bits));
    };
    constexpr int64_t lanes = factor_lanes;
    VecFactor left[R], right[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
        left[i] = add ? hn::LoadU(d, c + i * ldc) : hn::Zero(d);
        right[i] = add ? hn::LoadU(d, c + i * ldc + lanes) : hn::Zero(d);
    }
    for (int64_t at = 0; at < k; at += chunk_size) {
        const Row* x[R];
        alignas(64) int32_t terms[R][chunk_parts];
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
            x[i] = reinterpret_cast<const Row*>(a[i]) + at / chunk_size;
            part_terms<part>(terms[i], *x[i], zero);
        }
        for (int64_t p = 0; p < std::min(chunk_size, k - at) / part_size; p += part / part_size) {
            VecI32 left_sums[R], right_sums[R];
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i)
                left_sums[i] = right_sums[i] = fine || !zero ? hn::Zero(I32()) : hn::Set(I32(), terms[i][p]);
            const auto add_products = [&](auto&& q_of, const uint32_t* quants) HWY_ATTR {
#pragma GCC unroll 8
                for (int64_t j = 0; j < part / 4; ++j) {
                    const VecU8 b0 = hn::BitCast(U8(), hn::LoadU(d32, quants + j * tile_cols)),
                                b1 = hn::BitCast(U8(), hn::LoadU(d32, quants + j * tile_cols + lanes));
#pragma GCC unroll 8
                    for (int i = 0; i < R; ++i) {
                        const VecI8 xi = four(q_of(i) + p * part_size + 4 * j);
                        left_sums[i] = dot_bytes<wide>(left_sums[i], b0, xi);
                        right_sums[i] = dot_bytes<wide>(right_sums[i], b1, xi);
                    }
                }
            };
            add_products([&](int i) HWY_ATTR { return x[i]->q; }, b);
            if constexpr (fine) {
#pragma GCC unroll 8
                for (int i = 0; i < R; ++i) {
                    const VecI32 term = zero ? hn::Set(I32(), terms[i][p]) : hn::Zero(I32());
                    left_sums[i] = hn::Add(hn::ShiftLeft<8>(left_sums[i]), term);
                    right_sums[i] = hn::Add(hn::ShiftLeft<8>(right_sums[i]), term);
                }
                const uint32_t* again = b;
                asm("" : "+r"(again));  // or quants stay in registers and push sums out
                add_products([&](int i) HWY_ATTR { return x[i]->low; }, again);
            }
            b += part / 4 * tile_cols;
            const auto factors = [&] {
                const VecFactor v = hn::LoadU(d, reinterpret_cast<const float*>(b));
                b += lanes;
                return v;
            };
            const VecFactor scale0 = factors(), scale1 = factors();
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i) {
                const VecFactor scale = hn::Set(d, x[i]->scale[p]);
                left[i] = hn::MulAdd(hn::Mul(hn::ConvertTo(d, left_sums[i]), scale0), scale, left[i]);
                right[i] = hn::MulAdd(hn::Mul(hn::ConvertTo(d, right_sums[i]), scale1), scale, right[i]);
            }
            if (zero) continue;
            const VecFactor min0 = factors(), min1 = factors();
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i) {
                const VecFactor sum = hn::BitCast(d, hn::Set(I32(), terms[i][p]));
                left[i] = hn::MulAdd(min0, sum, left[i]);
                right[i] = hn::MulAdd(min1, sum, right[i]);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
        hn::StoreU(left[i], d, c + i * ldc);
        hn::StoreU(right[i], d, c + i * ldc + lanes);
    }
}

// Tiles of fewer rows than this are not compiled: rows that repeat the last one fill them. Few blocks end with one.
constexpr int least_rows = HWY_CAP_GE512 ? 4 : 3;

template <int64_t part, bool wide, bool fine>
void filled_tile(float* c, int64_t ldc, int64_t rows, const std::byte* const* a, const uint32_t* b, int64_t k, int zero,
                 bool add) {
    float sums[least_rows * tile_cols] = {};
    const std::byte* filled[least_rows];
    for (int64_t i = 0; i < least_rows; ++i) {
        filled[i] = a[std::min(i, rows - 1)];
        if (add) std::copy_n(c + std::min(i, rows - 1) * ldc, tile_cols, sums + i * tile_cols);
    }
    tile_of<part, wide, fine, least_rows>(sums, tile_cols, filled, b, k, zero, add);
    for (int64_t i = 0; i < rows; ++i) std::copy_n(sums + i * tile_cols, tile_cols, c + i * ldc);
}

template <int64_t part, bool wide, bool fine>
void tile(float* c, int64_t ldc, int64_t rows, const std::byte* const* a, const uint32_t* b, int64_t k, int zero,
          bool add) {
    if (rows < least_rows) return filled_tile<part, wide, fine>(c, ldc, rows, a, b, k, zero, add);
    if (rows == tile_rows) return tile_of<part, wide, fine, tile_rows>(c, ldc, a, b, k, zero, add);
    if constexpr (tile_rows - least_rows == 2) {
        if (rows == tile_rows - 1) return tile_of<part, wide, fine, tile_rows - 1>(c, ldc, a, b, k, zero, add);
    }
    tile_of<part, wide, fine, least_rows>(c, ldc, a, b, k, zero, add);
}

double spin(int64_t rounds) {
    constexpr int chains = HWY_CAP_GE512 ? 24 : 12;
    const VecU8 x = hn::Set(U8(), 3);
    const VecI8 y = hn::Set(I8(), 5);
    VecI32 sums[chains];
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) sums[i] = hn::Set(I32(), i);
    for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 24
        for (int i = 0; i < chains; ++i) sums[i] = dot_narrow(sums[i], x, y);
    }
    for (int i = 1; i < chains; ++i) sums[0] = hn::Add(sums[0], sums[i]);
    volatile int32_t sink = hn::GetLane(sums[0]);
    static_cast<void>(sink);
    return 2.0 * chains * static_cast<double>(quant_lanes) * static_cast<double>(rounds);
}

const Leaf* quantised_leaf(QuantisedFormat format, bool fine) {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " quantised";
    const auto leaf = [](Panel panel, QuantisedTile function) {
        return Leaf{.name = name,
                    .panel = panel,
                    .mr = tile_rows,
                    .nr = tile_cols,
                    .gemv_rows = 8,
                    .quantised_tile = function,
                    .spin = spin};
    };
    // VNNI takes the eighth bit anyway.
    constexpr bool wide = HWY_TARGET != HWY_AVX3_DL;
    static const Leaf leaves[][2] = {
        {leaf(Panel::quantised_32, tile<32, false, false>), leaf(Panel::quantised_32, tile<32, false, true>)},
        {leaf(Panel::quantised_32, tile<32, wide, false>), leaf(Panel::quantised_32, tile<32, wide, true>)},
        {leaf(Panel::quantised_16, tile<16, false, false>), leaf(Panel::quantised_16, tile<16, false, true>)}};
    return &leaves[format.small_parts ? 2 : format.wide][fine];
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(quantised_leaf);

const Leaf* quantised_leaf(QuantisedFormat format, bool fine) {
    return HWY_DYNAMIC_DISPATCH(quantised_leaf)(format, fine);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
