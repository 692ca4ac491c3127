#include "lab/trace/feed.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <vector>

#include "base/error.h"
#include "data/token_file.h"
#include "engine/session.h"

namespace gremium::lab {
namespace {

constexpr int64_t longest_window = 2048;  // unless asked for

int64_t window_of(const Model& model, const FeedOptions& options) {
    const int64_t context = model.spec.context;
    if (options.window < 0 || options.window > context)
        fail("a window of {} tokens: {} has a context of {}", options.window, model.source, context);
    return options.window > 0 ? options.window : std::min(context, longest_window);
}

}  // namespace

Fed feed(std::shared_ptr<const Model> model, std::span<const std::string_view> documents, const FeedOptions& options) {
    if (!model->tokenizer) fail("{}: holds no tokenizer", model->source);
    const auto window = static_cast<size_t>(window_of(*model, options));
    engine::Session session(model, {.context = static_cast<int64_t>(window), .hook = options.hook});
    Fed fed;
    std::vector<int32_t> waiting;
    const int64_t most = options.max_tokens > 0 ? options.max_tokens : std::numeric_limits<int64_t>::max();
    const auto left = [&] { return static_cast<size_t>(most - fed.tokens); };
    const auto evaluate = [&](std::span<const int32_t> tokens) {
        using Clock = std::chrono::steady_clock;
        const auto start = Clock::now();
        session.truncate(0);
        session.evaluate(tokens);
        fed.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        fed.tokens += static_cast<int64_t>(tokens.size());
    };
    for (const std::string_view document : documents) {
        std::ranges::copy(data::encode_document(*model->tokenizer, document), std::back_inserter(waiting));
        size_t done = 0;
        for (; waiting.size() - done >= window && left() >= window; done += window)
            evaluate(std::span(waiting).subspan(done, window));
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
        if (waiting.size() >= left()) break;
    }
    waiting.resize(std::min(waiting.size(), left()));
    if (!waiting.empty()) evaluate(waiting);
    return fed;
}

}  // namespace gremium::lab
