// Rows of the types with 256 weights a block as chunks (chunk.h; the formats: tensor/quantised/block_types.h). Included
// once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_K_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_K_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_K_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_K_INL_H_
#endif

#include "kernels/quantised/tools-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

template <typename B>
struct Block256 {
    using Block = B;
    static constexpr bool wide = false, small_parts = false;
    static HWY_INLINE const Block& block_at(const std::byte* at) { return *reinterpret_cast<const Block*>(at); }
};

// Weights 32·p.. of a Q2_K or Q3_K block: two bits.
HWY_INLINE VecB two_bits(const uint8_t (&q)[64], int p, int64_t i) {
    return field(bytes_at(q + p / 4 * 32 + i), p % 4 * 2, 3);
}
// Weights 32·p.. of a Q4_K or Q5_K block: four bits.
HWY_INLINE VecB four_bits(const uint8_t (&q)[128], int p, int64_t i) {
    return field(bytes_at(q + p / 2 * 32 + i), p % 2 * 4, 15);
}

template <>
struct Quantised<DType::q2_k> : Block256<BlockQ2_K> {
    static constexpr bool small_parts = true;
    static constexpr int zero = 0;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);
        return quants_from(v, [&](int p, int64_t i) HWY_ATTR { return two_bits(b.q, p, i); });
    }
    static HWY_INLINE Affine factors(const std::byte* at) {
        const Block& b = block_at(at);
        const hn::CappedTag<uint8_t, 16> d;
        const auto both = hn::LoadU(d, b.scales);
        const auto shifted = hn::ShiftRight<4>(hn::BitCast(hn::Repartition<uint16_t, decltype(d)>(), both));
        alignas(16) uint8_t scale[chunk_parts], min[chunk_parts];
        hn::Store(hn::And(both, hn::Set(d, 15)), d, scale);
        hn::Store(hn::And(hn::BitCast(d, shifted), hn::Set(d, 15)), d, min);
        return {scaled(scale, b.d), scaled(min, negative(b.dmin))};
    }
};

template <>
struct Quantised<DType::q3_k> : Block256<BlockQ3_K> {
    static constexpr bool small_parts = true;
    static constexpr int zero = 4;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);
        return quants_from(v, [&](int p, int64_t i) HWY_ATTR {
            return hn::Or(two_bits(b.q, p, i), raised(field(bytes_at(b.high + i), p, 1), 2));
        });
    }
    static HWY_INLINE Affine factors(const std::byte* at) {
        const Block& b = block_at(at);
        uint64_t low;   // halves of the scales 0-7 and 8-15
        uint32_t high;  // two bits of four scales at a time
        std::memcpy(&low, b.scales, sizeof low);
        std::memcpy(&high, b.scales + sizeof low, sizeof high);
        const auto eight = [&](int j) HWY_ATTR {
            const uint64_t upper = (high >> 4 * j & 0x03030303) | uint64_t{high >> (4 * j + 2) & 0x03030303} << 32;
            return hn::Set(hn::CappedTag<uint64_t, 2>(), (low >> 4 * j & 0x0F0F0F0F0F0F0F0F) | upper << 4);
        };
        const hn::CappedTag<int8_t, 16> d8;
        const auto biased = hn::BitCast(d8, hn::InterleaveLower(hn::CappedTag<uint64_t, 2>(), eight(0), eight(1)));
        alignas(16) int8_t scale[chunk_parts];  // one store: it reaches the loads without waiting
        hn::Store(hn::Sub(biased, hn::Set(d8, 32)), d8, scale);
        return centred(scaled(scale, b.d), zero);
    }
};

