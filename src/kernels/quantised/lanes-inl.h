// QuantisedChunk of a chunk as four vectors of 512 bits in which the bytes of a lane share their factors: lane l holds
// weights of part l (of block l / 2 where blocks of 32 have one factor), so that factors multiply sums of bytes as they
// lie. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_LANES_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_LANES_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_LANES_INL_H_
#endif

#include <array>

#include "kernels/quantised/blocks_32-inl.h"
#include "kernels/quantised/blocks_k-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR && HWY_CAP_GE512

// Vector t has in lane l the weights 4i.. with i = 4l + t for small parts, and i = 8·(l / 2) + 2t + l % 2 otherwise:
// every fourth 32 or 64 bits of a chunk.
struct Lanes {
    Lanes() {}  // as Factors
    VecU8 v[4];
};

// Brings the bytes of a chunk to that order.
template <bool small_parts>
HWY_INLINE void to_lanes(const int8_t* q, int8_t* out) {
    using Piece = std::conditional_t<small_parts, uint32_t, uint64_t>;
    const hn::ScalableTag<Piece> d;
    constexpr int64_t step = hn::MaxLanes(d);
    hn::Vec<decltype(d)> v0, v1, v2, v3;
    const Piece* const from = reinterpret_cast<const Piece*>(q);
    Piece* const to = reinterpret_cast<Piece*>(out);
    hn::LoadInterleaved4(d, from, v0, v1, v2, v3);
    hn::Store(v0, d, to);
    hn::Store(v1, d, to + step);
    hn::Store(v2, d, to + 2 * step);
    hn::Store(v3, d, to + 3 * step);
}

// A number for each lane.
template <typename Number>
constexpr std::array<int32_t, 16> lane_table(Number&& number) {
    std::array<int32_t, 16> out{};
    for (int l = 0; l < 16; ++l) out[static_cast<size_t>(l)] = number(l);
    return out;
}
using LaneTable = std::array<int32_t, 16>;
HWY_INLINE __m512i numbers(const LaneTable& table, int more = 0) {
    return _mm512_add_epi32(_mm512_loadu_si512(table.data()), _mm512_set1_epi32(more));
}

// Each lane turned left by its number of bits, then masked.
HWY_INLINE VecU8 turned(__m512i v, const LaneTable& left, uint8_t mask) {
    return hn::And(VecU8{_mm512_rolv_epi32(v, numbers(left))}, hn::Set(U8(), mask));
}
HWY_INLINE __m512i bytes64(const void* at) { return _mm512_loadu_si512(at); }
HWY_INLINE __m512i bytes32_twice(const void* at) {
    return _mm512_broadcast_i64x4(_mm256_loadu_si256(static_cast<const __m256i*>(at)));
}

template <DType type>
struct LanesOf;

// Blocks of 32 weights in 16 bytes: the low nibbles' two vectors, then the high nibbles'.
struct Eights {
    __m512i first, second;  // 8 bytes of eight blocks each
};
HWY_INLINE Eights eights_of(__m512i low, __m512i high) {  // four blocks each
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                  odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return {_mm512_permutex2var_epi64(low, even, high), _mm512_permutex2var_epi64(low, odd, high)};
}
HWY_INLINE Lanes nibbles_of(Eights q) {
    const hn::Repartition<uint16_t, U8> d16;
    const VecU8 first{q.first}, second{q.second}, mask = hn::Set(U8(), 15);
    Lanes out;
    out.v[0] = hn::And(first, mask);
    out.v[1] = hn::And(second, mask);
    out.v[2] = hn::And(hn::BitCast(U8(), hn::ShiftRight<4>(hn::BitCast(d16, first))), mask);
    out.v[3] = hn::And(hn::BitCast(U8(), hn::ShiftRight<4>(hn::BitCast(d16, second))), mask);
    return out;
}

template <DType type>
struct LanesOf32 {
    using Block = typename Quantised<type>::Block;
    static constexpr int64_t stride = sizeof(Block), q = offsetof(Block, q);

