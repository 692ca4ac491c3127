// Where operations run. With recording on, each operation leaves its backward on the tape; off, it leaves nothing and
// memory comes back with the arena's marks. There is one forward for training and for running.
#pragma once

#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/matmul/grouped_matmul.h"
#include "ops/buffer_pool.h"
#include "ops/weight.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace gremium::ops {

// A value of the computation. `grad` (the value's shape) exists from the first contribution during backward on, until
// the operation that made the value has run its backward; an input's stays until clear(). It is f32, or bf16 while it
// is a single contribution whose reader is likely to round it to that anyway; grad_of() always makes it f32.
struct Node {
    Tensor value;
    Tensor grad;
    bool wants_grad = false;
    bool reusable = false;  // made by this graph: an operation that does not record may overwrite it
    BufferPool::Buffer* grad_buffer = nullptr;
};
using Var = Node*;  // owned by the graph, valid until Graph::clear()

// Keep one and clear() it after each step: its gradients then reuse the same memory.
class Graph {
  public:
    struct Options {
        bool record = false;
        DType compute = DType::f32;                   // type of matmul products; bf16: operands rounded, sums in f32
        DType activation = DType::f32;                // storage type of values that only feed matmuls
        kernels::MatmulObserver* observer = nullptr;  // of forward products
    };
    Graph(Arena& arena, Options options) : arena_(arena), options_(options), recording_(options.record) {}
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    const Options& options() const { return options_; }
    // The sequence of each token from now on; empty: all are one. Rows of products are computed as if their sequence
    // were alone (MatmulOptions::cohorts).
    void set_cohorts(std::span<const int32_t> sequences_T) { cohorts_.assign(sequences_T.begin(), sequences_T.end()); }
    std::span<const int32_t> cohorts() const { return cohorts_; }
    // The cohorts of these rows, of which there are `per_token` a token; empty where tokens have none.
    std::vector<int32_t> cohorts_of(std::span<const int32_t> rows, int64_t per_token = 1) const;
    // Whether operations record now; false in the first run of a checkpoint's body even when training.
    bool recording() const { return recording_; }
    bool training() const { return options_.record; }
    Arena& arena() { return arena_; }

    // A value somebody else owns, e.g. an input. wants_grad asks backward to fill its grad.
    Var input(Tensor value, bool wants_grad = false);
    // A fresh uninitialised value in the arena; by default it wants a gradient if recording.
    Var make(DType dtype, Shape shape) { return make(dtype, shape, true); }
    Var make(DType dtype, Shape shape, bool wants_grad);
    Scratch scratch(DType dtype, Shape shape) { return Scratch(pool_, dtype, shape); }

    // Called by operations when recording, in execution order. With `outputs`, backward is skipped when none of them
    // got a gradient, and their gradients are recycled after it.
    void record(std::function<void()> backward) { record({}, std::move(backward)); }
    void record(std::vector<Var> outputs, std::function<void()> backward);
    // Keeps something that recorded operations refer to alive as long as the tape.
    void keep(std::shared_ptr<const void> object) { kept_.push_back(std::move(object)); }

    // The f32 gradient of v to add to: zeroed at its first use. `fresh` (may be null) is set when the caller may
    // overwrite instead of adding; then the buffer is not zeroed.
    Tensor grad_of(Var v, bool* fresh = nullptr);
    // Adds the gradient of `from`, of the same shape, to that of `to`; shares the buffer instead of copying where it
    // can.
    void pass_grad(Var to, Var from);
    // For kernels that overwrite: calls fill with one tensor of `type` for each of vars, and adds where a gradient was
    // there before.
    void fill_grads(std::initializer_list<Var> vars, DType type,
                    const std::function<void(std::span<const Tensor>)>& fill);

    // Runs the tape backwards from a scalar f32 `loss` whose gradient is `seed`, then clears the tape. Weight gradients
    // are added to; zero them first when they should start afresh.
    void backward(Var loss, float seed = 1);
    // The same from outputs whose grads the caller has filled already.
    void backward();
    void clear();  // forgets nodes, gradients and tape (the arena is the caller's)

  private:
    friend std::vector<Var> checkpoint(Graph&, Var, std::function<std::vector<Var>(Graph&, Var)>);

    struct Record {
        std::vector<Var> outputs;
        std::function<void()> backward;
    };
    struct Depth {  // how much of everything there is
        size_t nodes, tape, kept;
    };
    Depth depth() const { return {nodes_.size(), tape_.size(), kept_.size()}; }
    void unwind(size_t tape_depth);      // runs the tape backwards down to this depth
    void forget(const Depth& depth);     // what came after
    Tensor new_grad(Var v, DType type);  // uninitialised, replaces what was there
    void drop_grad(Var v);

    Arena& arena_;
    Options options_;
    bool recording_;
    std::vector<int32_t> cohorts_;
    BufferPool pool_;
    std::deque<Node> nodes_;
    std::vector<Record> tape_;
    std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace gremium::ops
