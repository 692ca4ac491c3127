#include "kernels/codes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codes.cpp"
#include "kernels/dispatch.h"

#include "kernels/codes_32-inl.h"
#include "kernels/codes_k-inl.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

CodeFormat code_format(DType) { return {}; }
void decode(const Codes&, float*) {}
void decode_bf16(const Codes&, uint16_t*) {}
void round_row(DType, const std::byte*, int64_t, Rounded*, Rounded*) {}

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
    return {unpack<type>, Coded<type>::wide, Coded<type>::small_parts};
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

// 32 numbers: scale is the largest's 127th part.
void round_block(const float* x, int8_t* q, float* scale, float* sum) {
    const F32 d;
    const hn::Rebind<int32_t, F32> di;
    const hn::Rebind<int8_t, F32> d8;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    VecF most = hn::Zero(d);
    for (int64_t i = 0; i < block; i += lanes) most = hn::Max(most, hn::Abs(hn::LoadU(d, x + i)));
    const float largest = hn::GetLane(hn::MaxOfLanes(d, most));
    const float step = largest / 127, per_step = largest > 0 ? 127 / largest : 0;
    for (int64_t p = 0; p < block / code_part; ++p) {
        auto total = hn::Zero(di);
        for (int64_t i = p * code_part; i < (p + 1) * code_part; i += lanes) {
            const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, per_step)));
            hn::StoreU(hn::DemoteTo(d8, rounded), d8, q + i);
            total = hn::Add(total, rounded);
        }
        scale[p] = step;
        sum[p] = step * static_cast<float>(hn::GetLane(hn::SumOfLanes(di, total)));
    }
}

// Block i.. of a row of Rounded.
void round_block(const float* x, int64_t i, Rounded* row) {
    Rounded& to = row[i / code_chunk];
    const int64_t at = i % code_chunk, p = at / code_part;
    round_block(x, to.q + at, to.scale + p, to.sum + p);
}

void round_row(DType type, const std::byte* row, int64_t n, Rounded* out, Rounded* rest) {
    HWY_ALIGN float x[block];
    for (int64_t i = 0; i < chunks_of(n) * code_chunk; i += block) {
        const float* from = reinterpret_cast<const float*>(row) + i;
        if (i >= n || type == DType::bf16) {
            std::fill_n(x, block, 0.f);
            if (i < n)
                visit_row<DType::bf16>(row + bytes_of(type, i), block,
                                       [&](int64_t j, VecF v) HWY_ATTR { hn::Store(v, F32(), x + j); });
            from = x;
        }
        round_block(from, i, out);
        if (!rest) continue;
        const Rounded& done = out[i / code_chunk];
        const int64_t at = i % code_chunk;
        for (int64_t j = 0; j < block; ++j)
            x[j] = from[j] - done.scale[(at + j) / code_part] * static_cast<float>(done.q[at + j]);
        round_block(x, i, rest);
    }
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
void round_row(DType type, const std::byte* row, int64_t n, Rounded* out, Rounded* rest) {
    HWY_DYNAMIC_DISPATCH(round_row)(type, row, n, out, rest);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
