#include "model/decoder.h"

#include "base/error.h"
#include "model/blocks.h"

namespace gremium {

using ops::Graph;
using ops::Var;

namespace {

Var times(Graph& g, Var x, float factor) { return factor == 1 ? x : ops::scale(g, x, factor); }

Var block(Graph& g, Var x_TD, int layer, const BlockContext& context, LayerRouting& routing) {
    const NormSpec& spec = context.model.spec.norm;
    const float share = context.model.spec.residual_scale;
    const LayerWeights& w = context.model.weights.layers[static_cast<size_t>(layer)];
    const LayerSpec& parts = context.model.spec.layers[static_cast<size_t>(layer)];
    const auto mixer = parts.attention() ? attention_layer : ssm_layer;
    const Var mixed = mixer(g, norm(g, x_TD, spec, w.attention_norm), layer, context);
    x_TD = ops::add(g, x_TD, times(g, mixed, share));
    if (!parts.has_feed_forward()) return x_TD;
    const Var fed = feed_forward(g, norm(g, x_TD, spec, w.feed_forward_norm), layer, context, routing);
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
    if (options.cache && batch.sequence_length != 0) fail("a batch of many sequences cannot share one cache");
    if (batch.sequence_length != 0 && tokens % static_cast<size_t>(batch.sequence_length) != 0)
        fail("{} tokens are not sequences of {}", tokens, batch.sequence_length);
}

}  // namespace

Var norm(Graph& g, Var x_TD, const NormSpec& spec, const NormWeights& w) {
    const DType out = g.options().activation;
    if (spec.kind == NormKind::layer) return ops::layer_norm(g, x_TD, w.weight, w.bias, spec.eps, out);
    const Var y = ops::rms_norm(g, x_TD, w.weight, spec.eps, x_TD->value.cols(), out);
    return w.bias ? ops::add_bias(g, y, w.bias) : y;
}

Forward forward(Graph& g, const Model& model, const Batch& batch, const ForwardOptions& options) {
    check(model, batch, options);
    const auto tokens = static_cast<int64_t>(batch.tokens.size());
    const int64_t length = batch.sequence_length ? batch.sequence_length : tokens;
    const auto context = std::make_shared<const BlockContext>(
        BlockContext{.model = model,
                     .batch = {batch.tokens, batch.positions, batch.sequences},
                     .rope = RopeTables(g.arena(), model.spec, batch.positions,
                                        options.cache ? options.cache->capacity() : length),
                     .sequence_length = length,
                     .cache = options.cache,
                     .hook = options.hook,
                     .noise_seed = options.noise_seed});
    if (g.recording()) g.keep(context);

    Forward result;
    Var x_TD = times(g, ops::embedding(g, model.weights.embedding, batch.tokens), model.spec.embedding_scale);
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
    if (options.cache) options.cache->advance(tokens);
    const Var normed = norm(g, x_TD, model.spec.norm, model.weights.final_norm);
    result.hidden_TD = times(g, normed, 1 / model.spec.logit_divisor);
    return result;
}

Var logits(Graph& g, const Model& model, Var hidden_TD, std::span<const int32_t> rows) {
    const auto kept_rows = std::make_shared<const std::vector<int32_t>>(rows.begin(), rows.end());
    const auto offsets = std::make_shared<const std::vector<int32_t>>(
        std::initializer_list<int32_t>{0, static_cast<int32_t>(rows.size())});
    if (g.recording()) {
        g.keep(kept_rows);
        g.keep(offsets);
    }
    const Var y = ops::grouped_linear(g, hidden_TD, std::span(&model.weights.head, 1), *offsets, *kept_rows,
                                      DType::f32);
    return model.weights.head_bias ? ops::add_bias(g, y, model.weights.head_bias) : y;
}

}  // namespace gremium
