// The tile kernel for f32 panels on every Highway target, and how tiles reach the output.
#include <algorithm>
#include <string>

#include "kernels/matmul/leaf.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/leaf_simd.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// As many sums as fit the registers beside two vectors of B and one of A: 32 registers, or 16.
constexpr int tile_rows = HWY_CAP_GE512 ? 14 : 6;
constexpr int tile_cols = 2 * static_cast<int>(hn::MaxLanes(F32()));

void tile_f32(float* c, int64_t ldc, const uint32_t* a_units, const uint32_t* b_units, int64_t units, bool add) {
    const F32 d;
    constexpr int64_t lanes = tile_cols / 2;
    const float* const a = reinterpret_cast<const float*>(a_units);
    const float* b = reinterpret_cast<const float*>(b_units);
    VecF left[tile_rows], right[tile_rows];
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) left[i] = right[i] = hn::Zero(d);
    // As in leaf_avx512_bf16.cpp.
    for (int64_t row = 0, u = 0; row <= tile_rows; ++row) {
        for (; u < units - (row < tile_rows ? 32 + 4 * (tile_rows - row) : 0); ++u, b += tile_cols) {
            const VecF b0 = hn::LoadU(d, b), b1 = hn::LoadU(d, b + lanes);
#pragma GCC unroll 16
            for (int i = 0; i < tile_rows; ++i) {
                const VecF ai = hn::Set(d, a[i * a_stride + u]);
                left[i] = hn::MulAdd(ai, b0, left[i]);
                right[i] = hn::MulAdd(ai, b1, right[i]);
            }
        }
        if (row == tile_rows) break;
        __builtin_prefetch(c + row * ldc, 1);
        __builtin_prefetch(c + row * ldc + lanes, 1);
    }
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i, c += ldc) {
        if (add) {
            left[i] = hn::Add(left[i], hn::LoadU(d, c));
            right[i] = hn::Add(right[i], hn::LoadU(d, c + lanes));
        }
        hn::StoreU(left[i], d, c);
        hn::StoreU(right[i], d, c + lanes);
    }
}

const Leaf& simd_leaf(bool rounded) {
    static const std::string f32_name = std::string(hwy::TargetName(HWY_TARGET)) + " f32";
    static const std::string bf16_name = std::string(hwy::TargetName(HWY_TARGET)) + " bf16 as f32";
    static const Leaf leaves[] = {{f32_name, Panel::f32, tile_rows, tile_cols, 4, 16, tile_f32},
                                  {bf16_name, Panel::rounded_f32, tile_rows, tile_cols, 4, 16, tile_f32}};
    return leaves[rounded];
}

template <DType type>
void store_rows(std::byte* out, int64_t stride, int64_t rows, int64_t cols, const float* tile, int64_t nr,
                bool accumulate) {
    const F32 d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    constexpr int64_t size = type == DType::f32 ? 4 : 2;
    const auto put = [&](std::byte* at, VecF v) HWY_ATTR {
        if (accumulate) v = hn::Add(v, load_floats<type>(at));
        if constexpr (type == DType::f32) hn::StoreU(v, d, reinterpret_cast<float*>(at));
        if constexpr (type == DType::bf16) store_bf16(v, reinterpret_cast<uint16_t*>(at));
    };
    for (int64_t i = 0; i < rows; ++i, tile += nr, out += stride) {
        int64_t j = 0;
        for (; j + lanes <= cols; j += lanes) put(out + j * size, hn::LoadU(d, tile + j));
        if (j == cols) continue;
        const size_t rest = std::min(static_cast<size_t>((cols - j) * size), size_t{HWY_MAX_BYTES});
        std::byte tail[HWY_MAX_BYTES] = {};
        std::memcpy(tail, out + j * size, rest);
        put(tail, hn::LoadU(d, tile + j));
        std::memcpy(out + j * size, tail, rest);
    }
}

void store_tile(const Output& out, int64_t rows, int64_t cols, const float* tile, int64_t nr, bool accumulate) {
    const auto store = out.dtype == DType::f32 ? store_rows<DType::f32> : store_rows<DType::bf16>;
    store(out.data, out.stride, rows, cols, tile, nr, accumulate);
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(simd_leaf);
HWY_EXPORT(store_tile);

const Leaf& simd_leaf(DType compute) { return HWY_DYNAMIC_DISPATCH(simd_leaf)(compute == DType::bf16); }

void store_tile(const Output& out, int64_t rows, int64_t cols, const float* tile, int64_t nr, bool accumulate) {
    HWY_DYNAMIC_DISPATCH(store_tile)(out, rows, cols, tile, nr, accumulate);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
