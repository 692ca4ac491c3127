#include "kernels/recurrent/matrix_state.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/recurrent/state_rows.h"
#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent/matrix_state.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE VecF constant(float value) { return hn::Set(F32(), value); }

void exponentials(const float* x, float* y, int64_t n) {
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR { lanes.store(exp(lanes.load(x + i)), y + i); });
}

// Number (r, c) of a matrix is at[r · row + c · col].
struct Strided {
    const float* at;
    int64_t row, col;
};

// y[R, n] = a[R, inner] · b[inner, n], or y += it.
template <int R>
HWY_INLINE void multiply_block(float* y, int64_t y_stride, Strided a, const float* b, int64_t b_stride, int64_t inner,
                               int64_t n, bool add) {
    for_vectors(n, [&](int64_t j, auto lanes) HWY_ATTR {
        VecF sum[R];
        for (int r = 0; r < R; ++r) sum[r] = add ? lanes.load(y + r * y_stride + j) : hn::Zero(F32());
        for (int64_t i = 0; i < inner; ++i) {
            const VecF x = lanes.load(b + i * b_stride + j);
            for (int r = 0; r < R; ++r) sum[r] = hn::MulAdd(constant(a.at[r * a.row + i * a.col]), x, sum[r]);
        }
        for (int r = 0; r < R; ++r) lanes.store(sum[r], y + r * y_stride + j);
    });
}

constexpr int64_t block_rows = 8;

void multiply(float* y, int64_t y_stride, int64_t rows, Strided a, const float* b, int64_t b_stride, int64_t inner,
              int64_t n, bool add) {
    int64_t r = 0;
    for (; r + block_rows <= rows; r += block_rows)
        multiply_block<block_rows>(y + r * y_stride, y_stride, {a.at + r * a.row, a.row, a.col}, b, b_stride, inner, n,
                                   add);
    for (; r < rows; ++r)
        multiply_block<1>(y + r * y_stride, y_stride, {a.at + r * a.row, a.row, a.col}, b, b_stride, inner, n, add);
}

// One row after another; `state` is [key_dim, value_dim], decays the exponentials of the rows' decays.
void step_rows(const StateRows& s, const float* decays, float* o, float* state, float* /*room*/) {
    const int64_t K = s.key_dim, V = s.value_dim, each = s.channels ? 1 : 0;
    for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
        for (int64_t t = 0; t < s.rows; ++t) {
            const float *q = s.q + t * s.k_stride, *k = s.k + t * s.k_stride;
            const float* decay = decays + t * (s.channels ? K : 1);
            VecF delta = lanes.load(s.v + t * s.v_stride + j);
            if (s.beta) {
                VecF even = hn::Zero(F32()), odd = even;
                for (int64_t i = 0; i + 1 < K; i += 2) {
                    even = hn::MulAdd(constant(k[i] * decay[i * each]), lanes.load(state + i * V + j), even);
                    odd = hn::MulAdd(constant(k[i + 1] * decay[(i + 1) * each]), lanes.load(state + (i + 1) * V + j),
                                     odd);
                }
                if (K % 2 != 0)
                    even = hn::MulAdd(constant(k[K - 1] * decay[(K - 1) * each]), lanes.load(state + (K - 1) * V + j),
                                      even);
                const VecF known = hn::Mul(constant(s.k_scale), hn::Add(even, odd));
                delta = hn::Mul(constant(s.beta[t * s.beta_stride]), hn::Sub(delta, known));
            }
            VecF even = hn::Zero(F32()), odd = even;
            for (int64_t i = 0; i < K; ++i) {
                float* row = state + i * V + j;
                const VecF kept = hn::Mul(constant(decay[i * each]), lanes.load(row));
                const VecF now = hn::MulAdd(constant(s.k_scale * k[i]), delta, kept);
                lanes.store(now, row);
                VecF& sum = i % 2 == 0 ? even : odd;
                sum = hn::MulAdd(constant(q[i]), now, sum);
            }
            lanes.store(hn::Mul(constant(s.q_scale), hn::Add(even, odd)), o + t * s.v_stride + j);
        }
    });
}

