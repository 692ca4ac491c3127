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

// A value of the computation. `grad` has the value's shape. It exists from its first contribution during backward until
// the operation that made the value has run its backward; the gradient of an input stays until clear(). It is f32, or
// bf16 as long as it is a single contribution whose reader would probably round it anyway; grad_of() always makes it
// f32.
struct Node {
    Tensor value;
    Tensor grad;
    bool wants_grad = false;
    // Made by this graph: an operation that does not record may overwrite it.
    bool reusable = false;
    BufferPool::Buffer* grad_buffer = nullptr;
};
// Owned by the graph, valid until Graph::clear().
using Var = Node*;

// Keep one and clear() it after each step: its gradients then reuse the same memory.
class Graph {
  public:
    struct Options {
        bool record = false;
        // Type of the operands of matmuls; with bf16 they are rounded and sums stay f32.
        DType compute = DType::f32;
        // Type in which values that only feed matmuls are stored.
        DType activation = DType::f32;
        // Called for forward products; may be null.
        kernels::MatmulObserver* observer = nullptr;
    };
    Graph(Arena& arena, Options options) : arena_(arena), options_(options), recording_(options.record) {}
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    const Options& options() const { return options_; }
    // Sets the sequence of each token from now on; empty: all tokens are one sequence. Rows of products are computed as
    // if their sequence were alone (MatmulOptions::cohorts).
    void set_cohorts(std::span<const int32_t> sequences_T) { cohorts_.assign(sequences_T.begin(), sequences_T.end()); }
    std::span<const int32_t> cohorts() const { return cohorts_; }
    // The cohorts of these rows, if each token has `per_token` rows; empty if tokens have none.
    std::vector<int32_t> cohorts_of(std::span<const int32_t> rows, int64_t per_token = 1) const;
    // Whether operations record now; false in the first run of a recomputed body (checkpoint()) even in training.
    bool recording() const { return recording_; }
    bool training() const { return options_.record; }
    Arena& arena() { return arena_; }

    // A value that somebody else owns, such as an input. wants_grad: backward computes its gradient.
    Var input(Tensor value, bool wants_grad = false);
    // A fresh uninitialised value in the arena; by default it wants a gradient if recording.
    Var make(DType dtype, Shape shape) { return make(dtype, shape, true); }
    Var make(DType dtype, Shape shape, bool wants_grad);
    Scratch scratch(DType dtype, Shape shape) { return Scratch(pool_, dtype, shape); }

    // Called by operations when recording, in execution order. With `outputs`, the backward is skipped if none of them
    // got a gradient, and their gradients are recycled after it.
    void record(std::function<void()> backward) { record({}, std::move(backward)); }
    void record(std::vector<Var> outputs, std::function<void()> backward);
    // Keeps an object that recorded operations refer to alive as long as the tape.
    void keep(std::shared_ptr<const void> object) { kept_.push_back(std::move(object)); }

    // The f32 gradient of v, to be added to; it is zeroed at its first use. With `fresh` (may be null) it is not
    // zeroed: *fresh says that the caller must overwrite it instead of adding.
    Tensor grad_of(Var v, bool* fresh = nullptr);
    // Adds the gradient of `from` to that of `to`, which has the same shape; shares the buffer instead of copying if
    // possible.
    void pass_grad(Var to, Var from);
    // For kernels that overwrite their output: calls fill with one tensor of `type` for each of vars, and adds the
    // result to a gradient that existed before.
    void fill_grads(std::initializer_list<Var> vars, DType type,
                    const std::function<void(std::span<const Tensor>)>& fill);

    // Runs the tape backwards from a scalar f32 `loss` whose gradient is `seed`, then clears the tape. It adds to
    // weight gradients: zero them before the first use.
    void backward(Var loss, float seed = 1);
    // The same from outputs whose gradients the caller has filled in.
    void backward();
    // Forgets nodes, gradients and tape. The arena belongs to the caller and is not cleared.
    void clear();

  private:
    friend std::vector<Var> checkpoint(Graph&, Var, std::function<std::vector<Var>(Graph&, Var)>);

    struct Record {
        std::vector<Var> outputs;
        std::function<void()> backward;
    };
    // The lengths of the lists below.
    struct Depth {
        size_t nodes, tape, kept;
    };
    Depth depth() const { return {nodes_.size(), tape_.size(), kept_.size()}; }
    // Runs the tape backwards down to this depth.
    void unwind(size_t tape_depth);
    // Forgets everything after this depth.
    void forget(const Depth& depth);
    // Uninitialised; replaces the gradient that v had.
    Tensor new_grad(Var v, DType type);
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
