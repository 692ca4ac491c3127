// The tile kernel for panels of codes (gemm.h): products of bytes are summed in whole numbers over a part, whose factors
// then bring them to f32.
#include <string>

#include "kernels/gemm.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_codes.cpp"
#include "kernels/dispatch.h"

#include "kernels/dot_bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

const Leaf* codes_leaf(CodeFormat) { return nullptr; }

#else

constexpr int tile_rows = HWY_CAP_GE512 ? 6 : 4;
constexpr int tile_cols = 2 * static_cast<int>(factor_lanes);

template <int64_t code_units, bool wide>
void tile(float* c, int64_t ldc, const uint32_t* a, const uint32_t* b, int64_t units, bool add) {
    const FactorTag d;
    const hn::ScalableTag<uint32_t> d32;
    constexpr int64_t lanes = factor_lanes;
    const auto factor = [](uint32_t bits) HWY_ATTR {
        return hn::BitCast(FactorTag(), hn::Set(hn::ScalableTag<uint32_t>(), bits));
    };
    VecFactor left[tile_rows], right[tile_rows];
#pragma GCC unroll 8
    for (int i = 0; i < tile_rows; ++i) {
        left[i] = add ? hn::LoadU(d, c + i * ldc) : hn::Zero(d);
        right[i] = add ? hn::LoadU(d, c + i * ldc + lanes) : hn::Zero(d);
    }
    for (int64_t u = 0; u < units; u += code_units + 2) {
        VecI32 left_sums[tile_rows], right_sums[tile_rows];
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) left_sums[i] = right_sums[i] = hn::Zero(I32());
#pragma GCC unroll 8
        for (int64_t j = 0; j < code_units; ++j, b += tile_cols) {
            const VecU8 b0 = hn::BitCast(U8(), hn::LoadU(d32, b)),
                        b1 = hn::BitCast(U8(), hn::LoadU(d32, b + lanes));
#pragma GCC unroll 8
            for (int i = 0; i < tile_rows; ++i) {
                const VecI8 ai = hn::BitCast(I8(), hn::Set(d32, a[i * a_stride + u + j]));
                left_sums[i] = dot_bytes<wide>(left_sums[i], b0, ai);
                right_sums[i] = dot_bytes<wide>(right_sums[i], b1, ai);
            }
        }
        const float* const factors = reinterpret_cast<const float*>(b);
        const VecFactor scale0 = hn::LoadU(d, factors), scale1 = hn::LoadU(d, factors + lanes);
        const VecFactor min0 = hn::LoadU(d, factors + 2 * lanes), min1 = hn::LoadU(d, factors + 3 * lanes);
        b += 2 * tile_cols;
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) {
            const uint32_t* const row = a + i * a_stride + u + code_units;
            const VecFactor scale = factor(row[0]), sum = factor(row[1]);
            left[i] = hn::MulAdd(min0, sum, left[i]);
            right[i] = hn::MulAdd(min1, sum, right[i]);
            left[i] = hn::MulAdd(hn::ConvertTo(d, left_sums[i]), hn::Mul(scale, scale0), left[i]);
            right[i] = hn::MulAdd(hn::ConvertTo(d, right_sums[i]), hn::Mul(scale, scale1), right[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < tile_rows; ++i) {
        hn::StoreU(left[i], d, c + i * ldc);
        hn::StoreU(right[i], d, c + i * ldc + lanes);
    }
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
    return 2.0 * chains * static_cast<double>(code_lanes) * static_cast<double>(rounds);
}

const Leaf* codes_leaf(CodeFormat format) {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " codes";
    const auto leaf = [](Panel panel, auto* function) {
        return Leaf{.name = name,
                    .panel = panel,
                    .mr = tile_rows,
                    .nr = tile_cols,
                    .units_multiple = panel == Panel::codes_32 ? 20 : 12,
                    .gemv_rows = 8,
                    .tile = function,
                    .spin = spin};
    };
    static const Leaf narrow = leaf(Panel::codes_32, tile<8, false>),
                      wide = leaf(Panel::codes_32, tile<8, true>),
                      small = leaf(Panel::codes_16, tile<4, false>);
    return format.small_parts ? &small : format.wide ? &wide : &narrow;
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(codes_leaf);

const Leaf* codes_leaf(CodeFormat format) { return HWY_DYNAMIC_DISPATCH(codes_leaf)(format); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
