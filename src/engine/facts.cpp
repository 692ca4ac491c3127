#include "engine/facts.h"

#include <algorithm>

#include "base/memory.h"
#include "engine/session.h"
#include "model/kv_cache.h"

namespace gremium::engine {

ModelFacts facts_of(const Model& model, DType cache) {
    const auto bytes = [&](int64_t context) { return KvCache::bytes(model.spec, context, cache); };
    const int64_t per_token = bytes(2) - bytes(1);
    ModelFacts facts{.size = size_of(model.spec),
                     .bytes = footprint(model),
                     .kv_bytes_per_token = per_token,
                     .state_bytes = bytes(1) - per_token};
    for (const LayerSpec& layer : model.spec.layers) {
        facts.moe_layers += layer.moe() != nullptr;
        if (!cache_of(layer).states.empty()) {
            ++facts.recurrent_layers;
            const auto name = [](const auto& mixer) { return mixer.kind_name; };
            if (!facts.recurrent) facts.recurrent = std::visit(name, layer.mixer);
        }
        facts.ssm_layers += layer.ssm() != nullptr;
        if (!facts.moe) facts.moe = layer.moe();
        if (!facts.ssm) facts.ssm = layer.ssm();
        if (!facts.attention) facts.attention = layer.attention();
    }
    return facts;
}

RunMemory run_memory(const Model& model, int64_t context, DType cache) {
    if (context == 0) context = model.spec.context;
    const MemoryOptions options{
        .context = context, .chunk = std::min<int64_t>(SessionOptions{}.prefill_chunk, context), .cache = cache};
    MemoryOptions unlimited = options;
    unlimited.context = model.spec.context;
    const int64_t available = available_memory();
    return {.options = options,
            .need = memory_need(model, options),
            .program = std::max<int64_t>(resident_memory().anonymous - model.converted_bytes, 0),
            .available = available,
            .longest_context = fitting_context(model, unlimited, available)};
}

}  // namespace gremium::engine