// The chunked form: with G the running sums of decays and Γ_ij = e^(G_i − G_j), S₀ the state before,
//   M = strictly lower part of diag(β) K Kᵀ ⊙ Γ;   (I + M) U = diag(β) (V − diag(e^G) K S₀);
//   O = diag(e^G) Q S₀ + (lower part of Q Kᵀ ⊙ Γ) U;   S = e^(G_C) S₀ + Σ_i e^(G_C − G_i) k_i u_iᵀ.
struct ChunkRoom {
    float *keys_KC, *m_CC, *p_CC, *u_CV, *gamma_C;
    explicit ChunkRoom(float* room, int64_t K, int64_t V) {
        constexpr int64_t C = matrix_state_chunk;
        keys_KC = room;
        m_CC = keys_KC + K * C;
        p_CC = m_CC + C * C;
        u_CV = p_CC + C * C;
        gamma_C = u_CV + C * V;
    }
};

// Rows of the two triangles, scaled; beyond the diagonal p is zero, m is −M.
HWY_INLINE void scale_triangles(const StateRows& s, const ChunkRoom& room, const double* sums) {
    constexpr int64_t C = matrix_state_chunk;
    for (int64_t i = 0; i < s.rows; ++i) {
        for (int64_t j = 0; j <= i; ++j) room.gamma_C[j] = static_cast<float>(sums[i] - sums[j]);
        exponentials(room.gamma_C, room.gamma_C, i + 1);
        const float p = s.q_scale * s.k_scale, m = s.beta ? -s.beta[i * s.beta_stride] * s.k_scale * s.k_scale : 0;
        for (int64_t j = 0; j <= i; ++j) {
            room.p_CC[i * C + j] *= p * room.gamma_C[j];
            room.m_CC[i * C + j] *= m * room.gamma_C[j];
        }
        const int64_t end = std::min(s.rows, (i / block_rows + 1) * block_rows);
        std::fill(room.p_CC + i * C + i + 1, room.p_CC + i * C + end, 0.0f);
    }
}

// U, by forward substitution, a block of rows at a time.
HWY_INLINE void solve(const StateRows& s, const ChunkRoom& room) {
    constexpr int64_t C = matrix_state_chunk;
    const int64_t V = s.value_dim;
    for (int64_t first = 0; first < s.rows; first += block_rows) {
        const int64_t count = std::min(block_rows, s.rows - first);
        float* u = room.u_CV + first * V;
        multiply(u, V, count, {room.m_CC + first * C, C, 1}, room.u_CV, V, first, V, true);
        for (int64_t i = 1; i < count; ++i)
            multiply_block<1>(u + i * V, V, {room.m_CC + (first + i) * C + first, C, 1}, u, V, i, V, true);
    }
}

void chunk_rows(const StateRows& s, const float* /*decays*/, float* o, float* state, float* memory) {
    constexpr int64_t C = matrix_state_chunk;
    const int64_t n = s.rows, K = s.key_dim, V = s.value_dim;
    const ChunkRoom room(memory, K, V);
    double sums[C];
    float grown[C];
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        sums[i] = sum += s.decay[i * s.decay_stride];
        grown[i] = static_cast<float>(sum);
    }
    exponentials(grown, grown, n);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < K; ++c) room.keys_KC[c * C + i] = s.k[i * s.k_stride + c];
    const Strided q{s.q, s.k_stride, 1}, k{s.k, s.k_stride, 1};
    for (int64_t first = 0; first < n; first += block_rows) {
        const int64_t count = std::min(block_rows, n - first), seen = first + count;
        const auto from = [&](Strided a) { return Strided{a.at + first * a.row, a.row, a.col}; };
        multiply(room.p_CC + first * C, C, count, from(q), room.keys_KC, C, K, seen, false);
        if (s.beta) multiply(room.m_CC + first * C, C, count, from(k), room.keys_KC, C, K, seen, false);
    }
    if (!s.beta) std::fill_n(room.m_CC, C * C, 0.0f);
    scale_triangles(s, room, sums);

    multiply(o, s.v_stride, n, q, state, V, K, V, false);
    if (s.beta) multiply(room.u_CV, V, n, k, state, V, K, V, false);
    for (int64_t i = 0; i < n; ++i) {
        float *out = o + i * s.v_stride, *u = room.u_CV + i * V;
        const float* v = s.v + i * s.v_stride;
        const VecF of_q = constant(s.q_scale * grown[i]), of_k = constant(s.k_scale * grown[i]);
        const VecF beta = constant(s.beta ? s.beta[i * s.beta_stride] : 1);
        for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
            lanes.store(hn::Mul(of_q, lanes.load(out + j)), out + j);
            const VecF value = lanes.load(v + j);
            lanes.store(s.beta ? hn::Mul(beta, hn::NegMulAdd(of_k, lanes.load(u + j), value)) : value, u + j);
        });
    }
    if (s.beta) solve(s, room);
    for (int64_t first = 0; first < n; first += block_rows) {
        const int64_t count = std::min(block_rows, n - first);
        multiply(o + first * s.v_stride, s.v_stride, count, {room.p_CC + first * C, C, 1}, room.u_CV, V, first + count,
                 V, true);
    }
    for (int64_t i = 0; i < n; ++i) room.gamma_C[i] = static_cast<float>(sums[n - 1] - sums[i]);
    exponentials(room.gamma_C, room.gamma_C, n);
    for (int64_t c = 0; c < K; ++c)
        for (int64_t i = 0; i < n; ++i) room.keys_KC[c * C + i] *= s.k_scale * room.gamma_C[i];
    const VecF kept = constant(grown[n - 1]);
    for_vectors(K * V,
                [&](int64_t i, auto lanes) HWY_ATTR { lanes.store(hn::Mul(kept, lanes.load(state + i)), state + i); });
    multiply(state, V, K, {room.keys_KC, C, 1}, room.u_CV, V, n, V, true);
}

