// What unpacking blocks into chunks (chunk.h) is made of. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_TOOLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_TOOLS_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_TOOLS_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_TOOLS_INL_H_
#endif

#include <array>
#include <cstddef>
#include <cstring>

#include "kernels/quantised/chunk.h"
#include "tensor/dtype.h"
#include "tensor/quantised/block_types.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
constexpr bool has_quantised = false;  // one lane: no bytes to look up in
#else
constexpr bool has_quantised = true;

using U8 = hn::ScalableTag<uint8_t>;
using VecU8 = hn::Vec<U8>;
constexpr int64_t quant_lanes = hn::MaxLanes(U8());

using Bytes = hn::CappedTag<uint8_t, 32>;  // half or all of 32 quants
using VecB = hn::Vec<Bytes>;
constexpr int64_t byte_lanes = hn::MaxLanes(Bytes());

// (v >> shift) & mask for each byte.
HWY_INLINE VecB field(VecB v, int shift, uint8_t mask) {
    const hn::Repartition<uint16_t, Bytes> wide;
    const auto shifted = shift == 0 ? v : hn::BitCast(Bytes(), hn::ShiftRightSame(hn::BitCast(wide, v), shift));
    return hn::And(shifted, hn::Set(Bytes(), mask));
}
// v << shift, where no bit leaves its byte.
HWY_INLINE VecB raised(VecB v, int shift) {
    const hn::Repartition<uint16_t, Bytes> wide;
    return hn::BitCast(Bytes(), hn::ShiftLeftSame(hn::BitCast(wide, v), shift));
}

// Vector v of the quants, from make(b, i): vector i.. of the quants 32·b.. .
template <typename Make>
HWY_INLINE VecU8 quants_from(int v, Make&& make) {
    if constexpr (quant_lanes == 64) {
        return hn::Combine(U8(), make(2 * v + 1, 0), make(2 * v, 0));
    } else if constexpr (quant_lanes == 32) {
        return make(v, 0);
    } else {
        return make(v / 2, v % 2 * 16);
    }
}
HWY_INLINE VecB bytes_at(const void* at) { return hn::LoadU(Bytes(), static_cast<const uint8_t*>(at)); }

// Vector i.. of the 32 nibbles in 16 bytes: byte j holds quant j in its low and quant j + 16 in its high half.
HWY_INLINE VecB nibbles(const uint8_t* q, int64_t i) {
    if constexpr (byte_lanes == 16) {
        return field(bytes_at(q), i == 0 ? 0 : 4, 15);
    } else {
        const hn::Repartition<uint32_t, Bytes> d32;
        alignas(32) static constexpr uint32_t shifts[8] = {0, 0, 0, 0, 4, 4, 4, 4};
        const auto twice = hn::BitCast(d32, hn::LoadDup128(Bytes(), q));
        return hn::And(hn::BitCast(Bytes(), hn::Shr(twice, hn::Load(d32, shifts))), hn::Set(Bytes(), 15));
    }
}

// Vector v of the nibbles of eight blocks, which lie at `offset` in each `stride` bytes.
template <int64_t stride, int64_t offset>
HWY_INLINE VecU8 nibbles_of_blocks(const std::byte* at, int v) {
#if HWY_CAP_GE512
    if constexpr (stride % 2 == 0) {  // one permutation of 16-bit words brings two blocks in place
        constexpr int64_t two = 2 * stride, last = 4 * two - 64;
        const int64_t begin = v == 3 ? last : v * two;  // nothing past the eighth block is read
        const auto word = static_cast<int16_t>((v * two - begin + offset) / 2);
        const hn::Repartition<int16_t, U8> d16;
        const hn::Repartition<uint32_t, U8> d32;
        alignas(64) static constexpr int16_t first_block[32] = {0,
                                                                1,
                                                                2,
                                                                3,
                                                                4,
                                                                5,
                                                                6,
                                                                7,
                                                                0,
                                                                1,
                                                                2,
                                                                3,
                                                                4,
                                                                5,
                                                                6,
                                                                7,
                                                                stride / 2,
                                                                stride / 2 + 1,
                                                                stride / 2 + 2,
                                                                stride / 2 + 3,
                                                                stride / 2 + 4,
                                                                stride / 2 + 5,
                                                                stride / 2 + 6,
                                                                stride / 2 + 7,
                                                                stride / 2,
                                                                stride / 2 + 1,
                                                                stride / 2 + 2,
                                                                stride / 2 + 3,
                                                                stride / 2 + 4,
                                                                stride / 2 + 5,
                                                                stride / 2 + 6,
                                                                stride / 2 + 7};
        alignas(64) static constexpr uint32_t shifts[16] = {0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4};
        const auto words = hn::Add(hn::Load(d16, first_block), hn::Set(d16, word));
        const auto bytes = hn::LoadU(U8(), reinterpret_cast<const uint8_t*>(at) + begin);
        const hn::Vec<decltype(d32)> pairs{_mm512_permutexvar_epi16(words.raw, bytes.raw)};
        return hn::And(hn::BitCast(U8(), hn::Shr(pairs, hn::Load(d32, shifts))), hn::Set(U8(), 15));
    }
#endif
    return quants_from(v, [&](int b, int64_t i) HWY_ATTR {
        return nibbles(reinterpret_cast<const uint8_t*>(at) + b * stride + offset, i);
    });
}

