#include "engine/memory.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/footprint.h"
#include "kernels/quantised/quantised.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace gremium::engine {

namespace {

constexpr int64_t thread_bytes = int64_t{4} << 20;  // panels that products are packed into, tiles of attention

// Sizes of tensors [tokens, columns] as an arena gives them out.
struct Rows {
    int64_t tokens;
    DType type;

    int64_t operator()(int64_t columns) const { return of(type, columns); }
    int64_t f32(int64_t columns) const { return of(DType::f32, columns); }

  private:
    int64_t of(DType dtype, int64_t columns) const { return (tokens * row_bytes(dtype, columns) + 63) / 64 * 64; }
};

int64_t heads_bytes(const AttentionSpec& a, Rows t) {
    const int64_t q = int64_t{a.heads} * a.head_dim, k = int64_t{a.kv_heads} * a.head_dim;
    const int64_t normed = a.qk_norm == QkNorm::none ? 0 : t(q) + t(k);
    return t(q) + t(k) + t(int64_t{a.kv_heads} * a.value_dim) + normed + t(int64_t{a.heads} * a.value_dim);
}

int64_t latent_bytes(const AttentionSpec& a, Rows t) {
    const int64_t rank = a.latent.rank, turned = a.rope.dims, q = int64_t{a.heads} * a.head_dim;
    const int64_t queries = 2 * t(a.latent.query_rank) + 2 * t(q);  // whole, then in two parts
    const int64_t keys = 2 * t(rank + turned) + 2 * t(rank) + t(turned);
    const int64_t absorbed = t(a.heads * rank) + t(a.heads * (rank + turned));
    // its products lie by head first
    return queries + keys + absorbed + t(a.heads * rank) + t(int64_t{a.heads} * a.value_dim) +
           t(a.heads * std::max<int64_t>(rank, a.value_dim));
}

int64_t attention_bytes(const AttentionSpec& a, int64_t dim, Rows t) {
    const int64_t tempered = a.temperature == 0 ? 0 : t(int64_t{a.heads} * a.head_dim);
    return (a.latent.rank > 0 ? latent_bytes(a, t) : heads_bytes(a, t)) + tempered + t(dim);
}

int64_t cross_bytes(const AttentionSpec& a, int64_t dim, Rows t) {
    return 2 * t(dim) + t(int64_t{a.heads} * a.head_dim) + t(int64_t{a.heads} * a.value_dim);
}

int64_t ssm_bytes(const SsmSpec& s, int64_t dim, Rows t) {
    const int64_t projected = t.f32(s.dt_rank) + 2 * t.f32(s.state);
    return 5 * t.f32(s.inner) + 2 * t(s.inner) + projected * (s.inner_norms ? 2 : 1) + t(dim);
}

int64_t dense_bytes(int64_t hidden, bool gated, int64_t dim, Rows t) { return (gated ? 3 : 2) * t(hidden) + t(dim); }

int64_t mixture_bytes(const MoeSpec& m, int64_t dim, Rows t) {
    const Rows routed{t.tokens * m.router.top_k, t.type};
    int64_t sum = 2 * t.f32(m.router.experts) + t.f32(m.router.top_k);  // logits, scores, weights
    sum += dense_bytes(m.hidden, m.gated, dim, routed) + t.f32(dim);
    if (m.router.weight_on_input) sum += routed(dim);
    if (m.shared_hidden > 0) sum += dense_bytes(m.shared_hidden, true, dim, t);
    if (m.shared_gate) sum += t(dim) + 2 * t.f32(1);
    return sum;
}

int64_t block_bytes(const LayerSpec& layer, int64_t dim, Rows t) {
    int64_t sum = 2 * t(dim);  // norms
    if (const AttentionSpec* a = layer.attention()) sum += attention_bytes(*a, dim, t);
    if (const SsmSpec* s = layer.ssm()) sum += ssm_bytes(*s, dim, t);
    if (layer.cross) sum += cross_bytes(*layer.cross, dim, t);
    if (const MoeSpec* m = layer.moe()) sum += mixture_bytes(*m, dim, t);
    if (const DenseSpec* d = layer.dense()) sum += dense_bytes(d->hidden, d->gated, dim, t);
    return sum;
}

// Of the widest product of block-quantised weights: its rows, rounded to whole numbers (kernels/quantised/quantised.h).
int64_t rounded_rows_bytes(const Model& model, int64_t tokens) {
    int64_t most = 0;
    const auto add = [&](int64_t rows, const ops::Weight& w, bool fine) {
        if (w && is_quantised(w.value.dtype))
            most = std::max(most, rows * kernels::rounded_bytes(w.value.cols(), fine));
    };
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        for_each_weight(model.weights.layers[l], [&](std::string_view, const ops::Weight& w) { add(tokens, w, true); });
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
    const Rows t{options.chunk, options.activation}, logits{options.logit_rows, DType::f32};
    int64_t block = t(spec.dim) + logits(spec.vocab);  // what follows the last one
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
        const Rows heads{spec.layers.front().attention()->heads, DType::f32};
        tables += heads(2 * std::max(options.context, options.chunk) + 65);  // a score a distance
    }
    return t.f32(spec.dim) + tables + block;
}

MemoryNeed memory_need(const Model& model, const MemoryOptions& options) {
    MemoryNeed need;
    need.converted = model.converted_bytes;
    need.weights = footprint(model).total - need.converted;
    for_each_attention(model.spec, [&](const AttentionSpec& a) {
        const CacheWidths widths = cache_widths(a);
        (a.latent.rank > 0 ? need.latents : need.keys_values) +=
            options.context * row_bytes(options.cache, widths.key + widths.value);
    });
    need.states = KvCache::bytes(model.spec, options.context, options.cache) - need.keys_values - need.latents;
    need.activations =
        activation_bytes(model.spec, options) + rounded_rows_bytes(model, options.chunk) + threads() * thread_bytes;
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