// Row t of the backward: `before` is the state before it, `later` ∂loss/∂S after it and becomes that before it. room:
// 3 · value_dim floats.
void step_back(const StateRows& s, const StateRowsGrads& out, const float* decays, const float* d_o, int64_t t,
               const float* before, float* later, float* room) {
    const int64_t K = s.key_dim, V = s.value_dim, each = s.channels ? 1 : 0;
    const float *q = s.q + t * s.k_stride, *k = s.k + t * s.k_stride, *v = s.v + t * s.v_stride;
    const float *decay = decays + t * (s.channels ? K : 1), *grad = d_o + t * s.v_stride;
    const float beta = s.beta ? s.beta[t * s.beta_stride] : 1;
    float *error = room, *ddelta = room + V, *back = room + 2 * V;  // error: v − Sᵀk
    for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
        VecF known = hn::Zero(F32());
        for (int64_t i = 0; s.beta && i < K; ++i)
            known = hn::MulAdd(constant(s.k_scale * k[i] * decay[i * each]), lanes.load(before + i * V + j), known);
        lanes.store(hn::Sub(lanes.load(v + j), known), error + j);
        lanes.store(hn::Zero(F32()), ddelta + j);
    });
    float *dq = out.q + t * out.k_stride, *dk = out.k + t * out.k_stride, *dv = out.v + t * s.v_stride;
    for (int64_t i = 0; i < K; ++i) {
        const VecF q_i = constant(s.q_scale * q[i]), k_i = constant(s.k_scale * k[i]), kept = constant(decay[i * each]);
        VecF of_q = hn::Zero(F32()), of_k = of_q;
        for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
            const VecF g = lanes.load(grad + j), delta = hn::Mul(constant(beta), lanes.load(error + j));
            const VecF now = hn::MulAdd(k_i, delta, hn::Mul(kept, lanes.load(before + i * V + j)));
            const VecF ds = hn::MulAdd(q_i, g, lanes.load(later + i * V + j));
            lanes.store(ds, later + i * V + j);
            lanes.store(hn::MulAdd(k_i, ds, lanes.load(ddelta + j)), ddelta + j);
            of_q = hn::MulAdd(now, g, of_q);
            of_k = hn::MulAdd(ds, delta, of_k);
        });
        dq[i] = s.q_scale * sum_of_lanes(of_q);
        dk[i] = s.k_scale * sum_of_lanes(of_k);
    }
    VecF of_beta = hn::Zero(F32());
    for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
        const VecF dd = lanes.load(ddelta + j), through = hn::Mul(constant(beta), dd);
        of_beta = hn::MulAdd(dd, lanes.load(error + j), of_beta);
        lanes.store(through, dv + j);
        lanes.store(s.beta ? through : hn::Zero(F32()), back + j);
    });
    if (s.beta) out.beta[t * s.beta_stride] = sum_of_lanes(of_beta);
    float dall = 0;
    for (int64_t i = 0; i < K; ++i) {
        const VecF k_i = constant(s.k_scale * k[i]), kept = constant(decay[i * each]);
        VecF of_k = hn::Zero(F32()), of_decay = of_k;
        for_vectors(V, [&](int64_t j, auto lanes) HWY_ATTR {
            const VecF e = lanes.load(back + j), memory = hn::Mul(kept, lanes.load(before + i * V + j));
            const VecF ds = hn::NegMulAdd(k_i, e, lanes.load(later + i * V + j));
            of_k = hn::MulAdd(memory, e, of_k);
            of_decay = hn::MulAdd(ds, memory, of_decay);
            lanes.store(hn::Mul(kept, ds), later + i * V + j);
        });
        dk[i] -= s.k_scale * sum_of_lanes(of_k);
        const float ddecay = sum_of_lanes(of_decay);
        dall += ddecay;
        if (s.channels) out.decay[t * s.decay_stride + i] = ddecay;
    }
    if (!s.channels) out.decay[t * s.decay_stride] = dall;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

