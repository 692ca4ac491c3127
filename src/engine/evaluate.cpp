#include "engine/evaluate.h"

#include <algorithm>
#include <numbers>

#include "base/error.h"

namespace gremium::engine {

double Evaluation::bits_per_byte(int64_t bytes) const {
    return bytes ? nats / std::numbers::ln2 / static_cast<double>(bytes) : 0;
}

namespace {

// `length` inputs from `begin` on; the first `counted` of their targets were counted by earlier windows.
struct Window {
    int64_t begin, length, counted;
};

std::vector<Window> plan_windows(int64_t predicted, int64_t window, int64_t stride) {
    std::vector<Window> windows;
    for (int64_t begin = 0, done = 0; done < predicted; begin += stride) {
        const int64_t length = std::min(window, predicted - begin);
        windows.push_back({begin, length, done - begin});
        done = begin + length;
    }
    return windows;
}

}  // namespace

Evaluation evaluate(const Model& model, std::span<const int32_t> tokens, const EvaluateOptions& options) {
    if (tokens.size() < 2) fail("evaluating needs at least 2 tokens, got {}", tokens.size());
    const auto predicted = static_cast<int64_t>(tokens.size()) - 1;
    const int64_t stride = options.stride ? options.stride : options.window;
    if (stride < 1 || stride > options.window)
        fail("evaluating: a stride of 1 to {} expected, got {}", options.window, stride);
    const std::vector<Window> windows = plan_windows(predicted, options.window, stride);

    Arena arena;
    ops::Graph graph(
        arena,
        {.record = false, .compute = options.compute, .activation = options.activation, .observer = options.observer});
    Evaluation result;
    std::vector<int32_t> inputs, targets, positions;
    std::vector<float> losses;
    for (size_t next = 0; next < windows.size();) {
        const int64_t length = windows[next].length;  // only the last window may be shorter, alone in its batch
        inputs.clear();
        targets.clear();
        positions.clear();
        for (int64_t n = 0; n < options.batch && next < windows.size() && windows[next].length == length; ++n) {
            const Window& w = windows[next++];
            for (int64_t i = 0; i < length; ++i) {
                inputs.push_back(tokens[static_cast<size_t>(w.begin + i)]);
                targets.push_back(i < w.counted ? -1 : tokens[static_cast<size_t>(w.begin + i + 1)]);
                positions.push_back(static_cast<int32_t>(i));
            }
            result.tokens += length - w.counted;
        }
        const Forward out = forward(
            graph, model, {.tokens = inputs, .positions = positions, .sequences = {}, .sequence_length = length},
            {.caches = {}, .hooks = std::span(&options.hook, 1), .recompute = false});
        ops::cross_entropy(graph, out.hidden_TD, model.weights.head, targets,
                           {.bias = model.weights.head_bias, .token_losses = &losses});
        for (const float loss : losses) result.nats += static_cast<double>(loss);
        graph.clear();
        arena.clear();
    }
    return result;
}

}  // namespace gremium::engine
