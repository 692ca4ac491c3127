#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/recurrent/scan_block.h"
#include "kernels/recurrent/state_space.h"
#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent/selective_scan.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/softplus-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE VecF constant(float value) { return hn::Set(F32(), value); }

// y, as x, from the states h [states, channels] before the first row, which become those after the last.
// `all` (may be null) keeps them after every row.
void scan(const ScanBlock& s, float* y, float* h, float* all) {
    float delta[scan_channels];
    for (int64_t t = 0; t < s.rows; ++t) {
        const float *x = s.x + t * s.width, *step = s.step + t * s.width;
        float* out = y + t * s.width;
        for_vectors(s.channels, [&](int64_t i, auto lanes) HWY_ATTR {
            lanes.store(softplus(lanes.load(step + i)), delta + i);
            lanes.store(hn::Mul(lanes.load(s.skip + i), lanes.load(x + i)), out + i);
        });
        for (int64_t n = 0; n < s.states; ++n) {
            const float* rates = s.rates + n * s.channels;
            float* state = h + n * s.channels;
            const VecF b = constant(s.b[t * s.states + n]), c = constant(s.c[t * s.states + n]);
            for_vectors(s.channels, [&](int64_t i, auto lanes) HWY_ATTR {
                const VecF d = lanes.load(delta + i);
                const VecF decay = exp(hn::Mul(d, lanes.load(rates + i)));
                const VecF input = hn::Mul(hn::Mul(d, lanes.load(x + i)), b);
                const VecF now = hn::MulAdd(decay, lanes.load(state + i), input);
                lanes.store(now, state + i);
                lanes.store(hn::MulAdd(c, now, lanes.load(out + i)), out + i);
            });
        }
        if (all) all = std::copy_n(h, s.states * s.channels, all);
    }
}

// states: after every row, from zeros on. later [states, channels]: zeros, becomes exp(Δ·A) ⊙ ∂loss/∂h.
void scan_backward(const ScanBlock& s, const ScanBlockGrads& out, const float* dy, const float* states, float* later) {
    float delta[scan_channels], ddelta[scan_channels], none[scan_channels] = {};
    for (int64_t t = s.rows - 1; t >= 0; --t) {
        const float *x = s.x + t * s.width, *step = s.step + t * s.width, *grad = dy + t * s.width;
        float *dx = out.x + t * s.width, *dstep = out.step + t * s.width;
        for_vectors(s.channels, [&](int64_t i, auto lanes) HWY_ATTR {
            const VecF g = lanes.load(grad + i);
            lanes.store(softplus(lanes.load(step + i)), delta + i);
            lanes.store(hn::Mul(lanes.load(s.skip + i), g), dx + i);
            lanes.store(hn::MulAdd(g, lanes.load(x + i), lanes.load(out.skip + i)), out.skip + i);
            lanes.store(constant(0), ddelta + i);
        });
        for (int64_t n = 0; n < s.states; ++n) {
            const int64_t row = n * s.channels, size = s.states * s.channels;
            const float *after = states + t * size + row, *before = t > 0 ? after - size : none;
            const float* rates = s.rates + row;
            const VecF b = constant(s.b[t * s.states + n]), c = constant(s.c[t * s.states + n]);
            VecF db = constant(0), dc = constant(0);
            for_vectors(s.channels, [&](int64_t i, auto lanes) HWY_ATTR {
                const VecF d = lanes.load(delta + i), a = lanes.load(rates + i), in = lanes.load(x + i);
                const VecF g = lanes.load(grad + i), dh = hn::MulAdd(c, g, lanes.load(later + row + i));
                const VecF back = hn::Mul(dh, exp(hn::Mul(d, a))), memory = hn::Mul(back, lanes.load(before + i));
                dc = hn::MulAdd(g, lanes.load(after + i), dc);
                db = hn::MulAdd(hn::Mul(dh, d), in, db);
                lanes.store(hn::MulAdd(hn::Mul(dh, d), b, lanes.load(dx + i)), dx + i);
                const VecF into_delta = hn::MulAdd(memory, a, hn::Mul(hn::Mul(dh, b), in));
                lanes.store(hn::Add(lanes.load(ddelta + i), into_delta), ddelta + i);
                lanes.store(hn::MulAdd(memory, d, lanes.load(out.rates + row + i)), out.rates + row + i);
                lanes.store(back, later + row + i);
            });
            out.b[t * s.states + n] = sum_of_lanes(db);
            out.c[t * s.states + n] = sum_of_lanes(dc);
        }
        for_vectors(s.channels, [&](int64_t i, auto lanes) HWY_ATTR {
            lanes.store(hn::Mul(lanes.load(ddelta + i), sigmoid(lanes.load(step + i))), dstep + i);
        });
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

float softplus(float x) { return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))); }

