#include "engine/evaluate.h"

#include <algorithm>
#include <numbers>

#include "base/error.h"

namespace gremium::engine {

double Evaluation::bits_per_byte(int64_t bytes) const {
    return bytes ? nats / std::numbers::ln2 / static_cast<double>(bytes) : 0;
}

namespace {

// The windows of a text, their targets, and how many of the targets earlier windows have counted.
struct Plan {
    std::vector<Window> windows, targets;
    std::vector<size_t> counted;
};

Plan plan_windows(std::span<const int32_t> tokens, size_t window, size_t stride) {
    const size_t predicted = tokens.size() - 1;
    Plan plan;
    for (size_t begin = 0, done = 0; done < predicted; begin += stride) {
        const size_t length = std::min(window, predicted - begin);
        plan.windows.push_back(tokens.subspan(begin, length));
        plan.targets.push_back(tokens.subspan(begin + 1, length));
        plan.counted.push_back(done - begin);
        done = begin + length;
    }
    return plan;
}

// A window's last token is only predicted.
Plan plan_last_halves(std::span<const int32_t> tokens, size_t window) {
    if (window < 3 || tokens.size() < 2 * window)
        fail("evaluating last halves: at least two windows of {} tokens expected, got {} tokens",
             std::max<size_t>(window, 3), tokens.size());
    Plan plan;
    for (size_t begin = 0; begin + window <= tokens.size(); begin += window) {
        plan.windows.push_back(tokens.subspan(begin, window - 1));
        plan.targets.push_back(tokens.subspan(begin + 1, window - 1));
        plan.counted.push_back(window / 2);
    }
    return plan;
}

}  // namespace

Evaluation evaluate(const Model& model, std::span<const int32_t> tokens, const EvaluateOptions& options) {
    if (tokens.size() < 2) fail("evaluating needs at least 2 tokens, got {}", tokens.size());
    const int64_t stride = options.stride ? options.stride : options.window;
    if (stride < 1 || stride > options.window)
        fail("evaluating: a stride of 1 to {} expected, got {}", options.window, stride);
    const auto window = static_cast<size_t>(options.window);
    const Plan plan = options.last_halves ? plan_last_halves(tokens, window)
                                          : plan_windows(tokens, window, static_cast<size_t>(stride));

    Arena arena;
    Reader reader(
        arena, model,
        {.compute = options.compute, .hook = options.hook, .observer = options.observer, .batch = options.batch});
    Evaluation result;
    std::vector<int32_t> targets;
    reader.read(plan.windows, [&](Passage& passage) {
        targets.clear();
        for (size_t w = passage.window(); w < passage.window() + passage.windows(); ++w) {
            const Window own = plan.targets[w].subspan(plan.counted[w]);
            targets.insert(targets.end(), plan.counted[w], -1);
            targets.insert(targets.end(), own.begin(), own.end());
            result.tokens += std::ssize(own);
        }
        for (const float loss : passage.losses(targets)) result.nats += static_cast<double>(loss);
    });
    return result;
}

}  // namespace gremium::engine
