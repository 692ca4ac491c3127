#include "kernels/attention/reference.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/plan.h"
#include "kernels/simd/rows.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels::reference {
namespace {

using Floats = std::vector<float>;

float dot(const float* a, const float* b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
    return static_cast<float>(sum);
}

// Where the values of a key head lie: in a tensor of their own, or in the keys.
struct Values {
    Floats own;
    const Floats& of;
    int64_t stride;

    Values(TensorView v, const Floats& k, const AttentionShape& s)
        : own(v ? to_floats(v) : Floats()), of(v ? own : k), stride(v ? s.value_dim : s.head_dim) {}
    const float* at(int64_t key_head) const { return of.data() + key_head * stride; }
};

}  // namespace

void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans, const AttentionShape& s) {
    const int64_t group = s.heads / s.kv_heads;
    Floats queries = to_floats(q);
    for (const AttentionSpan& span : spans) {
        const Floats k = to_floats(span.k);
        const Values v(span.v, k, s);
        parallel_for(span.queries, [&](int64_t i) {
            const int64_t position = span.first + i, row = span.q_row + i;
            const KeyRange seen{visible_keys(position, s).begin,
                                std::min(visible_keys(position, s).end, span.k.rows())};
            Floats p(static_cast<size_t>(seen.end));
            RowWriter writer(out);
            float* y = writer.begin(row);
            std::fill_n(y, s.heads * s.value_dim, 0.f);
            for (int64_t h = 0; h < s.heads; ++h) {
                const int64_t kv = h / group;
                const float* query = queries.data() + (row * s.heads + h) * s.head_dim;
                float top = s.sinks ? s.sinks[h] : -INFINITY;
                for (int64_t j = seen.begin; j < seen.end; ++j) {
                    float& score = p[static_cast<size_t>(j)];
                    score = s.scale * dot(query, k.data() + (j * s.kv_heads + kv) * s.head_dim, s.head_dim);
                    if (s.bias) score += biases(s, h, position)[j];
                    if (s.softcap > 0) score = s.softcap * std::tanh(score / s.softcap);
                    top = std::max(top, score);
                }
                double sum = s.sinks ? std::exp(s.sinks[h] - top) : 0;
                for (int64_t j = seen.begin; j < seen.end; ++j)
                    sum += p[static_cast<size_t>(j)] = std::exp(p[static_cast<size_t>(j)] - top);
                for (int64_t j = seen.begin; j < seen.end; ++j) {
                    const float weight = static_cast<float>(p[static_cast<size_t>(j)] / sum);
                    const float* value = v.at(j * s.kv_heads + kv);
                    for (int64_t c = 0; c < s.value_dim; ++c) y[h * s.value_dim + c] += weight * value[c];
                }
                if (lse) lse.f32()[row * s.heads + h] = static_cast<float>(top + std::log(sum));
            }
            writer.finish(row);
        });
    }
}

// With P = exp(S − lse) and D = Σ dO ⊙ O of a query: dV += P·dO, dP = dO·Vᵀ, dS = P ⊙ (dP − D), dQ +=
// scale·dS·K, dK += scale·dSᵀ·Q.
void attention_backward(const AttentionGradients& a) {
    const AttentionShape& s = a.shape;
    const Floats Q = to_floats(a.q), K = to_floats(a.k), O = to_floats(a.out), dO = to_floats(a.dout);
    const Values V(a.v, K, s);
    const int64_t group = s.heads / s.kv_heads, length = a.sequence_length;
    for (const Tensor t : {a.dq, a.dk, a.dv})
        if (t) std::fill_n(t.f32(), t.count(), 0.f);
    float *dQ = a.dq.f32(), *dK = a.dk.f32(), *dV = (a.v ? a.dv : a.dk).f32();
    parallel_for(a.q.rows() / length * s.kv_heads, [&](int64_t task) {
        const int64_t base = task / s.kv_heads * length, kv = task % s.kv_heads;
        for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
            for (int64_t i = 0; i < length; ++i) {
                const int64_t query = (base + i) * s.heads + h;
                const float* grad = dO.data() + query * s.value_dim;
                const float D = dot(grad, O.data() + query * s.value_dim, s.value_dim);
                for (int64_t j = visible_keys(i, s).begin; j <= i; ++j) {
                    const int64_t key = (base + j) * s.kv_heads + kv;
                    const float score =
                        s.scale * dot(Q.data() + query * s.head_dim, K.data() + key * s.head_dim, s.head_dim);
                    const float P = std::exp(score - a.lse.f32()[query]);
                    const float dS = s.scale * P * (dot(grad, V.at(key), s.value_dim) - D);
                    for (int64_t c = 0; c < s.value_dim; ++c) dV[key * V.stride + c] += P * grad[c];
                    for (int64_t c = 0; c < s.head_dim; ++c) {
                        dQ[query * s.head_dim + c] += dS * K[static_cast<size_t>(key * s.head_dim + c)];
                        dK[key * s.head_dim + c] += dS * Q[static_cast<size_t>(query * s.head_dim + c)];
                    }
                }
            }
        }
    });
}

}  // namespace gremium::kernels::reference
