// What one task of the selective scan works on. For selective_scan.cpp.
#pragma once

#include <cstdint>

namespace gremium::kernels {

inline constexpr int64_t scan_channels = 64;  // of a block at most

// Neighbouring channels of one sequence. Rows of x and step are `width` floats apart and start at the block's first
// channel; b and c are [rows, states], rates (A) is [states, channels].
struct ScanBlock {
    int64_t rows, width, channels, states;
    const float *x, *step, *rates, *b, *c, *skip;
};

// x and step as in the block; b and c (over these channels only) are [rows, states]: all overwritten. rates
// [states, channels] and skip [channels] are added to.
struct ScanBlockGrads {
    float *x, *step, *rates, *b, *c, *skip;
};

}  // namespace gremium::kernels
