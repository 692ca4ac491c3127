// What one task of a recurrence with a matrix state works on. For matrix_state.cpp.
#pragma once

#include <cstdint>

namespace gremium::kernels {

// Rows of one sequence for one head; pointers are at the head's first number in the first row, `…_stride` floats lie
// between rows. decay: one number a row, or with `channels` one for each of key_dim.
struct StateRows {
    int64_t rows, key_dim, value_dim;
    const float *q, *k, *v, *decay, *beta;
    int64_t k_stride, v_stride, decay_stride, beta_stride;
    bool channels;
    float q_scale, k_scale;

    StateRows from(int64_t row, int64_t count) const {
        StateRows part = *this;
        part.rows = count;
        part.q += row * k_stride;
        part.k += row * k_stride;
        part.v += row * v_stride;
        part.decay += row * decay_stride;
        if (beta) part.beta += row * beta_stride;
        return part;
    }
};

// Of the same rows; q and k are key_dim wide and have `k_stride`, the others the strides of StateRows.
struct StateRowsGrads {
    float *q, *k, *v, *decay, *beta;
    int64_t k_stride;
};

}  // namespace gremium::kernels
