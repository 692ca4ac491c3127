// Where operations run. With recording on, each operation leaves its backward on the tape; off, it leaves nothing and
// memory comes back with the arena's marks. There is one forward for training and for running.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace gremium::ops {

// A value of the computation. `grad` (f32, the value's shape) exists from the first contribution during backward on.
struct Node {
    Tensor value;
    Tensor grad;
    bool wants_grad = false;
};
using Var = Node*;  // owned by the graph, valid until Graph::clear()

// A weight as operations see it: what to compute with, and where its gradient is summed. An empty grad means frozen.
struct Weight {
    TensorView value;
    Tensor grad;
    explicit operator bool() const { return static_cast<bool>(value); }
};

class Graph {
  public:
    struct Options {
        bool record = false;
        DType compute = DType::f32;     // type of matmul products; bf16: operands rounded, sums in f32
        DType activation = DType::f32;  // storage type of values that only feed matmuls
    };
    Graph(Arena& arena, Options options) : arena_(arena), options_(options) {}

    const Options& options() const { return options_; }
    bool recording() const { return options_.record; }
    Arena& arena() { return arena_; }

    // A value somebody else owns, e.g. an input. wants_grad asks backward to fill its grad.
    Var input(Tensor value, bool wants_grad = false);
    // A fresh uninitialised value in the arena; it wants a gradient if recording.
    Var make(DType dtype, Shape shape);

    // Called by operations when recording, in execution order.
    void record(std::function<void()> backward) { tape_.push_back(std::move(backward)); }

    // The gradient of v to add to: zeroed at its first use. `fresh` (may be null) is set when the caller may overwrite
    // instead of adding; then the buffer is not zeroed.
    Tensor grad_of(Var v, bool* fresh = nullptr);

    // Runs the tape backwards from a scalar f32 `loss` whose gradient is `seed`, then clears the tape. Weight gradients
    // are added to; zero them first when they should start afresh.
    void backward(Var loss, float seed = 1);
    // The same from outputs whose grads the caller has filled already.
    void backward();
    void clear();  // forgets nodes and tape (the arena is the caller's)

  private:
    Arena& arena_;
    Options options_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::function<void()>> tape_;
};

}  // namespace gremium::ops
