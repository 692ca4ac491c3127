// Rows of the types of low_bit_types.h as chunks (chunk.h), in loops that compilers turn into vectors, or that look
// entries of codebooks up one by one. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_QUANTISED_LOW_BITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_QUANTISED_LOW_BITS_INL_H_
#undef GREMIUM_KERNELS_QUANTISED_LOW_BITS_INL_H_
#else
#define GREMIUM_KERNELS_QUANTISED_LOW_BITS_INL_H_
#endif

#include <cstring>

#include "kernels/quantised/tools-inl.h"
#include "tensor/quantised/codebooks.h"
#include "tensor/quantised/low_bit_types.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

HWY_INLINE float f16(uint16_t bits) {
    const hn::CappedTag<float, 1> d;
    const auto half =
        hn::BitCast(hn::Rebind<hwy::float16_t, decltype(d)>(), hn::Set(hn::Rebind<uint16_t, decltype(d)>(), bits));
    return hn::GetLane(hn::PromoteTo(d, half));
}
HWY_INLINE uint32_t word_at(const void* at) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}
HWY_INLINE int nibble(const uint8_t* nibbles, int i) { return nibbles[i / 2] >> i % 2 * 4 & 15; }

constexpr uint64_t each_byte = 0x0101010101010101;

// 64 ± each byte of `sizes`, minus where a bit is set.
HWY_INLINE void put_signed(uint8_t* out, uint64_t sizes, uint32_t signs) {
    const uint64_t bits = (signs & 255) * each_byte & 0x8040201008040201;
    const uint64_t minus = (bits + 0x7F * each_byte) >> 7 & each_byte;
    // 128 − v = ~v − 127 for each byte.
    const uint64_t quants = ((sizes + 64 * each_byte) ^ minus * 255) - minus * 127;
    std::memcpy(out, &quants, sizeof quants);
}
// 9 + 8·(value ± 1/8) of values -1, 0 and 1.
HWY_INLINE void put_shifted(uint8_t* out, uint64_t values, bool minus) {
    const uint64_t sign = 128 * each_byte;
    const uint64_t codes = ((values & ~sign) + each_byte) ^ (values & sign);  // one more, without carries
    const uint64_t quants = 8 * codes + (minus ? 0 : 2 * each_byte);
    std::memcpy(out, &quants, sizeof quants);
}

// Scales of runs of 32 weights.
template <typename Scale>
HWY_INLINE void scales_of_runs(float* out, Scale&& scale) {
    for (int r = 0; r < 8; ++r) out[2 * r] = out[2 * r + 1] = scale(r);
}

// Of each type: Block; small_parts and zero as in QuantisedFormat; quants(block, out) and scales(block, out) of 256
// weights. `b`: their first block.
template <typename B>
struct LowBits {
    using Block = B;
    static constexpr bool wide = false, small_parts = false;
    static constexpr int zero = 64;
};

template <>
struct Quantised<DType::iq2_xxs> : LowBits<BlockIQ2_XXS> {
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const uint32_t index = word_at(b->q + g / 4 * 4), signs = word_at(b->q + g / 4 * 4 + 2);
            put_signed(out + 8 * g, iq2xxs_entries[index >> 8 * (g % 4) & 255], signs_of(signs >> 7 * (g % 4)));
        }
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d) * 0.125f;
        scales_of_runs(out, [&](int r) { return d * static_cast<float>(1 + 2 * (b->q[4 * r + 3] >> 12)); });
    }
};

template <>
struct Quantised<DType::iq2_xs> : LowBits<BlockIQ2_XS> {
    static constexpr bool small_parts = true;
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g)
            put_signed(out + 8 * g, iq2xs_entries[b->q[g] & 511], signs_of(static_cast<uint32_t>(b->q[g] >> 9)));
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d) * 0.125f;
        for (int p = 0; p < 16; ++p) out[p] = d * static_cast<float>(1 + 2 * nibble(b->scales, p));
    }
};

template <>
struct Quantised<DType::iq2_s> : LowBits<BlockIQ2_S> {
    static constexpr bool small_parts = true;
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const int index = b->q[g] | (b->high[g / 4] >> g % 4 * 2 & 3) << 8;
            put_signed(out + 8 * g, iq2s_entries[static_cast<size_t>(index)], b->signs[g]);
        }
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d) * 0.125f;
        for (int p = 0; p < 16; ++p) out[p] = d * static_cast<float>(1 + 2 * nibble(b->scales, p));
    }
};

template <>
struct Quantised<DType::iq3_xxs> : LowBits<BlockIQ3_XXS> {
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const uint64_t high = iq3xxs_entries[b->q[2 * g + 1]];
            put_signed(out + 8 * g, iq3xxs_entries[b->q[2 * g]] | high << 32,
                       signs_of(word_at(b->signs + g / 4 * 4) >> 7 * (g % 4)));
        }
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d) * 0.25f;
        scales_of_runs(out, [&](int r) { return d * static_cast<float>(1 + 2 * (b->signs[4 * r + 3] >> 4)); });
    }
};

template <>
struct Quantised<DType::iq3_s> : LowBits<BlockIQ3_S> {
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const auto entry = [&](int i) {
                return uint64_t{iq3s_entries[static_cast<size_t>(b->q[i] | (b->high[i / 8] >> i % 8 & 1) << 8)]};
            };
            put_signed(out + 8 * g, entry(2 * g) | entry(2 * g + 1) << 32, b->signs[g]);
        }
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d);
        scales_of_runs(out, [&](int r) { return d * static_cast<float>(1 + 2 * nibble(b->scales, r)); });
    }
};