// Q4_K, Q5_K: eight scales and eight mins of six bits in twelve bytes.
template <typename Block>
HWY_INLINE Affine scales_and_mins(const Block& b) {
    uint32_t word[3];
    std::memcpy(word, b.scales, sizeof word);
    const uint32_t low_scales = word[0] & 0x3F3F3F3F, low_mins = word[1] & 0x3F3F3F3F;
    const uint32_t high_scales = (word[2] & 0x0F0F0F0F) | (word[0] >> 6 & 0x03030303) << 4;
    const uint32_t high_mins = (word[2] >> 4 & 0x0F0F0F0F) | (word[1] >> 6 & 0x03030303) << 4;
    alignas(16) uint8_t scale[chunk_parts], min[chunk_parts];
    twice(scale, low_scales | uint64_t{high_scales} << 32);
    twice(min, low_mins | uint64_t{high_mins} << 32);
    return {scaled(scale, b.d), scaled(min, negative(b.dmin))};
}

template <>
struct Quantised<DType::q4_k> : Block256<BlockQ4_K> {
    static constexpr int zero = 0;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);
        return quants_from(v, [&](int p, int64_t i) HWY_ATTR { return four_bits(b.q, p, i); });
    }
    static HWY_INLINE Affine factors(const std::byte* at) { return scales_and_mins(block_at(at)); }
};

template <>
struct Quantised<DType::q5_k> : Block256<BlockQ5_K> {
    static constexpr int zero = 0;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);
        return quants_from(v, [&](int p, int64_t i) HWY_ATTR {
            return hn::Or(four_bits(b.q, p, i), raised(field(bytes_at(b.high + i), p, 1), 4));
        });
    }
    static HWY_INLINE Affine factors(const std::byte* at) { return scales_and_mins(block_at(at)); }
};

template <>
struct Quantised<DType::q6_k> : Block256<BlockQ6_K> {
    static constexpr bool small_parts = true;
    static constexpr int zero = 32;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);  // of each half, weights 64 apart share a byte of `low`, 32 apart of `high`
        return quants_from(v, [&](int p, int64_t i) HWY_ATTR {
            const VecB low = field(bytes_at(b.low + p / 4 * 64 + p % 2 * 32 + i), p % 4 / 2 * 4, 15);
            const VecB high = field(bytes_at(b.high + p / 4 * 32 + i), p % 4 * 2, 3);
            return hn::Or(low, raised(high, 4));
        });
    }
    static HWY_INLINE Affine factors(const std::byte* at) {
        return centred(scaled(block_at(at).scales, block_at(at).d), zero);
    }
};

template <>
struct Quantised<DType::iq4_xs> : Block256<BlockIQ4_XS> {
    static constexpr bool wide = true;
    static constexpr int zero = 128;
    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        const Block& b = block_at(at);
        return iq4(quants_from(v, [&](int p, int64_t i) HWY_ATTR { return nibbles(b.q + p * 16, i); }));
    }
    static HWY_INLINE Affine factors(const std::byte* at) {
        const Block& b = block_at(at);
        uint32_t word;
        std::memcpy(&word, b.scales_low, sizeof word);
        alignas(16) uint32_t scale[8];  // four and two bits of each
        const hn::CappedTag<uint32_t, 8> d;
        const int lanes = static_cast<int>(hn::Lanes(d));
        for (int p = 0; p < 8; p += lanes) {
            const auto nth = hn::Iota(d, static_cast<uint32_t>(p));
            const auto low = hn::Shr(hn::Set(d, word), hn::ShiftLeft<2>(nth));
            const auto high = hn::Shr(hn::Set(d, b.scales_high), hn::ShiftLeft<1>(nth));
            hn::StoreU(hn::Or(hn::And(low, hn::Set(d, 15)), hn::ShiftLeft<4>(hn::And(high, hn::Set(d, 3)))), d,
                       scale + p);
        }
        alignas(16) int8_t both[chunk_parts];
        for (int p = 0; p < 8; ++p)
            both[2 * p] = both[2 * p + 1] = static_cast<int8_t>(static_cast<int>(scale[p]) - 32);
        return centred(scaled(both, b.d), zero);
    }
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
