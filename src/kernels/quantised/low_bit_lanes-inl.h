// Chunks of the types of low_bit_types.h in the order of lanes-inl.h, with the byte permutations of AVX-512 VBMI:
// codebooks are looked up in registers, a few bits a value, which a shift for each byte then brings in place. Included
// once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_LOW_BIT_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_LOW_BIT_LANES_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_LOW_BIT_LANES_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_LOW_BIT_LANES_INL_H_
#endif

#include <array>

#include "kernels/quantised/lanes-inl.h"
#include "kernels/quantised/low_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3_DL

// GCC 12 takes the undefined vectors of its own intrinsics for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

using ByteTable = std::array<uint8_t, 64>;
template <typename Number>
constexpr ByteTable byte_table(Number&& number) {
    ByteTable out{};
    for (int i = 0; i < 64; ++i) out[static_cast<size_t>(i)] = static_cast<uint8_t>(number(i));
    return out;
}
HWY_INLINE __m512i load(const ByteTable& table) { return _mm512_load_si512(table.data()); }

// What index i finds in a table of n numbers of 16 bits; the bits of i above are ignored.
template <int n>
HWY_INLINE __m512i words_at(const uint16_t* table, __m512i i) {
    if constexpr (n == 64) {
        return _mm512_permutex2var_epi16(_mm512_load_si512(table), i, _mm512_load_si512(table + 32));
    } else {
        const __m512i low = words_at<n / 2>(table, i), high = words_at<n / 2>(table + n / 2, i);
        return _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(i, _mm512_set1_epi16(n / 2)), high);
    }
}
// The same of bytes, n = 256.
HWY_INLINE __m512i bytes_of_256(const uint8_t* table, __m512i i) {
    const auto half = [&](const uint8_t* at) HWY_ATTR {
        return _mm512_permutex2var_epi8(_mm512_load_si512(at), i, _mm512_load_si512(at + 64));
    };
    return _mm512_mask_mov_epi8(half(table), _mm512_movepi8_mask(i), half(table + 128));
}

// Byte k of each 64 bits begins at bit number(t, k); for each t.
template <typename Number>
constexpr std::array<ByteTable, 4> shifts(Number&& number) {
    std::array<ByteTable, 4> out{};
    for (int t = 0; t < 4; ++t) out[static_cast<size_t>(t)] = byte_table([&](int i) { return number(t, i % 8) & 63; });
    return out;
}
HWY_INLINE __m512i fields(__m512i v, const ByteTable& shift, uint8_t mask) {
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(load(shift), v), _mm512_set1_epi8(static_cast<char>(mask)));
}
// Where lane pair r of vector t has its 8 codes of 2 bits: in 16 bits for each group, four groups in 64 bits.
alignas(64) inline constexpr auto pair_order = shifts([](int t, int k) { return 16 * t + 2 * k; });
// The same for small parts.
alignas(64) inline constexpr auto small_order = shifts([](int t, int k) { return k / 4 * 32 + 8 * t + k % 4 * 2; });

HWY_INLINE __m512i levels(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return _mm512_set1_epi32(a | b << 8 | c << 16 | d << 24);
}

HWY_INLINE void store_quants(uint8_t* out, int t, __m512i v) { _mm512_store_si512(out + 64 * t, v); }
HWY_INLINE void store_scales(float* out, __m512 v) { _mm512_store_ps(out, v); }
HWY_INLINE __m512 f16_everywhere(uint16_t d) { return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(d))); }
// d·(2n + 1)·unit.
HWY_INLINE void store_odd_scales(float* out, uint16_t d, float unit, __m512i n) {
    const __m512 once = _mm512_mul_ps(f16_everywhere(d), _mm512_set1_ps(unit));
    store_scales(out, _mm512_fmadd_ps(_mm512_add_ps(once, once), _mm512_cvtepi32_ps(n), once));
}
HWY_INLINE __m512i sixteen_nibbles(const uint8_t* nibbles) {
    const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(nibbles)), mask = _mm_set1_epi8(15);
    return _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(_mm_and_si128(v, mask), _mm_and_si128(_mm_srli_epi16(v, 4), mask)));
}

// 64 − size instead of 64 + size.
HWY_INLINE __m512i negated(__m512i v, __mmask64 minus) {
    return _mm512_mask_sub_epi8(v, minus, _mm512_set1_epi8(static_cast<char>(128)), v);
}

// The signs of groups t of all runs as the bytes of masks[t], from byte 4r + t of run r.
struct SignMasks {
    alignas(32) uint64_t of[4];

