// Codes of a chunk in the order in which 512-bit vectors unpack them cheapest: two vectors for each 128 weights. Included
// once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_CODE_HALVES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_CODE_HALVES_INL_H_
#undef GREMIUM_KERNELS_CODE_HALVES_INL_H_
#else
#define GREMIUM_KERNELS_CODE_HALVES_INL_H_
#endif

#include <array>

#include "kernels/codes_32-inl.h"
#include "kernels/codes_k-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// Halves<type>: order; codes(at, h), those of weights 128·h.. of the chunk at `at`. Where it is missing, unpacked in order.
template <DType type>
struct Halves {
    static constexpr bool exist = false;
};

#if HWY_CAP_GE512

// Which 16 weights (parts) are the quarters of vector v of a chunk.
enum class Order {
    plain,  // 4v, 4v + 1, 4v + 2, 4v + 3
    blocks,  // of each of four blocks of 32: the first part in one vector, the second in the next, with the same factors
    pairs,    // of 128 weights: 0, 1, 4, 5, then 2, 3, 6, 7
    distant,  // 2v, 2v + 1, 2v + 8, 2v + 9
};
constexpr int32_t part_at(Order order, int v, int quarter) {
    switch (order) {
        case Order::blocks:
            return 8 * (v / 2) + 2 * quarter + v % 2;
        case Order::pairs:
            return 8 * (v / 2) + 2 * (v % 2) + quarter % 2 + quarter / 2 * 4;
        case Order::distant:
            return 2 * v + quarter % 2 + quarter / 2 * 8;
        default:
            return 4 * v + quarter;
    }
}

// The part of each lane of sums of vector v.
template <Order order, int v>
HWY_INLINE auto parts_of_lanes() {
    alignas(64) static constexpr auto index = [] {
        std::array<int32_t, 16> out{};
        for (int l = 0; l < 16; ++l) out[static_cast<size_t>(l)] = part_at(order, v, l / 4);
        return out;
    }();
    return hn::SetTableIndices(FactorTag(), index.data());
}

// Vector v of 256 bytes in order.
template <Order order, int v>
HWY_INLINE hn::Vec<hn::ScalableTag<int8_t>> arranged(const int8_t* q) {
    constexpr int first = part_at(order, v, 0), third = part_at(order, v, 2);
    constexpr int step = part_at(order, v, 1) - first;
    const __m512i low = _mm512_load_si512(q + first / 4 * 64), high = _mm512_load_si512(q + third / 4 * 64);
    if constexpr (order == Order::plain) {
        return hn::Vec<hn::ScalableTag<int8_t>>{low};
    } else {
        constexpr int each = first % 4 | (first % 4 + step) << 2;
        return hn::Vec<hn::ScalableTag<int8_t>>{_mm512_shuffle_i64x2(low, high, each | each << 4)};
    }
}

struct TwoVectors {
    VecU8 first, second;
};

HWY_INLINE VecU8 vector_at(const void* at) { return hn::LoadU(U8(), static_cast<const uint8_t*>(at)); }
// (v >> shift) & mask for each byte.
template <int shift>
HWY_INLINE VecU8 bits(VecU8 v, uint8_t mask) {
    const hn::Repartition<uint16_t, U8> wide;
    return hn::And(hn::BitCast(U8(), hn::ShiftRight<shift>(hn::BitCast(wide, v))), hn::Set(U8(), mask));
}
HWY_INLINE TwoVectors nibbles_of(VecU8 v) { return {hn::And(v, hn::Set(U8(), 15)), bits<4>(v, 15)}; }

// `mask` of 32 bytes whose bits low.. of each, and high.. of each once more, have been brought to bit `to`.
template <int low, int high, int to>
HWY_INLINE VecU8 bits_of_both(const uint8_t* at, uint8_t mask) {
    const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    constexpr int64_t l = (to - low) & 63, h = (to - high) & 63;
    const __m512i turned = _mm512_rolv_epi64(twice, _mm512_setr_epi64(l, l, l, l, h, h, h, h));
    return hn::And(VecU8{turned}, hn::Set(U8(), mask));
}

// The 16 bytes at `offset` in each of four blocks of `stride` bytes: out of two vectors that hold them all.
template <int64_t stride, int64_t offset>
HWY_INLINE VecU8 of_four_blocks(const std::byte* at) {
    constexpr int64_t second = 4 * stride - 64;
    constexpr int64_t size = stride % 2 == 0 ? 2 : 1;
    using Index = std::conditional_t<size == 2, uint16_t, uint8_t>;
    alignas(64) static constexpr auto index = [] {
        std::array<Index, 64 / size> out{};
        for (int64_t i = 0; i < 64 / size; ++i) {
            const int64_t byte = i * size / 16 * stride + offset + i * size % 16;
            out[static_cast<size_t>(i)] = static_cast<Index>((byte < 64 ? byte : 64 + byte - second) / size);
        }
        return out;
    }();
    const __m512i from = _mm512_load_si512(index.data()), a = _mm512_loadu_si512(at),
                  b = _mm512_loadu_si512(at + second);
#if HWY_TARGET == HWY_AVX3_DL
    if constexpr (size == 1) return VecU8{_mm512_permutex2var_epi8(a, from, b)};
#endif
    return VecU8{_mm512_permutex2var_epi16(a, from, b)};
}

