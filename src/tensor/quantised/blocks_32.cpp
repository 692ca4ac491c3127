// Blocks of 32 weights, each an integer multiple of one scale. Without importance, codes and scales are those of ggml's
// reference quantisers: round to nearest between the extremes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_scales.h"
#include "tensor/quantised/block_types.h"

namespace gremium {
namespace {

constexpr int size = 32, half = 16;

// Rounded down, 0 … highest.
uint8_t code_of(float q, int highest) { return static_cast<uint8_t>(fit::clamp(q, 0, static_cast<float>(highest))); }

fit::Affine from_extremes(const float* x, int highest) {
    const auto [low, high] = std::minmax_element(x, x + size);
    return {(*high - *low) / static_cast<float>(highest), *low};
}

// Calls visit(j, code) for the codes of five bits.
template <typename Visit>
void each_code(const uint8_t (&q)[half], const uint8_t (&high)[4], Visit&& visit) {
    uint32_t bits;
    std::memcpy(&bits, high, 4);
    for (int j = 0; j < half; ++j) {
        visit(j, static_cast<int>((q[j] & 15u) | (bits >> j & 1u) << 4));
        visit(j + half, static_cast<int>((q[j] >> 4) | (bits >> (j + half) & 1u) << 4));
    }
}

template <typename Code>
void pack_nibbles(uint8_t (&q)[half], Code&& code) {
    for (int j = 0; j < half; ++j) q[j] = static_cast<uint8_t>((code(j) & 15) | ((code(j + half) & 15) << 4));
}

template <typename Code>
void pack_fifth_bits(uint8_t (&high)[4], Code&& code) {
    uint32_t bits = 0;
    for (int j = 0; j < size; ++j) bits |= static_cast<uint32_t>(code(j) >> 4) << j;
    std::memcpy(high, &bits, 4);
}

}  // namespace

void BlockQ8_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int j = 0; j < size; ++j) y[j] = scale * static_cast<float>(q[j]);
}

// Importance is ignored: at this precision it changes almost nothing.
void BlockQ8_0::encode(const float* x, const float* /*w*/) {
    const float scale = std::fabs(fit::extreme(x, size)) / 127, per_step = fit::inverse(scale);
    d = f32_to_f16(scale);
    for (int j = 0; j < size; ++j) q[j] = static_cast<int8_t>(fit::clamp(std::roundf(x[j] * per_step), -127, 127));
}

void BlockQ4_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int j = 0; j < half; ++j) {
        y[j] = scale * static_cast<float>((q[j] & 15) - 8);
        y[j + half] = scale * static_cast<float>((q[j] >> 4) - 8);
    }
}

void BlockQ4_0::encode(const float* x, const float* w) {
    const float scale = w ? fit::scale(x, w, size, fit::Integers{-8, 7}) : fit::extreme(x, size) / -8;
    const float per_step = fit::inverse(scale);
    d = f32_to_f16(scale);
    pack_nibbles(q, [&](int j) { return code_of(x[j] * per_step + 8.5f, 15); });
}

void BlockQ4_1::decode(float* y) const {
    const float scale = f16_to_f32(d), min = f16_to_f32(m);
    for (int j = 0; j < half; ++j) {
        y[j] = scale * static_cast<float>(q[j] & 15) + min;
        y[j + half] = scale * static_cast<float>(q[j] >> 4) + min;
    }
}

void BlockQ4_1::encode(const float* x, const float* w) {
    const fit::Affine steps = w ? fit::affine(x, w, size, 15, false) : from_extremes(x, 15);
    d = f32_to_f16(steps.scale);
    m = f32_to_f16(steps.min);
    const float per_step = fit::inverse(steps.scale);
    pack_nibbles(q, [&](int j) { return code_of((x[j] - steps.min) * per_step + 0.5f, 15); });
}

void BlockQ5_0::decode(float* y) const {
    const float scale = f16_to_f32(d);
    each_code(q, high, [&](int j, int code) { y[j] = scale * static_cast<float>(code - 16); });
}

void BlockQ5_0::encode(const float* x, const float* w) {
    const float scale = w ? fit::scale(x, w, size, fit::Integers{-16, 15}) : fit::extreme(x, size) / -16;
    const float per_step = fit::inverse(scale);
    d = f32_to_f16(scale);
    const auto code = [&](int j) { return code_of(x[j] * per_step + 16.5f, 31); };
    pack_nibbles(q, code);
    pack_fifth_bits(high, code);
}

void BlockQ5_1::decode(float* y) const {
    const float scale = f16_to_f32(d), min = f16_to_f32(m);
    each_code(q, high, [&](int j, int code) { y[j] = scale * static_cast<float>(code) + min; });
}

void BlockQ5_1::encode(const float* x, const float* w) {
    const fit::Affine steps = w ? fit::affine(x, w, size, 31, false) : from_extremes(x, 31);
    d = f32_to_f16(steps.scale);
    m = f32_to_f16(steps.min);
    const float per_step = fit::inverse(steps.scale);
    const auto code = [&](int j) { return code_of((x[j] - steps.min) * per_step + 0.5f, 31); };
    pack_nibbles(q, code);
    pack_fifth_bits(high, code);
}

}  // namespace gremium
