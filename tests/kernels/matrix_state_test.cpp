#include "kernels/recurrent/matrix_state.h"

#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class MatrixState : public EachVariant {};

struct Case {
    size_t sequences, length, heads, key_heads, K, V;
    bool tiled, channels, beta;
};
const Case cases[] = {{1, 1, 1, 1, 2, 2, false, false, true},    {1, 5, 2, 1, 3, 4, false, false, true},
                      {2, 3, 4, 2, 5, 3, true, false, true},     {1, 40, 4, 2, 8, 17, false, false, true},
                      {1, 130, 2, 2, 16, 33, true, false, true}, {1, 130, 4, 2, 7, 5, false, false, false},
                      {1, 20, 2, 2, 5, 6, false, true, true},    {2, 7, 2, 2, 4, 3, false, true, false}};

// The recurrence as the header has it, in float64.
struct Recurrence {
    Case c;
    Doubles q, k, v, decay, beta;
    double q_scale = 1, k_scale = 1;
    Doubles state = {};  // after the last row of the last sequence, [heads, K, V]

    Doubles operator()() {
        Doubles o(c.sequences * c.length * c.heads * c.V);
        for (size_t row = 0; row < c.sequences * c.length; ++row) {
            if (row % c.length == 0) state.assign(c.heads * c.K * c.V, 0);
            for (size_t h = 0; h < c.heads; ++h) step(row, h, o);
        }
        return o;
    }

    void step(size_t row, size_t h, Doubles& o) {
        const size_t g = c.tiled ? h % c.key_heads : h * c.key_heads / c.heads, at = (row * c.key_heads + g) * c.K;
        double* S = state.data() + h * c.K * c.V;
        for (size_t i = 0; i < c.K; ++i)
            for (size_t j = 0; j < c.V; ++j)
                S[i * c.V + j] *= std::exp(decay[c.channels ? (row * c.heads + h) * c.K + i : row * c.heads + h]);
        for (size_t j = 0; j < c.V; ++j) {
            const size_t out = (row * c.heads + h) * c.V + j;
            double delta = v[out];
            for (size_t i = 0; c.beta && i < c.K; ++i) delta -= S[i * c.V + j] * k_scale * k[at + i];
            if (c.beta) delta *= beta[row * c.heads + h];
            for (size_t i = 0; i < c.K; ++i) S[i * c.V + j] += k_scale * k[at + i] * delta;
            for (size_t i = 0; i < c.K; ++i) o[out] += S[i * c.V + j] * q_scale * q[at + i];
        }
    }
};

struct Tensors {
    OwnedTensor q, k, v, decay, beta;
    MatrixStateInputs in;
    explicit Tensors(const Case& c, double strength = 1)
        : q(random_tensor(DType::f32, {rows(c), size(c.key_heads * c.K)}, 1)),
          k(random_tensor(DType::f32, {rows(c), size(c.key_heads * c.K)}, 2)),
          v(random_tensor(DType::f32, {rows(c), size(c.heads * c.V)}, 3)),
          decay(random_tensor(DType::f32, {rows(c), size(c.heads * (c.channels ? c.K : 1))}, 4, strength)),
          beta(random_tensor(DType::f32, {rows(c), size(c.heads)}, 5)) {
        for (int64_t i = 0; i < decay.get().count(); ++i) decay.get().f32()[i] = -std::abs(decay.get().f32()[i]);
        for (int64_t i = 0; i < beta.get().count(); ++i) beta.get().f32()[i] = 1 / (1 + std::exp(-beta.get().f32()[i]));
        in = {.q_TK = q,
              .k_TK = k,
              .v_TV = v,
              .decay = decay,
              .beta_TH = c.beta ? beta.get().view() : TensorView{},
              .heads = size(c.heads),
              .key_heads = size(c.key_heads),
              .tiled = c.tiled,
              .q_scale = 0.5f,
              .k_scale = static_cast<float>(1 / std::sqrt(2.0 * static_cast<double>(c.K)))};
    }
    static int64_t size(size_t n) { return static_cast<int64_t>(n); }
    static int64_t rows(const Case& c) { return size(c.sequences * c.length); }
    Recurrence in_double(const Case& c) const {
        return {c, doubles(q), doubles(k), doubles(v), doubles(decay), doubles(beta), in.q_scale, in.k_scale};
    }
};

TEST_P(MatrixState, EqualsTheRecurrence) {
    for (const Case& c : cases) {
        for (const double strength : {0.05, 1.0, 30.0}) {
            const Tensors t(c, strength);
            const OwnedTensor o(DType::f32, t.v.get().shape);
            matrix_state(o, t.in, static_cast<int64_t>(c.length), {});
            expect_near(o, t.in_double(c)(), 2e-5);
        }
    }
}

