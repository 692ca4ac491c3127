#include "model/evaluate.h"

#include <algorithm>
#include <numbers>

#include "base/error.h"

namespace gremium {

double Evaluation::bits_per_byte(int64_t bytes) const {
    return bytes ? nats / std::numbers::ln2 / static_cast<double>(bytes) : 0;
}

Evaluation evaluate(const Model& model, std::span<const int32_t> tokens, const EvaluateOptions& options) {
    if (tokens.size() < 2) fail("evaluating needs at least 2 tokens, got {}", tokens.size());
    const auto predicted = static_cast<int64_t>(tokens.size()) - 1;
    const int64_t window = std::min(options.window, predicted);
    Arena arena;
    ops::Graph graph(arena, {.record = false, .compute = options.compute, .activation = options.activation});
    Evaluation result;
    std::vector<int32_t> positions;
    std::vector<float> losses;
    for (int64_t begin = 0; begin < predicted;) {
        const int64_t left = predicted - begin;
        const int64_t length = std::min(window, left);  // the last window may be shorter, alone in its batch
        const int64_t count = std::max<int64_t>(1, std::min(options.batch, left / window)) * length;
        positions.resize(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i)
            positions[static_cast<size_t>(i)] = static_cast<int32_t>(i % length);
        const auto input = tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
        const auto target = tokens.subspan(static_cast<size_t>(begin) + 1, static_cast<size_t>(count));
        const Forward out =
            forward(graph, model,
                    {.tokens = input, .positions = positions, .sequences = {}, .sequence_length = length},
                    {.cache = nullptr, .hook = options.hook, .recompute = false});
        ops::cross_entropy(graph, out.hidden_TD, model.weights.head, target, {.token_losses = &losses});
        for (const float loss : losses) result.nats += static_cast<double>(loss);
        result.tokens += count;
        begin += count;
        graph.clear();
        arena.clear();
    }
    return result;
}

}  // namespace gremium
