// Blocks whose codes are indices of a table: IQ4_NL, IQ4_XS, and MXFP4 and NVFP4 with their floating-point values.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_types.h"
#include "tensor/quantised/low_bit_types.h"
#include "tensor/quantised/part_scales.h"

namespace gremium {
namespace {

// The values of IQ4_NL as a codebook: the nearest value is the sum over the thresholds below v.
struct Iq4Book {
    static constexpr float lowest = iq4_values[0], step = 1;
    static constexpr bool lopsided = true;
    int code(float v) const {
        int above = 0;
        for (int k = 0; k < 15; ++k) above += v > threshold(k);
        return above;
    }
    float nearest(float v) const {
        float value = lowest;
        for (int k = 0; k < 15; ++k)
            value += v > threshold(k) ? static_cast<float>(iq4_values[k + 1] - iq4_values[k]) : 0;
        return value;
    }
    static constexpr float threshold(int k) { return 0.5f * static_cast<float>(iq4_values[k] + iq4_values[k + 1]); }
};

// E2M1, doubled to make integers; the fourth bit is the sign.
constexpr float e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, -0.f, -1, -2, -3, -4, -6, -8, -12};

int e2m1_code(float doubled) {
    const float size = std::fabs(doubled);
    int code = 0;
    for (int k = 0; k < 7; ++k) code += size > 0.5f * (e2m1_doubled[k] + e2m1_doubled[k + 1]);
    return code | (code != 0 && doubled < 0 ? 8 : 0);
}

float half_of_power(int e) {  // 2^(e − 128)
    return std::bit_cast<float>(e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23);
}

template <typename Code>
void pack_codes(uint8_t* q, Code&& code) {  // 32 codes
    for (int j = 0; j < 16; ++j) q[j] = static_cast<uint8_t>(code(j) | code(j + 16) << 4);
}

}  // namespace

void BlockIQ4_NL::decode(float* y) const {
    const float scale = f16_to_f32(d);
    for (int j = 0; j < 16; ++j) {
        y[j] = scale * static_cast<float>(iq4_values[q[j] & 15]);
        y[j + 16] = scale * static_cast<float>(iq4_values[q[j] >> 4]);
    }
}

void BlockIQ4_NL::encode(const float* x, const float* w) {
    d = f32_to_f16(fit::scale(x, fit::weights_or_ones(w), size, Iq4Book()));
    const float per_step = fit::inverse(f16_to_f32(d));
    pack_codes(q, [&](int j) { return Iq4Book().code(x[j] * per_step); });
}

void BlockIQ4_XS::decode(float* y) const {
    for (int part = 0; part < 8; ++part) {
        const int low = scales_low[part / 2] >> part % 2 * 4 & 15, high = scales_high >> 2 * part & 3;
        const float scale = f16_to_f32(d) * static_cast<float>((low | high << 4) - 32);
        for (int j = 0; j < 16; ++j) {
            const uint8_t codes = q[part * 16 + j];
            y[part * 32 + j] = scale * static_cast<float>(iq4_values[codes & 15]);
            y[part * 32 + j + 16] = scale * static_cast<float>(iq4_values[codes >> 4]);
        }
    }
}

void BlockIQ4_XS::encode(const float* x, const float* w) {
    const auto fitted = fit::scaled_parts<8>(x, w, -32, Iq4Book());
    d = fitted.d;
    scales_high = 0;
    std::memset(scales_low, 0, sizeof scales_low);
    for (int part = 0; part < 8; ++part) {
        const int scale = fitted.scale[part] + 32;
        scales_low[part / 2] = static_cast<uint8_t>(scales_low[part / 2] | (scale & 15) << part % 2 * 4);
        scales_high = static_cast<uint16_t>(scales_high | (scale >> 4) << 2 * part);
        const float* const v = fitted.v + part * 32;
        pack_codes(q + part * 16, [&](int j) { return Iq4Book().code(v[j]); });
    }
}

void BlockMXFP4::decode(float* y) const {
    const float scale = half_of_power(e);
    for (int j = 0; j < 16; ++j) {
        y[j] = scale * e2m1_doubled[q[j] & 15];
        y[j + 16] = scale * e2m1_doubled[q[j] >> 4];
    }
}

// The largest weight gets the largest exponent of E2M1, which clips values above 6; with importance the neighbouring
// exponents are tried too.
void BlockMXFP4::encode(const float* x, const float* w) {
    const float most = std::fabs(fit::extreme(x, size));
    const int usual = most > 0 ? std::clamp(std::min(std::ilogb(most), 127) - 2 + 127, 0, 254) : 0;
    const auto code = [&](int exponent, int j) { return e2m1_code(x[j] / half_of_power(exponent)); };
    const auto error = [&](int exponent) {
        float sum = 0;
        for (int j = 0; j < size; ++j) {
            const float y = half_of_power(exponent) * e2m1_doubled[code(exponent, j)];
            sum += w[j] * (x[j] - y) * (x[j] - y);
        }
        return sum;
    };
    int best = usual;
    if (w) {
        for (const int other : {std::max(usual - 1, 0), std::min(usual + 1, 254)})
            if (error(other) < error(best)) best = other;
    }
    e = static_cast<uint8_t>(best);
    pack_codes(q, [&](int j) { return code(best, j); });
}

float nvfp4_scale(uint8_t code) {
    if (code == 0x7F) return 0;
    return code == 0xFF ? 480 : f8_e4m3_to_f32(code & 127);
}

void BlockNVFP4::decode(float* y) const {
    for (int i = 0; i < size; ++i) {
        const int part = i / 16, code = q[part * 8 + i % 8] >> i % 16 / 8 * 4 & 15;
        // The code of -0 is +0 here.
        y[i] = 0.5f * nvfp4_scale(scales[part]) * (e2m1_doubled[code] + 0.f);
    }
}

// Scales around the one that brings the largest weight to 6, the largest value, are tried.
void BlockNVFP4::encode(const float* x, const float* w) {
    const float* const weights = fit::weights_or_ones(w);
    std::memset(q, 0, sizeof q);
    for (int part = 0; part < 4; ++part) {
        const float *const from = x + part * 16, *const weight = weights + part * 16;
        const auto code = [&](int scale, int j) {
            const float step = 0.5f * nvfp4_scale(static_cast<uint8_t>(scale));
            return step > 0 ? e2m1_code(from[j] / step) : 0;
        };
        const auto error = [&](int scale) {
            const float step = 0.5f * nvfp4_scale(static_cast<uint8_t>(scale));
            float sum = 0;
            for (int j = 0; j < 16; ++j) {
                const float off = from[j] - step * e2m1_doubled[code(scale, j)];
                sum += weight[j] * off * off;
            }
            return sum;
        };
        const int usual = f32_to_f8_e4m3(std::fabs(fit::extreme(from, 16)) / 6) & 127;
        int best = std::min(usual, 126);
        float least = error(best);
        for (int scale = std::max(usual - 4, 0); scale <= std::min(usual + 5, 126); ++scale) {
            const float now = error(scale);
            if (!(now < least)) continue;
            best = scale;
            least = now;
        }
        scales[part] = static_cast<uint8_t>(best);
        for (int j = 0; j < 8; ++j) q[part * 8 + j] = static_cast<uint8_t>(code(best, j) | code(best, j + 8) << 4);
    }
}

}  // namespace gremium
