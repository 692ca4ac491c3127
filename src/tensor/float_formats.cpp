#include "tensor/float_formats.h"

#include <algorithm>
#include <cmath>

namespace gremium {

float f16_to_f32(uint16_t v) {
    const uint32_t sign = static_cast<uint32_t>(v & 0x8000u) << 16, exponent = (v >> 10) & 31u, mantissa = v & 1023u;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
    if (exponent == 0) {
        const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t f32_to_f16(float v) {
    const uint32_t bits = std::bit_cast<uint32_t>(v), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
    // Rounds to infinity.
    if (magnitude >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);
    // Subnormal: the FPU does the rounding.
    if (magnitude < 0x38800000u) {
        const float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;
        return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyintf(scaled)));
    }
    const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float f8_e4m3_to_f32(uint8_t v) {
    const uint32_t sign = static_cast<uint32_t>(v & 0x80u) << 24, magnitude = v & 0x7Fu;
    if (magnitude == 0x7F) return std::bit_cast<float>(sign | 0x7FC00000u);
    if (magnitude < 8) {
        const float subnormal = static_cast<float>(magnitude) * 0x1p-9f;
        return sign ? -subnormal : subnormal;
    }
    return std::bit_cast<float>(sign | ((magnitude << 20) + (120u << 23)));
}

uint8_t f32_to_f8_e4m3(float v) {
    const uint32_t bits = std::bit_cast<uint32_t>(v), sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return static_cast<uint8_t>(sign | 0x7Fu);
    // Subnormal: the FPU does the rounding.
    if (magnitude < 0x3C800000u) {
        const float scaled = std::bit_cast<float>(magnitude) * 0x1p9f;
        return static_cast<uint8_t>(sign | static_cast<uint32_t>(std::nearbyintf(scaled)));
    }
    const uint32_t rounded = magnitude + 0x7FFFFu + ((magnitude >> 20) & 1u);
    return static_cast<uint8_t>(sign | std::min((rounded - (120u << 23)) >> 20, 0x7Eu));
}

}  // namespace gremium
