// Windows of text through a model: what evaluates, compares, searches, traces and measures importance reads with.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/logits.h"
#include "model/decoder.h"

namespace gremium::engine {

// Windows are as long as the model's context, but no longer than this unless asked for: models state contexts of up to
// a million tokens, and attention's work on a token grows with all that came before it.
inline constexpr int64_t longest_window = 2048;
// Windows are read side by side until they have about so many tokens together: where a token chooses k of E experts,
// each expert then meets 4096 · k / E of them, 64 even for one of 64, enough for products to run at full speed. More
// would only take memory.
inline constexpr int64_t tokens_at_once = 4096;

// The length to read in: what was asked for (0: nothing was). Throws Error beyond the model's context.
int64_t window_length(const Model& model, int64_t asked);
// How many windows of a length are read side by side.
int64_t windows_at_once(int64_t length);

using Window = std::span<const int32_t>;
std::vector<Window> windows_of(std::span<const std::vector<int32_t>> texts);

struct ReaderOptions {
    DType compute = DType::f32;  // of matmuls (running_options)
    moe::RoutingHook* hook = nullptr;
    kernels::MatmulObserver* observer = nullptr;
    int64_t batch = 1;  // windows of one length that a forward reads side by side
    // Above 0: each window is read by itself instead, `chunk` tokens a forward, through a cache of so many tokens. Then
    // windows of any length take the memory of a chunk and of the cache.
    int64_t context = 0;
    int64_t chunk = 512;
    DType cache = DType::f32;
};

// What the model makes of T tokens: of whole windows of one length, one after the other, or of a chunk of one window.
// Lives while the reader's callback runs.
class Passage {
  public:
    size_t window() const { return window_; }                      // the first one's number among those read
    size_t windows() const { return windows_; }                    // how many there are
    int64_t position() const { return batch_.positions.front(); }  // of the first token in its window
    std::span<const int32_t> tokens() const { return batch_.tokens; }

    TensorView hidden_TD() const { return hidden_TD_->value; }
    // f32 [T, V]. May be written to.
    Tensor logits_TV();
    // The same in blocks of few tokens, which bounds their memory: calls on_row(t, logits) for each token.
    void each_logits(const OnLogits& on_row);
    // −ln p(target) of each token, 0 for targets of −1. Logits are made in blocks.
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

    // Several readers may share an arena, one at a time. The model must outlive the reader. Throws Error for a context
    // that does not fit into memory.
    Reader(Arena& arena, const Model& model, ReaderOptions options = {});

    // Each window begins a fresh context. `on_passage` may be null: for the sake of a hook or an observer. Throws Error
    // for ids outside the vocabulary, an empty window, and one that is longer than a context that was given.
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
