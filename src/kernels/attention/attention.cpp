#include "kernels/attention/attention.h"

#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/attention/plan.h"
#include "kernels/attention/reference.h"
#include "kernels/matmul/leaf.h"
#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/attention/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

void attend(const AttentionTask& task, TensorView q, const AttentionShape& shape) {
    const AttentionSpan& span = *task.span;
    const int64_t group = shape.heads / shape.kv_heads, rows = task.queries * group;
    Arena& scratch = attention_scratch();
    const Arena::Mark mark = scratch.mark();
    const Matrix queries = new_matrix(scratch, rows, shape.head_dim),
                 scores = new_matrix(scratch, row_block, key_block);
    const Matrix k = new_matrix(scratch, key_block, shape.head_dim),
                 v = span.v ? new_matrix(scratch, key_block, shape.value_dim) : k;
    const Matrix k_columns = new_matrix(scratch, padded(shape.head_dim), key_block);
    const Running running = new_running(scratch, rows, shape.value_dim);
    load_heads(queries, q,
               {span.q_row + task.query, task.queries, task.kv_head * group * shape.head_dim, group, shape.head_dim},
               shape.scale);

    for (int64_t first = task.keys.begin; first < task.keys.end; first += key_block) {
        const int64_t keys = std::min(key_block, task.keys.end - first);
        load_heads(k, span.k, {first, keys, task.kv_head * shape.head_dim, 1, shape.head_dim});
        if (span.v) load_heads(v, span.v, {first, keys, task.kv_head * shape.value_dim, 1, shape.value_dim});
        transpose(k_columns, k, keys, shape.head_dim);
        const KeyRange seeing = rows_that_see(task, shape, first, keys);
        for (int64_t r = seeing.begin; r < seeing.end; r += row_block) {
            const int64_t n = std::min(row_block, seeing.end - r);
            const int64_t last = span.first + task.query + (r + n - 1) / group;
            const int64_t seen = std::min(keys, visible_keys(last, shape).end - first);
            multiply(scores, plain(queries.below(r)), k_columns, n, seen, shape.head_dim, false);
            weigh<FloatWeights>(task, shape, scores, running, r, n, padded_rows(n), first, padded(seen));
            multiply(running.out.below(r), plain(scores), v, n, shape.value_dim, seen, true);
        }
    }
    finish(task, shape, running);
    scratch.release(mark);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(attend);

namespace {

// The keys of a span are shared out to tasks whose results over their own keys are merged afterwards.
struct Split {
    const AttentionSpan* span;
    int64_t parts;
    OwnedTensor out, lse;  // [parts·queries, heads·value_dim], [parts·queries, heads]
};

// out = Σ_p exp(lse_p − lse)·out_p with lse = log (Σ_p exp(lse_p) + exp(sink)).
void merge(const Split& split, int64_t query, Tensor out, Tensor lse, const AttentionShape& shape) {
    const int64_t queries = split.span->queries, row = split.span->q_row + query;
    RowWriter writer(out);
    float* y = writer.begin(row);
    for (int64_t h = 0; h < shape.heads; ++h) {
        const auto part_lse = [&](int64_t p) { return split.lse.get().f32()[(p * queries + query) * shape.heads + h]; };
        const float sink = shape.sinks ? shape.sinks[h] : -INFINITY;
        float top = sink;
        for (int64_t p = 0; p < split.parts; ++p) top = std::max(top, part_lse(p));
        float sum = std::exp(sink - top);
        for (int64_t p = 0; p < split.parts; ++p) sum += std::exp(part_lse(p) - top);
        float* head = y + h * shape.value_dim;
        std::fill_n(head, shape.value_dim, 0.f);
        for (int64_t p = 0; p < split.parts; ++p) {
            const float weight = std::exp(part_lse(p) - top) / sum;
            const float* part = split.out.get().f32() + ((p * queries + query) * shape.heads + h) * shape.value_dim;
            for (int64_t c = 0; c < shape.value_dim; ++c) head[c] += weight * part[c];
        }
        if (lse) lse.f32()[row * shape.heads + h] = top + std::log(sum);
    }
    writer.finish(row);
}

// Queries of a task: what the second-level cache holds of their state, but enough tasks to keep all threads busy. No
// bit of a result depends on it.
int64_t queries_per_task(std::span<const AttentionSpan> spans, const AttentionShape& shape) {
    int64_t total = 0;
    for (const AttentionSpan& span : spans) total += span.queries;
    const int64_t floats = shape.heads / shape.kv_heads * (shape.head_dim + shape.value_dim);
    const int64_t fitting = std::max<int64_t>(16, (int64_t{1} << 19) / floats);
    const int64_t sharing = total * shape.kv_heads / (4 * threads());
    return std::clamp<int64_t>(sharing, std::min<int64_t>(64, fitting), fitting);
}

Work work_of(std::span<const AttentionTask> tasks, const AttentionShape& shape) {
    int64_t bytes = 0, multiplications = 0;
    for (const AttentionTask& task : tasks) {
        const int64_t keys = task.keys.end - task.keys.begin, rows = task.queries * shape.heads / shape.kv_heads;
        const TensorView k = task.span->k, v = task.span->v;
        bytes += keys * (k.row_bytes() + (v ? v.row_bytes() : 0)) / shape.kv_heads;
        multiplications += keys * rows * (shape.head_dim + shape.value_dim);
    }
    return Work::of(bytes, multiplications);
}

}  // namespace

void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans,
               const AttentionShape& shape) {
    check(shape);
    // Capped scores are Grok's alone: the plain loop serves them.
    if (active() == Variant::reference || shape.softcap > 0) return reference::attention(out, lse, q, spans, shape);
    std::vector<AttentionTask> tasks;
    std::vector<Split> splits;
    splits.reserve(spans.size());
    const int64_t chunk = queries_per_task(spans, shape);
    for (const AttentionSpan& span : spans) {
        const bool few = span.queries * shape.heads / shape.kv_heads <= few_rows;
        const int64_t begin = visible_keys(span.first, shape).begin, end = keys_of(span, span.queries, shape);
        const int64_t parts = few && span.queries > 0 ? (end - 1) / key_split - begin / key_split + 1 : 1;
        if (parts > 1) {
            splits.push_back({&span, parts,
                              OwnedTensor(DType::f32, {parts * span.queries, shape.heads * shape.value_dim}),
                              OwnedTensor(DType::f32, {parts * span.queries, shape.heads})});
        }
        for (int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
            // Late queries see the most keys: the long tasks come first.
            for (int64_t query = (span.queries - 1) / chunk * chunk; query >= 0 && span.queries > 0; query -= chunk) {
                const int64_t queries = std::min(chunk, span.queries - query);
                const int64_t seen_from = visible_keys(span.first + query, shape).begin / key_block * key_block;
                const int64_t seen_to = keys_of(span, query + queries, shape);
                for (int64_t p = 0; p < parts; ++p) {
                    AttentionTask task{.span = &span,
                                       .kv_head = kv_head,
                                       .query = query,
                                       .queries = queries,
                                       .keys = {seen_from, seen_to},
                                       .few = few,
                                       .out = out,
                                       .lse = lse,
                                       .out_row = span.q_row,
                                       .sinks = parts > 1 ? nullptr : shape.sinks};
                    if (parts > 1) {
                        const int64_t part = begin / key_split + p;
                        task.keys = {std::max(seen_from, part * key_split), std::min(seen_to, (part + 1) * key_split)};
                        task.out = splits.back().out;
                        task.lse = splits.back().lse;
                        task.out_row = p * span.queries;
                    }
                    tasks.push_back(task);
                }
            }
        }
    }
    const auto run = HWY_DYNAMIC_DISPATCH(attend);
    const Leaf& leaf = choose_leaf(shape.compute, shape.compute);
    const bool tiled = leaf.panel == Panel::bf16;
    const auto attend_task = [&](int64_t i) {
        const AttentionTask& task = tasks[static_cast<size_t>(i)];
        if (task.few)
            attend_few(task, q, shape);
        else if (tiled && task.span->k.rows() >= shape.exact_keys)
            attend_bf16(task, q, shape, leaf);
        else
            run(task, q, shape);
    };
    parallel_for(std::ssize(tasks), attend_task, work_of(tasks, shape));
    for (const Split& split : splits) {
        parallel_for(split.span->queries, [&](int64_t i) { merge(split, i, out, lse, shape); });
    }
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