    HWY_INLINE explicit SignMasks(__m256i bytes) {
        alignas(32) static constexpr std::array<uint8_t, 32> transposed = [] {
            std::array<uint8_t, 32> out{};
            for (size_t i = 0; i < 32; ++i) out[i] = static_cast<uint8_t>(i % 8 * 4 + i / 8);
            return out;
        }();
        const __m256i order = _mm256_load_si256(reinterpret_cast<const __m256i*>(transposed.data()));
        _mm256_store_si256(reinterpret_cast<__m256i*>(of), _mm256_permutexvar_epi8(order, bytes));
    }
};
// The eighth sign of bytes that hold seven.
HWY_INLINE __m512i with_parity(__m512i seven) {
    const __m512i odd = _mm512_slli_epi16(_mm512_popcnt_epi8(seven), 7);
    return _mm512_or_si512(seven, _mm512_and_si512(odd, _mm512_set1_epi8(static_cast<char>(128))));
}
// Four sign indices from bit `first` of 64 on, for each run.
template <int first>
HWY_INLINE SignMasks signs_of_indices(__m512i v) {
    alignas(64) static constexpr ByteTable each = byte_table([](int i) { return first + i % 8 * 7 & 63; });
    alignas(64) static constexpr ByteTable dense = byte_table([](int i) { return i % 32 / 4 * 8 + i % 4; });
    const __m512i bytes = with_parity(fields(v, each, 127));
    return SignMasks(_mm512_castsi512_si256(_mm512_permutexvar_epi8(load(dense), bytes)));
}

// Signs of small parts: bytes of groups 2l and 2l + 1 in the lowest and third byte of lane l.
HWY_INLINE __mmask64 small_signs(__m512i signs, int t) {
    const int byte = t / 2 * 2;
    const __m512i lane = _mm512_set_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0, 0x0C0C0C0C, 0x08080808, 0x04040404, 0,
                                          0x0C0C0C0C, 0x08080808, 0x04040404, 0, 0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    const __m512i spread = _mm512_shuffle_epi8(signs, _mm512_add_epi8(lane, _mm512_set1_epi8(static_cast<char>(byte))));
    return _mm512_test_epi8_mask(spread, _mm512_set1_epi32(t % 2 ? static_cast<int>(0x80402010) : 0x08040201));
}

// put(block, quants, scales) for each type: 256 weights from their first block on.
template <DType type>
struct Arranged;

// 64 + a level of IQ2 for each code.
HWY_INLINE __m512i iq2_sizes(__m512i codes) {
    return _mm512_shuffle_epi8(levels(64 + iq2_levels[0], 64 + iq2_levels[1], 64 + iq2_levels[2], 0), codes);
}

template <>
struct Arranged<DType::iq2_xxs> {
    static HWY_INLINE void put(const BlockIQ2_XXS* b, uint8_t* quants, float* scales) {
        const __m512i v = bytes64(b->q);
        alignas(64) static constexpr ByteTable indices = byte_table([](int i) {  // words of the lower bytes
            return i % 2 ? 0x80 : i % 16 / 8 * 8 + i % 8 / 2;
        });
        const __m512i words = words_at<256>(iq2xxs_codes.data(), _mm512_shuffle_epi8(v, load(indices)));
        const SignMasks minus = signs_of_indices<32>(v);
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t)
            store_quants(quants, t,
                         negated(iq2_sizes(fields(words, pair_order[static_cast<size_t>(t)], 3)), minus.of[t]));
        store_odd_scales(scales, b->d, 0.125f, _mm512_shuffle_epi32(_mm512_srli_epi32(v, 28), _MM_PERM_DDBB));
    }
};

// Sizes of groups in words and signs in bytes 0 and 2 of lanes.
HWY_INLINE void put_small_iq2(__m512i words, __m512i signs, uint8_t* quants) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t)
        store_quants(quants, t,
                     negated(iq2_sizes(fields(words, small_order[static_cast<size_t>(t)], 3)), small_signs(signs, t)));
}

template <>
struct Arranged<DType::iq2_xs> {
    static HWY_INLINE void put(const BlockIQ2_XS* b, uint8_t* quants, float* scales) {
        const __m512i q = bytes64(b->q);
        put_small_iq2(words_at<512>(iq2xs_codes.data(), q), with_parity(_mm512_srli_epi16(q, 9)), quants);
        store_odd_scales(scales, b->d, 0.125f, sixteen_nibbles(b->scales));
    }
};