    static HWY_INLINE Lanes nibbles(const std::byte* at) {
        if constexpr (stride == 18)
            return nibbles_of({eight<q>(at), eight<q + 8>(at)});
        else
            return nibbles_of(eights_of(four(at), four(at + 4 * stride)));
    }
    // The quants of four blocks.
    static HWY_INLINE __m512i four(const std::byte* at) {
        if constexpr (stride % 2 == 0) {
            return from_four_blocks<stride, q, 16>(at);
        } else {
            const auto get = [&](int64_t b) HWY_ATTR {
                return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + b * stride + q));
            };
            const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(get(0)), get(1), 1),
                          high = _mm256_inserti128_si256(_mm256_castsi128_si256(get(2)), get(3), 1);
            return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        }
    }
    // Where four blocks' 8 bytes lie within 64: in the vectors that factors are read from too.
    template <int64_t offset>
    static HWY_INLINE __m512i eight(const std::byte* at) {
        alignas(64) static constexpr auto words = [] {
            std::array<uint16_t, 32> out{};
            for (size_t i = 0; i < 32; ++i) out[i] = static_cast<uint16_t>(i / 16 * 32 + i / 4 % 4 * 9 + 1 + i % 4);
            return out;
        }();
        const std::byte* const from = at + offset - 2;
        return _mm512_permutex2var_epi16(bytes64(from), bytes64(words.data()), bytes64(from + 4 * stride));
    }
    static HWY_INLINE Lanes five_bits(const std::byte* at) {
        constexpr int64_t high = q - 4;  // four bytes of fifth bits
        const __m256i words =
            _mm256_inserti128_si256(_mm512_castsi512_si256(from_four_blocks<stride, high, 4>(at)),
                                    _mm512_castsi512_si128(from_four_blocks<stride, high, 4>(at + 4 * stride)), 1);
        const __m256i together =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        alignas(32) uint64_t masks[4];  // byte t of all words
        _mm256_store_si256(reinterpret_cast<__m256i*>(masks),
                           _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(words, together),
                                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
        Lanes out = nibbles(at);
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t)
            out.v[t] = VecU8{_mm512_mask_add_epi8(out.v[t].raw, masks[t], out.v[t].raw, _mm512_set1_epi8(16))};
        return out;
    }
};

template <typename Function>
HWY_INLINE Lanes each(Lanes lanes, Function&& function) {
    for (int t = 0; t < 4; ++t) lanes.v[t] = function(lanes.v[t]);
    return lanes;
}

template <>
struct LanesOf<DType::q4_0> : LanesOf32<DType::q4_0> {
    static HWY_INLINE Lanes quants(const std::byte* at) { return nibbles(at); }
};
template <>
struct LanesOf<DType::q4_1> : LanesOf32<DType::q4_1> {
    static HWY_INLINE Lanes quants(const std::byte* at) { return nibbles(at); }
};
template <>
struct LanesOf<DType::q5_0> : LanesOf32<DType::q5_0> {
    static HWY_INLINE Lanes quants(const std::byte* at) { return five_bits(at); }
};
template <>
struct LanesOf<DType::q5_1> : LanesOf32<DType::q5_1> {
    static HWY_INLINE Lanes quants(const std::byte* at) { return five_bits(at); }
};
template <>
struct LanesOf<DType::iq4_nl> : LanesOf32<DType::iq4_nl> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        return each(nibbles(at), [](VecU8 v) HWY_ATTR { return iq4(v); });
    }
};
template <>
struct LanesOf<DType::mxfp4> : LanesOf32<DType::mxfp4> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        return each(nibbles(at), [](VecU8 v) HWY_ATTR { return mxfp4(v); });
    }
};
template <>
struct LanesOf<DType::q8_0> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        const __m512i first = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13),
                      second = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
        VecU8 v[4];
        for (int i = 0; i < 4; ++i) v[i] = Quantised<DType::q8_0>::quants(at, i);
        const __m512i low0 = _mm512_permutex2var_epi64(v[0].raw, first, v[1].raw),
                      low1 = _mm512_permutex2var_epi64(v[0].raw, second, v[1].raw),
                      high0 = _mm512_permutex2var_epi64(v[2].raw, first, v[3].raw),
                      high1 = _mm512_permutex2var_epi64(v[2].raw, second, v[3].raw);
        Lanes out;
        out.v[0] = VecU8{_mm512_shuffle_i64x2(low0, high0, 0x44)};
        out.v[1] = VecU8{_mm512_shuffle_i64x2(low0, high0, 0xEE)};
        out.v[2] = VecU8{_mm512_shuffle_i64x2(low1, high1, 0x44)};
        out.v[3] = VecU8{_mm512_shuffle_i64x2(low1, high1, 0xEE)};
        return out;
    }
};

