#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/rowwise/activation.h"
#include "kernels/rowwise/elementwise.h"
#include "kernels/rowwise/moe_rows.h"
#include "ops/ops.h"
#include "tensor/quantised/blocks.h"

namespace gremium::ops {
namespace {

// Elements per task: few enough to stay in the L1 and L2 caches between two kernels.
constexpr int64_t span_elements = 4096;

template <class T>
T elements(T t, int64_t begin, int64_t end) {
    return {t.data + row_bytes(t.dtype, begin), t.dtype, {end - begin}};
}

void require_same_shape(const char* operation, TensorView x, TensorView y) {
    if (x.count() == y.count()) return;
    fail("{}: shapes {} and {} differ", operation, to_string(x.shape), to_string(y.shape));
}

// Calls body(begin, end) after out[begin, end) = x[begin, end), of one type; they may be the same tensor.
template <class Body>
void copy_then(Tensor out, TensorView x, Body&& body) {
    parallel_chunks(x.count(), span_elements, [&](int64_t begin, int64_t end) {
        const TensorView part = elements(x, begin, end);
        if (out.data != x.data) {
            std::memcpy(elements(out, begin, end).data, part.data, static_cast<size_t>(part.bytes()));
        }
        body(begin, end);
    });
}

Var overwritable_or_new(Graph& g, Var x, bool wants_grad) {
    if (!g.recording() && x->reusable) return x;
    return g.make(x->value.dtype, x->value.shape, wants_grad);
}

}  // namespace

Var activate(Graph& g, Var gate, Var up, Activation kind) {
    const bool trained = gate->wants_grad || (up && up->wants_grad);
    const Var y = g.make(gate->value.dtype, gate->value.shape, trained);
    const TensorView up_value = up ? up->value.view() : TensorView{};
    kernels::activate(y->value, gate->value, up_value, kind);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, gate, up, up_value, kind, y] {
        const auto backward = [&](std::span<const Tensor> d) {
            kernels::activate_backward(d[0], up ? d[1] : Tensor{}, y->grad, gate->value, up_value, kind);
        };
        // These come from linear layers, which round the gradient if they compute in bf16.
        const DType type = gate->value.dtype == DType::bf16 ? g.options().compute : DType::f32;
        if (up)
            g.fill_grads({gate, up}, type, backward);
        else
            g.fill_grads({gate}, type, backward);
    });
    return y;
}

Var add(Graph& g, Var x, Var y) {
    require_same_shape("add", x->value, y->value);
    const Var sum = overwritable_or_new(g, x, x->wants_grad || y->wants_grad);
    copy_then(sum->value, x->value, [&](int64_t begin, int64_t end) {
        kernels::axpby(elements(sum->value, begin, end), elements(y->value.view(), begin, end));
    });
    if (sum->wants_grad && sum != x) {
        g.record({sum}, [&g, x, y, sum] {
            g.pass_grad(x, sum);
            g.pass_grad(y, sum);
        });
    }
    return sum;
}

Var add_bias(Graph& g, Var x, const Weight& bias) {
    const Var y = overwritable_or_new(g, x, x->wants_grad || bias.grad);
    copy_then(y->value, x->value, [](int64_t, int64_t) {});
    kernels::add_bias(y->value, bias.value);
    if (y->wants_grad && y != x) {
        g.record({y}, [&g, x, bias, y] {
            if (bias.grad) kernels::sum_rows(bias.grad, y->grad);
            g.pass_grad(x, y);
        });
    }
    return y;
}

Var scale(Graph& g, Var x, float factor) {
    const Var y = overwritable_or_new(g, x, x->wants_grad);
    copy_then(y->value, x->value, [&](int64_t begin, int64_t end) {
        kernels::axpby(elements(y->value, begin, end), elements(x->value.view(), begin, end), 0, factor);
    });
    if (y->wants_grad && y != x) {
        g.record({y}, [&g, x, factor, y] { kernels::axpby(g.grad_of(x), y->grad, factor); });
    }
    return y;
}

