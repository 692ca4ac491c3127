#include "kernels/recurrent/state_space.h"

#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class StateSpace : public EachVariant {};

// The two formulas in float64, one channel after another.
struct Conv {
    size_t rows, channels, taps, length;
    Doubles x, w, bias;

    Doubles operator()() const {
        Doubles y(rows * channels);
        for (size_t t = 0; t < rows; ++t) {
            for (size_t c = 0; c < channels; ++c) {
                y[t * channels + c] = bias[c];
                for (size_t back = 0; back < std::min(taps, t % length + 1); ++back)
                    y[t * channels + c] += w[c * taps + taps - 1 - back] * x[(t - back) * channels + c];
            }
        }
        return y;
    }
};

struct Scan {
    size_t rows, channels, states, length;
    bool log_rates;
    Doubles x, step, rates, b, c, skip;

    Doubles operator()() const {
        Doubles y(rows * channels);
        for (size_t ch = 0; ch < channels; ++ch) {
            Doubles h(states);
            for (size_t t = 0; t < rows; ++t) {
                const size_t at = t * channels + ch;
                const double delta = std::log(1 + std::exp(step[at]));
                if (t % length == 0) h.assign(states, 0);
                y[at] = skip[ch] * x[at];
                for (size_t n = 0; n < states; ++n) {
                    const double rate = rates[ch * states + n], a = log_rates ? -std::exp(rate) : rate;
                    h[n] = std::exp(delta * a) * h[n] + delta * b[t * states + n] * x[at];
                    y[at] += c[t * states + n] * h[n];
                }
            }
        }
        return y;
    }
};

struct Case {
    int64_t sequences, length, channels, width;  // width: taps, or numbers of state
    bool log_rates;
};
const Case cases[] = {{1, 1, 1, 1, true},  {1, 5, 3, 4, false},   {2, 9, 7, 4, true},
                      {2, 3, 66, 2, true}, {3, 4, 130, 3, false}, {1, 33, 17, 16, true}};

struct ConvTensors {
    OwnedTensor x, w, bias;
    explicit ConvTensors(const Case& c)
        : x(random_tensor(DType::f32, {c.sequences * c.length, c.channels}, 1)),
          w(random_tensor(DType::f32, {c.channels, c.width}, 2)),
          bias(random_tensor(DType::f32, {c.channels}, 3)) {}
};

struct ScanTensors {
    OwnedTensor x, step, rates, b, c, skip;
    bool log_rates;
    explicit ScanTensors(const Case& k)
        : x(random_tensor(DType::f32, {k.sequences * k.length, k.channels}, 1)),
          step(random_tensor(DType::f32, {k.sequences * k.length, k.channels}, 2)),
          rates(random_tensor(DType::f32, {k.channels, k.width}, 3, 0.5)),
          b(random_tensor(DType::f32, {k.sequences * k.length, k.width}, 4)),
          c(random_tensor(DType::f32, {k.sequences * k.length, k.width}, 5)),
          skip(random_tensor(DType::f32, {k.channels}, 6)),
          log_rates(k.log_rates) {
        if (!log_rates)
            for (int64_t i = 0; i < rates.get().count(); ++i) rates.get().f32()[i] = -std::abs(rates.get().f32()[i]);
    }
    ScanInputs inputs() const { return {x, step, rates, b, c, skip, log_rates}; }
    Scan in_double(const Case& k) const {
        const auto size = [](int64_t n) { return static_cast<size_t>(n); };
        return {size(k.sequences * k.length),
                size(k.channels),
                size(k.width),
                size(k.length),
                log_rates,
                doubles(x),
                doubles(step),
                doubles(rates),
                doubles(b),
                doubles(c),
                doubles(skip)};
    }
};

Conv in_double(const ConvTensors& t, const Case& k) {
    const auto size = [](int64_t n) { return static_cast<size_t>(n); };
    return {size(k.sequences * k.length),
            size(k.channels),
            size(k.width),
            size(k.length),
            doubles(t.x),
            doubles(t.w),
            doubles(t.bias)};
}

TensorView part(TensorView t, int64_t begin, int64_t rows) { return {t.row(begin), t.dtype, {rows, t.cols()}}; }
Tensor part(Tensor t, int64_t begin, int64_t rows) { return {t.row(begin), t.dtype, {rows, t.cols()}}; }

TEST_P(StateSpace, Convolution) {
    for (const Case& k : cases) {
        const ConvTensors t(k);
        const OwnedTensor y(DType::f32, t.x.get().shape);
        causal_conv(y, t.x, t.w, t.bias, k.length, {});
        expect_near(y, in_double(t, k)());
    }
}

TEST_P(StateSpace, ConvolutionGradients) {
    for (const Case& k : cases) {
        if (k.sequences * k.length * k.channels * k.width > 800) continue;  // differences take their time
        const ConvTensors t(k);
        const OwnedTensor dy = random_tensor(DType::f32, t.x.get().shape, 7), dx(DType::f32, t.x.get().shape);
        // added to
        const OwnedTensor dw = random_tensor(DType::f32, t.w.get().shape, 8),
                          dbias = random_tensor(DType::f32, t.bias.get().shape, 9);
        const Doubles dw_before = doubles(dw), dbias_before = doubles(dbias);
        causal_conv_backward(dx, dw, dbias, dy, t.x, t.w, k.length);
        Conv conv = in_double(t, k);
        const auto loss = [&, weights = doubles(dy)] { return dot(conv(), weights); };
        expect_near(dx, gradient(conv.x, loss), 2e-5);
        expect_near(dw, plus(gradient(conv.w, loss), dw_before), 2e-5);
        expect_near(dbias, plus(gradient(conv.bias, loss), dbias_before), 2e-5);
    }
}

