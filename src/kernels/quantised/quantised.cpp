#include "kernels/quantised/quantised.h"

#include <algorithm>
#include <type_traits>

#include "kernels/quantised/low_bits.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantised/quantised.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/blocks_32-inl.h"
#include "kernels/quantised/blocks_k-inl.h"
#include "kernels/quantised/lanes-inl.h"
#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

QuantisedFormat quantised_format(DType) { return {}; }
void dequantise(const QuantisedChunk&, float*) {}
void dequantise_bf16(const QuantisedChunk&, uint16_t*) {}
void round_row(DType, const std::byte*, int64_t, bool, std::byte*) {}
void arrange_rounded(const QuantisedFormat&, const std::byte*, int64_t, bool, std::byte*) {}

#else

template <DType type>
void unpack(const std::byte* row, int64_t k, int64_t n, QuantisedChunk& out) {
    Tail<type> tail;
    const std::byte* const at = tail.chunk_at(row, k, n);
#pragma GCC unroll 16
    for (int v = 0; v < chunk_size / quant_lanes; ++v)
        hn::Store(Quantised<type>::quants(at, v), U8(), out.quant + v * quant_lanes);
    const Affine factors = Quantised<type>::factors(at);
#pragma GCC unroll 4
    for (int64_t j = 0; j < factor_vectors; ++j) {
        hn::Store(factors.scale.v[j], FactorTag(), out.scale + j * factor_lanes);
        hn::Store(factors.min.v[j], FactorTag(), out.min + j * factor_lanes);
    }
}

template <DType type>
QuantisedFormat format_of() {
    return {.unpack = unpack<type>,
            .wide = Quantised<type>::wide,
            .small_parts = Quantised<type>::small_parts,
            .zero = Quantised<type>::zero};
}

QuantisedFormat quantised_format(DType type) {
    switch (type) {
        case DType::q8_0:
            return format_of<DType::q8_0>();
        case DType::q4_0:
            return format_of<DType::q4_0>();
        case DType::q4_1:
            return format_of<DType::q4_1>();
        case DType::q5_0:
            return format_of<DType::q5_0>();
        case DType::q5_1:
            return format_of<DType::q5_1>();
        case DType::iq4_nl:
            return format_of<DType::iq4_nl>();
        case DType::mxfp4:
            return format_of<DType::mxfp4>();
        case DType::q2_k:
            return format_of<DType::q2_k>();
        case DType::q3_k:
            return format_of<DType::q3_k>();
        case DType::q4_k:
            return format_of<DType::q4_k>();
        case DType::q5_k:
            return format_of<DType::q5_k>();
        case DType::q6_k:
            return format_of<DType::q6_k>();
        case DType::iq4_xs:
            return format_of<DType::iq4_xs>();
        default:
            return low_bit_format(type);
    }
}

// Calls visit(i, vector) for the weights of a chunk.
template <typename Visit>
HWY_INLINE void visit_quants(const QuantisedChunk& chunk, Visit&& visit) {
    const F32 d;
    const hn::Rebind<int32_t, F32> di;
    const hn::Rebind<uint8_t, F32> d8;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t p = 0; p < chunk_parts; ++p) {
        const VecF scale = hn::Set(d, chunk.scale[p]), min = hn::Set(d, chunk.min[p]);
        for (int64_t i = p * part_size; i < (p + 1) * part_size; i += lanes) {
            const VecF quant = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, chunk.quant + i)));
            visit(i, hn::MulAdd(scale, quant, min));
        }
    }
}

void dequantise(const QuantisedChunk& chunk, float* out) {
    visit_quants(chunk, [&](int64_t i, VecF v) HWY_ATTR { hn::StoreU(v, F32(), out + i); });
}

void dequantise_bf16(const QuantisedChunk& chunk, uint16_t* out) {
    const U32 d;
    const hn::Rebind<uint16_t, U32> d16;
    visit_quants(chunk, [&](int64_t i, VecF v) HWY_ATTR {  // to nearest even; weights are never NaN
        const auto bits = hn::BitCast(d, v);
        const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
        const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7FFF)));
        hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(rounded)), d16, out + i);
    });
}

