#include "kernels/quantised/low_bits.h"

#include <algorithm>
#include <type_traits>

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantised/low_bits.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/low_bit_lanes-inl.h"
#include "kernels/quantised/low_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

QuantisedFormat low_bit_format(DType) { return {}; }

#else

#if HWY_TARGET == HWY_AVX3_DL
// The inverse of to_lanes().
template <bool small_parts>
HWY_INLINE void from_lanes(const uint8_t* lanes, uint8_t* out) {
    using Piece = std::conditional_t<small_parts, uint32_t, uint64_t>;
    const hn::ScalableTag<Piece> d;
    const auto vector = [&](int t) HWY_ATTR { return hn::BitCast(d, hn::Load(U8(), lanes + 64 * t)); };
    hn::StoreInterleaved4(vector(0), vector(1), vector(2), vector(3), d, reinterpret_cast<Piece*>(out));
}
#endif

template <DType type>
HWY_INLINE const typename Quantised<type>::Block* blocks_at(Tail<type>& tail, const std::byte* row, int64_t k,
                                                            int64_t n) {
    return reinterpret_cast<const typename Quantised<type>::Block*>(tail.chunk_at(row, k, n));
}

template <DType type>
void unpack_low_bits(const std::byte* row, int64_t k, int64_t n, QuantisedChunk& out) {
    Tail<type> tail;
    const auto* const blocks = blocks_at(tail, row, k, n);
#if HWY_TARGET == HWY_AVX3_DL
    alignas(64) uint8_t lanes[chunk_size];
    Arranged<type>::put(blocks, lanes, out.scale);
    from_lanes<Quantised<type>::small_parts>(lanes, out.quant);
#else
    Quantised<type>::quants(blocks, out.quant);
    Quantised<type>::scales(blocks, out.scale);
#endif
    for (int p = 0; p < chunk_parts; ++p) out.min[p] = out.scale[p] * static_cast<float>(-Quantised<type>::zero);
}

template <DType type>
HWY_INLINE void arrange_chunk(const typename Quantised<type>::Block* blocks, QuantisedChunk& out) {
#if HWY_TARGET == HWY_AVX3_DL
    Arranged<type>::put(blocks, out.quant, out.scale);
#elif HWY_CAP_GE512
    alignas(64) uint8_t quants[chunk_size];
    Quantised<type>::quants(blocks, quants);
    to_lanes<Quantised<type>::small_parts>(reinterpret_cast<const int8_t*>(quants),
                                           reinterpret_cast<int8_t*>(out.quant));
    Quantised<type>::scales(blocks, out.scale);
#else
    Quantised<type>::quants(blocks, out.quant);
    Quantised<type>::scales(blocks, out.scale);
#endif
}

template <DType type>
void arrange_low_bits(const std::byte* row, int64_t k, int64_t n, QuantisedChunk* out) {
    const int64_t end = std::min(n, k + QuantisedFormat::arranged_at_once * chunk_size);
    Tail<type> tail;
    for (; k + chunk_size <= end; k += chunk_size, ++out) arrange_chunk<type>(blocks_at(tail, row, k, n), *out);
    if (k < end) arrange_chunk<type>(blocks_at(tail, row, k, n), *out);
}

template <DType type>
QuantisedFormat low_bits() {
    return {.unpack = unpack_low_bits<type>,
            .unpack_arranged = arrange_low_bits<type>,
            .wide = false,
            .small_parts = Quantised<type>::small_parts,
            .zero = Quantised<type>::zero};
}

QuantisedFormat low_bit_format(DType type) {
    switch (type) {
        case DType::iq1_s:
            return low_bits<DType::iq1_s>();
        case DType::iq1_m:
            return low_bits<DType::iq1_m>();
        case DType::iq2_xxs:
            return low_bits<DType::iq2_xxs>();
        case DType::iq2_xs:
            return low_bits<DType::iq2_xs>();
        case DType::iq2_s:
            return low_bits<DType::iq2_s>();
        case DType::iq3_xxs:
            return low_bits<DType::iq3_xxs>();
        case DType::iq3_s:
            return low_bits<DType::iq3_s>();
        case DType::tq1_0:
            return low_bits<DType::tq1_0>();
        case DType::tq2_0:
            return low_bits<DType::tq2_0>();
        case DType::nvfp4:
            return low_bits<DType::nvfp4>();
        case DType::q1_0:
            return low_bits<DType::q1_0>();
        case DType::q2_0:
            return low_bits<DType::q2_0>();
        default:
            return {};
    }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(low_bit_format);
QuantisedFormat low_bit_format(DType type) { return HWY_DYNAMIC_DISPATCH(low_bit_format)(type); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
