// Blocks of 256 weights in parts whose small scales are integer multiples of one f16 scale of the block (K-quants).
// Each part is fitted by itself, the scales of the parts are rounded to multiples of the block's scale, and the block's
// scale is then fitted again to the result.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_scales.h"

namespace gremium::fit {

inline constexpr int block = 256;

inline const float* weights_or_ones(const float* w) {
    static const auto ones = [] {
        std::array<float, block> a;
        a.fill(1);
        return a;
    }();
    return w ? w : ones.data();
}

// y = d·scale[part]·v with v a value of the codebook and scales in [lowest, −lowest).
template <int parts>
struct Scaled {
    uint16_t d;  // f16
    int scale[parts];
    float v[block];
};

template <int parts, typename Book>
Scaled<parts> scaled_parts(const float* x, const float* importance, int lowest, const Book& book) {
    constexpr int length = block / parts;
    const float* const w = weights_or_ones(importance);
    Scaled<parts> out;
    float scales[parts];
    for (int j = 0; j < parts; ++j) scales[j] = scale(x + j * length, w + j * length, length, book);
    out.d = f32_to_f16(extreme(scales, parts) / static_cast<float>(lowest));
    for (int j = 0; j < parts; ++j) {
        const float low = static_cast<float>(lowest);
        out.scale[j] = static_cast<int>(clamp(round(scales[j] * inverse(f16_to_f32(out.d))), low, -1 - low));
    }
    const auto choose_values = [&] {
        for (int i = 0; i < block; ++i) {
            const float per_step = inverse(f16_to_f32(out.d) * static_cast<float>(out.scale[i / length]));
            out.v[i] = book.nearest(x[i] * per_step);
        }
    };
    choose_values();
    double xa = 0, aa = 0;
    for (int i = 0; i < block; ++i) {
        const float a = static_cast<float>(out.scale[i / length]) * out.v[i];
        xa += double{w[i] * x[i] * a};
        aa += double{w[i] * a * a};
    }
    if (aa > 0) out.d = f32_to_f16(static_cast<float>(xa / aa));
    choose_values();
    return out;
}

// y = d·scale[part]·q − dmin·min[part] with q in 0 … highest.
template <int parts>
struct Shifted {
    uint16_t d, dmin;  // f16
    uint8_t scale[parts], min[parts];
    uint8_t q[block];
};

template <int parts>
Shifted<parts> shifted_parts(const float* x, const float* importance, int highest, int highest_scale) {
    constexpr int length = block / parts;
    const float* const w = weights_or_ones(importance);
    Shifted<parts> out;
    float scales[parts], mins[parts];
    for (int j = 0; j < parts; ++j) {
        const Affine part = affine(x + j * length, w + j * length, length, highest, true);
        scales[j] = part.scale;
        mins[j] = -part.min;
    }
    const float top = static_cast<float>(highest_scale);
    out.d = f32_to_f16(*std::max_element(scales, scales + parts) / top);
    out.dmin = f32_to_f16(*std::max_element(mins, mins + parts) / top);
    for (int j = 0; j < parts; ++j) {
        out.scale[j] = static_cast<uint8_t>(clamp(round(scales[j] * inverse(f16_to_f32(out.d))), 0, top));
        out.min[j] = static_cast<uint8_t>(clamp(round(mins[j] * inverse(f16_to_f32(out.dmin))), 0, top));
    }
    const auto choose_codes = [&] {
        const float d = f16_to_f32(out.d), dmin = f16_to_f32(out.dmin);
        for (int i = 0; i < block; ++i) {
            const float min = dmin * static_cast<float>(out.min[i / length]);
            const float per_step = inverse(d * static_cast<float>(out.scale[i / length]));
            out.q[i] = static_cast<uint8_t>(clamp(round((x[i] + min) * per_step), 0, static_cast<float>(highest)));
        }
    };
    choose_codes();
    // Least squares for d and dmin in y = d·a − dmin·b.
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < block; ++i) {
        const double a = out.scale[i / length] * out.q[i], b = out.min[i / length], wi = double{w[i]};
        aa += wi * a * a;
        ab += wi * a * b;
        bb += wi * b * b;
        xa += wi * a * double{x[i]};
        xb += wi * b * double{x[i]};
    }
    const double determinant = aa * bb - ab * ab;
    const double d = (xa * bb - xb * ab) / determinant, dmin = (xa * ab - xb * aa) / determinant;
    if (determinant > 0 && d > 0 && dmin >= 0) {
        out.d = f32_to_f16(static_cast<float>(d));
        out.dmin = f32_to_f16(static_cast<float>(dmin));
        choose_codes();
    }
    return out;
}

}  // namespace gremium::fit
