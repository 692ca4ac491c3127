#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/rowwise/elementwise.h"
#include "kernels/rowwise/softmax.h"
#include "ops/ops.h"

namespace gremium::ops {
namespace {

template <class T>
T row_range(T t, int64_t begin, int64_t end) {
    return {t.data + begin * t.row_bytes(), t.dtype, {end - begin, t.cols()}};
}

// A gradient of the given shape, kept for the backward of the operation that records it as an output.
Var pending_grad(Graph& g, Shape shape) {
    const Var v = g.input({nullptr, DType::f32, shape}, true);
    bool fresh = false;
    g.grad_of(v, &fresh);
    return v;
}

void multiply(Tensor t, float factor) {
    if (factor != 1) kernels::axpby(t, t, 0, factor);
}

}  // namespace

Var cross_entropy(Graph& g, Var x, const Weight& head, std::span<const int32_t> targets, CrossEntropyOptions options) {
    const int64_t tokens = x->value.rows(), vocabulary = head.value.rows();
    if (static_cast<int64_t>(targets.size()) != tokens) {
        fail("cross_entropy: {} targets for {} tokens", targets.size(), tokens);
    }
    const auto counted = std::ranges::count_if(targets, [](int32_t t) { return t >= 0; });
    const float share = 1 / static_cast<float>(std::max<int64_t>(counted, 1));
    const DType compute = g.options().compute;

    const Weight& bias = options.bias;
    const Var loss = g.make(DType::f32, {1}, x->wants_grad || head.grad || bias.grad);
    const Var dx = g.recording() && x->wants_grad ? pending_grad(g, x->value.shape) : nullptr;
    const Var dhead = g.recording() && head.grad ? pending_grad(g, head.value.shape) : nullptr;
    const Var dbias = g.recording() && bias.grad ? pending_grad(g, bias.value.shape) : nullptr;
    if (dbias) std::fill_n(dbias->grad.f32(), vocabulary, 0.0f);
    std::vector<float> losses(static_cast<size_t>(tokens));
    const int64_t chunk = std::clamp<int64_t>(options.chunk, 1, std::max<int64_t>(tokens, 1));
    const Scratch logits_chunk = g.scratch(DType::f32, {chunk, vocabulary});
    for (int64_t begin = 0; begin < tokens; begin += chunk) {
        const int64_t end = std::min(begin + chunk, tokens);
        const auto first = static_cast<size_t>(begin), count = static_cast<size_t>(end - begin);
        const TensorView rows = row_range(x->value.view(), begin, end);
        const Tensor logits = row_range(logits_chunk.get(), 0, end - begin);
        kernels::matmul(logits, rows, head.value, {.compute = compute, .observer = g.options().observer});
        if (bias) kernels::add_bias(logits, bias.value);
        kernels::cross_entropy(std::span(losses).subspan(first, count), {}, logits, targets.subspan(first, count),
                               options.grad_scale * share);
        if (dx) kernels::matmul_dx(row_range(dx->grad, begin, end), logits, head.value, {.compute = compute});
        if (dhead) {
            kernels::matmul_dw(dhead->grad, logits, rows, {.compute = compute, .accumulate = begin > 0});
        }
        if (dbias) kernels::sum_rows(dbias->grad, logits);
    }
    double sum = 0;
    for (const float l : losses) sum += l;
    *loss->value.f32() = static_cast<float>(sum) * share;
    if (options.token_losses) *options.token_losses = std::move(losses);

    if (loss->wants_grad) {
        std::vector<Var> outputs{loss, dx, dhead, dbias};
        std::erase(outputs, nullptr);
        g.record(std::move(outputs), [&g, loss, x, head, bias, dx, dhead, dbias] {
            if (!loss->grad) return;
            const float seed = *loss->grad.f32();
            if (dx) multiply(dx->grad, seed);
            if (dx) g.pass_grad(x, dx);
            if (dhead) kernels::axpby(head.grad, dhead->grad, seed);
            if (dbias) kernels::axpby(bias.grad, dbias->grad, seed);
        });
    }
    return loss;
}

}  // namespace gremium::ops