template <>
struct Arranged<DType::iq2_s> {
    static HWY_INLINE void put(const BlockIQ2_S* b, uint8_t* quants, float* scales) {
        const auto words = [](const uint8_t* bytes) HWY_ATTR {
            return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
        };
        alignas(64) static constexpr ByteTable two_bits = byte_table([](int i) { return i % 8 / 2 * 2; });
        const __m512i high = _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b->high)));
        const __m512i index = _mm512_or_si512(
            words(b->q),
            _mm512_and_si512(_mm512_multishift_epi64_epi8(load(two_bits), high), _mm512_set1_epi16(0x0300)));
        put_small_iq2(words_at<1024>(iq2s_codes.data(), index), words(b->signs), quants);
        store_odd_scales(scales, b->d, 0.125f, sixteen_nibbles(b->scales));
    }
};

// Entries of four values, of which `low` and `high` have two each: of all runs, entry after entry.
HWY_INLINE void put_iq3(__m512i low, __m512i high, __m512i sizes, const SignMasks& minus, uint8_t* quants) {
    alignas(64) static constexpr auto nibbles = shifts([](int t, int k) { return t % 2 * 32 + k * 4; });
    const __m512i even = _mm512_unpacklo_epi8(low, high), odd = _mm512_unpackhi_epi8(low, high);  // runs
    const __m512i halves[2] = {_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd)};
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) {
        const __m512i codes = fields(halves[t / 2], nibbles[static_cast<size_t>(t)], 15);
        store_quants(quants, t, negated(_mm512_shuffle_epi8(sizes, codes), minus.of[t]));
    }
}
HWY_INLINE __m512i iq3_sizes(const std::array<int8_t, 8>& level) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < 8; ++i) bytes |= static_cast<uint64_t>(64 + level[i]) << 8 * i;
    return _mm512_set1_epi64(static_cast<int64_t>(bytes));
}

template <>
struct Arranged<DType::iq3_xxs> {
    static HWY_INLINE void put(const BlockIQ3_XXS* b, uint8_t* quants, float* scales) {
        const __m512i q = bytes64(b->q);
        const __m512i v = _mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b->signs)));
        put_iq3(bytes_of_256(iq3xxs_halves[0].data(), q), bytes_of_256(iq3xxs_halves[1].data(), q),
                iq3_sizes(iq3xxs_levels), signs_of_indices<0>(v), quants);
        store_odd_scales(scales, b->d, 0.25f, _mm512_shuffle_epi32(_mm512_srli_epi32(v, 28), _MM_PERM_CCAA));
    }
};

template <>
struct Arranged<DType::iq3_s> {
    static HWY_INLINE void put(const BlockIQ3_S* b, uint8_t* quants, float* scales) {
        const __m512i q = bytes64(b->q);
        uint64_t upper;
        std::memcpy(&upper, b->high, sizeof upper);
        const auto half = [&](size_t i) HWY_ATTR {
            const uint8_t* const table = iq3s_halves[i].data();
            return _mm512_mask_mov_epi8(bytes_of_256(table, q), upper, bytes_of_256(table + 256, q));
        };
        const SignMasks minus(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b->signs)));
        put_iq3(half(0), half(1), iq3_sizes(iq3s_levels), minus, quants);
        alignas(64) static constexpr LaneTable place = lane_table([](int l) { return l / 2 * 4; });
        const __m512i words = _mm512_set1_epi32(static_cast<int32_t>(word_at(b->scales)));
        store_odd_scales(scales, b->d, 1,
                         _mm512_and_si512(_mm512_srlv_epi32(words, numbers(place)), _mm512_set1_epi32(15)));
    }
};

// IQ1: 9 + 8·(value ± 1/8) of the groups 4r + t, from their codes in words.
HWY_INLINE __m512i iq1_quants(__m512i words, int t, __mmask8 minus) {
    const __m512i codes = fields(words, pair_order[static_cast<size_t>(t)], 3);
    const auto plus = static_cast<__mmask8>(~minus);
    return _mm512_add_epi8(_mm512_slli_epi64(codes, 3), _mm512_maskz_set1_epi64(plus, 2 * each_byte));
}
// The codes of indices whose upper 3 bits begin at t·step of 16 bits for each run.
template <int step>
HWY_INLINE __m512i iq1_words(const uint8_t* q, __m512i high) {
    alignas(64) static constexpr ByteTable place = byte_table([](int i) { return i % 8 / 2 * step; });
    const __m512i low = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(q)));
    const __m512i upper = _mm512_and_si512(_mm512_multishift_epi64_epi8(load(place), high), _mm512_set1_epi16(0x0700));
    return words_at<2048>(iq1s_codes.data(), _mm512_or_si512(low, upper));
}
HWY_INLINE __m512i eight_words(const void* at) {  // of 16 bits, in 64 each
    return _mm512_cvtepu16_epi64(_mm_loadu_si128(static_cast<const __m128i*>(at)));
}