TEST_P(MatrixState, Gradients) {
    for (const Case& c : cases) {
        if (c.sequences * c.length * c.heads * c.K * c.V > 5000) continue;  // differences take their time
        const Tensors t(c);
        const OwnedTensor d_o = random_tensor(DType::f32, t.v.get().shape, 7);
        const OwnedTensor dq(DType::f32, t.q.get().shape), dk(DType::f32, t.k.get().shape),
            dv(DType::f32, t.v.get().shape), ddecay(DType::f32, t.decay.get().shape),
            dbeta(DType::f32, t.beta.get().shape);
        matrix_state_backward({dq, dk, dv, ddecay, c.beta ? dbeta.get() : Tensor{}}, d_o, t.in,
                              static_cast<int64_t>(c.length));
        Recurrence r = t.in_double(c);
        const auto loss = [&, weights = doubles(d_o)] { return dot(r(), weights); };
        expect_near(dq, gradient(r.q, loss), 5e-5, "q");
        expect_near(dk, gradient(r.k, loss), 5e-5, "k");
        expect_near(dv, gradient(r.v, loss), 5e-5, "v");
        expect_near(ddecay, gradient(r.decay, loss), 5e-5, "decay");
        if (c.beta) expect_near(dbeta, gradient(r.beta, loss), 5e-5, "beta");
    }
}

// The backward goes through a chunk's boundary: against the kernel itself, since float64 differences take too long.
TEST_P(MatrixState, GradientsAcrossChunks) {
    const Case c{1, 70, 1, 1, 3, 2, false, false, true};
    const Tensors t(c, 0.1);
    const OwnedTensor d_o = random_tensor(DType::f32, t.v.get().shape, 7);
    const OwnedTensor dq(DType::f32, t.q.get().shape), dk(DType::f32, t.k.get().shape), dv(DType::f32, t.v.get().shape),
        ddecay(DType::f32, t.decay.get().shape), dbeta(DType::f32, t.beta.get().shape);
    matrix_state_backward({dq, dk, dv, ddecay, dbeta}, d_o, t.in, 70);
    Recurrence r = t.in_double(c);
    const auto loss = [&, weights = doubles(d_o)] { return dot(r(), weights); };
    expect_near(dk, gradient(r.k, loss), 1e-4, "k");
    expect_near(ddecay, gradient(r.decay, loss), 1e-4, "decay");
    expect_near(dbeta, gradient(r.beta, loss), 1e-4, "beta");
}

TensorView part(TensorView t, int64_t begin, int64_t rows) {
    return t ? TensorView{t.row(begin), t.dtype, {rows, t.cols()}} : t;
}

OwnedTensor in_pieces(const Tensors& t, const Case& c, const std::vector<int64_t>& lengths) {
    const OwnedTensor state(DType::f32, {t.in.heads, t.in.key_dim(), t.in.value_dim()});
    OwnedTensor o(DType::f32, t.v.get().shape);
    int64_t begin = 0;
    for (const int64_t rows : lengths) {
        MatrixStateInputs in = t.in;
        for (TensorView* view : {&in.q_TK, &in.k_TK, &in.v_TV, &in.decay, &in.beta_TH})
            *view = part(*view, begin, rows);
        matrix_state({o.get().row(begin), DType::f32, {rows, o.get().cols()}}, in, rows, state);
        begin += rows;
    }
    EXPECT_EQ(begin, static_cast<int64_t>(c.length));
    Recurrence r = t.in_double(c);
    r();
    expect_near(state, r.state, 2e-5, "state");
    return o;
}

// Pieces of whole chunks, the state carried over, are bit for bit the whole; a few rows at once are so each by itself.
TEST_P(MatrixState, PiecesContinueFromTheState) {
    for (const bool channels : {false, true}) {
        const Case c{1, 203, 4, 2, 8, 19, true, channels, true};
        const Tensors t(c, 0.1);
        const Doubles whole = doubles(in_pieces(t, c, {203}));
        EXPECT_EQ(doubles(in_pieces(t, c, {64, 128, 11})), whole);
        EXPECT_EQ(doubles(in_pieces(t, c, {128, 64, 1, 3, 7})), whole);
        expect_near(in_pieces(t, c, {5, 61, 17, 100, 20}), whole, 1e-5);
    }
}

TEST_P(MatrixState, ThreadsChangeNoBit) {
    const Case c{2, 90, 6, 3, 12, 20, false, false, true};
    const Tensors t(c);
    const OwnedTensor d_o = random_tensor(DType::f32, t.v.get().shape, 7);
    expect_same_bits_for_any_threads([&] {
        OwnedTensor o(DType::f32, t.v.get().shape);
        matrix_state(o, t.in, 90, {});
        return o;
    });
    expect_same_bits_for_any_threads([&] {
        OwnedTensor dq(DType::f32, t.q.get().shape);
        const OwnedTensor dk(DType::f32, t.k.get().shape), dv(DType::f32, t.v.get().shape),
            ddecay(DType::f32, t.decay.get().shape), dbeta(DType::f32, t.beta.get().shape);
        matrix_state_backward({dq, dk, dv, ddecay, dbeta}, d_o, t.in, 90);
        return dq;
    });
}

GREMIUM_EACH_VARIANT(MatrixState);

}  // namespace
}  // namespace gremium::kernels
