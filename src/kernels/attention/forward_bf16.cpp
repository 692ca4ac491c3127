// Attention whose products are those of bf16 numbers, by the tiles of the grouped matmul (leaf.h). Along what a product
// sums over, a unit holds numbers i and i + 16 of 32: so two vectors become one without crossing lanes.
#include "kernels/attention/plan.h"
#include "kernels/matmul/leaf.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/forward_bf16.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/attention/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t keys_at_once = 256, span = 32, pairs = span / 2;
static_assert(keys_at_once / 2 <= k_block);

HWY_INLINE int64_t whole_spans(int64_t n) { return (n + span - 1) / span * span; }

// Both rounded to nearest bf16, ties away from zero.
HWY_INLINE hn::Vec<U32> pair(VecF low, VecF high) {
    const U32 d;
    const auto half = hn::Set(d, 0x8000);
    const auto a = hn::Add(hn::BitCast(d, low), half), b = hn::Add(hn::BitCast(d, high), half);
    return hn::Or(hn::ShiftRight<16>(a), hn::And(b, hn::Set(d, 0xFFFF0000)));
}

// `width` numbers of a row, whole spans, into the first half of its place.
HWY_INLINE void pair_row(float* row, int64_t width) {
    for (int64_t i = 0; i < width; i += span) {
        for (int64_t l = 0; l < pairs; l += lanes()) {
            const float* at = row + i + l;
            hn::StoreU(hn::BitCast(F32(), pair(hn::LoadU(F32(), at), hn::LoadU(F32(), at + pairs))), F32(),
                       row + i / 2 + l);
        }
    }
}

// e^x for x <= 0 within 4e-6 of it: as exp() of vectors-inl.h, but what comes out is rounded to 8 bits. 0 below −87.
HWY_INLINE VecF weight(VecF x) {
    const F32 d;
    const hn::Rebind<int32_t, F32> di;
    const VecF shift = hn::Set(d, 12582912.f);  // 1.5·2²³
    const VecF shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), shift);
    const VecF r = hn::NegMulAdd(hn::Sub(shifted, shift), hn::Set(d, 0.693147181f), x);
    VecF p = hn::MulAdd(r, hn::Set(d, 0.0415138466f), hn::Set(d, 0.167874734f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.500030137f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.999966837f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.f));
    const VecF scaled = hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.f)), scaled);
}

struct PairedWeights {
    static HWY_INLINE VecF exponentials(float* scores, int64_t width, VecF offset) {
        const F32 d;
        VecF low_sum = hn::Zero(d), high_sum = hn::Zero(d);
        for (int64_t i = 0; i < width; i += span) {
            for (int64_t l = 0; l < pairs; l += lanes()) {
                const float* at = scores + i + l;
                const VecF low = weight(hn::Sub(hn::LoadU(d, at), offset)),
                           high = weight(hn::Sub(hn::LoadU(d, at + pairs), offset));
                low_sum = hn::Add(low_sum, low);
                high_sum = hn::Add(high_sum, high);
                hn::StoreU(hn::BitCast(d, pair(low, high)), d, scores + i / 2 + l);
            }
        }
        return hn::Add(low_sum, high_sum);
    }
};

// Left factors, a row a query and head or a row of weights: units in rows of a_stride. What is longer than k_block
// units lies in several planes of `rows`.
struct Left {
    Matrix units;
    int64_t rows;

    const uint32_t* at(int64_t row, int64_t unit) const {
        return reinterpret_cast<uint32_t*>(units.row(unit / k_block * rows + row));
    }
};

// Right factors, 32 columns [units][32] behind each other.
struct Right {
    float* data;
    int64_t panel;  // floats

    const uint32_t* at(int64_t column, int64_t unit) const {
        return reinterpret_cast<uint32_t*>(data + column / span * panel + unit * span);
    }
};

HWY_INLINE Right new_right(Arena& scratch, int64_t columns, int64_t units) {
    return {new_matrix(scratch, columns / span, units * span).at, units * span};
}

// c (+)= a · b for whole tiles of rows and columns.
HWY_INLINE void multiply(const Leaf& leaf, Matrix c, Left a, Right b, int64_t rows, int64_t columns, int64_t units,
                         bool add) {
    for (int64_t j = 0; j < columns; j += span) {
        for (int64_t i = 0; i < rows; i += leaf.mr) {
            for (int64_t u = 0; u < units; u += k_block)
                leaf.tile(c.row(i) + j, c.stride, a.at(i, u), b.at(j, u), std::min(k_block, units - u), add || u > 0);
        }
    }
}