template <>
struct Arranged<DType::iq1_s> {
    static HWY_INLINE void put(const BlockIQ1_S* b, uint8_t* quants, float* scales) {
        const __m512i high = eight_words(b->high);
        const __m512i words = iq1_words<3>(b->q, high);
        const __mmask8 minus = _mm512_test_epi64_mask(high, _mm512_set1_epi64(0x8000));
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) store_quants(quants, t, iq1_quants(words, t, minus));
        const __m512i both = _mm512_shuffle_epi32(high, _MM_PERM_CCAA);
        store_odd_scales(scales, b->d, 0.125f, _mm512_and_si512(_mm512_srli_epi32(both, 12), _mm512_set1_epi32(7)));
    }
};

template <>
struct Arranged<DType::iq1_m> {
    static HWY_INLINE void put(const BlockIQ1_M* b, uint8_t* quants, float* scales) {
        const __m512i high = eight_words(b->high);
        const __m512i words = iq1_words<4>(b->q, high);
        __m512i pair[4];
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t)
            pair[t] = iq1_quants(words, t, _mm512_test_epi64_mask(high, _mm512_set1_epi64(int64_t{8} << 4 * t)));
            // Lane l has part l: groups 2l and 2l + 1 with halves each.
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            store_quants(quants, 2 * i, _mm512_mask_mov_epi32(pair[i], 0xAAAA, _mm512_slli_epi64(pair[2 + i], 32)));
            store_quants(quants, 2 * i + 1, _mm512_mask_mov_epi32(_mm512_srli_epi64(pair[i], 32), 0xAAAA, pair[2 + i]));
        }
        alignas(64) static constexpr ByteTable place = byte_table([](int i) {
            const int part = i / 4;
            return part / 4 * 16 + part % 4 * 3;
        });
        int64_t packed;
        std::memcpy(&packed, b->scales, sizeof packed);
        const __m512i n = _mm512_multishift_epi64_epi8(load(place), _mm512_set1_epi64(packed));
        const auto d = static_cast<uint16_t>(_pext_u64(static_cast<uint64_t>(packed), 0xF000F000F000F000));
        store_odd_scales(scales, d, 0.125f, _mm512_and_si512(n, _mm512_set1_epi32(7)));
    }
};

template <>
struct Arranged<DType::tq1_0> {
    struct Place {
        int byte, digit;
    };
    static constexpr Place place(int t, int i) {
        const int weight = i / 8 * 32 + 8 * t + i % 8;
        if (weight < 160) return {weight % 32, weight / 32};
        if (weight < 240) return {32 + weight % 16, weight / 16 - 10};
        return {48 + weight % 4, weight / 4 - 60};
    }
    template <typename Number>
    static constexpr std::array<ByteTable, 4> tables(Number&& number) {
        std::array<ByteTable, 4> out{};
        for (int t = 0; t < 4; ++t) out[static_cast<size_t>(t)] = byte_table([&](int i) { return number(t, i); });
        return out;
    }
    // 3ⁿ for bytes that an even or an odd number of bytes precedes in their word, else 0.
    template <int odd>
    static constexpr std::array<ByteTable, 4> powers() {
        return tables([](int t, int i) {
            int power = i % 2 == odd ? 1 : 0;
            for (int n = 0; n < place(t, i).digit; ++n) power *= 3;
            return power;
        });
    }
    static HWY_INLINE void put(const BlockTQ1_0* b, uint8_t* quants, float* scales) {
        alignas(64) static constexpr auto bytes = tables([](int t, int i) { return place(t, i).byte; });
        alignas(64) static constexpr auto even = powers<0>(), odd = powers<1>();
        const __m512i v = _mm512_maskz_loadu_epi8((uint64_t{1} << 52) - 1, b->q), ones = _mm512_set1_epi8(1);
#pragma GCC unroll 4
        for (size_t t = 0; t < 4; ++t) {
            const __m512i x = _mm512_permutexvar_epi8(load(bytes[t]), v);
            const __m512i low = _mm512_maddubs_epi16(x, load(even[t]));
            const __m512i high = _mm512_slli_epi16(_mm512_maddubs_epi16(x, load(odd[t])), 8);
            const __m512i fraction = _mm512_mask_mov_epi8(low, 0xAAAAAAAAAAAAAAAA, high);
            const auto above = [&](int limit) HWY_ATTR {
                return _mm512_cmpgt_epu8_mask(fraction, _mm512_set1_epi8(static_cast<char>(limit)));
            };
            const __m512i first = _mm512_maskz_mov_epi8(above(85), ones);
            store_quants(quants, static_cast<int>(t), _mm512_mask_add_epi8(first, above(170), first, ones));
        }
        store_scales(scales, f16_everywhere(b->d));
    }
};

