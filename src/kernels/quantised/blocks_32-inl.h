// Rows of the types with 32 weights a block as chunks (chunk.h; the formats: tensor/quantised/block_types.h). Included
// once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_32_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_32_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_32_INL_H_
#endif

#include <cstddef>

#include "kernels/quantised/tools-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

template <typename B>
struct Block32 {
    using Block = B;
    static constexpr bool small_parts = false;

    // What make(bytes of a block, i) gives for vector i.. of its quants.
    template <typename Make>
    static HWY_INLINE VecU8 quants_of(const std::byte* at, int v, Make&& make) {
        return quants_from(v, [&](int b, int64_t i) HWY_ATTR {
            return make(reinterpret_cast<const uint8_t*>(at) + b * static_cast<int>(sizeof(Block)), i);
        });
    }
    template <size_t q>
    static HWY_INLINE VecU8 nibbles_at(const std::byte* at, int v) {
        return nibbles_of_blocks<sizeof(Block), q>(at, v);
    }
    template <size_t q, size_t high>
    static HWY_INLINE VecU8 five_bits_at(const std::byte* at, int v) {
        return hn::Or(nibbles_at<q>(at, v),
                      quants_of(at, v, [](const uint8_t* b, int64_t i) HWY_ATTR { return fifth_bits(b + high, i); }));
    }
    // The f16 numbers at `offset` in each of the eight blocks.
    template <size_t offset>
    static HWY_INLINE Factors halves(const std::byte* at) {
        return of_blocks<sizeof(Block), offset>(at);
    }
};

template <>
struct Quantised<DType::q8_0> : Block32<BlockQ8_0> {
    static constexpr bool wide = true;
    static constexpr int zero = 128;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        return quants_of(at, v, [](const uint8_t* b, int64_t i) HWY_ATTR {
            return hn::Xor(bytes_at(b + offsetof(Block, q) + i), hn::Set(Bytes(), 128));
        });
    }
    static HWY_INLINE Affine factors(const std::byte* at) { return centred(halves<offsetof(Block, d)>(at), zero); }
};

template <>
struct Quantised<DType::q4_0> : Block32<BlockQ4_0> {
    static constexpr bool wide = false;
    static constexpr int zero = 8;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) { return nibbles_at<offsetof(Block, q)>(at, v); }
    static HWY_INLINE Affine factors(const std::byte* at) { return centred(halves<offsetof(Block, d)>(at), zero); }
};

template <>
struct Quantised<DType::q4_1> : Block32<BlockQ4_1> {
    static constexpr bool wide = false;
    static constexpr int zero = 0;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) { return nibbles_at<offsetof(Block, q)>(at, v); }
    static HWY_INLINE Affine factors(const std::byte* at) {
        return {halves<offsetof(Block, d)>(at), halves<offsetof(Block, m)>(at)};
    }
};

template <>
struct Quantised<DType::q5_0> : Block32<BlockQ5_0> {
    static constexpr bool wide = false;
    static constexpr int zero = 16;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        return five_bits_at<offsetof(Block, q), offsetof(Block, high)>(at, v);
    }
    static HWY_INLINE Affine factors(const std::byte* at) { return centred(halves<offsetof(Block, d)>(at), zero); }
};

template <>
struct Quantised<DType::q5_1> : Block32<BlockQ5_1> {
    static constexpr bool wide = false;
    static constexpr int zero = 0;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        return five_bits_at<offsetof(Block, q), offsetof(Block, high)>(at, v);
    }
    static HWY_INLINE Affine factors(const std::byte* at) {
        return {halves<offsetof(Block, d)>(at), halves<offsetof(Block, m)>(at)};
    }
};

template <>
struct Quantised<DType::iq4_nl> : Block32<BlockIQ4_NL> {
    static constexpr bool wide = true;
    static constexpr int zero = 128;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) { return iq4(nibbles_at<offsetof(Block, q)>(at, v)); }
    static HWY_INLINE Affine factors(const std::byte* at) { return centred(halves<offsetof(Block, d)>(at), zero); }
};

template <>
struct Quantised<DType::mxfp4> : Block32<BlockMXFP4> {
    static constexpr bool wide = false;
    static constexpr int zero = 12;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) { return mxfp4(nibbles_at<offsetof(Block, q)>(at, v)); }
    static HWY_INLINE Affine factors(const std::byte* at) {
        uint64_t each = 0;
#pragma GCC unroll 8
        for (int b = 0; b < 8; ++b)
            each |= uint64_t{static_cast<uint8_t>(at[b * static_cast<int>(sizeof(Block))])} << 8 * b;
        alignas(16) uint8_t e[chunk_parts];
        twice(e, each);
        const hn::Rebind<uint32_t, FactorTag> d;
        Factors scale;
#pragma GCC unroll 4
        for (int64_t j = 0; j < factor_vectors; ++j) {  // 2^(e − 128): subnormal for e < 2
            const auto v = hn::PromoteTo(d, hn::LoadU(hn::Rebind<uint8_t, FactorTag>(), e + j * factor_lanes));
            const auto small = hn::Shl(hn::Set(d, 0x00200000), v);
            const auto usual = hn::ShiftLeft<23>(hn::Sub(v, hn::Set(d, 1)));
            scale.v[j] = hn::BitCast(FactorTag(), hn::IfThenElse(hn::Lt(v, hn::Set(d, 2)), small, usual));
        }
        return centred(scale, zero);
    }
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
