// Reading and writing rows of f32, f16 and bf16 as vectors of f32. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_ROWS_INL_H_
#undef GREMIUM_KERNELS_ROWS_INL_H_
#else
#define GREMIUM_KERNELS_ROWS_INL_H_
#endif

#include <algorithm>
#include <cassert>
#include <cstring>

#include "tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using U32 = hn::ScalableTag<uint32_t>;
using VecF = hn::Vec<F32>;

template <typename T>
HWY_INLINE hn::Vec<hn::Rebind<T, F32>> load_as(const std::byte* at) {
    const hn::Rebind<T, F32> d;
    return hn::LoadU(d, reinterpret_cast<const T*>(at));
}

// Lanes(F32) elements of a float row.
template <DType type>
HWY_INLINE VecF load_floats(const std::byte* at) {
    const F32 d;
    if constexpr (type == DType::f32) {
        return load_as<float>(at);
    } else if constexpr (type == DType::bf16) {
        return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(U32(), load_as<uint16_t>(at))));
    } else {
        static_assert(type == DType::f16);
        return hn::PromoteTo(d, load_as<hwy::float16_t>(at));
    }
}

// Rows are read in blocks of 32 elements: whole quantised blocks, whole vectors on every target.
constexpr int64_t block = 32;
constexpr int64_t block_vectors = block / static_cast<int64_t>(hn::MaxLanes(F32()));
// How far loops over the vectors of a block are unrolled. With one lane that would be pages of instructions.
constexpr int block_unroll = HWY_TARGET == HWY_SCALAR ? 1 : 32;

template <DType type>
constexpr int64_t block_bytes = block*(type == DType::f32 ? 4 : 2);

// Bytes of n elements (row_bytes() without a table and divisions: it is called for a handful of elements).
HWY_INLINE int64_t bytes_of(DType type, int64_t n) {
    switch (type) {
        case DType::f16:
        case DType::bf16:
            return 2 * n;
        case DType::f32:
            return 4 * n;
        default:
            return row_bytes(type, n);
    }
}

template <DType type>
HWY_INLINE void load_block(const std::byte* at, VecF (&out)[block_vectors]) {
#pragma GCC unroll block_unroll
    for (int64_t j = 0; j < block_vectors; ++j) {
        out[j] = load_floats<type>(at + j * block_bytes<type> / block_vectors);
    }
}

// Calls visit(i, vector) for every Lanes(F32) elements i.. of the row's first n; the last block is filled up with
// zeros.
template <DType type, typename Visit>
HWY_INLINE void visit_row(const std::byte* row, int64_t n, Visit&& visit) {
    const auto visit_block = [&](const std::byte* at, int64_t i) {
        VecF vectors[block_vectors];
        load_block<type>(at, vectors);
#pragma GCC unroll block_unroll
        for (int64_t j = 0; j < block_vectors; ++j) visit(i + j * (block / block_vectors), vectors[j]);
    };
    int64_t i = 0;
    for (; i + block <= n; i += block, row += block_bytes<type>) visit_block(row, i);
    if (i == n) return;
    std::byte tail[block_bytes<type>] = {};
    std::memcpy(tail, row, static_cast<size_t>((n - i) * block_bytes<type> / block));
    visit_block(tail, i);
}

// The same with the type known at run time.
template <typename Visit>
HWY_INLINE void visit_float_row(DType type, const std::byte* row, int64_t n, Visit&& visit) {
    switch (type) {
        case DType::f16:
            return visit_row<DType::f16>(row, n, visit);
        case DType::bf16:
            return visit_row<DType::bf16>(row, n, visit);
        default:
            assert(type == DType::f32);
            return visit_row<DType::f32>(row, n, visit);
    }
}

// Rounded to nearest even as bf16: the bits of an f32 whose low half is zero. A NaN stays one.
HWY_INLINE hn::Vec<U32> round_bits(VecF v) {
    const U32 d;
    const auto bits = hn::BitCast(d, v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
    const auto rounded = hn::Add(hn::Add(bits, hn::Set(d, 0x7FFF)), odd);
    const auto quiet = hn::Or(bits, hn::Set(d, 0x400000));
    return hn::And(hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(v)), quiet, rounded), hn::Set(d, 0xFFFF0000));
}
HWY_INLINE VecF round_to_bf16(VecF v) { return hn::BitCast(F32(), round_bits(v)); }

// Lanes(F32) elements, rounded to bf16.
HWY_INLINE void store_bf16(VecF v, uint16_t* out) {
    const hn::Rebind<uint16_t, F32> d;
    hn::StoreU(hn::TruncateTo(d, hn::ShiftRight<16>(round_bits(v))), d, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