template <>
struct Arranged<DType::tq2_0> {
    static HWY_INLINE void put(const BlockTQ2_0* b, uint8_t* quants, float* scales) {
        alignas(64) static constexpr LaneTable place = lane_table([](int l) { return l / 8 * 8 + l % 2; }),
                                               left = lane_table([](int l) { return -2 * (l % 8 / 2) & 31; });
        const __m512i q = bytes64(b->q);
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t)
            store_quants(quants, t, turned(_mm512_permutexvar_epi32(numbers(place, 2 * t), q), left, 3).raw);
        store_scales(scales, f16_everywhere(b->d));
    }
};

template <>
struct Arranged<DType::nvfp4> {
    static HWY_INLINE void put(const BlockNVFP4* b, uint8_t* quants, float* scales) {
        const auto two = [&](int i) HWY_ATTR {
            const auto one = [&](int k)
                                 HWY_ATTR { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b[k].q)); };
            return _mm512_inserti64x4(_mm512_castsi256_si512(one(i)), one(i + 1), 1);
        };
        const __m512i low = two(0), high = two(2);
        alignas(64) static constexpr LaneTable even = lane_table([](int l) { return 2 * l; });
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {  // weights 4i.. and 8 + 4i.. of each part
            const __m512i pair = _mm512_permutex2var_epi32(low, numbers(even, i), high);
            const __m512i mask = _mm512_set1_epi8(15);
            store_quants(quants, i, mxfp4(VecU8{_mm512_and_si512(pair, mask)}).raw);
            store_quants(quants, 2 + i, mxfp4(VecU8{_mm512_and_si512(_mm512_srli_epi16(pair, 4), mask)}).raw);
        }
        const auto four = [&](int k) HWY_ATTR { return static_cast<int>(word_at(b[k].scales)); };
        const __m512i code = _mm512_cvtepu8_epi32(_mm_setr_epi32(four(0), four(1), four(2), four(3)));
        const __m512i size = _mm512_and_si512(code, _mm512_set1_epi32(127));
        const __m512i bits = _mm512_add_epi32(_mm512_slli_epi32(size, 20), _mm512_set1_epi32(119 << 23));
        const __mmask16 small = _mm512_cmplt_epi32_mask(size, _mm512_set1_epi32(8));
        const __m512 scale =
            _mm512_mask_mul_ps(_mm512_castsi512_ps(bits), small, _mm512_cvtepi32_ps(size), _mm512_set1_ps(0x1p-10f));
        store_scales(scales, _mm512_maskz_mov_ps(_mm512_cmpneq_epi32_mask(code, _mm512_set1_epi32(127)), scale));
    }
};

template <>
struct Arranged<DType::q1_0> {
    static HWY_INLINE void put(const BlockQ1_0* b, uint8_t* quants, float* scales) {
        const auto bits = [&](int i) HWY_ATTR { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(b[i].q)); };
        const SignMasks set(_mm256_inserti128_si256(_mm256_castsi128_si256(bits(0)), bits(1), 1));
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) store_quants(quants, t, _mm512_maskz_mov_epi8(set.of[t], _mm512_set1_epi8(2)));
        store_scales(scales, _mm512_mask_mov_ps(f16_everywhere(b[0].d), 0xFF00, f16_everywhere(b[1].d)));
    }
};

template <>
struct Arranged<DType::q2_0> {
    static HWY_INLINE void put(const BlockQ2_0* b, uint8_t* quants, float* scales) {
        const __m512i q = from_four_blocks<18, 2, 16>(reinterpret_cast<const std::byte*>(b));
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) store_quants(quants, t, fields(q, pair_order[static_cast<size_t>(t)], 3));
        const __m128i d = _mm_setr_epi16(static_cast<short>(b[0].d), static_cast<short>(b[1].d),
                                         static_cast<short>(b[2].d), static_cast<short>(b[3].d), 0, 0, 0, 0);
        alignas(64) static constexpr LaneTable each = lane_table([](int l) { return l / 4; });
        store_scales(scales, _mm512_permutexvar_ps(numbers(each), _mm512_cvtph_ps(_mm256_castsi128_si256(d))));
    }
};

#pragma GCC diagnostic pop

#endif  // HWY_TARGET == HWY_AVX3_DL

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
