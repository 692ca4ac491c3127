// Operations on heads, which lie side by side in a row, [T, H·width]: columns of each head, and one matrix per head.
#include <cstring>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/rowwise/moe_rows.h"
#include "ops/ops.h"

namespace gremium::ops {
namespace {

constexpr int64_t chunk_tokens = 16;

// Columns [first, first + …) of each head of a tensor.
template <class T>
struct Part {
    T tensor;
    int64_t heads, first;

    auto* at(int64_t token, int64_t head) const {
        return tensor.row(token) + row_bytes(tensor.dtype, head * (tensor.cols() / heads) + first);
    }
};

template <class Body>
void for_each_head(int64_t tokens, int64_t heads, Body&& body) {
    parallel_chunks(tokens, chunk_tokens, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
            for (int64_t h = 0; h < heads; ++h) body(t, h);
        }
    });
}

// Copies `count` columns of each head; both tensors have the same type.
void copy(Part<Tensor> to, Part<TensorView> from, int64_t count) {
    const auto bytes = static_cast<size_t>(row_bytes(to.tensor.dtype, count));
    for_each_head(to.tensor.rows(), to.heads,
                  [&](int64_t t, int64_t h) { std::memcpy(to.at(t, h), from.at(t, h), bytes); });
}

void add(Part<Tensor> to, Part<TensorView> from, int64_t count) {
    for_each_head(to.tensor.rows(), to.heads, [&](int64_t t, int64_t h) {
        auto* sum = reinterpret_cast<float*>(to.at(t, h));
        const auto* more = reinterpret_cast<const float*>(from.at(t, h));
        for (int64_t i = 0; i < count; ++i) sum[i] += more[i];
    });
}

// Reorders rows of a tensor [T·H, …] from (token, head) to (head, token), and back.
struct HeadOrder {
    std::vector<int32_t> by_head, by_token, offsets;

    HeadOrder(int64_t tokens, int64_t heads) {
        for (int64_t h = 0; h <= heads; ++h) offsets.push_back(static_cast<int32_t>(h * tokens));
        for (int64_t h = 0; h < heads; ++h) {
            for (int64_t t = 0; t < tokens; ++t) by_head.push_back(static_cast<int32_t>(t * heads + h));
        }
        for (int64_t t = 0; t < tokens; ++t) {
            for (int64_t h = 0; h < heads; ++h) by_token.push_back(static_cast<int32_t>(h * tokens + t));
        }
    }
};

template <class T>
std::vector<T> matrices(T w_HNK) {
    std::vector<T> result;
    for (int64_t h = 0; w_HNK && h < w_HNK.shape[0]; ++h) result.push_back(w_HNK.at(h));
    return result;
}

template <class T>
T row_for_each_head(T x, int64_t heads) {
    return reshape(x, {x.rows() * heads, x.cols() / heads});
}

}  // namespace

Var head_columns(Graph& g, Var x, int64_t heads, int64_t first, int64_t count) {
    const int64_t tokens = x->value.rows();
    if (x->value.cols() % heads != 0 || first + count > x->value.cols() / heads)
        fail("head_columns: {} heads of at least {} columns expected in {}", heads, first + count,
             to_string(x->value.shape));
    const Var y = g.make(x->value.dtype, {tokens, heads * count}, x->wants_grad);
    copy({y->value, heads, 0}, {x->value, heads, first}, count);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, y, heads, first, count] {
        add({g.grad_of(x), heads, first}, {g.grad_of(y), heads, 0}, count);
    });
    return y;
}

Var concat_heads(Graph& g, Var a, Var b, int64_t heads) {
    const int64_t of_a = a->value.cols() / heads, of_b = b->value.cols() / heads;
    if (a->value.rows() != b->value.rows() || a->value.dtype != b->value.dtype)
        fail("concat_heads: {} and {} do not fit", to_string(a->value.shape), to_string(b->value.shape));
    const Var y = g.make(a->value.dtype, {a->value.rows(), heads * (of_a + of_b)}, a->wants_grad || b->wants_grad);
    copy({y->value, heads, 0}, {a->value, heads, 0}, of_a);
    copy({y->value, heads, of_a}, {b->value, heads, 0}, of_b);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, a, b, y, heads, of_a, of_b] {
        const TensorView dy = g.grad_of(y);
        if (a->wants_grad) add({g.grad_of(a), heads, 0}, {dy, heads, 0}, of_a);
        if (b->wants_grad) add({g.grad_of(b), heads, 0}, {dy, heads, of_a}, of_b);
    });
    return y;
}

Var heads_linear(Graph& g, Var x, const Weight& w_HNK, DType out) {
    const int64_t tokens = x->value.rows(), heads = w_HNK.value.shape[0], outputs = w_HNK.value.shape[1];
    if (w_HNK.value.shape.rank != 3 || x->value.cols() != heads * w_HNK.value.shape[2])
        fail("heads_linear: the weight is {}, the input has {} columns", to_string(w_HNK.value.shape), x->value.cols());
    const kernels::MatmulOptions options{.compute = g.options().compute, .observer = g.options().observer};
    const Var y = g.make(out, {tokens, heads * outputs}, x->wants_grad || w_HNK.grad);
    {
        const HeadOrder order(tokens, heads);
        const Scratch by_head = g.scratch(out, {heads * tokens, outputs});
        const std::vector<int32_t> cohorts = g.cohorts_of(order.by_head, heads);
        kernels::MatmulOptions forward = options;
        forward.cohorts = cohorts;
        kernels::grouped_matmul(by_head, row_for_each_head(x->value.view(), heads), order.by_head,
                                matrices(w_HNK.value), order.offsets, forward);
        kernels::combine_rows(row_for_each_head(y->value, heads), by_head, order.by_token, {});
    }
    if (!y->wants_grad) return y;

    g.record({y}, [&g, x, w_HNK, y, tokens, heads, outputs, options] {
        const HeadOrder order(tokens, heads);
        const Scratch dy = g.scratch(DType::f32, {heads * tokens, outputs});
        kernels::combine_rows(dy, row_for_each_head(g.grad_of(y), heads), order.by_head, {});
        if (w_HNK.grad) {
            kernels::grouped_matmul_dw(matrices(w_HNK.grad), dy, row_for_each_head(x->value.view(), heads),
                                       order.by_head, order.offsets, {.compute = options.compute, .accumulate = true});
        }
        if (!x->wants_grad) return;
        const Scratch dx = g.scratch(DType::f32, {heads * tokens, x->value.cols() / heads});
        kernels::grouped_matmul_dx(dx, dy, matrices(w_HNK.value), order.offsets, options);
        bool fresh = false;
        const Tensor sum = row_for_each_head(g.grad_of(x, &fresh), heads);
        kernels::combine_rows(sum, dx, order.by_token, {}, !fresh);
    });
    return y;
}

}  // namespace gremium::ops
