#include <algorithm>
#include <cassert>
#include <vector>

#include "base/parallel.h"
#include "kernels/recurrent/state_space.h"

namespace gremium::kernels {
namespace {

constexpr int64_t block = 64;  // channels a task works on

// Channels [begin, end) of one filter tap after another, so that a tap's channels are neighbours.
std::vector<float> taps_of(TensorView w_CK, int64_t begin, int64_t end) {
    const int64_t taps = w_CK.cols(), channels = end - begin;
    std::vector<float> out(static_cast<size_t>(taps * channels));
    for (int64_t c = 0; c < channels; ++c) {
        for (int64_t k = 0; k < taps; ++k)
            out[static_cast<size_t>(k * channels + c)] = w_CK.f32()[(begin + c) * taps + k];
    }
    return out;
}

// The rows of one sequence, before which there is a history or nothing.
struct Rows {
    const float *x, *history;  // at the first channel
    int64_t width, past, history_width;

    const float* operator[](int64_t t) const {  // t >= −past; null: zeros
        if (t >= 0) return x + t * width;
        return history ? history + (past + t) * history_width : nullptr;
    }
};

void multiply_add(float* y, const float* w, const float* x, int64_t n) {
    for (int64_t c = 0; c < n; ++c) y[c] += w[c] * x[c];
}

}  // namespace

void causal_conv(Tensor y_TC, TensorView x_TC, TensorView w_CK, TensorView bias_C, int64_t length, Tensor history,
                 int64_t first_column) {
    const int64_t width = x_TC.cols(), past = w_CK.cols() - 1, history_width = history ? history.cols() : 0;
    assert(x_TC.rows() % length == 0 && (!history || length == x_TC.rows()));
    parallel_chunks(width, block, [&](int64_t begin, int64_t end) {
        const int64_t channels = end - begin;
        const std::vector<float> taps = taps_of(w_CK, begin, end);
        float* before = history ? history.f32() + first_column + begin : nullptr;
        for (int64_t first = 0; first < x_TC.rows(); first += length) {
            const Rows x{x_TC.f32() + first * width + begin, before, width, past, history_width};
            for (int64_t t = 0; t < length; ++t) {
                float* y = y_TC.f32() + (first + t) * width + begin;
                if (bias_C)
                    std::copy_n(bias_C.f32() + begin, channels, y);
                else
                    std::fill_n(y, channels, 0.0f);
                for (int64_t k = 0; k <= past; ++k) {
                    if (const float* row = x[t - past + k]) multiply_add(y, taps.data() + k * channels, row, channels);
                }
            }
            for (int64_t k = 0; before && k < past; ++k)
                std::copy_n(x[length - past + k], channels, before + k * history_width);
        }
    });
}

void causal_conv_backward(Tensor dx_TC, Tensor dw_CK, Tensor dbias_C, TensorView dy_TC, TensorView x_TC,
                          TensorView w_CK, int64_t length) {
    const int64_t width = x_TC.cols(), past = w_CK.cols() - 1;
    parallel_chunks(width, block, [&](int64_t begin, int64_t end) {
        const int64_t channels = end - begin;
        const std::vector<float> taps = taps_of(w_CK, begin, end);
        std::vector<float> dtaps(taps.size());
        for (int64_t row = 0; row < x_TC.rows(); ++row) {
            const int64_t t = row % length, at = row * width + begin;
            const float* dy = dy_TC.f32() + at;
            float* dx = dx_TC.f32() + at;
            std::fill_n(dx, channels, 0.0f);
            for (int64_t k = 0; k <= past; ++k) {  // y[t + past − k] saw x[t] through tap k, x[t − past + k] was seen
                if (t + past - k < length)
                    multiply_add(dx, taps.data() + k * channels, dy + (past - k) * width, channels);
                if (t - past + k >= 0)
                    multiply_add(dtaps.data() + k * channels, dy, x_TC.f32() + at - (past - k) * width, channels);
            }
            for (int64_t c = 0; dbias_C && c < channels; ++c) dbias_C.f32()[begin + c] += dy[c];
        }
        for (int64_t c = 0; dw_CK && c < channels; ++c) {
            for (int64_t k = 0; k <= past; ++k)
                dw_CK.f32()[(begin + c) * (past + 1) + k] += dtaps[static_cast<size_t>(k * channels + c)];
        }
    });
}

}  // namespace gremium::kernels