// A chunk: one step is the 127th part of the largest of 32 neighbours, or the 256th of that.
template <bool fine>
void round_chunk(const float* x, std::conditional_t<fine, FineRounded, Rounded>& out) {
    const F32 d;
    const hn::Rebind<int8_t, F32> d8;
    constexpr int64_t lanes = hn::MaxLanes(F32());
    for (int64_t i = 0; i < chunk_size; i += block) {
        VecF most = hn::Abs(hn::Load(d, x + i));
        for (int64_t j = lanes; j < block; j += lanes) most = hn::Max(most, hn::Abs(hn::Load(d, x + i + j)));
        const float largest = hn::GetLane(hn::MaxOfLanes(d, most)), step = largest / 127;
        const VecF per_step = hn::Set(d, largest > 0 ? 127 / largest : 0);
        const int64_t p = i / part_size;
        out.scale[p] = out.scale[p + 1] = fine ? step / 256 : step;
        for (int64_t j = i; j < i + block; j += lanes) {
            const VecF steps = hn::Mul(hn::Load(d, x + j), per_step);
            const auto whole = hn::NearestInt(steps);
            hn::StoreU(hn::DemoteTo(d8, whole), d8, out.q + j);
            if constexpr (fine) {  // what rounding left; a half is 128 of 256, which a byte holds as 127
                const VecF rest = hn::Mul(hn::Sub(steps, hn::ConvertTo(d, whole)), hn::Set(d, 256));
                hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(rest)), d8, out.low + j);
            }
        }
    }
    const auto total = [](const int8_t* q) {
        int32_t sum = 0;
        for (int64_t i = 0; i < part_size; ++i) sum += q[i];
        return sum;
    };
    for (int64_t p = 0; p < chunk_parts; ++p) {
        out.total[p] = total(out.q + p * part_size);
        if constexpr (fine) out.total[p] = 256 * out.total[p] + total(out.low + p * part_size);
    }
}

template <bool fine>
void round_chunks(DType type, const std::byte* row, int64_t n, std::byte* out) {
    using To = std::conditional_t<fine, FineRounded, Rounded>;
    HWY_ALIGN float x[chunk_size];
    To* to = reinterpret_cast<To*>(out);
    for (int64_t i = 0; i < n; i += chunk_size, ++to) {
        const int64_t count = std::min(chunk_size, n - i);
        visit_float_row(type, row + bytes_of(type, i), count,
                        [&](int64_t j, VecF v) HWY_ATTR { hn::Store(v, F32(), x + j); });
        std::fill(x + count, x + chunk_size, 0.f);
        round_chunk<fine>(x, *to);
    }
}

void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out) {
    (fine ? round_chunks<true> : round_chunks<false>)(type, row, n, out);
}

void arrange_bytes(const QuantisedFormat& format, const int8_t* from, int8_t* to) {
#if HWY_CAP_GE512
    (format.small_parts ? to_lanes<true> : to_lanes<false>)(from, to);
#else
    static_cast<void>(format);
    std::copy_n(from, chunk_size, to);
#endif
}

template <bool fine>
void arrange_chunks(const QuantisedFormat& format, const std::byte* rounded, int64_t n, std::byte* out) {
    using Chunk = std::conditional_t<fine, FineRounded, Rounded>;
    const auto* from = reinterpret_cast<const Chunk*>(rounded);
    auto* to = reinterpret_cast<Chunk*>(out);
    for (int64_t i = 0; i < chunks_of(n); ++i, ++from, ++to) {
        arrange_bytes(format, from->q, to->q);
        if constexpr (fine) arrange_bytes(format, from->low, to->low);
        for (int64_t p = 0; p < chunk_parts; ++p) {
            to->scale[p] = from->scale[p];
            to->total[p] = from->total[p] * (format.zero ? -format.zero : 1);
        }
    }
}

void arrange_rounded(const QuantisedFormat& format, const std::byte* rounded, int64_t n, bool fine, std::byte* out) {
    (fine ? arrange_chunks<true> : arrange_chunks<false>)(format, rounded, n, out);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(quantised_format);
HWY_EXPORT(dequantise);
HWY_EXPORT(dequantise_bf16);
HWY_EXPORT(round_row);
HWY_EXPORT(arrange_rounded);

QuantisedFormat quantised_format(DType type) { return HWY_DYNAMIC_DISPATCH(quantised_format)(type); }
void dequantise(const QuantisedChunk& chunk, float* out) { HWY_DYNAMIC_DISPATCH(dequantise)(chunk, out); }
void dequantise_bf16(const QuantisedChunk& chunk, uint16_t* out) { HWY_DYNAMIC_DISPATCH(dequantise_bf16)(chunk, out); }
void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(round_row)(type, row, n, fine, out);
}
void arrange_rounded(const QuantisedFormat& format, const std::byte* rounded, int64_t n, bool fine, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(arrange_rounded)(format, rounded, n, fine, out);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
