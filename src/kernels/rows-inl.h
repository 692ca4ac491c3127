// Reading and writing rows of any element type as vectors of f32. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_ROWS_INL_H_
#undef GREMIUM_KERNELS_ROWS_INL_H_
#else
#define GREMIUM_KERNELS_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "base/error.h"
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

HWY_INLINE VecF block_scale(const std::byte* at) {  // the f16 at the head of a q8_0 or q4_0 block
    const hn::CappedTag<float, 1> d1;
    const hn::Rebind<hwy::float16_t, decltype(d1)> d16;
    return hn::Set(
        F32(), hn::GetLane(hn::PromoteTo(d1, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(at)))));
}

// Calls visit(i, vector) for every Lanes(F32) elements i.. of the row's first n; the last vector may hold zeros past n.
template <DType type, typename Visit>
HWY_INLINE void visit_row(const std::byte* row, int64_t n, Visit&& visit) {
    const F32 d;
    const hn::Rebind<int32_t, F32> di;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    if constexpr (type == DType::q8_0) {
        for (int64_t i = 0; i < n; i += 32, row += 34) {
            const VecF scale = block_scale(row);
            for (int64_t j = 0; j < 32; j += lanes) {
                const auto q = hn::PromoteTo(di, load_as<int8_t>(row + 2 + j));
                visit(i + j, hn::Mul(scale, hn::ConvertTo(d, q)));
            }
        }
    } else if constexpr (type == DType::q4_0) {
        const auto low = hn::Set(di, 15), eight = hn::Set(di, 8);
        for (int64_t i = 0; i < n; i += 32, row += 18) {
            const VecF scale = block_scale(row);
            for (int64_t j = 0; j < 16;
                 j += lanes) {  // byte j: weight j in the low, weight j + 16 in the high nibble
                const auto q = hn::PromoteTo(di, load_as<uint8_t>(row + 2 + j));
                visit(i + j, hn::Mul(scale, hn::ConvertTo(d, hn::Sub(hn::And(q, low), eight))));
                visit(i + j + 16, hn::Mul(scale, hn::ConvertTo(d, hn::Sub(hn::ShiftRight<4>(q), eight))));
            }
        }
    } else {
        constexpr int64_t size = type == DType::f32 ? 4 : 2;
        int64_t i = 0;
        for (; i + lanes <= n; i += lanes) visit(i, load_floats<type>(row + i * size));
        if (i < n) {
            std::byte tail[HWY_MAX_BYTES] = {};
            std::memcpy(tail, row + i * size, static_cast<size_t>((n - i) * size));
            visit(i, load_floats<type>(tail));
        }
    }
}

// The same with the type known at run time.
template <typename Visit>
HWY_INLINE void visit_row(DType type, const std::byte* row, int64_t n, Visit&& visit) {
    switch (type) {
        case DType::f32:
            return visit_row<DType::f32>(row, n, visit);
        case DType::f16:
            return visit_row<DType::f16>(row, n, visit);
        case DType::bf16:
            return visit_row<DType::bf16>(row, n, visit);
        case DType::q8_0:
            return visit_row<DType::q8_0>(row, n, visit);
        case DType::q4_0:
            return visit_row<DType::q4_0>(row, n, visit);
        case DType::i32:
            break;
    }
    fail("{} is no type of weights", info(type).name);
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