void exponentials(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i]);
}

void step_rows(const StateRows& s, const float* decays, float* o, float* state, float* /*room*/) {
    const int64_t K = s.key_dim, V = s.value_dim;
    for (int64_t t = 0; t < s.rows; ++t) {
        const float *q = s.q + t * s.k_stride, *k = s.k + t * s.k_stride;
        for (int64_t i = 0; i < K * V; ++i) state[i] *= decays[s.channels ? t * K + i / V : t];
        for (int64_t j = 0; j < V; ++j) {
            float delta = s.v[t * s.v_stride + j], sum = 0;
            for (int64_t i = 0; s.beta && i < K; ++i) delta -= s.k_scale * k[i] * state[i * V + j];
            if (s.beta) delta *= s.beta[t * s.beta_stride];
            for (int64_t i = 0; i < K; ++i) {
                state[i * V + j] += s.k_scale * k[i] * delta;
                sum += s.q_scale * q[i] * state[i * V + j];
            }
            o[t * s.v_stride + j] = sum;
        }
    }
}

// The plain recurrence: nothing to gain here.
void chunk_rows(const StateRows& s, const float* decays, float* o, float* state, float* room) {
    step_rows(s, decays, o, state, room);
}

void step_back(const StateRows& s, const StateRowsGrads& out, const float* decays, const float* d_o, int64_t t,
               const float* before, float* later, float* room) {
    const int64_t K = s.key_dim, V = s.value_dim;
    const float *q = s.q + t * s.k_stride, *k = s.k + t * s.k_stride, *grad = d_o + t * s.v_stride;
    const float beta = s.beta ? s.beta[t * s.beta_stride] : 1;
    const auto kept = [&](int64_t i) { return decays[s.channels ? t * K + i : t]; };
    float *dq = out.q + t * out.k_stride, *dk = out.k + t * out.k_stride, *error = room, dbeta = 0;
    for (int64_t j = 0; j < V; ++j) {
        error[j] = s.v[t * s.v_stride + j];
        for (int64_t i = 0; s.beta && i < K; ++i) error[j] -= s.k_scale * k[i] * kept(i) * before[i * V + j];
    }
    std::fill_n(dq, K, 0.0f);
    std::fill_n(dk, K, 0.0f);
    for (int64_t i = 0; i < K; ++i) {
        for (int64_t j = 0; j < V; ++j) {
            later[i * V + j] += s.q_scale * q[i] * grad[j];
            dq[i] += s.q_scale * grad[j] * (kept(i) * before[i * V + j] + s.k_scale * k[i] * beta * error[j]);
            dk[i] += s.k_scale * later[i * V + j] * beta * error[j];
        }
    }
    float dall = 0;
    for (int64_t j = 0; j < V; ++j) {
        float ddelta = 0;
        for (int64_t i = 0; i < K; ++i) ddelta += s.k_scale * k[i] * later[i * V + j];
        dbeta += ddelta * error[j];
        out.v[t * s.v_stride + j] = beta * ddelta;
        room[j] = s.beta ? beta * ddelta : 0;
    }
    for (int64_t i = 0; i < K; ++i) {
        float ddecay = 0;
        for (int64_t j = 0; j < V; ++j) {
            const float memory = kept(i) * before[i * V + j], ds = later[i * V + j] - s.k_scale * k[i] * room[j];
            dk[i] -= s.k_scale * memory * room[j];
            ddecay += ds * memory;
            later[i * V + j] = kept(i) * ds;
        }
        dall += ddecay;
        if (s.channels) out.decay[t * s.decay_stride + i] = ddecay;
    }
    if (s.beta) out.beta[t * s.beta_stride] = dbeta;
    if (!s.channels) out.decay[t * s.decay_stride] = dall;
}

}  // namespace
}  // namespace reference