template <DType type>
struct HalvesOf32 {
    using Block = typename Coded<type>::Block;
    static constexpr bool exist = true;
    static constexpr Order order = Order::blocks;
    static constexpr int64_t stride = sizeof(Block);

    static HWY_INLINE TwoVectors nibbles(const std::byte* at, int h) {
        return nibbles_of(of_four_blocks<stride, offsetof(Block, q)>(at + h * 4 * stride));
    }
    static HWY_INLINE TwoVectors five_bits(const std::byte* at, int h) {
        TwoVectors codes = nibbles(at, h);
        const auto with_fifth = [&](VecU8 v, int64_t place) HWY_ATTR {
            uint64_t mask = 0;
#pragma GCC unroll 4
            for (int b = 0; b < 4; ++b) {
                uint16_t sixteen;
                std::memcpy(&sixteen, at + (4 * h + b) * stride + place, sizeof sixteen);
                mask |= uint64_t{sixteen} << 16 * b;
            }
            return VecU8{_mm512_mask_add_epi8(v.raw, mask, v.raw, _mm512_set1_epi8(16))};
        };
        constexpr int64_t high = offsetof(Block, q) - 4;  // four bytes of fifth bits
        return {with_fifth(codes.first, high), with_fifth(codes.second, high + 2)};
    }
};

template <>
struct Halves<DType::q4_0> : HalvesOf32<DType::q4_0> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) { return nibbles(at, h); }
};
template <>
struct Halves<DType::q4_1> : HalvesOf32<DType::q4_1> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) { return nibbles(at, h); }
};
template <>
struct Halves<DType::q5_0> : HalvesOf32<DType::q5_0> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) { return five_bits(at, h); }
};
template <>
struct Halves<DType::q5_1> : HalvesOf32<DType::q5_1> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) { return five_bits(at, h); }
};
template <>
struct Halves<DType::iq4_nl> : HalvesOf32<DType::iq4_nl> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const TwoVectors index = nibbles(at, h);
        return {iq4(index.first), iq4(index.second)};
    }
};
#if HWY_TARGET == HWY_AVX3_DL  // bytes of an odd stride
template <>
struct Halves<DType::mxfp4> : HalvesOf32<DType::mxfp4> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const TwoVectors index = nibbles(at, h);
        return {mxfp4(index.first), mxfp4(index.second)};
    }
};
#endif

template <DType type, Order how>
struct HalvesOf256 {
    static constexpr bool exist = true;
    static constexpr Order order = how;
    static HWY_INLINE const typename Coded<type>::Block& block_at(const std::byte* at) {
        return Coded<type>::block_at(at);
    }
};

template <>
struct Halves<DType::q2_k> : HalvesOf256<DType::q2_k, Order::distant> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const VecU8 v = vector_at(block_at(at).q);
        return h == 0 ? TwoVectors{bits<0>(v, 3), bits<2>(v, 3)} : TwoVectors{bits<4>(v, 3), bits<6>(v, 3)};
    }
};
template <>
struct Halves<DType::q3_k> : HalvesOf256<DType::q3_k, Order::distant> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const auto& b = block_at(at);
        const VecU8 v = vector_at(b.q);
        if (h == 0)
            return {hn::Or(bits<0>(v, 3), bits_of_both<0, 4, 2>(b.high, 4)),
                    hn::Or(bits<2>(v, 3), bits_of_both<1, 5, 2>(b.high, 4))};
        return {hn::Or(bits<4>(v, 3), bits_of_both<2, 6, 2>(b.high, 4)),
                hn::Or(bits<6>(v, 3), bits_of_both<3, 7, 2>(b.high, 4))};
    }
};
template <>
struct Halves<DType::q4_k> : HalvesOf256<DType::q4_k, Order::pairs> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        return nibbles_of(vector_at(block_at(at).q + 64 * h));
    }
};
template <>
struct Halves<DType::q5_k> : HalvesOf256<DType::q5_k, Order::pairs> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const auto& b = block_at(at);
        const TwoVectors low = nibbles_of(vector_at(b.q + 64 * h));
        if (h == 0)
            return {hn::Or(low.first, bits_of_both<0, 2, 4>(b.high, 16)),
                    hn::Or(low.second, bits_of_both<1, 3, 4>(b.high, 16))};
        return {hn::Or(low.first, bits_of_both<4, 6, 4>(b.high, 16)),
                hn::Or(low.second, bits_of_both<5, 7, 4>(b.high, 16))};
    }
};
template <>
struct Halves<DType::q6_k> : HalvesOf256<DType::q6_k, Order::plain> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const auto& b = block_at(at);
        const TwoVectors low = nibbles_of(vector_at(b.low + 64 * h));
        const uint8_t* const high = b.high + 32 * h;
        return {hn::Or(low.first, bits_of_both<0, 2, 4>(high, 0x30)),
                hn::Or(low.second, bits_of_both<4, 6, 4>(high, 0x30))};
    }
};
template <>
struct Halves<DType::iq4_xs> : HalvesOf256<DType::iq4_xs, Order::blocks> {
    static HWY_INLINE TwoVectors codes(const std::byte* at, int h) {
        const TwoVectors index = nibbles_of(vector_at(block_at(at).q + 64 * h));
        return {iq4(index.first), iq4(index.second)};
    }
};

#endif  // HWY_CAP_GE512

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
