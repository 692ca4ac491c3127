#include "kernels/quantised/quantised.h"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantised/quantised.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/blocks_32-inl.h"
#include "kernels/quantised/blocks_k-inl.h"
#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

CodeFormat code_format(DType) { return {}; }
void decode(const Codes&, float*) {}
void decode_bf16(const Codes&, uint16_t*) {}
void round_row(DType, const std::byte*, int64_t, bool, std::byte*) {}

#else

template <DType type>
void unpack(const std::byte* row, int64_t k, int64_t n, Codes& out) {
    Tail<type> tail;
    const std::byte* const at = tail.chunk_at(row, k, n);
#pragma GCC unroll 16
    for (int v = 0; v < code_chunk / code_lanes; ++v)
        hn::Store(Coded<type>::codes(at, v), U8(), out.code + v * code_lanes);
    const Affine factors = Coded<type>::factors(at);
#pragma GCC unroll 4
    for (int64_t j = 0; j < factor_vectors; ++j) {
        hn::Store(factors.scale.v[j], FactorTag(), out.scale + j * factor_lanes);
        hn::Store(factors.min.v[j], FactorTag(), out.min + j * factor_lanes);
    }
}

template <DType type>
CodeFormat format_of() {
    return {unpack<type>, Coded<type>::wide, Coded<type>::small_parts, Coded<type>::zero};
}

CodeFormat code_format(DType type) {
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
            return {};
    }
}

// Calls visit(i, vector) for the weights of a chunk.
template <typename Visit>
HWY_INLINE void visit_codes(const Codes& codes, Visit&& visit) {
    const F32 d;
    const hn::Rebind<int32_t, F32> di;
    const hn::Rebind<uint8_t, F32> d8;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t p = 0; p < code_parts; ++p) {
        const VecF scale = hn::Set(d, codes.scale[p]), min = hn::Set(d, codes.min[p]);
        for (int64_t i = p * code_part; i < (p + 1) * code_part; i += lanes) {
            const VecF code = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, codes.code + i)));
            visit(i, hn::MulAdd(scale, code, min));
        }
    }
}

void decode(const Codes& codes, float* out) {
    visit_codes(codes, [&](int64_t i, VecF v) HWY_ATTR { hn::StoreU(v, F32(), out + i); });
}

void decode_bf16(const Codes& codes, uint16_t* out) {
    const U32 d;
    const hn::Rebind<uint16_t, U32> d16;
    visit_codes(codes, [&](int64_t i, VecF v) HWY_ATTR {  // to nearest even; weights are never NaN
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
    for (int64_t i = 0; i < code_chunk; i += block) {
        VecF most = hn::Abs(hn::Load(d, x + i));
        for (int64_t j = lanes; j < block; j += lanes) most = hn::Max(most, hn::Abs(hn::Load(d, x + i + j)));
        const float largest = hn::GetLane(hn::MaxOfLanes(d, most)), step = largest / 127;
        const VecF per_step = hn::Set(d, largest > 0 ? 127 / largest : 0);
        const int64_t p = i / code_part;
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
        for (int64_t i = 0; i < code_part; ++i) sum += q[i];
        return sum;
    };
    for (int64_t p = 0; p < code_parts; ++p) {
        out.total[p] = total(out.q + p * code_part);
        if constexpr (fine) out.total[p] = 256 * out.total[p] + total(out.low + p * code_part);
    }
}

template <bool fine>
void round_chunks(DType type, const std::byte* row, int64_t n, std::byte* out) {
    using To = std::conditional_t<fine, FineRounded, Rounded>;
    HWY_ALIGN float x[code_chunk];
    To* to = reinterpret_cast<To*>(out);
    for (int64_t i = 0; i < n; i += code_chunk, ++to) {
        const int64_t count = std::min(code_chunk, n - i);
        visit_float_row(type, row + bytes_of(type, i), count,
                  [&](int64_t j, VecF v) HWY_ATTR { hn::Store(v, F32(), x + j); });
        std::fill(x + count, x + code_chunk, 0.f);
        round_chunk<fine>(x, *to);
    }
}

void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out) {
    (fine ? round_chunks<true> : round_chunks<false>)(type, row, n, out);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(code_format);
HWY_EXPORT(decode);
HWY_EXPORT(decode_bf16);
HWY_EXPORT(round_row);

CodeFormat code_format(DType type) { return HWY_DYNAMIC_DISPATCH(code_format)(type); }
void decode(const Codes& codes, float* out) { HWY_DYNAMIC_DISPATCH(decode)(codes, out); }
void decode_bf16(const Codes& codes, uint16_t* out) { HWY_DYNAMIC_DISPATCH(decode_bf16)(codes, out); }
void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(round_row)(type, row, n, fine, out);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
