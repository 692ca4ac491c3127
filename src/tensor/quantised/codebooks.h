// The codebooks of the IQ types: which 8 (IQ1, IQ2) or 4 (IQ3) values an index stands for, before signs. They are part
// of the file format; see NOTICE.
#pragma once

#include <array>
#include <cstdint>

namespace gremium {

// An entry as codes, the first value's in the lowest bits: 2 bits a value of 8, 4 bits a value of 4.
extern const std::array<uint16_t, 256> iq2xxs_codes;
extern const std::array<uint16_t, 512> iq2xs_codes;
extern const std::array<uint16_t, 1024> iq2s_codes;
extern const std::array<uint16_t, 256> iq3xxs_codes;
extern const std::array<uint16_t, 512> iq3s_codes;
extern const std::array<uint16_t, 2048> iq1s_codes;

// Of IQ3, the codes of values 0 and 1 and those of values 2 and 3 of all entries.
extern const std::array<std::array<uint8_t, 256>, 2> iq3xxs_halves;
extern const std::array<std::array<uint8_t, 512>, 2> iq3s_halves;

// What a code stands for.
inline constexpr std::array<int8_t, 3> iq1_levels{-1, 0, 1}, iq2_levels{8, 25, 43};
inline constexpr std::array<int8_t, 8> iq3xxs_levels{4, 12, 20, 28, 36, 44, 52, 62},
    iq3s_levels{1, 3, 5, 7, 9, 11, 13, 15};

// An entry as values, one a byte, the first in the lowest.
extern const std::array<uint64_t, 256> iq2xxs_entries;
extern const std::array<uint64_t, 512> iq2xs_entries;
extern const std::array<uint64_t, 1024> iq2s_entries;
extern const std::array<uint32_t, 256> iq3xxs_entries;
extern const std::array<uint32_t, 512> iq3s_entries;
extern const std::array<uint64_t, 2048> iq1s_entries;

// The signs of 8 weights, one a bit, of a sign index.
constexpr uint8_t signs_of(uint32_t index) {
    const uint32_t low = index & 127, odd = (low ^ low >> 4) & 15;
    return static_cast<uint8_t>(low | (0x6996u >> odd & 1) << 7);
}

}  // namespace gremium