HWY_EXPORT(exponentials);
HWY_EXPORT(step_rows);
HWY_EXPORT(chunk_rows);
HWY_EXPORT(step_back);

namespace {

constexpr int64_t chunk = matrix_state_chunk;

StateRows rows_of_head(const MatrixStateInputs& in, int64_t row, int64_t length, int64_t h) {
    const int64_t K = in.key_dim(), V = in.value_dim(), key = in.key_head(h) * K;
    const int64_t decays = in.decay.cols();
    return {.rows = length,
            .key_dim = K,
            .value_dim = V,
            .q = in.q_TK.f32() + row * in.q_TK.cols() + key,
            .k = in.k_TK.f32() + row * in.k_TK.cols() + key,
            .v = in.v_TV.f32() + row * in.v_TV.cols() + h * V,
            .decay = in.decay.f32() + row * decays + h * decays / in.heads,
            .beta = in.beta_TH ? in.beta_TH.f32() + row * in.heads + h : nullptr,
            .k_stride = in.k_TK.cols(),
            .v_stride = in.v_TV.cols(),
            .decay_stride = decays,
            .beta_stride = in.heads,
            .channels = in.decays_channels(),
            .q_scale = in.q_scale,
            .k_scale = in.k_scale};
}

// The exponentials of the decays of a few rows, one after another.
void take_decays(const StateRows& s, std::vector<float>& decays) {
    const int64_t each = s.channels ? s.key_dim : 1;
    decays.resize(static_cast<size_t>(s.rows * each));
    for (int64_t t = 0; t < s.rows; ++t) std::copy_n(s.decay + t * s.decay_stride, each, decays.data() + t * each);
    GREMIUM_SELECT(exponentials)(decays.data(), decays.data(), s.rows * each);
}

int64_t room_of(const StateRows& s) { return chunk * (s.key_dim + 2 * chunk + s.value_dim + 1); }

// All rows of a sequence for a head; at(row) is called before each chunk.
template <typename Before>
void run_rows(const StateRows& s, float* o, float* state, Before&& before) {
    std::vector<float> decays, room(static_cast<size_t>(room_of(s)));
    for (int64_t row = 0; row < s.rows; row += chunk) {
        const StateRows part = s.from(row, std::min(chunk, s.rows - row));
        before(row);
        const bool few = part.rows < matrix_state_few || part.channels;
        if (few || active() == Variant::reference) take_decays(part, decays);
        (few ? GREMIUM_SELECT(step_rows) : GREMIUM_SELECT(chunk_rows))(part, decays.data(), o + row * s.v_stride, state,
                                                                       room.data());
    }
}

// out [T, G·K] = Σ over the heads h of a key head of parts [T, H·K], in their order.
void sum_heads(Tensor out, const std::vector<float>& parts, const MatrixStateInputs& in) {
    const int64_t K = in.key_dim(), width = in.heads * K;
    parallel_rows(out.rows(), width, [&](int64_t begin, int64_t end) {
        std::fill(out.f32() + begin * out.cols(), out.f32() + end * out.cols(), 0.0f);
        for (int64_t t = begin; t < end; ++t) {
            for (int64_t h = 0; h < in.heads; ++h) {
                const float* part = parts.data() + t * width + h * K;
                float* sum = out.f32() + t * out.cols() + in.key_head(h) * K;
                for (int64_t i = 0; i < K; ++i) sum[i] += part[i];
            }
        }
    });
}

// The backward of one head of one sequence.
void head_backward(const StateRows& s, const StateRowsGrads& out, const float* d_o) {
    const int64_t size = s.key_dim * s.value_dim, chunks = (s.rows + chunk - 1) / chunk;
    std::vector<float> state(static_cast<size_t>(size)), starts(static_cast<size_t>(chunks * size)),
        later(state.size()), states(static_cast<size_t>(std::min(chunk, s.rows) * size)), decays,
        unused(static_cast<size_t>(s.rows * s.v_stride)), room(static_cast<size_t>(3 * s.value_dim));
    run_rows(s, unused.data(), state.data(),
             [&](int64_t row) { std::copy(state.begin(), state.end(), starts.begin() + row / chunk * size); });
    const auto step = GREMIUM_SELECT(step_rows);
    const auto back = GREMIUM_SELECT(step_back);
    for (int64_t c = chunks - 1; c >= 0; --c) {
        const StateRows part = s.from(c * chunk, std::min(chunk, s.rows - c * chunk));
        take_decays(part, decays);
        const int64_t each = s.channels ? s.key_dim : 1;
        std::copy_n(starts.begin() + c * size, size, states.begin());
        for (int64_t t = 0; t + 1 < part.rows; ++t) {
            std::copy_n(states.begin() + t * size, size, states.begin() + (t + 1) * size);
            step(part.from(t, 1), decays.data() + t * each, unused.data(), states.data() + (t + 1) * size, nullptr);
        }
        const StateRowsGrads grads{.q = out.q + c * chunk * out.k_stride,
                                   .k = out.k + c * chunk * out.k_stride,
                                   .v = out.v + c * chunk * s.v_stride,
                                   .decay = out.decay + c * chunk * s.decay_stride,
                                   .beta = out.beta ? out.beta + c * chunk * s.beta_stride : nullptr,
                                   .k_stride = out.k_stride};
        for (int64_t t = part.rows - 1; t >= 0; --t)
            back(part, grads, decays.data(), d_o + c * chunk * s.v_stride, t, states.data() + t * size, later.data(),
                 room.data());
    }
}

}  // namespace

