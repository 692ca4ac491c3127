#include <cstring>

#include "kernels/rowwise/norm.h"
#include "kernels/rowwise/softmax.h"
#include "ops/ops.h"

namespace gremium::ops {
namespace {

// The tensor to which x's gradient is added; a temporary one if only the weights are trained.
class GradSum {
  public:
    GradSum(Graph& g, Var x)
        : unwanted_(g.scratch(DType::f32, x->wants_grad ? Shape{1} : x->value.shape)),
          grad_(x->wants_grad ? g.grad_of(x) : unwanted_.get()) {
        if (!x->wants_grad) std::memset(grad_.data, 0, static_cast<size_t>(grad_.bytes()));
    }
    operator Tensor() const { return grad_; }

  private:
    Scratch unwanted_;
    Tensor grad_;
};

}  // namespace

Var rms_norm(Graph& g, Var x, const Weight& w, float eps, int64_t group, DType out) {
    const Var y = g.make(out, x->value.shape, x->wants_grad || w.grad);
    kernels::rms_norm(y->value, x->value, w.value, eps, group);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, w, eps, group, y] {
        kernels::rms_norm_backward(GradSum(g, x), w.grad, y->grad, x->value, w.value, eps, group);
    });
    return y;
}

Var layer_norm(Graph& g, Var x, const Weight& w, const Weight& b, float eps, DType out) {
    const Var y = g.make(out, x->value.shape, x->wants_grad || w.grad || b.grad);
    kernels::layer_norm(y->value, x->value, w.value, b.value, eps);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, w, b, eps, y] {
        kernels::layer_norm_backward(GradSum(g, x), w.grad, b.grad, y->grad, x->value, w.value, eps);
    });
    return y;
}

Var softmax(Graph& g, Var x) {
    const Var y = g.make(x->value.dtype, x->value.shape, x->wants_grad);
    kernels::softmax(y->value, x->value);
    if (y->wants_grad) {
        g.record({y}, [&g, x, y] { kernels::softmax_backward(g.grad_of(x), y->grad, y->value); });
    }
    return y;
}

}  // namespace gremium::ops
