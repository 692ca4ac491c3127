#include "ops/graph.h"

#include <algorithm>
#include <cstring>

#include "kernels/rowwise/elementwise.h"
#include "tensor/quantised/blocks.h"

namespace gremium::ops {

std::vector<int32_t> Graph::cohorts_of(std::span<const int32_t> rows, int64_t per_token) const {
    std::vector<int32_t> result;
    if (cohorts_.empty()) return result;
    result.reserve(rows.size());
    for (const int32_t r : rows) result.push_back(cohorts_[static_cast<size_t>(r / per_token)]);
    return result;
}

Var Graph::input(Tensor value, bool wants_grad) {
    Node node;
    node.value = value;
    node.wants_grad = wants_grad && recording_;
    return &nodes_.emplace_back(node);
}

Var Graph::make(DType dtype, Shape shape, bool wants_grad) {
    Node node;
    node.value = arena_.tensor(dtype, shape);
    node.wants_grad = wants_grad && recording_;
    node.reusable = true;
    return &nodes_.emplace_back(node);
}

void Graph::record(std::vector<Var> outputs, std::function<void()> backward) {
    tape_.push_back({std::move(outputs), std::move(backward)});
}

Tensor Graph::new_grad(Var v, DType type) {
    const Tensor grad{nullptr, type, v->value.shape};
    BufferPool::Buffer* buffer = pool_.take(static_cast<size_t>(grad.bytes()));
    drop_grad(v);
    v->grad_buffer = buffer;
    return v->grad = {buffer->data, type, v->value.shape};
}

Tensor Graph::grad_of(Var v, bool* fresh) {
    if (fresh) *fresh = !v->grad;
    const TensorView before = v->grad;
    if (before && before.dtype == DType::f32 && v->grad_buffer->owners == 1) return v->grad;
    // The replaced buffer stays intact until it is taken again, and nothing takes one before the copy.
    const Tensor grad = new_grad(v, DType::f32);
    if (before)
        convert(before, grad);
    else if (!fresh)
        std::memset(grad.data, 0, static_cast<size_t>(grad.bytes()));
    return grad;
}

void Graph::pass_grad(Var to, Var from) {
    if (!to->wants_grad) return;
    if (to->grad) {
        kernels::axpby(grad_of(to), from->grad);
        return;
    }
    to->grad_buffer = from->grad_buffer;
    ++to->grad_buffer->owners;
    to->grad = reshape(from->grad, to->value.shape);
}

void Graph::fill_grads(std::initializer_list<Var> vars, DType type,
                       const std::function<void(std::span<const Tensor>)>& fill) {
    struct Target {
        Var v;
        Scratch scratch;
    };
    std::vector<Target> targets;
    std::vector<Tensor> tensors;
    for (const Var v : vars) {
        if (v->wants_grad && !v->grad) {
            tensors.push_back(new_grad(v, type));
        } else {
            targets.push_back({v, scratch(type, v->value.shape)});
            tensors.push_back(targets.back().scratch);
        }
    }
    fill(tensors);
    for (const Target& t : targets) {
        if (t.v->wants_grad) kernels::axpby(grad_of(t.v), t.scratch);
    }
}

void Graph::backward(Var loss, float seed) {
    // The loss depends on nothing that is trained.
    if (!loss->wants_grad) return;
    bool fresh = false;
    *grad_of(loss, &fresh).f32() = seed;
    backward();
}

void Graph::backward() {
    unwind(0);
    kept_.clear();
}

void Graph::unwind(size_t tape_depth) {
    while (tape_.size() > tape_depth) {
        const Record record = std::move(tape_.back());
        tape_.pop_back();
        const auto& outputs = record.outputs;
        if (outputs.empty() || std::ranges::any_of(outputs, [](Var v) { return static_cast<bool>(v->grad); })) {
            record.backward();
        }
        for (const Var v : outputs) drop_grad(v);
    }
}

void Graph::drop_grad(Var v) {
    pool_.drop(v->grad_buffer);
    v->grad_buffer = nullptr;
    v->grad = {};
}

void Graph::forget(const Depth& depth) {
    while (nodes_.size() > depth.nodes) {
        drop_grad(&nodes_.back());
        nodes_.pop_back();
    }
    tape_.resize(depth.tape);
    kept_.resize(depth.kept);
}

void Graph::clear() { forget({0, 0, 0}); }

}  // namespace gremium::ops