void scan(const ScanBlock& s, float* y, float* h, float* all) {
    for (int64_t t = 0; t < s.rows; ++t) {
        for (int64_t i = 0; i < s.channels; ++i) {
            const int64_t at = t * s.width + i;
            const float delta = softplus(s.step[at]);
            y[at] = s.skip[i] * s.x[at];
            for (int64_t n = 0; n < s.states; ++n) {
                float& state = h[n * s.channels + i];
                state = std::exp(delta * s.rates[n * s.channels + i]) * state + delta * s.b[t * s.states + n] * s.x[at];
                y[at] += s.c[t * s.states + n] * state;
            }
        }
        if (all) all = std::copy_n(h, s.states * s.channels, all);
    }
}

void scan_backward(const ScanBlock& s, const ScanBlockGrads& out, const float* dy, const float* states, float* later) {
    const int64_t size = s.states * s.channels;
    std::fill_n(out.b, s.rows * s.states, 0.0f);
    std::fill_n(out.c, s.rows * s.states, 0.0f);
    for (int64_t t = s.rows - 1; t >= 0; --t) {
        for (int64_t i = 0; i < s.channels; ++i) {
            const int64_t at = t * s.width + i;
            const float delta = softplus(s.step[at]), x = s.x[at];
            float dx = s.skip[i] * dy[at], ddelta = 0;
            out.skip[i] += dy[at] * x;
            for (int64_t n = 0; n < s.states; ++n) {
                const int64_t cell = n * s.channels + i, tn = t * s.states + n;
                const float a = s.rates[cell], dh = s.c[tn] * dy[at] + later[cell];
                later[cell] = dh * std::exp(delta * a);
                const float memory = t > 0 ? later[cell] * states[(t - 1) * size + cell] : 0;
                out.c[tn] += dy[at] * states[t * size + cell];
                out.b[tn] += dh * delta * x;
                dx += dh * delta * s.b[tn];
                ddelta += memory * a + dh * s.b[tn] * x;
                out.rates[cell] += memory * delta;
            }
            out.x[at] = dx;
            out.step[at] = ddelta / (1 + std::exp(-s.step[at]));
        }
    }
}

}  // namespace
}  // namespace reference

HWY_EXPORT(scan);
HWY_EXPORT(scan_backward);

namespace {

// A of channels [begin, end), [N, channels].
std::vector<float> rates_of(const ScanInputs& in, int64_t begin, int64_t end) {
    const int64_t states = in.b_TN.cols(), channels = end - begin;
    std::vector<float> rates(static_cast<size_t>(states * channels));
    for (int64_t c = 0; c < channels; ++c) {
        for (int64_t n = 0; n < states; ++n) {
            const float rate = in.rates_CN.f32()[(begin + c) * states + n];
            rates[static_cast<size_t>(n * channels + c)] = in.log_rates ? -std::exp(rate) : rate;
        }
    }
    return rates;
}

ScanBlock block_of(const ScanInputs& in, const std::vector<float>& rates, int64_t row, int64_t length, int64_t begin,
                   int64_t end) {
    const int64_t width = in.x_TC.cols(), states = in.b_TN.cols(), at = row * width + begin;
    return {.rows = length,
            .width = width,
            .channels = end - begin,
            .states = states,
            .x = in.x_TC.f32() + at,
            .step = in.step_TC.f32() + at,
            .rates = rates.data(),
            .b = in.b_TN.f32() + row * states,
            .c = in.c_TN.f32() + row * states,
            .skip = in.skip_C.f32() + begin};
}

// out = Σ over the parts of `count` floats, in their order.
void sum_parts(Tensor out, const std::vector<float>& parts) {
    const int64_t count = out.count();
    parallel_chunks(count, task_elements, [&](int64_t begin, int64_t end) {
        std::copy(parts.begin() + begin, parts.begin() + end, out.f32() + begin);
        for (int64_t part = count; part < static_cast<int64_t>(parts.size()); part += count) {
            for (int64_t i = begin; i < end; ++i) out.f32()[i] += parts[static_cast<size_t>(part + i)];
        }
    });
}

}  // namespace

