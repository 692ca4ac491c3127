// Blocks of one scale whose codes are -1, 0 and 1 (TQ1_0, TQ2_0), also 2 (Q2_0), or -1 and 1 (Q1_0). Weights that are
// such multiples of a number in f16 are stored exactly.
#include <cmath>
#include <cstring>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_scales.h"
#include "tensor/quantised/low_bit_types.h"
#include "tensor/quantised/part_scales.h"

namespace gremium {
namespace {

constexpr fit::Integers ternary{-1, 1};

// -1, -1/2 … would fit as well as 1, 1/2 …: a scale of either sign.
struct MinusOneToTwo : fit::Integers {
    static constexpr bool lopsided = true;
};
constexpr MinusOneToTwo minus_one_to_two{{-1, 2}};

// The scale as f16, and for each weight the code, counted from -1.
template <typename Book>
uint16_t codes_of(const float* x, const float* w, int n, const Book& book, uint8_t* code) {
    const uint16_t d = f32_to_f16(fit::scale(x, fit::weights_or_ones(w), n, book));
    const float per_step = fit::inverse(f16_to_f32(d));
    for (int i = 0; i < n; ++i) code[i] = static_cast<uint8_t>(book.nearest(x[i] * per_step) + 1);
    return d;
}

// TQ1_0: which byte holds weight i, and as which of its digits.
struct Digit {
    int byte, place;
};
Digit digit(int i) {
    if (i < 160) return {i % 32, i / 32};
    if (i < 240) return {32 + i % 16, i / 16 - 10};
    return {48 + i % 4, i / 4 - 60};
}
constexpr int powers[] = {1, 3, 9, 27, 81};

}  // namespace

void BlockTQ1_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < size; ++i) {
        const auto [at, place] = digit(i);
        const int fraction = q[at] * powers[place] & 255;
        y[i] = scale * static_cast<float>((fraction * 3 >> 8) - 1);
    }
}

void BlockTQ1_0::encode(const float* x, const float* w) {
    uint8_t code[size];
    d = codes_of(x, w, size, ternary, code);
    int number[52] = {};
    for (int i = 0; i < size; ++i) {
        const auto [at, place] = digit(i);
        number[at] += code[i] * powers[4 - place];
    }
    // Rounded up, so that all digits can be read from the fraction.
    for (int b = 0; b < 52; ++b) q[b] = static_cast<uint8_t>((number[b] * 256 + 242) / 243);
}

void BlockTQ2_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < size; ++i)
        y[i] = scale * static_cast<float>((q[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3) - 1);
}

void BlockTQ2_0::encode(const float* x, const float* w) {
    uint8_t code[size];
    d = codes_of(x, w, size, ternary, code);
    for (int b = 0; b < 64; ++b) {
        const uint8_t* const c = code + b / 32 * 128 + b % 32;
        q[b] = static_cast<uint8_t>(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
}

void BlockQ2_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < size; ++i) y[i] = scale * static_cast<float>((q[i / 4] >> i % 4 * 2 & 3) - 1);
}

void BlockQ2_0::encode(const float* x, const float* w) {
    uint8_t code[size];
    d = codes_of(x, w, size, minus_one_to_two, code);
    for (int b = 0; b < 16; ++b) {
        const uint8_t* const c = code + 4 * b;
        q[b] = static_cast<uint8_t>(c[0] | c[1] << 2 | c[2] << 4 | c[3] << 6);
    }
}

void BlockQ1_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int i = 0; i < size; ++i) y[i] = q[i / 8] >> i % 8 & 1 ? scale : -scale;
}

// The best scale for given signs is the mean of the sizes.
void BlockQ1_0::encode(const float* x, const float* w) {
    const float* const weights = fit::weights_or_ones(w);
    double sum = 0, total = 0;
    for (int i = 0; i < size; ++i) {
        sum += double{weights[i]} * std::fabs(double{x[i]});
        total += double{weights[i]};
    }
    d = f32_to_f16(static_cast<float>(sum / total));
    std::memset(q, 0, sizeof q);
    for (int i = 0; i < size; ++i) q[i / 8] = static_cast<uint8_t>(q[i / 8] | (x[i] >= 0 ? 1 : 0) << i % 8);
}

}  // namespace gremium