void matrix_state(Tensor o_TV, const MatrixStateInputs& in, int64_t length, Tensor state) {
    const int64_t rows = in.v_TV.rows(), V = in.value_dim(), size = in.key_dim() * V, sequences = rows / length;
    assert(rows % length == 0 && (!state || length == rows));
    const Work work = Work::of(in.heads * size * 8, 4 * in.heads * size * rows);
    parallel_for(
        sequences * in.heads,
        [&](int64_t task) {
            const int64_t h = task % in.heads, row = task / in.heads * length;
            std::vector<float> fresh(static_cast<size_t>(state ? 0 : size));
            float* const s = state ? state.f32() + h * size : fresh.data();
            run_rows(rows_of_head(in, row, length, h), o_TV.f32() + row * o_TV.cols() + h * V, s, [](int64_t) {});
        },
        work);
}

void matrix_state_backward(const MatrixStateGrads& out, TensorView do_TV, const MatrixStateInputs& in, int64_t length) {
    const int64_t rows = in.v_TV.rows(), K = in.key_dim(), V = in.value_dim(), width = in.heads * K;
    const int64_t decays = in.decay.cols();
    std::vector<float> dq(static_cast<size_t>(rows * width)), dk(dq.size());
    parallel_for(rows / length * in.heads, [&](int64_t task) {
        const int64_t h = task % in.heads, row = task / in.heads * length;
        const StateRowsGrads grads{.q = dq.data() + row * width + h * K,
                                   .k = dk.data() + row * width + h * K,
                                   .v = out.v_TV.f32() + row * out.v_TV.cols() + h * V,
                                   .decay = out.decay.f32() + row * decays + h * decays / in.heads,
                                   .beta = in.beta_TH ? out.beta_TH.f32() + row * in.heads + h : nullptr,
                                   .k_stride = width};
        head_backward(rows_of_head(in, row, length, h), grads, do_TV.f32() + row * do_TV.cols() + h * V);
    });
    sum_heads(out.q_TK, dq, in);
    sum_heads(out.k_TK, dk, in);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
