// Runs windows of text through a model. Everything that evaluates, compares, searches, traces or measures importance
// reads through this class.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/logits.h"
#include "model/decoder.h"

namespace gremium::engine {

// Windows are as long as the model's context, but by default no longer than this: models state contexts of up to a
// million tokens, and the work of attention per token grows with the number of preceding tokens.
inline constexpr int64_t longest_window = 2048;
// Windows are read together until they have about this many tokens. If a token chooses k of E experts, each expert then
// gets 4096 · k / E of them on average, 64 even with k = 1 of 64, enough for products to run at full speed. More tokens
// would only need more memory.
inline constexpr int64_t tokens_at_once = 4096;

// The length of windows: `asked`, or the default if it is 0. Throws Error if it is longer than the model's context.
int64_t window_length(const Model& model, int64_t asked);
// How many windows of this length are read together.
int64_t windows_at_once(int64_t length);

using Window = std::span<const int32_t>;
std::vector<Window> windows_of(std::span<const std::vector<int32_t>> texts);

struct ReaderOptions {
    DType compute = DType::f32;  // of matmuls (running_options)
    moe::RoutingHook* hook = nullptr;
    kernels::MatmulObserver* observer = nullptr;
    int64_t batch = 1;  // windows of one length per forward
    // Above 0: each window is read by itself instead, `chunk` tokens per forward, through a cache for this many tokens.
    // Then windows of any length need only the memory of a chunk and of the cache.
    int64_t context = 0;
    int64_t chunk = 512;
    DType cache = DType::f32;
};

// The model's output for T tokens: whole windows of one length, one after the other, or a chunk of one window. Valid
// during the reader's callback.
class Passage {
  public:
    // The index of the first window among those read.
    size_t window() const { return window_; }
    // The number of windows.
    size_t windows() const { return windows_; }
    // The position of the first token in its window.
    int64_t position() const { return batch_.positions.front(); }
    std::span<const int32_t> tokens() const { return batch_.tokens; }

    TensorView hidden_TD() const { return hidden_TD_->value; }
    // f32 [T, V]. The caller may overwrite it.
    Tensor logits_TV();
    // Calls on_row(t, logits) for each token. Logits are computed for a few tokens at a time, which bounds their
    // memory.
    void each_logits(const OnLogits& on_row);
    // −ln p(target) in nats for each token, 0 for targets of −1. Logits are computed for a few tokens at a time.
    std::vector<float> losses(std::span<const int32_t> targets_T);

  private:
    friend class Reader;
    Passage(ops::Graph& graph, const Model& model, const Batch& batch, ops::Var hidden_TD, size_t window,
            size_t windows)
        : graph_(graph), model_(model), batch_(batch), hidden_TD_(hidden_TD), window_(window), windows_(windows) {}

    ops::Graph& graph_;
    const Model& model_;
    const Batch& batch_;
    ops::Var hidden_TD_;
    size_t window_, windows_;
};

class Reader {
  public:
    using OnPassage = std::function<void(Passage&)>;

    // Several readers may share an arena if they read one at a time. The model must outlive the reader. Throws Error
    // for a context that does not fit into memory.
    Reader(Arena& arena, const Model& model, ReaderOptions options = {});

    // Each window begins a new context. `on_passage` may be null if only a hook or an observer is of interest. Throws
    // Error for ids outside the vocabulary, an empty window, and a window longer than ReaderOptions::context.
    void read(std::span<const Window> windows, const OnPassage& on_passage = {});

  private:
    void read_together(std::span<const Window> windows, size_t number, const OnPassage& on_passage);
    void read_chunks(Window window, size_t number, const OnPassage& on_passage);
    void forward_and_tell(const Batch& batch, size_t number, size_t windows, const OnPassage& on_passage);

    Arena& arena_;
    const Model& model_;
    ReaderOptions options_;
    ops::Graph graph_;
    std::optional<KvCache> cache_;
    std::vector<int32_t> tokens_, positions_;
};

}  // namespace gremium::engine
