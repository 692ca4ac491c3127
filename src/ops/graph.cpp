#include "ops/graph.h"

#include <algorithm>
#include <cstring>

#include "kernels/rowwise.h"

namespace gremium::ops {

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

Tensor Graph::grad_of(Var v, bool* fresh) {
    if (fresh) *fresh = false;
    const auto bytes = static_cast<size_t>(v->value.count()) * sizeof(float);
    const bool first = !v->grad;
    if (first || v->grad_buffer->owners > 1) {
        BufferPool::Buffer* buffer = pool_.take(bytes);
        if (!first)
            std::memcpy(buffer->data, v->grad.data, bytes);  // whoever shares it must not see what is added
        else if (fresh)
            *fresh = true;
        else
            std::memset(buffer->data, 0, bytes);
        pool_.drop(v->grad_buffer);
        v->grad_buffer = buffer;
        v->grad = {buffer->data, DType::f32, v->value.shape};
    }
    return v->grad;
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

void Graph::fill_grads(std::initializer_list<Var> vars,
                       const std::function<void(std::span<const Tensor>)>& fill) {
    struct Target {
        Var v;
        Scratch scratch;
    };
    std::vector<Target> targets;
    std::vector<Tensor> tensors;
    for (const Var v : vars) {
        bool fresh = false;
        if (v->wants_grad) grad_of(v, &fresh);
        if (!fresh) targets.push_back({v, scratch(DType::f32, v->value.shape)});
        tensors.push_back(fresh ? v->grad : targets.back().scratch.get());
    }
    fill(tensors);
    for (const Target& t : targets) {
        if (t.v->wants_grad) kernels::axpby(t.v->grad, t.scratch);
    }
}

void Graph::backward(Var loss, float seed) {
    if (!loss->wants_grad) return;  // nothing it depends on is trained
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
        if (outputs.empty() ||
            std::ranges::any_of(outputs, [](Var v) { return static_cast<bool>(v->grad); })) {
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
