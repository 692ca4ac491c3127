// Conversions of 16-bit and 8-bit floating-point numbers. All of them round to nearest even.
#pragma once

#include <bit>
#include <cstdint>

namespace gremium {

inline float bf16_to_f32(uint16_t v) { return std::bit_cast<float>(static_cast<uint32_t>(v) << 16); }
inline uint16_t f32_to_bf16(float v) {
    const uint32_t bits = std::bit_cast<uint32_t>(v);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 64u);  // quiet NaN
    return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float f16_to_f32(uint16_t v);
uint16_t f32_to_f16(float v);

// OCP E4M3. It has no infinities: values above 448 become 448.
float f8_e4m3_to_f32(uint8_t v);
uint8_t f32_to_f8_e4m3(float v);

}  // namespace gremium
