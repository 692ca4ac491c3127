// More block-quantised types of GGUF (block_types.h): those of one to three bits, and NVFP4.
//
// IQ types: groups of 8 or 4 neighbouring weights are entries of a codebook (codebooks.h), with signs of their own. A
// block of 256 has 8 runs of 32, run r has 4 groups of 8. A set sign bit means minus. A sign index of 7 bits holds the
// signs of 7 weights; the eighth makes the number of minuses even.
#pragma once

#include <cstdint>

namespace gremium {

struct BlockIQ1_S {  // y = d·(2s + 1)·(entry ± 1/8), s and the sign of 1/8 for each run
    static constexpr int size = 256;
    uint16_t d;
    uint8_t q[32];     // of each group: low bits of its index
    uint16_t high[8];  // of each run: three bits for each index, then s (3 bits) and the sign
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ1_M {  // the same, s for each 16 weights and the sign for each group
    static constexpr int size = 256;
    uint8_t q[32];
    uint8_t high[16];    // nibbles, one a group: three bits for the index, then the sign
    uint16_t scales[4];  // four s of 3 bits, then a nibble of d, which is f16
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ2_XXS {  // y = d·(s + 1/2)/4·entry, s for each run
    static constexpr int size = 256;
    uint16_t d;
    // Of each run: an index for each group in the first 32 bits; then four sign indices and s (4 bits).
    uint16_t q[32];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ2_XS {  // the same, s for each 16 weights
    static constexpr int size = 256;
    uint16_t d;
    uint16_t q[32];     // of each group: an index of 9 bits and a sign index
    uint8_t scales[8];  // nibbles
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ2_S {  // the same, all signs stored
    static constexpr int size = 256;
    uint16_t d;
    uint8_t q[32];
    uint8_t signs[32];
    uint8_t high[8];  // two bits for each index
    uint8_t scales[8];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ3_XXS {  // y = d·(s + 1/2)/2·entry, s for each run; entries of 4 weights
    static constexpr int size = 256;
    uint16_t d;
    uint8_t q[64];
    uint8_t signs[32];  // of each run 32 bits: four sign indices and s (4 bits)
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ3_S {  // y = d·(2s + 1)·entry, s for each run; entries of 4 weights
    static constexpr int size = 256;
    uint16_t d;
    uint8_t q[64];
    uint8_t high[8];  // one bit for each index
    uint8_t signs[32];
    uint8_t scales[4];  // nibbles
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

// y = d·(t − 1), t = 0, 1, 2. A byte b holds five of them, as digits of the number b / 256 to base 3.
struct BlockTQ1_0 {
    static constexpr int size = 256;
    // Weights 32·n + i, n < 5, in byte i < 32; 160 + 16·n + i, n < 5, in 32 + i; 240 + 4·n + i, n < 4, in 48 + i.
    uint8_t q[52];
    uint16_t d;
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockTQ2_0 {  // y = d·(t − 1), two bits a weight; order as Q2_K
    static constexpr int size = 256;
    uint8_t q[64];
    uint16_t d;
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockNVFP4 {  // 4 parts of 16: y = scale·E2M1, the scale in E4M3 without its sign
    static constexpr int size = 64;
    uint8_t scales[4];
    uint8_t q[32];  // of each part 8 bytes: weights 0-7 in low, 8-15 in high nibbles
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ1_0 {  // y = ±d: a set bit is plus
    static constexpr int size = 128;
    uint16_t d;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ2_0 {  // y = d·(q − 1), four neighbours a byte
    static constexpr int size = 64;
    uint16_t d;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

// The scale of a part of NVFP4. The sign is ignored, but all ones without it are 0, and with it 480.
float nvfp4_scale(uint8_t code);

}  // namespace gremium
