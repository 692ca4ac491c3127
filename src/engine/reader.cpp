#include "engine/reader.h"

#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "engine/memory.h"
#include "ops/ops.h"

namespace gremium::engine {
namespace {

ops::Graph::Options graph_options(const ReaderOptions& options) {
    ops::Graph::Options graph = running_options(options.compute);
    graph.observer = options.observer;
    return graph;
}

KvCache cache_of(const Model& model, const ReaderOptions& options) {
    if (options.chunk < 1) fail("a chunk of {} tokens, expected at least 1", options.chunk);
    require_memory(model,
                   {.context = options.context,
                    .chunk = std::min(options.chunk, options.context),
                    .logit_rows = std::min(logit_rows, options.context),
                    .cache = options.cache,
                    .compute = options.compute},
                   available_memory());
    return KvCache(model.spec, options.context, options.cache);
}

}  // namespace

int64_t window_length(const Model& model, int64_t asked) {
    const int64_t context = model.spec.context;
    if (asked < 0 || asked > context)
        fail("a window of {} tokens: {} has a context of {}", asked, model.source, context);
    return asked > 0 ? asked : std::min(context, longest_window);
}

int64_t windows_at_once(int64_t length) { return std::max<int64_t>(1, tokens_at_once / std::max<int64_t>(1, length)); }

std::vector<Window> windows_of(std::span<const std::vector<int32_t>> texts) {
    return std::vector<Window>(texts.begin(), texts.end());
}

Tensor Passage::logits_TV() {
    return logits(graph_, model_, hidden_TD_, rows_from(0, hidden_TD_->value.rows()))->value;
}

void Passage::each_logits(const OnLogits& on_row) { engine::each_logits(graph_, model_, hidden_TD_, on_row); }

std::vector<float> Passage::losses(std::span<const int32_t> targets_T) {
    std::vector<float> losses_T;
    const ModelWeights& weights = model_.weights;
    ops::cross_entropy(graph_, hidden_TD_, weights.head, targets_T,
                       {.bias = weights.head_bias, .token_losses = &losses_T});
    require_finite(losses_T, "the loss of token", model_);
    return losses_T;
}

Reader::Reader(Arena& arena, const Model& model, ReaderOptions options)
    : arena_(arena), model_(model), options_(options), graph_(arena, graph_options(options)) {
    if (options.context > 0) cache_.emplace(cache_of(model, options));
}

void Reader::read(std::span<const Window> windows, const OnPassage& on_passage) {
    for (size_t begin = 0, end; begin < windows.size(); begin = end) {
        end = begin + 1;
        if (windows[begin].empty()) fail("{}: a window of no tokens", model_.source);
        if (cache_) {
            read_chunks(windows[begin], begin, on_passage);
            continue;
        }
        const auto most = std::min(windows.size(), begin + static_cast<size_t>(std::max<int64_t>(1, options_.batch)));
        while (end < most && windows[end].size() == windows[begin].size()) ++end;
        read_together(windows.subspan(begin, end - begin), begin, on_passage);
    }
}

void Reader::read_together(std::span<const Window> windows, size_t number, const OnPassage& on_passage) {
    tokens_.clear();
    positions_.clear();
    for (const Window& window : windows) {
        tokens_.insert(tokens_.end(), window.begin(), window.end());
        for (size_t i = 0; i < window.size(); ++i) positions_.push_back(static_cast<int32_t>(i));
    }
    const Batch batch{
        .tokens = tokens_, .positions = positions_, .sequences = {}, .sequence_length = std::ssize(windows.front())};
    forward_and_tell(batch, number, windows.size(), on_passage);
}

void Reader::read_chunks(Window window, size_t number, const OnPassage& on_passage) {
    if (std::ssize(window) > cache_->capacity())
        fail("a window of {} tokens does not fit into a context of {}", window.size(), cache_->capacity());
    cache_->truncate(0);
    for (size_t begin = 0; begin < window.size(); begin += static_cast<size_t>(options_.chunk)) {
        const Window chunk =
            window.subspan(begin, std::min(static_cast<size_t>(options_.chunk), window.size() - begin));
        positions_ = rows_from(static_cast<int64_t>(begin), std::ssize(chunk));
        forward_and_tell({.tokens = chunk, .positions = positions_, .sequences = {}}, number, 1, on_passage);
    }
}

void Reader::forward_and_tell(const Batch& batch, size_t number, size_t windows, const OnPassage& on_passage) {
    graph_.clear();
    arena_.clear();
    KvCache* const cache = cache_ ? &*cache_ : nullptr;
    const Forward out = forward(graph_, model_, batch,
                                {.caches = std::span(&cache, cache ? 1 : 0), .hooks = std::span(&options_.hook, 1)});
    Passage passage(graph_, model_, batch, out.hidden_TD, number, windows);
    if (on_passage) on_passage(passage);
}

}  // namespace gremium::engine