TEST_P(StateSpace, Scan) {
    for (const Case& k : cases) {
        const ScanTensors t(k);
        const OwnedTensor y(DType::f32, t.x.get().shape);
        selective_scan(y, t.inputs(), k.length, {});
        expect_near(y, t.in_double(k)(), 1e-5);
    }
}

TEST_P(StateSpace, ScanGradients) {
    for (const Case& k : cases) {
        if (k.sequences * k.length * k.channels * k.width > 800) continue;  // differences take their time
        const ScanTensors t(k);
        const OwnedTensor dy = random_tensor(DType::f32, t.x.get().shape, 7), dx(DType::f32, t.x.get().shape),
                          dstep(DType::f32, t.x.get().shape), db(DType::f32, t.b.get().shape),
                          dc(DType::f32, t.c.get().shape);
        // added to
        const OwnedTensor drates = random_tensor(DType::f32, t.rates.get().shape, 8),
                          dskip = random_tensor(DType::f32, t.skip.get().shape, 9);
        const Doubles drates_before = doubles(drates), dskip_before = doubles(dskip);
        selective_scan_backward({dx, dstep, db, dc, drates, dskip}, dy, t.inputs(), k.length);
        Scan scan = t.in_double(k);
        const auto loss = [&, weights = doubles(dy)] { return dot(scan(), weights); };
        expect_near(dx, gradient(scan.x, loss), 5e-5, "x");
        expect_near(dstep, gradient(scan.step, loss), 5e-5, "step");
        expect_near(db, gradient(scan.b, loss), 5e-5, "b");
        expect_near(dc, gradient(scan.c, loss), 5e-5, "c");
        expect_near(drates, plus(gradient(scan.rates, loss), drates_before), 5e-5, "rates");
        expect_near(dskip, plus(gradient(scan.skip, loss), dskip_before), 5e-5, "skip");
    }
}

// Steps from −50 to 50: softplus neither overflows nor loses its small values.
TEST_P(StateSpace, ExtremeSteps) {
    const Case k{1, 11, 4, 2, true};
    const ScanTensors t(k);
    for (int64_t i = 0; i < t.step.get().count(); ++i) t.step.get().f32()[i] = static_cast<float>(i / 4 * 10 - 50);
    const OwnedTensor y(DType::f32, t.x.get().shape);
    selective_scan(y, t.inputs(), k.length, {});
    expect_near(y, t.in_double(k)(), 1e-5);
}

// A sequence in pieces, the state carried over, is bit for bit the whole.
TEST_P(StateSpace, PiecesContinueFromTheState) {
    const Case k{1, 23, 70, 4, true};
    const ScanTensors t(k);
    const ConvTensors v(k);
    const OwnedTensor whole(DType::f32, t.x.get().shape), pieces(DType::f32, t.x.get().shape),
        state(DType::f32, {k.width, k.channels});
    const OwnedTensor conv_whole(DType::f32, t.x.get().shape), conv_pieces(DType::f32, t.x.get().shape),
        history(DType::f32, {k.width - 1, k.channels});
    selective_scan(whole, t.inputs(), k.length, {});
    causal_conv(conv_whole, v.x, v.w, v.bias, k.length, {});
    int64_t begin = 0;
    for (const int64_t rows : {1, 1, 2, 7, 1, 11}) {
        ScanInputs in = t.inputs();
        for (TensorView* view : {&in.x_TC, &in.step_TC, &in.b_TN, &in.c_TN}) *view = part(*view, begin, rows);
        selective_scan(part(pieces.get(), begin, rows), in, rows, state);
        causal_conv(part(conv_pieces.get(), begin, rows), part(v.x.get().view(), begin, rows), v.w, v.bias, rows,
                    history);
        begin += rows;
    }
    ASSERT_EQ(begin, k.length);
    EXPECT_EQ(doubles(pieces), doubles(whole));
    EXPECT_EQ(doubles(conv_pieces), doubles(conv_whole));
}

TEST_P(StateSpace, ThreadsChangeNoBit) {
    const Case k{2, 9, 300, 4, true};
    const ScanTensors t(k);
    const OwnedTensor dy = random_tensor(DType::f32, t.x.get().shape, 7);
    expect_same_bits_for_any_threads([&] {
        OwnedTensor y(DType::f32, t.x.get().shape);
        selective_scan(y, t.inputs(), k.length, {});
        return y;
    });
    expect_same_bits_for_any_threads([&] {
        const OwnedTensor dx(DType::f32, t.x.get().shape), dstep(DType::f32, t.x.get().shape),
            dc(DType::f32, t.c.get().shape);
        OwnedTensor db(DType::f32, t.b.get().shape);
        selective_scan_backward({dx, dstep, db, dc, {}, {}}, dy, t.inputs(), k.length);
        return db;
    });
}

GREMIUM_EACH_VARIANT(StateSpace);

}  // namespace
}  // namespace gremium::kernels
