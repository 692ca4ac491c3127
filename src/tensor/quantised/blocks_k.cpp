// K-quants. The bits of a code may be in several bytes: `at` gives the position of weight i.
#include <cstring>

#include "tensor/quantised/block_types.h"
#include "tensor/quantised/part_scales.h"

namespace gremium {
namespace {

constexpr int weights = 256;

uint8_t byte(int v) { return static_cast<uint8_t>(v); }

// Q2_K, Q3_K: the four weights 32 apart of each half share a byte.
struct Quarter {
    int byte, shift;
};
Quarter quarter(int i) { return {i / 128 * 32 + i % 32, i % 128 / 32 * 2}; }

// Q4_K, Q5_K: eight scales and mins of six bits in twelve bytes. Of the upper four parts, four bits of each are in the
// last four bytes, and two bits above those of the lower parts.
struct ScaleMin {
    int scale, min;
};
ScaleMin unpack(const uint8_t (&s)[12], int part) {
    if (part < 4) return {s[part] & 63, s[part + 4] & 63};
    return {(s[part + 4] & 15) | (s[part - 4] >> 6) << 4, (s[part + 4] >> 4) | (s[part] >> 6) << 4};
}
void pack(uint8_t (&s)[12], const uint8_t (&scale)[8], const uint8_t (&min)[8]) {
    for (int j = 0; j < 4; ++j) {
        s[j] = byte(scale[j] | (scale[j + 4] >> 4) << 6);
        s[j + 4] = byte(min[j] | (min[j + 4] >> 4) << 6);
        s[j + 8] = byte((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
    }
}

// Q3_K: sixteen scales of six bits in twelve bytes: low halves in the nibbles of the first eight, high in the others.
int unpack_signed(const uint8_t (&s)[12], int part) {
    const int low = part < 8 ? s[part] & 15 : s[part - 8] >> 4;
    return (low | (s[8 + part % 4] >> part / 4 * 2 & 3) << 4) - 32;
}
void pack_signed(uint8_t (&s)[12], const int (&scale)[16]) {
    std::memset(s, 0, sizeof s);
    for (int j = 0; j < 16; ++j) {
        const int v = scale[j] + 32;
        s[j % 8] = byte(s[j % 8] | (v & 15) << j / 8 * 4);
        s[8 + j % 4] = byte(s[8 + j % 4] | (v >> 4) << j / 4 * 2);
    }
}

// Q6_K: in each half, weights 64 apart share a byte of `low`, and weights 32 apart share a byte of `high`.
struct SixBits {
    int low, low_shift, high, high_shift;
};
SixBits six_bits(int i) {
    const int half = i / 128, p = i % 128;
    return {half * 64 + p % 64, p / 64 * 4, half * 32 + p % 32, p / 32 * 2};
}

}  // namespace

void BlockQ2_K::decode(float* y) const {
    const float scale = f16_to_f32(d), min = f16_to_f32(dmin);
    for (int i = 0; i < weights; ++i) {
        const auto [at, shift] = quarter(i);
        const uint8_t s = scales[i / 16];
        y[i] = scale * static_cast<float>(s & 15) * static_cast<float>(q[at] >> shift & 3) -
               min * static_cast<float>(s >> 4);
    }
}

void BlockQ2_K::encode(const float* x, const float* w) {
    const auto fitted = fit::shifted_parts<16>(x, w, 3, 15);
    d = fitted.d;
    dmin = fitted.dmin;
    for (int j = 0; j < 16; ++j) scales[j] = byte(fitted.scale[j] | fitted.min[j] << 4);
    std::memset(q, 0, sizeof q);
    for (int i = 0; i < weights; ++i) {
        const auto [at, shift] = quarter(i);
        q[at] = byte(q[at] | fitted.q[i] << shift);
    }
}

void BlockQ3_K::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < weights; ++i) {
        const auto [at, shift] = quarter(i);
        const int code = (q[at] >> shift & 3) - (high[i % 32] >> i / 32 & 1 ? 0 : 4);
        y[i] = scale * static_cast<float>(unpack_signed(scales, i / 16)) * static_cast<float>(code);
    }
}

void BlockQ3_K::encode(const float* x, const float* w) {
    const auto fitted = fit::scaled_parts<16>(x, w, -32, fit::Integers{-4, 3});
    d = fitted.d;
    pack_signed(scales, fitted.scale);
    std::memset(q, 0, sizeof q);
    std::memset(high, 0, sizeof high);
    for (int i = 0; i < weights; ++i) {
        const auto [at, shift] = quarter(i);
        const int code = static_cast<int>(fitted.v[i]) + 4;
        q[at] = byte(q[at] | (code & 3) << shift);
        high[i % 32] = byte(high[i % 32] | (code >> 2) << i / 32);
    }
}

void BlockQ4_K::decode(float* y) const {
    for (int part = 0; part < 8; ++part) {
        const auto [s, m] = unpack(scales, part);
        const float scale = f16_to_f32(d) * static_cast<float>(s), min = f16_to_f32(dmin) * static_cast<float>(m);
        const uint8_t* const codes = q + part / 2 * 32;
        for (int p = 0; p < 32; ++p) y[part * 32 + p] = scale * static_cast<float>(codes[p] >> part % 2 * 4 & 15) - min;
    }
}

void BlockQ4_K::encode(const float* x, const float* w) {
    const auto fitted = fit::shifted_parts<8>(x, w, 15, 63);
    d = fitted.d;
    dmin = fitted.dmin;
    pack(scales, fitted.scale, fitted.min);
    for (int i = 0; i < weights / 2; ++i) {
        const uint8_t* const codes = fitted.q + i / 32 * 64 + i % 32;
        q[i] = byte(codes[0] | codes[32] << 4);
    }
}

void BlockQ5_K::decode(float* y) const {
    for (int part = 0; part < 8; ++part) {
        const auto [s, m] = unpack(scales, part);
        const float scale = f16_to_f32(d) * static_cast<float>(s), min = f16_to_f32(dmin) * static_cast<float>(m);
        const uint8_t* const codes = q + part / 2 * 32;
        for (int p = 0; p < 32; ++p) {
            const int code = (codes[p] >> part % 2 * 4 & 15) | (high[p] >> part & 1) << 4;
            y[part * 32 + p] = scale * static_cast<float>(code) - min;
        }
    }
}

void BlockQ5_K::encode(const float* x, const float* w) {
    const auto fitted = fit::shifted_parts<8>(x, w, 31, 63);
    d = fitted.d;
    dmin = fitted.dmin;
    pack(scales, fitted.scale, fitted.min);
    for (int i = 0; i < weights / 2; ++i) {
        const uint8_t* const codes = fitted.q + i / 32 * 64 + i % 32;
        q[i] = byte((codes[0] & 15) | (codes[32] & 15) << 4);
    }
    std::memset(high, 0, sizeof high);
    for (int i = 0; i < weights; ++i) high[i % 32] = byte(high[i % 32] | (fitted.q[i] >> 4) << i / 32);
}

void BlockQ6_K::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < weights; ++i) {
        const SixBits at = six_bits(i);
        const int code = (low[at.low] >> at.low_shift & 15) | (high[at.high] >> at.high_shift & 3) << 4;
        y[i] = scale * static_cast<float>(scales[i / 16]) * static_cast<float>(code - 32);
    }
}

void BlockQ6_K::encode(const float* x, const float* w) {
    const auto fitted = fit::scaled_parts<16>(x, w, -128, fit::Integers{-32, 31});
    d = fitted.d;
    for (int j = 0; j < 16; ++j) scales[j] = static_cast<int8_t>(fitted.scale[j]);
    std::memset(low, 0, sizeof low);
    std::memset(high, 0, sizeof high);
    for (int i = 0; i < weights; ++i) {
        const SixBits at = six_bits(i);
        const int code = static_cast<int>(fitted.v[i]) + 32;
        low[at.low] = byte(low[at.low] | (code & 15) << at.low_shift);
        high[at.high] = byte(high[at.high] | (code >> 4) << at.high_shift);
    }
}

}  // namespace gremium
