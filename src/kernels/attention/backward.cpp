#include <cassert>
#include <cmath>
#include <numeric>

#include "kernels/attention/plan.h"
#include "kernels/attention/reference.h"
#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/backward.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/attention/backward_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

// P = exp(S − lse) and dS = P ⊙ (dP − D) in place, row by row; hidden ones 0.
template <bool masked>
HWY_INLINE void weights_and_gradients(float* scores, float* dp, int64_t width, KeyRange visible, float lse, float D) {
    const VecF log_sum = hn::Set(F32(), lse), mean = hn::Set(F32(), D);
    for (int64_t i = 0; i < width; i += lanes()) {
        VecF p = exp(hn::Sub(hn::LoadU(F32(), scores + i), log_sum));
        if constexpr (masked) p = mask(p, i, visible, 0);
        hn::StoreU(p, F32(), scores + i);
        hn::StoreU(hn::Mul(p, hn::Sub(hn::LoadU(F32(), dp + i), mean)), F32(), dp + i);
    }
}

// With P = exp(S − lse) and D = Σ dO ⊙ O of a query: dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P ⊙ (dP − D), dQ = scale·dS·K,
// dK = dSᵀ·(scale·Q). Blocks of keys outside, blocks of rows inside: dK and dV stay in the cache.
void attend_backward(const AttentionGradients& a, int64_t sequence, int64_t kv_head) {
    const AttentionShape& shape = a.shape;
    const int64_t group = shape.heads / shape.kv_heads, base = sequence * a.sequence_length;
    const int64_t dim = shape.head_dim, value_dim = shape.value_dim;
    const int64_t block_queries = std::max<int64_t>(1, row_block / group), block_rows = block_queries * group;
    Arena& scratch = attention_scratch();
    const Arena::Mark mark = scratch.mark();
    const Matrix k = new_matrix(scratch, key_block, dim), k_columns = new_matrix(scratch, padded(dim), key_block);
    const Matrix v = a.v ? new_matrix(scratch, key_block, value_dim) : k,
                 v_columns = a.v ? new_matrix(scratch, padded(value_dim), key_block) : k_columns;
    const Matrix dk = new_matrix(scratch, key_block, dim), dv = a.v ? new_matrix(scratch, key_block, value_dim) : dk;
    const Matrix q = new_matrix(scratch, block_rows, dim), dq = new_matrix(scratch, block_rows, dim);
    const Matrix dout = new_matrix(scratch, block_rows, value_dim);
    const Matrix p = new_matrix(scratch, block_rows, key_block), ds = new_matrix(scratch, block_rows, key_block);
    float *D = new_matrix(scratch, 1, a.sequence_length * group).at,
          *lse = new_matrix(scratch, 1, a.sequence_length * group).at;
    row_terms(D, lse, a, base, kv_head, scratch);

    for (int64_t first = 0; first < a.sequence_length; first += key_block) {
        const int64_t keys = std::min(key_block, a.sequence_length - first);
        load_heads(k, a.k, {base + first, keys, kv_head * dim, 1, dim});
        transpose(k_columns, k, keys, dim);
        if (a.v) {
            load_heads(v, a.v, {base + first, keys, kv_head * value_dim, 1, value_dim});
            transpose(v_columns, v, keys, value_dim);
        }
        std::fill_n(dk.at, key_block * dk.stride, 0.f);
        std::fill_n(dv.at, key_block * dv.stride, 0.f);
        const int64_t end = std::min(a.sequence_length, forgotten_at(first + keys - 1, shape));
        for (int64_t query = first; query < end; query += block_queries) {
            const int64_t queries = std::min(block_queries, end - query), rows = queries * group;
            const int64_t seen = std::min(keys, query + queries - first), width = padded(seen);
            load_heads(q, a.q, {base + query, queries, kv_head * group * dim, group, dim}, shape.scale);
            load_heads(dout, a.dout, {base + query, queries, kv_head * group * value_dim, group, value_dim});
            multiply(p, plain(q), k_columns, rows, seen, dim, false);
            multiply(ds, plain(dout), v_columns, rows, seen, value_dim, false);
            for (int64_t r = 0; r < rows; ++r) {
                const KeyRange visible = visible_in_block(query + r / group, shape, first, seen);
                const int64_t term = query * group + r;
                if (visible.begin == 0 && visible.end == width) {
                    weights_and_gradients<false>(p.row(r), ds.row(r), width, visible, lse[term], D[term]);
                } else {
                    weights_and_gradients<true>(p.row(r), ds.row(r), width, visible, lse[term], D[term]);
                }
            }
            multiply(dv, transposed(p), dout, seen, value_dim, rows, true);
            multiply(dk, transposed(ds), q, seen, dim, rows, true);
            multiply(dq, plain(ds), k, rows, dim, seen, false);
            for (int64_t r = 0; r < rows; ++r) {
                float* to = a.dq.f32() + (base + query + r / group) * a.dq.cols() + (kv_head * group + r % group) * dim;
                put(to, dq.row(r), dim, shape.scale, true);
            }
        }
        for (int64_t j = 0; j < keys; ++j) {
            put(a.dk.f32() + (base + first + j) * a.dk.cols() + kv_head * dim, dk.row(j), dim, 1, false);
            if (a.v)
                put(a.dv.f32() + (base + first + j) * a.dv.cols() + kv_head * value_dim, dv.row(j), value_dim, 1,
                    false);
        }
    }
    scratch.release(mark);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(attend_backward);
HWY_EXPORT(attend_backward_tiles);

namespace {

// Whether the operands are bf16 that tiles of bf16 can take.
bool fits_tiles(const AttentionGradients& a, const Leaf& leaf) {
    const auto is_bf16 = [](TensorView t) { return t && t.dtype == DType::bf16; };
    return leaf.panel == Panel::bf16 && is_bf16(a.q) && is_bf16(a.k) && is_bf16(a.v) &&
           std::max(a.shape.head_dim, a.shape.value_dim) <= k_block;
}

}  // namespace

void attention_backward(const AttentionGradients& a) {
    check(a.shape);
    assert(a.sequence_length > 0 && a.q.rows() % a.sequence_length == 0);
    if (active() == Variant::reference) return reference::attention_backward(a);
    const auto for_each_task = [&](auto&& run) {  // a sequence and a key/value head
        parallel_for(a.q.rows() / a.sequence_length * a.shape.kv_heads,
                     [&](int64_t task) { run(task / a.shape.kv_heads, task % a.shape.kv_heads); });
    };
    const Leaf& leaf = choose_leaf(DType::bf16, DType::bf16);
    if (fits_tiles(a, leaf)) {
        const auto run = HWY_DYNAMIC_DISPATCH(attend_backward_tiles);
        return for_each_task([&](int64_t sequence, int64_t kv_head) { run(a, sequence, kv_head, leaf); });
    }
    parallel_rows(a.dq.rows(), a.dq.cols(), [&](int64_t begin, int64_t end) {
        std::fill(a.dq.f32() + begin * a.dq.cols(), a.dq.f32() + end * a.dq.cols(), 0.f);
    });
    const auto run = HWY_DYNAMIC_DISPATCH(attend_backward);
    for_each_task([&](int64_t sequence, int64_t kv_head) { run(a, sequence, kv_head); });
}

void attention_sinks_backward(Tensor dsinks, TensorView dout, TensorView out, TensorView lse,
                              const AttentionShape& shape) {
    reduce_rows(dsinks.f32(), shape.heads, out.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader grads(dout), values(out);
        for (int64_t t = begin; t < end; ++t) {
            const float *grad = grads[t], *value = values[t];
            for (int64_t h = 0; h < shape.heads; ++h) {
                const float share = std::exp(shape.sinks[h] - lse.f32()[t * shape.heads + h]);
                const int64_t head = h * shape.value_dim;
                const float D = std::inner_product(grad + head, grad + head + shape.value_dim, value + head, 0.f);
                partial[h] -= share * D;
            }
        }
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
