// The running softmax of blocked attention (attention_plan.h), whatever multiplies the blocks. Included once per
// Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_ATTENTION_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_ATTENTION_SOFTMAX_INL_H_
#undef GREMIUM_KERNELS_ATTENTION_SOFTMAX_INL_H_
#else
#define GREMIUM_KERNELS_ATTENTION_SOFTMAX_INL_H_
#endif

#include <cmath>

#include "kernels/attention/tiles-inl.h"
#include "kernels/simd/rows.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// Of a task's rows: out holds Σ exp(score − top)·v, sum the same without v.
struct Running {
    Matrix out;
    float *top, *sum;
};

HWY_INLINE Running new_running(Arena& scratch, int64_t rows, int64_t columns) {
    const Running running{new_matrix(scratch, rows, columns), new_matrix(scratch, 1, rows).at,
                          new_matrix(scratch, 1, rows).at};
    std::fill_n(running.out.at, padded_rows(rows) * running.out.stride, 0.f);
    std::fill_n(running.top, rows, -INFINITY);
    std::fill_n(running.sum, rows, 0.f);
    return running;
}

// Weights: what scores become, in place. Its exponentials() returns Σ exp(score − offset).
struct FloatWeights {
    static HWY_INLINE VecF exponentials(float* scores, int64_t width, VecF offset) {
        const F32 d;
        VecF sum = hn::Zero(d);
        for (int64_t i = 0; i < width; i += lanes()) {
            const VecF e = exp(hn::Sub(hn::LoadU(d, scores + i), offset));
            sum = hn::Add(sum, e);
            hn::StoreU(e, d, scores + i);
        }
        return sum;
    }
};

// The largest of a row's first `width` scores and `least`, in all lanes.
HWY_INLINE VecF largest(const float* scores, int64_t width, float least) {
    const F32 d;
    VecF even = hn::Set(d, least), odd = even;
    int64_t i = 0;
    for (; i + 2 * lanes() <= width; i += 2 * lanes()) {
        even = hn::Max(even, hn::LoadU(d, scores + i));
        odd = hn::Max(odd, hn::LoadU(d, scores + i + lanes()));
    }
    if (i < width) even = hn::Max(even, hn::LoadU(d, scores + i));
    return hn::MaxOfLanes(d, hn::Max(even, odd));
}

// A row of scores becomes weights under its new top, hidden ones 0; returns by how much old sums shrink.
template <typename Weights, bool masked>
HWY_INLINE float advance(float* scores, int64_t width, KeyRange visible, float& top, float& sum) {
    const F32 d;
    if constexpr (masked) {
        const auto hide = [&](int64_t i) HWY_ATTR {
            hn::StoreU(mask(hn::LoadU(d, scores + i), i, visible, -INFINITY), d, scores + i);
        };
        for (int64_t i = 0; i < visible.begin; i += lanes()) hide(i);
        for (int64_t i = visible.end / lanes() * lanes(); i < width; i += lanes()) hide(i);
    }
    const VecF offset = largest(scores, width, top);
    const VecF added = Weights::exponentials(scores, width, offset);
    const float now = hn::GetLane(offset), shrink = top == now ? 1 : hn::GetLane(exp(hn::Sub(hn::Set(d, top), offset)));
    sum = sum * shrink + sum_of_lanes(added);
    top = now;
    return shrink;
}

// Rows [begin, begin + rows) of the task meet a block of keys from first_key on, `width` of them with what pads it:
// their scores become weights, their running sums follow. Rows that pad the block, up to `all_rows`, get zeros.
template <typename Weights>
HWY_INLINE void weigh(const AttentionTask& task, const AttentionShape& shape, Matrix scores, Running running,
                      int64_t begin, int64_t rows, int64_t all_rows, int64_t first_key, int64_t width) {
    const int64_t group = shape.heads / shape.kv_heads;
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t position = task.span->first + task.query + (begin + r) / group;
        const KeyRange visible =
            visible_in_block(position, shape, first_key, std::min(width, task.keys.end - first_key));
        float *row = scores.row(r), *out = running.out.row(begin + r);
        if (visible.begin == visible.end) {
            std::fill_n(row, width, 0.f);
            continue;
        }
        if (shape.bias) {
            const float* bias = biases(shape, task.kv_head * group + (begin + r) % group, position) + first_key;
            for (int64_t i = 0; i < width; i += lanes())
                hn::StoreU(hn::Add(hn::LoadU(F32(), row + i), hn::LoadU(F32(), bias + i)), F32(), row + i);
        }
        float &top = running.top[begin + r], &sum = running.sum[begin + r];
        const bool all = visible.begin == 0 && visible.end == width;
        const float shrink = all ? advance<Weights, false>(row, width, visible, top, sum)
                                 : advance<Weights, true>(row, width, visible, top, sum);
        if (shrink == 1) continue;
        const VecF factor = hn::Set(F32(), shrink);
        for (int64_t c = 0; c < running.out.stride; c += lanes())
            hn::StoreU(hn::Mul(hn::LoadU(F32(), out + c), factor), F32(), out + c);
    }
    for (int64_t r = rows; r < all_rows; ++r) std::fill_n(scores.row(r), width, 0.f);
}

// Where rows [from, to) of a task see something of the block of keys [first, first + keys): queries before `first` and
// those that have forgotten the block's last key do not.
HWY_INLINE KeyRange rows_that_see(const AttentionTask& task, const AttentionShape& shape, int64_t first, int64_t keys) {
    const int64_t group = shape.heads / shape.kv_heads, position = task.span->first + task.query;
    return {std::clamp<int64_t>(seen_from(first, shape) - position, 0, task.queries) * group,
            std::clamp<int64_t>(forgotten_at(first + keys - 1, shape) - position, 0, task.queries) * group};
}

HWY_INLINE void finish(const AttentionTask& task, const AttentionShape& shape, Running running) {
    const int64_t group = shape.heads / shape.kv_heads;
    for (int64_t i = 0; i < task.queries; ++i) {
        const int64_t row = task.out_row + task.query + i;
        for (int64_t g = 0; g < group; ++g) {
            const int64_t r = i * group + g, head = task.kv_head * group + g;
            float* values = running.out.row(r);
            float sum = running.sum[r], top = running.top[r], kept = 1;
            if (task.sinks) {
                const float sink = task.sinks[head];
                kept = std::exp(std::min(0.f, top - sink));
                sum = sum * kept + std::exp(std::min(0.f, sink - top));
                top = std::max(top, sink);
            }
            const VecF factor = hn::Set(F32(), sum > 0 ? kept / sum : 0);
            for (int64_t c = 0; c < running.out.stride; c += lanes())
                hn::StoreU(hn::Mul(hn::LoadU(F32(), values + c), factor), F32(), values + c);
            std::byte* out = task.out.row(row) + head * shape.value_dim * info(task.out.dtype).bytes;
            store_row(task.out.dtype, values, out, shape.value_dim);
            if (task.lse) task.lse.f32()[row * shape.heads + head] = top + std::log(sum);
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