void selective_scan(Tensor y_TC, const ScanInputs& in, int64_t length, Tensor state_NC) {
    const auto forward = GREMIUM_SELECT(scan);
    const int64_t rows = in.x_TC.rows(), width = in.x_TC.cols(), states = in.b_TN.cols();
    assert(rows % length == 0 && (!state_NC || length == rows));
    parallel_chunks(width, scan_channels, [&](int64_t begin, int64_t end) {
        const int64_t channels = end - begin;
        const std::vector<float> rates = rates_of(in, begin, end);
        for (int64_t row = 0; row < rows; row += length) {
            std::vector<float> h(rates.size());
            const auto for_states = [&](auto&& body) {
                for (int64_t n = 0; state_NC && n < states; ++n)
                    body(state_NC.f32() + n * width + begin, h.data() + n * channels);
            };
            for_states([&](const float* kept, float* mine) { std::copy_n(kept, channels, mine); });
            forward(block_of(in, rates, row, length, begin, end), y_TC.f32() + row * width + begin, h.data(), nullptr);
            for_states([&](float* kept, const float* mine) { std::copy_n(mine, channels, kept); });
        }
    });
}

void selective_scan_backward(const ScanGrads& out, TensorView dy_TC, const ScanInputs& in, int64_t length) {
    const auto forward = GREMIUM_SELECT(scan);
    const auto backward = GREMIUM_SELECT(scan_backward);
    const int64_t rows = in.x_TC.rows(), width = in.x_TC.cols(), states = in.b_TN.cols();
    // Each block of channels has its part of the gradients of B and C, which all channels share.
    const auto blocks = static_cast<size_t>((width + scan_channels - 1) / scan_channels);
    std::vector<float> db(blocks * static_cast<size_t>(rows * states)), dc(db.size());
    parallel_chunks(width, scan_channels, [&](int64_t begin, int64_t end) {
        const int64_t channels = end - begin, part = begin / scan_channels * rows * states;
        const std::vector<float> rates = rates_of(in, begin, end);
        std::vector<float> all(static_cast<size_t>(length * states * channels)), drates(rates.size()),
            dskip(static_cast<size_t>(channels));
        for (int64_t row = 0; row < rows; row += length) {
            const ScanBlock block = block_of(in, rates, row, length, begin, end);
            const int64_t at = row * width + begin;
            std::vector<float> h(rates.size()), later(rates.size());
            float* dx = out.x_TC.f32() + at;
            forward(block, dx, h.data(), all.data());  // y is not needed again: dx takes its place
            backward(block,
                     {.x = dx,
                      .step = out.step_TC.f32() + at,
                      .rates = drates.data(),
                      .b = db.data() + part + row * states,
                      .c = dc.data() + part + row * states,
                      .skip = dskip.data()},
                     dy_TC.f32() + at, all.data(), later.data());
        }
        for (int64_t c = 0; out.skip_C && c < channels; ++c)
            out.skip_C.f32()[begin + c] += dskip[static_cast<size_t>(c)];
        for (int64_t c = 0; out.rates_CN && c < channels; ++c) {
            for (int64_t n = 0; n < states; ++n) {
                const auto cell = static_cast<size_t>(n * channels + c);
                out.rates_CN.f32()[(begin + c) * states + n] += drates[cell] * (in.log_rates ? rates[cell] : 1);
            }
        }
    });
    sum_parts(out.b_TN, db);
    sum_parts(out.c_TN, dc);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
