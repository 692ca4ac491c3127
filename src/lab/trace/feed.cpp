#include "lab/trace/feed.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <vector>

#include "base/error.h"
#include "data/token_file.h"
#include "engine/reader.h"

namespace gremium::lab {

Fed feed(const Model& model, std::span<const std::string_view> documents, const FeedOptions& options) {
    if (!model.tokenizer) fail("{}: holds no tokenizer", model.source);
    const auto window = static_cast<size_t>(engine::window_length(model, options.window));
    Arena arena;
    engine::Reader reader(arena, model,
                          {.compute = engine::compute_of(options.arithmetic),
                           .hook = options.hook,
                           .context = static_cast<int64_t>(window)});
    Fed fed;
    std::vector<int32_t> waiting;
    const int64_t most = options.max_tokens > 0 ? options.max_tokens : std::numeric_limits<int64_t>::max();
    const auto left = [&] { return static_cast<size_t>(most - fed.tokens); };
    const auto read = [&](engine::Window tokens) {
        using Clock = std::chrono::steady_clock;
        const auto start = Clock::now();
        reader.read(std::span(&tokens, 1));
        fed.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        fed.tokens += static_cast<int64_t>(tokens.size());
    };
    for (const std::string_view document : documents) {
        std::ranges::copy(data::encode_document(*model.tokenizer, document), std::back_inserter(waiting));
        size_t done = 0;
        for (; waiting.size() - done >= window && left() >= window; done += window)
            read(std::span(waiting).subspan(done, window));
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
        if (waiting.size() >= left()) break;
    }
    waiting.resize(std::min(waiting.size(), left()));
    if (!waiting.empty()) read(waiting);
    return fed;
}

}  // namespace gremium::lab
