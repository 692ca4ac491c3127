#include "lab/find/saliency.h"

#include "base/error.h"
#include "base/random.h"
#include "engine/reader.h"
#include "hooks/trace_blocks.h"
#include "lab/trace/counts.h"

namespace gremium::lab {
namespace {

SaliencyTable random_table(const ModelSpec& spec, uint64_t seed) {
    SaliencyTable table(spec.layers.size());
    Random random(seed, 0x12);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const MoeSpec* moe = spec.layers[l].moe();
        for (int e = 0; moe && e < moe->router.experts; ++e) table[l].push_back(random.uniform());
    }
    return table;
}

double score(const LayerCounts& counts, size_t e, Saliency by) {
    const auto chosen = static_cast<double>(counts.chosen_E[e]);
    if (by == Saliency::frequency) return chosen;
    if (by == Saliency::gate) return counts.weight_E[e];
    return chosen > 0 ? counts.weighted_norm_E[e] / chosen : 0;
}

}  // namespace

SaliencyTable measure_saliency(const Model& model, Saliency by, const data::Windows& windows, uint64_t seed,
                               engine::Arithmetic arithmetic) {
    if (by == Saliency::random) return random_table(model.spec, seed);
    if (windows.empty()) fail("no text to measure how much experts matter (--calibrate)");
    RouteCounts counts(hooks::trace_layers(model.spec));
    hooks::TraceCollector collector(model.spec, {.norms = by == Saliency::reap},
                                    [&](const hooks::TraceBlock& block) { counts.add(block); });
    Arena arena;
    engine::Reader reader(arena, model,
                          {.compute = engine::compute_of(arithmetic),
                           .hook = &collector,
                           .batch = engine::windows_at_once(std::ssize(windows.front()))});
    reader.read(engine::windows_of(windows));
    collector.finish();
    SaliencyTable table(model.spec.layers.size());
    for (const LayerCounts& layer : counts.layers())
        for (size_t e = 0; e < static_cast<size_t>(layer.experts); ++e)
            table[static_cast<size_t>(layer.layer)].push_back(score(layer, e, by));
    return table;
}

}  // namespace gremium::lab
