// The block-quantised types as GGUF files store them, little-endian. d, dmin and m are f16; a "part" is a run of
// weights inside a block of 256 that shares a small scale. In blocks of 32, byte j of q holds weight j in its low
// nibble and weight j + 16 in its high nibble.
//
// decode() writes the block's weights. encode() chooses scales and codes for the weights x that make Σ w·(x − y)²
// small; w may be null: all weights count the same.
#pragma once

#include <cstdint>

namespace gremium {

struct BlockQ8_0 {  // y = d·q
    static constexpr int size = 32;
    uint16_t d;
    int8_t q[32];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ4_0 {  // y = d·(q − 8)
    static constexpr int size = 32;
    uint16_t d;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ4_1 {  // y = d·q + m
    static constexpr int size = 32;
    uint16_t d, m;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ5_0 {  // y = d·(q − 16)
    static constexpr int size = 32;
    uint16_t d;
    uint8_t high[4];  // bit j of this little-endian number: the fifth bit of weight j
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ5_1 {  // y = d·q + m
    static constexpr int size = 32;
    uint16_t d, m;
    uint8_t high[4];
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ4_NL {  // y = d·table[q]
    static constexpr int size = 32;
    uint16_t d;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockMXFP4 {  // y = 2^(e − 127)·E2M1 (OCP microscaling)
    static constexpr int size = 32;
    uint8_t e;
    uint8_t q[16];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ2_K {  // 16 parts: y = d·(scales & 15)·q − dmin·(scales >> 4)
    static constexpr int size = 256;
    uint8_t scales[16];
    uint8_t q[64];
    uint16_t d, dmin;
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ3_K {  // 16 parts: y = d·scale·(q − 4), signed scales of 6 bits
    static constexpr int size = 256;
    uint8_t high[32];  // third bits
    uint8_t q[64];
    uint8_t scales[12];
    uint16_t d;
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ4_K {  // 8 parts: y = d·scale·q − dmin·min, scales and mins of 6 bits
    static constexpr int size = 256;
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t q[128];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ5_K {  // as Q4_K with a fifth bit
    static constexpr int size = 256;
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t high[32];
    uint8_t q[128];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockQ6_K {  // 16 parts: y = d·scale·(q − 32)
    static constexpr int size = 256;
    uint8_t low[128];  // four bits
    uint8_t high[64];  // two bits
    int8_t scales[16];
    uint16_t d;
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

struct BlockIQ4_XS {  // 8 parts: y = d·(scale − 32)·table[q], scales of 6 bits
    static constexpr int size = 256;
    uint16_t d;
    uint16_t scales_high;   // two bits per part
    uint8_t scales_low[4];  // four bits per part
    uint8_t q[128];
    void decode(float* y) const;
    void encode(const float* x, const float* w);
};

// The 16 values of IQ4_NL and IQ4_XS.
inline constexpr int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace gremium