Var multiply_rows(Graph& g, Var x, Var s) {
    const int64_t count = s->value.count();
    if (s->value.rows() != x->value.rows() || x->value.count() % count != 0)
        fail("multiply_rows: shapes {} and {} do not fit", to_string(x->value.shape), to_string(s->value.shape));
    const Shape stretches{count, x->value.count() / count}, one{count, 1};
    std::vector<int32_t> rows(static_cast<size_t>(count));
    std::iota(rows.begin(), rows.end(), 0);
    const Var y = g.make(x->value.dtype, x->value.shape, x->wants_grad || s->wants_grad);
    kernels::combine_rows(reshape(y->value, stretches), reshape(x->value.view(), stretches), rows,
                          reshape(s->value.view(), one));
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, s, y, stretches, one, rows = std::move(rows)] {
        g.fill_grads({x}, DType::f32, [&](std::span<const Tensor> d) {
            kernels::combine_rows_backward(reshape(d[0], stretches),
                                           s->wants_grad ? reshape(g.grad_of(s), one) : Tensor{},
                                           reshape(y->grad.view(), stretches), reshape(x->value.view(), stretches),
                                           rows, reshape(s->value.view(), one));
        });
    });
    return y;
}

Var sigmoid(Graph& g, Var x) {
    const Var y = g.make(DType::f32, x->value.shape, x->wants_grad);
    const Shape flat{1, x->value.count()};
    convert(reshape(x->value.view(), flat), reshape(y->value, flat));
    const auto each = [count = x->value.count()](auto&& body) {
        parallel_chunks(count, span_elements, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) body(i);
        });
    };
    float* values = y->value.f32();
    each([&](int64_t i) { values[i] = 1 / (1 + std::exp(-values[i])); });
    if (y->wants_grad) {
        g.record({y}, [&g, x, y, each, values] {
            float* dx = g.grad_of(x).f32();
            const float* dy = g.grad_of(y).f32();
            each([&](int64_t i) { dx[i] += dy[i] * values[i] * (1 - values[i]); });
        });
    }
    return y;
}

Var softcap(Graph& g, Var x, float cap) {
    if (g.recording()) fail("capped values cannot be trained");
    float* values = x->value.f32();
    parallel_chunks(x->value.count(), span_elements, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) values[i] = cap * std::tanh(values[i] / cap);
    });
    return x;
}

Var clip(Graph& g, Var x, float limit) {
    const Var y = g.make(DType::f32, x->value.shape, x->wants_grad);
    const Shape flat{1, x->value.count()};
    convert(reshape(x->value.view(), flat), reshape(y->value, flat));
    float* values = y->value.f32();
    const auto each = [count = x->value.count()](auto&& body) {
        parallel_chunks(count, span_elements, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) body(i);
        });
    };
    // Remembered, for y may be rotated in place.
    std::vector<uint8_t> kept(y->wants_grad ? static_cast<size_t>(x->value.count()) : 0);
    if (y->wants_grad) each([&](int64_t i) { kept[static_cast<size_t>(i)] = std::abs(values[i]) < limit; });
    each([&](int64_t i) { values[i] = std::min(std::max(values[i], -limit), limit); });
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, y, each, kept = std::move(kept)] {
        float* dx = g.grad_of(x).f32();
        const float* dy = g.grad_of(y).f32();
        each([&](int64_t i) {
            if (kept[static_cast<size_t>(i)]) dx[i] += dy[i];
        });
    });
    return y;
}

Var add_scaled(Graph& g, Var total, Var term, float factor) {
    const Var sum = g.make(DType::f32, {1}, total->wants_grad || term->wants_grad);
    *sum->value.f32() = *total->value.f32() + factor * *term->value.f32();
    if (sum->wants_grad) {
        g.record({sum}, [&g, total, term, factor, sum] {
            g.pass_grad(total, sum);
            if (term->wants_grad) *g.grad_of(term).f32() += factor * *sum->grad.f32();
        });
    }
    return sum;
}

}  // namespace gremium::ops