template <>
struct Quantised<DType::iq1_s> : LowBits<BlockIQ1_S> {
    static constexpr int zero = 9;
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const int high = b->high[g / 4], index = b->q[g] | (high >> g % 4 * 3 & 7) << 8;
            put_shifted(out + 8 * g, iq1s_entries[static_cast<size_t>(index)], high >> 15 != 0);
        }
    }
    static void scales(const Block* b, float* out) {
        const float d = f16(b->d) * 0.125f;
        scales_of_runs(out, [&](int r) { return d * static_cast<float>(1 + 2 * (b->high[r] >> 12 & 7)); });
    }
};

template <>
struct Quantised<DType::iq1_m> : LowBits<BlockIQ1_M> {
    static constexpr bool small_parts = true;
    static constexpr int zero = 9;
    static void quants(const Block* b, uint8_t* out) {
        for (int g = 0; g < 32; ++g) {
            const int high = nibble(b->high, g), index = b->q[g] | (high & 7) << 8;
            put_shifted(out + 8 * g, iq1s_entries[static_cast<size_t>(index)], high >> 3 != 0);
        }
    }
    static float d_of(const Block* b) {
        int bits = 0;
        for (int i = 0; i < 4; ++i) bits |= (b->scales[i] >> 12) << 4 * i;
        return f16(static_cast<uint16_t>(bits)) * 0.125f;
    }
    static void scales(const Block* b, float* out) {
        const float d = d_of(b);
        for (int p = 0; p < 16; ++p) out[p] = d * static_cast<float>(1 + 2 * (b->scales[p / 4] >> p % 4 * 3 & 7));
    }
};

template <>
struct Quantised<DType::tq1_0> : LowBits<BlockTQ1_0> {
    static constexpr int zero = 1;
    template <int bytes, int digits>
    static HWY_INLINE uint8_t* digits_of(const uint8_t* q, uint8_t* out) {
        uint8_t power = 1;
        for (int n = 0; n < digits; ++n, out += bytes, power = static_cast<uint8_t>(3 * power)) {
            for (int i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>((q[i] * power & 255) * 3 >> 8);
        }
        return out;
    }
    static void quants(const Block* b, uint8_t* out) {
        digits_of<4, 4>(b->q + 48, digits_of<16, 5>(b->q + 32, digits_of<32, 5>(b->q, out)));
    }
    static void scales(const Block* b, float* out) { std::fill(out, out + chunk_parts, f16(b->d)); }
};

template <>
struct Quantised<DType::tq2_0> : LowBits<BlockTQ2_0> {
    static constexpr int zero = 1;
    static void quants(const Block* b, uint8_t* out) {
        for (int r = 0; r < 8; ++r) {
            for (int i = 0; i < 32; ++i) out[32 * r + i] = static_cast<uint8_t>(b->q[r / 4 * 32 + i] >> r % 4 * 2 & 3);
        }
    }
    static void scales(const Block* b, float* out) { std::fill(out, out + chunk_parts, f16(b->d)); }
};

template <>
struct Quantised<DType::nvfp4> : LowBits<BlockNVFP4> {
    static constexpr bool small_parts = true;
    static constexpr int zero = 12;
    static void quants(const Block* b, uint8_t* out) {
        const hn::CappedTag<uint8_t, 8> d8;
        const hn::CappedTag<uint8_t, 16> d16;
        alignas(16) static constexpr uint8_t values[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
        const auto table = hn::Load(d16, values);
        for (int part = 0; part < 16; ++part, out += 16) {
            alignas(16) uint8_t codes[16];
            const uint8_t* const q = b[part / 4].q + part % 4 * 8;
            for (int i = 0; i < 8; ++i) {
                codes[i] = q[i] & 15;
                codes[8 + i] = static_cast<uint8_t>(q[i] >> 4);
            }
            static_cast<void>(d8);
            hn::StoreU(hn::TableLookupBytes(table, hn::Load(d16, codes)), d16, out);
        }
    }
    // Half of E4M3: quants are twice the values.
    static void scales(const Block* b, float* out) {
        for (int part = 0; part < 16; ++part) {
            const uint32_t code = b[part / 4].scales[part % 4], size = code & 127;
            float normal;
            const uint32_t bits = (size << 20) + (119u << 23);
            std::memcpy(&normal, &bits, sizeof normal);
            const float small = static_cast<float>(size) * 0x1p-10f;
            out[part] = code == 127 ? 0 : size < 8 ? small : normal;
        }
    }
};

template <>
struct Quantised<DType::q1_0> : LowBits<BlockQ1_0> {
    static constexpr int zero = 1;
    static void quants(const Block* b, uint8_t* out) {
        for (int i = 0; i < 32; ++i) {
            const uint64_t bits = b[i / 16].q[i % 16] * each_byte & 0x8040201008040201;
            const uint64_t set = (bits + 0x7F * each_byte) >> 6 & 2 * each_byte;
            std::memcpy(out + 8 * i, &set, sizeof set);
        }
    }
    static void scales(const Block* b, float* out) {
        std::fill(out, out + 8, f16(b[0].d));
        std::fill(out + 8, out + 16, f16(b[1].d));
    }
};

template <>
struct Quantised<DType::q2_0> : LowBits<BlockQ2_0> {
    static constexpr int zero = 1;
    static void quants(const Block* b, uint8_t* out) {
        for (int i = 0; i < 64; ++i) {
            const uint32_t q = b[i / 16].q[i % 16];
            const uint32_t four = (q | q << 6 | q << 12 | q << 18) & 0x03030303;
            std::memcpy(out + 4 * i, &four, sizeof four);
        }
    }
    static void scales(const Block* b, float* out) {
        for (int i = 0; i < 4; ++i) std::fill(out + 4 * i, out + 4 * i + 4, f16(b[i].d));
    }
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
