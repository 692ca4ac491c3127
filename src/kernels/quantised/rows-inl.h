// Reading rows of any element type, block-quantised ones too, as vectors of f32. Included once per Highway target,
// after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_ROWS_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_ROWS_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_ROWS_INL_H_
#endif

#include <algorithm>

#include "kernels/quantised/quantised.h"
#include "kernels/simd/rows-inl.h"
#include "tensor/quantised/blocks.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// visit_row() of simd/rows-inl.h for a type of weights that is no float, through f32 in memory.
template <typename Visit>
void visit_unpacked(DType type, const std::byte* row, int64_t n, Visit&& visit) {
    const auto unpack = quantised_format(type).unpack;
    QuantisedChunk chunk;
    HWY_ALIGN float values[chunk_size];
    for (int64_t begin = 0; begin < n; begin += chunk_size) {
        const int64_t count = std::min(chunk_size, n - begin), padded = (count + block - 1) / block * block;
        if (unpack) {
            unpack(row, begin, n, chunk);
            dequantise(chunk, values);
        } else {
            dequantise_row(type, row + bytes_of(type, begin), values, count);
            std::fill(values + count, values + padded, 0.f);
        }
        for (int64_t i = 0; i < padded; i += block / block_vectors) visit(begin + i, hn::Load(F32(), values + i));
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
        default:
            return visit_unpacked(type, row, n, visit);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