template <DType type>
struct LanesOf256 {
    static HWY_INLINE const typename Quantised<type>::Block& block_at(const std::byte* at) {
        return Quantised<type>::block_at(at);
    }
    // make(t) for all vectors.
    template <typename Make>
    static HWY_INLINE Lanes lanes(Make&& make) {
        Lanes out;
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) out.v[t] = make(t);
        return out;
    }
};

// Q2_K, Q3_K: of weights 128·n + 32·j + 16·i.., bits 2j.. in the bytes 32·n + 16·i.. .
HWY_INLINE VecU8 two_bits(const uint8_t (&q)[64], int t) {
    alignas(64) static constexpr LaneTable place = lane_table([](int l) { return l / 8 * 8 + l % 2 * 4; }),
                                           left = lane_table([](int l) { return -2 * (l % 8 / 2) & 31; });
    return turned(_mm512_permutexvar_epi32(numbers(place, t), bytes64(q)), left, 3);
}
// Q4_K, Q5_K: of weights 64·g + 32·j.., nibble j in the bytes 32·g.. .
HWY_INLINE VecU8 four_bits(const uint8_t (&q)[128], int t) {
    alignas(64) static constexpr LaneTable place = lane_table([](int l) { return l / 4 * 8 + l % 2; }),
                                           left = lane_table([](int l) { return -4 * (l / 2 % 2) & 31; });
    return turned(_mm512_permutex2var_epi32(bytes64(q), numbers(place, 2 * t), bytes64(q + 64)), left, 15);
}

template <>
struct LanesOf<DType::q2_k> : LanesOf256<DType::q2_k> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        return lanes([&](int t) HWY_ATTR { return two_bits(block_at(at).q, t); });
    }
};
template <>
struct LanesOf<DType::q3_k> : LanesOf256<DType::q3_k> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        alignas(64) static constexpr LaneTable place = lane_table([](int l) { return l % 2 * 4; }),
                                               left = lane_table([](int l) { return (2 - l / 2) & 31; });
        const auto& b = block_at(at);
        return lanes([&](int t) HWY_ATTR {
            const __m512i high = _mm512_permutexvar_epi32(numbers(place, t), bytes32_twice(b.high));
            return hn::Or(two_bits(b.q, t), turned(high, left, 4));
        });
    }
};
template <>
struct LanesOf<DType::q4_k> : LanesOf256<DType::q4_k> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        return lanes([&](int t) HWY_ATTR { return four_bits(block_at(at).q, t); });
    }
};
template <>
struct LanesOf<DType::q5_k> : LanesOf256<DType::q5_k> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        alignas(64) static constexpr LaneTable left = lane_table([](int l) { return (4 - l / 2) & 31; });
        const auto& b = block_at(at);
        return lanes([&](int t) HWY_ATTR {
            int64_t high;
            std::memcpy(&high, b.high + 8 * t, sizeof high);
            return hn::Or(four_bits(b.q, t), turned(_mm512_set1_epi64(high), left, 16));
        });
    }
};
template <>
struct LanesOf<DType::q6_k> : LanesOf256<DType::q6_k> {
    static HWY_INLINE Lanes quants(const std::byte* at) {  // of weights 128·n + 64·j + 32·i.. : see Quantised
        alignas(64) static constexpr LaneTable low = lane_table([](int l) { return l / 8 * 16 + l % 4 * 4; });
        alignas(64) static constexpr LaneTable low_left = lane_table([](int l) { return -4 * (l % 8 / 4) & 31; });
        alignas(64) static constexpr LaneTable high = lane_table([](int l) { return l / 8 * 8 + l % 2 * 4; });
        alignas(64) static constexpr LaneTable high_left = lane_table([](int l) { return (4 - 2 * (l % 8 / 2)) & 31; });
        const auto& b = block_at(at);
        return lanes([&](int t) HWY_ATTR {
            const __m512i four = _mm512_permutex2var_epi32(bytes64(b.low), numbers(low, t), bytes64(b.low + 64));
            const __m512i two = _mm512_permutexvar_epi32(numbers(high, t), bytes64(b.high));
            return hn::Or(turned(four, low_left, 15), turned(two, high_left, 0x30));
        });
    }
};
template <>
struct LanesOf<DType::iq4_xs> : LanesOf256<DType::iq4_xs> {
    static HWY_INLINE Lanes quants(const std::byte* at) {
        const uint8_t* const q = block_at(at).q;
        return each(nibbles_of(eights_of(bytes64(q), bytes64(q + 64))), [](VecU8 v) HWY_ATTR { return iq4(v); });
    }
};

#endif  // HWY_CAP_GE512

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