Left pack_queries(const AttentionTask& task, TensorView q, const AttentionShape& shape, int64_t rows, Arena& scratch) {
    const int64_t group = shape.heads / shape.kv_heads, width = whole_spans(shape.head_dim);
    const int64_t planes = (width / 2 + k_block - 1) / k_block;
    const Left out{{new_matrix(scratch, planes * rows, a_stride).at, a_stride}, rows};
    const Arena::Mark mark = scratch.mark();
    constexpr int64_t at_once = 16;  // queries
    const Matrix heads = new_matrix(scratch, at_once * group, width);
    for (int64_t i = 0; i < task.queries; i += at_once) {
        const int64_t queries = std::min(at_once, task.queries - i), column = task.kv_head * group * shape.head_dim;
        load_heads(heads, q, {task.span->q_row + task.query + i, queries, column, group, shape.head_dim}, shape.scale);
        for (int64_t r = 0; r < queries * group; ++r) {
            pair_row(heads.row(r), width);
            for (int64_t u = 0; u < width / 2; u += k_block)
                std::copy_n(heads.row(r) + u, std::min(k_block, width / 2 - u),
                            out.units.row(u / k_block * rows + i * group + r));
        }
    }
    for (int64_t plane = 0; plane < planes; ++plane)
        for (int64_t r = task.queries * group; r < rows; ++r)
            std::fill_n(out.units.row(plane * rows + r), a_stride, 0.f);
    scratch.release(mark);
    return out;
}

// Rows of k, which are overwritten: a column a key, units along its numbers.
HWY_INLINE void pack_keys(Right out, Matrix k, int64_t keys) {
    for (int64_t j = 0; j < keys; ++j) pair_row(k.row(j), k.stride);
    for (int64_t j = 0; j < keys; j += span)
        transpose({out.data + j / span * out.panel, span}, k.below(j), span, k.stride / 2);
}

// Rows of v: a column a number, units along the keys.
HWY_INLINE void pack_values(Right out, Matrix v, int64_t keys, int64_t columns) {
    for (int64_t j = 0; j < keys; j += span) {
        for (int64_t u = 0; u < pairs; ++u) {
            const float *low = v.row(j + u), *high = v.row(j + u + pairs);
            for (int64_t c = 0; c < columns; c += span) {
                float* to = out.data + c / span * out.panel + (j / 2 + u) * span;
                for (int64_t l = 0; l < span; l += lanes())
                    hn::StoreU(hn::BitCast(F32(), pair(hn::LoadU(F32(), low + c + l), hn::LoadU(F32(), high + c + l))),
                               F32(), to + l);
            }
        }
    }
}

// Keys [first, first + keys) of one head as f32, and zeros up to whole spans.
HWY_INLINE void load_keys(Matrix out, TensorView t, int64_t first, int64_t keys, int64_t kv_head, int64_t dim) {
    load_heads(out, t, {first, keys, kv_head * dim, 1, dim});
    std::fill(out.row(keys), out.row(whole_spans(keys)), 0.f);
}

void attend_bf16(const AttentionTask& task, TensorView q, const AttentionShape& shape, const Leaf& leaf) {
    const AttentionSpan& span_of = *task.span;
    const int64_t group = shape.heads / shape.kv_heads, rows = task.queries * group, tile = leaf.mr;
    const int64_t at_once = tile * std::max<int64_t>(1, 32 / tile);  // rows whose scores stay in the first-level cache
    const int64_t key_width = whole_spans(shape.head_dim), value_width = whole_spans(shape.value_dim);
    Arena& scratch = attention_scratch();
    const Arena::Mark mark = scratch.mark();
    const Left queries = pack_queries(task, q, shape, rows + tile, scratch);
    const Running running = new_running(scratch, rows + tile, value_width);
    const Matrix k = new_matrix(scratch, keys_at_once, key_width),
                 v = span_of.v ? new_matrix(scratch, keys_at_once, value_width) : k;
    const Right key_panels = new_right(scratch, keys_at_once, key_width / 2),
                value_panels = new_right(scratch, value_width, keys_at_once / 2);
    const Matrix scores{new_matrix(scratch, at_once, a_stride).at, a_stride};

    if (leaf.enter) leaf.enter();
    // Blocks lie where they do for all tasks: no bit depends on how queries are shared out.
    for (int64_t first = task.keys.begin / keys_at_once * keys_at_once; first < task.keys.end; first += keys_at_once) {
        const int64_t keys = std::min(keys_at_once, task.keys.end - first);
        load_keys(k, span_of.k, first, keys, task.kv_head, shape.head_dim);
        if (span_of.v) load_keys(v, span_of.v, first, keys, task.kv_head, shape.value_dim);
        pack_values(value_panels, v, keys, value_width);
        pack_keys(key_panels, k, keys);
        const KeyRange seeing = rows_that_see(task, shape, first, keys);
        for (int64_t r = seeing.begin; r < seeing.end; r += at_once) {
            const int64_t n = std::min(at_once, seeing.end - r), all = (n + tile - 1) / tile * tile;
            const int64_t last = span_of.first + task.query + (r + n - 1) / group;
            const int64_t width = whole_spans(std::min(keys, visible_keys(last, shape).end - first));
            multiply(leaf, scores, {queries.units.below(r), queries.rows}, key_panels, all, width, key_width / 2,
                     false);
            weigh<PairedWeights>(task, shape, scores, running, r, n, all, first, width);
            multiply(leaf, running.out.below(r), {scores, 0}, value_panels, all, value_width, width / 2, true);
        }
    }
    if (leaf.leave) leaf.leave();
    finish(task, shape, running);
    scratch.release(mark);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(attend_bf16);

void attend_bf16(const AttentionTask& task, TensorView q, const AttentionShape& shape, const Leaf& leaf) {
    HWY_DYNAMIC_DISPATCH(attend_bf16)(task, q, shape, leaf);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
