#include "lab/trace/speed.h"

#include "base/median.h"
#include "data/documents.h"
#include "lab/trace/feed.h"
#include "lab/trace/trace_file.h"

namespace gremium::lab {

TraceSpeed measure_trace_speed(const Model& model, const std::vector<std::string>& files,
                               const std::filesystem::path& directory, const TraceSpeedOptions& options) {
    const data::Documents documents(files, options.note);
    const auto speed = [&](moe::RoutingHook* hook) {
        const Fed fed = feed(
            model, documents.all(),
            {.window = options.window, .max_tokens = options.tokens, .arithmetic = options.arithmetic, .hook = hook});
        return static_cast<double>(fed.tokens) / fed.seconds;
    };
    std::vector<double> untraced, traced, ratio;
    for (int round = 0; round < options.rounds; ++round) {
        untraced.push_back(speed(nullptr));
        // It is never finished, so no file is left behind.
        TraceWriter writer(
            directory, {.vocab = model.spec.vocab, .norms = options.norms, .layers = hooks::trace_layers(model.spec)});
        hooks::TraceCollector collector(model.spec, {.norms = options.norms},
                                        [&](const hooks::TraceBlock& block) { writer.write(block); });
        traced.push_back(speed(&collector));
        ratio.push_back(traced.back() / untraced.back());
    }
    return {.untraced = median(untraced), .traced = median(traced), .ratio = median(ratio)};
}

}  // namespace gremium::lab
