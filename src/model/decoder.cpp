#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "ops/ops.h"
#include "ops/stages.h"

namespace gremium {

using ops::Graph;
using ops::Var;

namespace {

Var times(Graph& g, Var x, float factor) { return factor == 1 ? x : ops::scale(g, x, factor); }

// Without recording the stream is summed in place: what is read of it later is a copy.
Var copy(Graph& g, Var x_TD) { return ops::head_columns(g, x_TD, 1, 0, x_TD->value.cols()); }

// Mixtures that see the block's input, beside a dense branch or in their router.
bool reads_block_input(const LayerSpec& parts) {
    const MoeSpec* m = parts.moe();
    return m && m->routes_block_input;
}

Var block(Graph& g, Var x_TD, int layer, const BlockContext& context, LayerRouting& routing) {
    const NormSpec& spec = context.model.spec.norm;
    const float share = context.model.spec.residual_scale;
    const LayerWeights& w = context.model.weights.layers[static_cast<size_t>(layer)];
    const LayerSpec& parts = context.model.spec.layers[static_cast<size_t>(layer)];
    const Var early = parts.branch     ? norm(g, x_TD, spec, w.feed_forward_norm)
                      : parts.parallel ? norm(g, x_TD, spec, w.mixer_norm)
                                       : nullptr;
    routing.block_input = reads_block_input(parts) ? copy(g, x_TD) : nullptr;
    if (parts.has_mixer()) {
        const Var mixer_in = parts.parallel ? early : norm(g, x_TD, spec, w.mixer_norm);
        Var mixed = visit_kind(parts.mixer, w.mixer, [&](const auto& kind, const auto& weights) {
            return layer_forward(g, mixer_in, kind, weights, layer, context);
        });
        if (parts.post_norms) mixed = norm(g, mixed, spec, w.mixer_post_norm);
        show(context, moe::Part::mixer, layer, mixed);
        x_TD = ops::add(g, x_TD, times(g, mixed, share));
    }
    if (parts.cross) {
        const Var seen = cross_forward(g, norm(g, x_TD, spec, w.cross_norm), *parts.cross, w.cross, layer, context);
        show(context, moe::Part::cross, layer, seen);
        x_TD = ops::add(g, x_TD, times(g, seen, share));
    }
    if (!parts.has_feed_forward()) return x_TD;
    if (parts.branch) {
        LayerRouting none;
        const Var dense =
            layer_forward(g, norm(g, x_TD, spec, w.branch_norm), *parts.branch, w.branch, layer, context, none);
        x_TD = ops::add(g, x_TD, times(g, dense, share));
    }
    const Var fed_in = early ? early : norm(g, x_TD, spec, w.feed_forward_norm);
    Var fed = visit_kind(parts.feed_forward, w.feed_forward, [&](const auto& kind, const auto& weights) {
        return layer_forward(g, fed_in, kind, weights, layer, context, routing);
    });
    if (parts.post_norms) fed = norm(g, fed, spec, w.feed_forward_post_norm);
    return ops::add(g, x_TD, times(g, fed, share));
}

// The block's inside is forgotten and computed again in the backward.
Var recomputed_block(Graph& g, Var x_TD, int layer, std::shared_ptr<const BlockContext> context,
                     LayerRouting& routing) {
    const auto first_run = std::make_shared<LayerRouting>();
    const auto body = [layer, context, first_run](Graph& graph, Var x) -> std::vector<Var> {
        LayerRouting now;
        const Var y = block(graph, x, layer, *context, now);
        *first_run = now;
        return {y, now.balance_loss, now.z_loss};
    };
    const std::vector<Var> out = ops::checkpoint(g, x_TD, body);
    routing = {first_run->layer, first_run->load_E, out[1], out[2]};
    return out[0];
}

void check(const Model& model, const Batch& batch, const ForwardOptions& options) {
    const size_t tokens = batch.tokens.size();
    if (tokens == 0) fail("{}: a forward of no tokens", model.source);
    if (batch.positions.size() != tokens || (!batch.sequences.empty() && batch.sequences.size() != tokens))
        fail("{}: {} tokens, but {} positions", model.source, tokens, batch.positions.size());
    for (int32_t id : batch.tokens)
        if (id < 0 || id >= model.spec.vocab)
            fail("{}: token id {} is outside the vocabulary of {}", model.source, id, model.spec.vocab);
    if (model.encoder && options.caches.empty())
        fail("{}: an encoder-decoder model wants a source to be read first", model.source);
    if (!options.caches.empty() && batch.sequence_length != 0) fail("a batch of equally long sequences has no caches");
    if (batch.sequence_length != 0 && tokens % static_cast<size_t>(batch.sequence_length) != 0)
        fail("{} tokens are not sequences of {}", tokens, batch.sequence_length);
}

std::vector<SequenceRows> sequences_of(const Model& model, const Batch& batch, std::span<KvCache* const> caches) {
    const auto tokens = static_cast<int64_t>(batch.tokens.size());
    const int64_t length = batch.sequence_length ? batch.sequence_length : tokens;
    std::vector<SequenceRows> result;
    if (caches.empty()) {
        for (int64_t row = 0; row < tokens; row += length) result.push_back({row, length, nullptr});
        return result;
    }
    std::vector<bool> met(caches.size());
    std::map<const KvCache*, int64_t> ahead;
    const auto sequence = [&](int64_t row) { return batch.sequences.empty() ? 0 : batch.sequences[row]; };
    for (int64_t row = 0, end; row < tokens; row = end) {
        const auto s = static_cast<size_t>(sequence(row));
        for (end = row + 1; end < tokens && sequence(end) == sequence(row);) ++end;
        if (s >= caches.size() || !caches[s]) fail("{}: no cache for sequence {}", model.source, sequence(row));
        if (met[s]) fail("{}: the tokens of sequence {} are not neighbours", model.source, s);
        if (model.encoder && !caches[s]->has_memory())
            fail("{}: an encoder-decoder model wants a source to be read first", model.source);
        met[s] = true;
        int64_t& before = ahead[caches[s]];
        result.push_back({row, end - row, caches[s], before});
        before += end - row;
    }
    return result;
}

std::vector<moe::HookedRows> hooked_rows(const Batch& batch, std::span<const SequenceRows> sequences,
                                         const ForwardOptions& options) {
    std::vector<moe::HookedRows> result;
    const auto add = [&](size_t sequence, int64_t row, int64_t rows) {
        if (sequence >= options.hooks.size() || !options.hooks[sequence]) return;
        const auto from = static_cast<size_t>(row), count = static_cast<size_t>(rows);
        result.push_back({options.hooks[sequence],
                          row,
                          rows,
                          {batch.tokens.subspan(from, count), batch.positions.subspan(from, count)}});
    };
    if (options.hooks.empty()) return result;
    if (options.caches.empty() || batch.sequences.empty()) {
        add(0, 0, std::ssize(batch.tokens));
        return result;
    }
    for (const SequenceRows& s : sequences)
        add(static_cast<size_t>(batch.sequences[static_cast<size_t>(s.row)]), s.row, s.rows);
    return result;
}

// Sines, then cosines of position · 10000^(−j / (D/2 − 1)) (Vaswani et al. 2017, as fairseq has them).
Tensor sinusoids(Arena& arena, std::span<const int32_t> positions, int first, int64_t dim) {
    const int64_t half = dim / 2;
    const Tensor table = arena.zeros(DType::f32, {static_cast<int64_t>(positions.size()), dim});
    for (size_t t = 0; t < positions.size(); ++t) {
        auto* row = reinterpret_cast<float*>(table.row(static_cast<int64_t>(t)));
        for (int64_t j = 0; j < half; ++j) {
            const double slower = static_cast<double>(j) / static_cast<double>(std::max<int64_t>(1, half - 1));
            const double angle = (positions[t] + first) * std::pow(10000.0, -slower);
            row[j] = static_cast<float>(std::sin(angle));
            row[half + j] = static_cast<float>(std::cos(angle));
        }
    }
    return table;
}

Var embed(Graph& g, const Model& model, const Batch& batch) {
    const ModelSpec& spec = model.spec;
    const Var x_TD = times(g, ops::embedding(g, model.weights.embedding, batch.tokens), spec.embedding_scale);
    if (spec.first_sinusoid < 0) return x_TD;
    return ops::add(g, x_TD, g.input(sinusoids(g.arena(), batch.positions, spec.first_sinusoid, spec.dim)));
}

// The biases of all distances that the batch can meet.
RelativeBias relative_bias(Graph& g, const Model& model, std::span<const SequenceRows> sequences) {
    int64_t keys = 0;
    for (const SequenceRows& s : sequences) keys = std::max(keys, s.rows + (s.cache ? s.cache->length() + s.ahead : 0));
    const AttentionSpec* a = model.spec.layers.front().attention();
    return make_relative_bias(g.arena(), model.spec.relative_bias, model.weights.relative_bias.value, a && a->causal,
                              keys);
}

}  // namespace

Graph::Options running_options(DType compute) {
    return {.record = false, .compute = compute, .activation = compute == DType::bf16 ? DType::bf16 : DType::f32};
}

Forward forward(Graph& g, const Model& model, const Batch& batch, const ForwardOptions& options) {
    check(model, batch, options);
    if (g.recording() && model.spec.logit_softcap > 0) fail("{}: capped logits cannot be trained", model.source);
    const auto tokens = static_cast<int64_t>(batch.tokens.size());
    const int64_t length = batch.sequence_length ? batch.sequence_length : tokens;
    std::vector<SequenceRows> sequences = sequences_of(model, batch, options.caches);
    g.set_cohorts(options.caches.empty() ? std::span<const int32_t>() : batch.sequences);
    const KvCache* const first = sequences.front().cache;
    const auto context = std::make_shared<const BlockContext>(
        BlockContext{.model = model,
                     .batch = {batch.tokens, batch.positions},
                     .sequence_T = batch.sequences,
                     .rope = RopeTables(g.arena(), model.spec, batch.positions, first ? first->context() : length),
                     .relative_bias = relative_bias(g, model, sequences),
                     .hooked = hooked_rows(batch, sequences, options),
                     .sequences = std::move(sequences),
                     .sequence_length = length,
                     .noise_seed = options.noise_seed});
    if (g.recording()) g.keep(context);

    Forward result;
    Var x_TD = embed(g, model, batch);
    show(*context, moe::Part::embedding, -1, x_TD);
    for (int l = 0; l < static_cast<int>(model.spec.layers.size()); ++l) {
        LayerRouting routing{.layer = -1, .load_E = {}, .balance_loss = nullptr, .z_loss = nullptr};
        const Arena::Mark before_block = g.arena().mark();
        if (options.recompute && g.recording()) {
            x_TD = recomputed_block(g, x_TD, l, context, routing);
        } else {
            x_TD = block(g, x_TD, l, *context, routing);
        }
        // Without recording the residual stream is summed in place: all else in the arena has served.
        if (!g.recording()) g.arena().release(before_block);
        if (routing.layer >= 0) result.routing.push_back(std::move(routing));
    }
    for (const SequenceRows& s : context->sequences)
        if (s.cache) s.cache->advance(s.rows);
    const Var normed = norm(g, x_TD, model.spec.norm, model.weights.final_norm);
    result.hidden_TD = times(g, normed, 1 / model.spec.logit_divisor);
    return result;
}

Var logits(Graph& g, const Model& model, Var hidden_TD, std::span<const int32_t> rows) {
    const Timed timer(ops::Stage::head);
    const auto kept_rows = std::make_shared<const std::vector<int32_t>>(rows.begin(), rows.end());
    const auto offsets = std::make_shared<const std::vector<int32_t>>(
        std::initializer_list<int32_t>{0, static_cast<int32_t>(rows.size())});
    if (g.recording()) {
        g.keep(kept_rows);
        g.keep(offsets);
    }
    const Var y =
        ops::grouped_linear(g, hidden_TD, std::span(&model.weights.head, 1), *offsets, *kept_rows, DType::f32);
    const Var z = model.weights.head_bias ? ops::add_bias(g, y, model.weights.head_bias) : y;
    return model.spec.logit_softcap > 0 ? ops::softcap(g, z, model.spec.logit_softcap) : z;
}

}  // namespace gremium