// 16 in each byte whose bit is set; the bits of 32 bytes lie in `bits`.
HWY_INLINE VecB fifth_bits(const uint8_t* bits, int64_t i) {
    uint32_t word;
    std::memcpy(&word, bits, sizeof word);
    alignas(32) static constexpr uint8_t place[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                                      2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
    const auto all = hn::BitCast(Bytes(), hn::Set(hn::Repartition<uint32_t, Bytes>(), word));
    const auto mine = hn::TableLookupBytes(all, hn::Load(Bytes(), place + i));
    const auto bit = hn::BitCast(Bytes(), hn::Set(hn::Repartition<uint64_t, Bytes>(), 0x8040201008040201));
    return hn::IfThenElseZero(hn::Eq(hn::And(mine, bit), bit), hn::Set(Bytes(), 16));
}

// The values of IQ4_NL as quants: + 128.
HWY_INLINE VecU8 iq4(VecU8 index) {
    alignas(16) static constexpr uint8_t values[16] = {
        iq4_values[0] + 128,  iq4_values[1] + 128,  iq4_values[2] + 128,  iq4_values[3] + 128,
        iq4_values[4] + 128,  iq4_values[5] + 128,  iq4_values[6] + 128,  iq4_values[7] + 128,
        iq4_values[8] + 128,  iq4_values[9] + 128,  iq4_values[10] + 128, iq4_values[11] + 128,
        iq4_values[12] + 128, iq4_values[13] + 128, iq4_values[14] + 128, iq4_values[15] + 128};
    return hn::TableLookupBytes(hn::LoadDup128(U8(), values), index);
}

// Twice the values of MXFP4 as quants: + 12.
HWY_INLINE VecU8 mxfp4(VecU8 index) {
    alignas(16) static constexpr uint8_t values[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return hn::TableLookupBytes(hn::LoadDup128(U8(), values), index);
}

// Factors of the parts of a chunk.
using FactorTag = hn::ScalableTag<float>;
using VecFactor = hn::Vec<FactorTag>;
constexpr int64_t factor_lanes = hn::MaxLanes(FactorTag());
constexpr int64_t factor_vectors = chunk_parts / factor_lanes;

struct Factors {
    // Where an implicit one lies outside of the target's pragma, GCC cannot inline what it calls.
    Factors() {}
    VecFactor v[factor_vectors];
};
struct Affine {  // weights are scale·quant + min
    Factors scale, min;
};

// Lane l of the result is lane first + l / 2 of v.
HWY_INLINE VecFactor each_twice(VecFactor v, int32_t first) {
    const hn::Rebind<int32_t, FactorTag> di;
    return hn::TableLookupLanes(
        v, hn::IndicesFromVec(FactorTag(), hn::Add(hn::ShiftRight<1>(hn::Iota(di, 0)), hn::Set(di, first))));
}

using Heads = uint16_t __attribute__((vector_size(16)));  // eight f16

template <int64_t stride>
HWY_INLINE Heads heads(const std::byte* at) {
    const auto get = [&](int i) HWY_ATTR {
        uint16_t bits;
        std::memcpy(&bits, at + i * stride, sizeof bits);
        return bits;
    };
    return Heads{get(0), get(1), get(2), get(3), get(4), get(5), get(6), get(7)};
}

#if HWY_CAP_GE512
// The `piece` bytes at `offset` in each of four blocks of `stride` bytes, an even number below 33; words `times` times
// each.
template <int64_t stride, int64_t offset, int64_t piece, int64_t times = 1>
HWY_INLINE __m512i from_four_blocks(const std::byte* at) {
    constexpr int64_t second = 4 * stride - 64;  // two vectors hold them all, and nothing else is read
    alignas(64) static constexpr auto words = [] {
        std::array<uint16_t, 32> out{};
        for (int64_t i = 0; i < 32; ++i) {
            const int64_t n = i / times, byte = n / (piece / 2) % 4 * stride + offset + n % (piece / 2) * 2;
            out[static_cast<size_t>(i)] = static_cast<uint16_t>((byte + 2 <= 64 ? byte : 64 + byte - second) / 2);
        }
        return out;
    }();
    return _mm512_permutex2var_epi16(_mm512_loadu_si512(at), _mm512_load_si512(words.data()),
                                     _mm512_loadu_si512(at + second));
}
#endif

// The f16 factors at `offset` in eight blocks of 32.
template <int64_t stride, int64_t offset>
HWY_INLINE Factors of_blocks(const std::byte* at) {
    Factors out;
#if HWY_CAP_GE512
    if constexpr (stride == 18) {  // those of four blocks lie within 64 bytes
        const __m512i words = _mm512_setr_epi32(0, 0x00090009, 0x00120012, 0x001B001B, 0x00200020, 0x00290029,
                                                0x00320032, 0x003B003B, 0, 0, 0, 0, 0, 0, 0, 0);
        const __m512i both =
            _mm512_permutex2var_epi16(_mm512_loadu_si512(at), words, _mm512_loadu_si512(at + 4 * stride));
        out.v[0] = VecFactor{_mm512_cvtph_ps(_mm512_castsi512_si256(both))};
        return out;
    } else if constexpr (stride < 32) {
        const __m512i low = from_four_blocks<stride, offset, 2, 2>(at),
                      high = from_four_blocks<stride, offset, 2, 2>(at + 4 * stride);
        out.v[0] = VecFactor{
            _mm512_cvtph_ps(_mm256_inserti128_si256(_mm512_castsi512_si256(low), _mm512_castsi512_si128(high), 1))};
        return out;
    }
#endif
    const Heads halves = heads<stride>(at + offset);
    const auto* const first = reinterpret_cast<const hwy::float16_t*>(&halves);
    const FactorTag d;
#if HWY_CAP_GE512
    const hn::CappedTag<float, 8> d8;
    const auto v = hn::PromoteTo(d8, hn::LoadU(hn::Rebind<hwy::float16_t, decltype(d8)>(), first));
    out.v[0] = each_twice(hn::ZeroExtendVector(d, v), 0);
#else
#pragma GCC unroll 4
    for (int64_t j = 0; j < factor_vectors; ++j) {
        const auto v =
            hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, FactorTag>(), first + j / 2 * factor_lanes));
        out.v[j] = each_twice(v, static_cast<int32_t>(j % 2 * factor_lanes / 2));
    }
#endif
    return out;
}

