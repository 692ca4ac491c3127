#include "engine/memory.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/footprint.h"
#include "kernels/quantised/quantised.h"
#include "model/decoder.h"
#include "model/kv_cache.h"
#include "model/layers/row_bytes.h"
#include "model/named_weights.h"

namespace gremium::engine {

namespace {

// Per thread: panels into which products are packed, and tiles of attention.
constexpr int64_t thread_bytes = int64_t{4} << 20;

int64_t block_bytes(const LayerSpec& layer, int64_t dim, const RowBytes& t) {
    const auto bytes = [&](const auto& kind) { return forward_bytes(kind, dim, t); };
    int64_t sum = (layer.has_mixer() ? 2 : 1) * t(dim);  // norms
    if (layer.post_norms) sum += 2 * t(dim);
    if (layer.branch) sum += t(dim) + bytes(*layer.branch);
    if (const MoeSpec* m = layer.moe(); m && m->routes_block_input) sum += t.f32(dim);
    sum += std::visit(bytes, layer.mixer) + std::visit(bytes, layer.feed_forward);
    return layer.cross ? sum + cross_forward_bytes(*layer.cross, dim, t) : sum;
}

// The rows of the widest product with block-quantised weights, rounded to integers (kernels/quantised/quantised.h).
int64_t rounded_rows_bytes(const Model& model, int64_t tokens) {
    int64_t most = 0;
    const auto add = [&](int64_t rows, const ops::Weight& w, bool fine) {
        if (w && is_quantised(w.value.dtype))
            most = std::max(most, rows * kernels::rounded_bytes(w.value.cols(), fine));
    };
    for (const NamedWeight& w : named_weights(model))
        if (w.slot.layer >= 0) add(tokens, w.weight, true);
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        const MoeSpec* moe = model.spec.layers[l].moe();
        if (!moe) continue;
        const moe::ExpertWeights& expert = model.experts->peek({static_cast<int>(l), 0});
        add(tokens, expert.up, false);
        add(tokens * moe->router.top_k, expert.down, false);
    }
    return most;
}

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / 0x1p20; }

}  // namespace

int64_t activation_bytes(const ModelSpec& spec, const MemoryOptions& options) {
    const RowBytes t{options.chunk, running_options(options.compute).activation},
        logits{options.logit_rows, DType::f32};
    // What follows the last block.
    int64_t block = t(spec.dim) + logits(spec.vocab);
    for (const LayerSpec& layer : spec.layers) block = std::max(block, block_bytes(layer, spec.dim, t));
    std::vector<RopeSpec> rotations;
    int64_t tables = 0;
    for_each_attention(spec, [&](const AttentionSpec& a) {
        if (!a.rope.enabled || std::ranges::find(rotations, a.rope) != rotations.end()) return;
        rotations.push_back(a.rope);
        tables += t.f32(a.rope.dims);
    });
    if (spec.first_sinusoid >= 0) tables += t.f32(spec.dim);
    if (spec.relative_bias.buckets > 0) {
        const RowBytes heads{spec.layers.front().attention()->heads, DType::f32};
        // One score per distance.
        tables += heads(2 * std::max(options.context, options.chunk) + 65);
    }
    return t.f32(spec.dim) + tables + block;
}

MemoryNeed memory_need(const Model& model, const MemoryOptions& options) {
    MemoryNeed need;
    need.converted = model.converted_bytes;
    need.weights = footprint(model).total - need.converted;
    for (const LayerSpec& layer : model.spec.layers) {
        const LayerCache cache = cache_of(layer);
        (cache.latent ? need.latents : need.keys_values) +=
            options.context * row_bytes(options.cache, cache.key + cache.value);
    }
    need.states = KvCache::bytes(model.spec, options.context, options.cache) - need.keys_values - need.latents;
    need.activations = activation_bytes(model.spec, options) + threads() * thread_bytes;
    if (options.compute == DType::q8_0) need.activations += rounded_rows_bytes(model, options.chunk);
    return need;
}

int64_t fitting_context(const Model& model, MemoryOptions options, int64_t memory) {
    const int64_t wanted = options.context;
    options.context = 0;
    const MemoryNeed fixed = memory_need(model, options);
    const int64_t per_token = KvCache::bytes(model.spec, 1, options.cache) - fixed.states;
    const int64_t left = std::max<int64_t>(memory - fixed.cache() - fixed.activations, 0);
    return per_token == 0 ? wanted : std::clamp<int64_t>(left / per_token, 1, wanted);
}

void require_memory(const Model& model, const MemoryOptions& options, int64_t memory) {
    const MemoryNeed need = memory_need(model, options);
    if (need.cache() + need.activations <= memory) return;
    if (options.context == 0)
        fail(
            "{}: {} tokens at a time do not fit into memory: their activations take {:.1f} MiB, {:.1f} MiB "
            "are free",
            model.source, options.chunk, mebibytes(need.activations), mebibytes(memory));
    fail(
        "{}: a context of {} tokens does not fit into memory: {:.1f} MiB of cache and {:.1f} MiB of "
        "activations are "
        "needed, {:.1f} MiB are free: at most {} tokens fit",
        model.source, options.context, mebibytes(need.cache()), mebibytes(need.activations), mebibytes(memory),
        fitting_context(model, options, memory));
}

}  // namespace gremium::engine