// Quants that stand for quant − zero.
HWY_INLINE Affine centred(const Factors& scale, int zero) {
    Affine out{scale, {}};
#pragma GCC unroll 4
    for (int64_t j = 0; j < factor_vectors; ++j)
        out.min.v[j] = hn::Mul(scale.v[j], hn::Set(FactorTag(), static_cast<float>(-zero)));
    return out;
}

HWY_INLINE uint16_t negative(uint16_t f16) { return static_cast<uint16_t>(f16 ^ 0x8000); }

// 16 small numbers times d.
template <typename T>
HWY_INLINE Factors scaled(const T (&numbers)[chunk_parts], uint16_t d) {
    const FactorTag df;
    const hn::Rebind<int32_t, FactorTag> di;
    const hn::CappedTag<float, 1> d1;
    const auto half =
        hn::BitCast(hn::Rebind<hwy::float16_t, decltype(d1)>(), hn::Set(hn::Rebind<uint16_t, decltype(d1)>(), d));
    const VecFactor factor = hn::Set(df, hn::GetLane(hn::PromoteTo(d1, half)));
    Factors out;
#pragma GCC unroll 4
    for (int64_t j = 0; j < factor_vectors; ++j) {
        const auto v = hn::PromoteTo(di, hn::LoadU(hn::Rebind<T, FactorTag>(), numbers + j * factor_lanes));
        out.v[j] = hn::Mul(factor, hn::ConvertTo(df, v));
    }
    return out;
}

// Each of eight bytes (the first in the lowest of `bytes`) for both parts of its 32 weights.
HWY_INLINE void twice(uint8_t (&out)[chunk_parts], uint64_t bytes) {
    const hn::CappedTag<uint8_t, 16> d;
    const auto v = hn::BitCast(d, hn::Set(hn::Repartition<uint64_t, decltype(d)>(), bytes));
    hn::Store(hn::InterleaveLower(d, v, v), d, out);
}

// Of each block-quantised type: Block; quants(at, v), vector v of the quants of the 256 weights at `at`; factors(at),
// theirs; wide, small_parts and zero as in QuantisedFormat.
template <DType type>
struct Quantised;

// A row's last chunk, filled up with zeros, where it is not whole.
template <DType type>
struct Tail {
    static constexpr int64_t size = Quantised<type>::Block::size,
                             bytes = static_cast<int64_t>(sizeof(typename Quantised<type>::Block));
    alignas(16) std::byte padded[chunk_size / size * bytes];

    // The weights [k, k + 256) of a row of n.
    HWY_INLINE const std::byte* chunk_at(const std::byte* row, int64_t k, int64_t n) {
        const std::byte* const at = row + k / size * bytes;
        if (size == chunk_size || k + chunk_size <= n) return at;
        std::memset(padded, 0, sizeof padded);
        std::memcpy(padded, at, static_cast<size_t>((n - k) / size * bytes));
        return padded;
    }
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
