#include "model/spec/validate.h"

#include <cmath>

#include "model/spec/check.h"

namespace gremium {

namespace {

void require_positive(float value, const char* what, const std::string& source) {
    if (!(value > 0) || !std::isfinite(value)) fail("{}: {} is {}, expected a positive number", source, what, value);
}

void check_block(const LayerSpec& layer, const Check& check) {
    if (layer.branch && !layer.moe()) fail("{}: layer {} has a dense branch but no mixture", check.source, check.layer);
    if (layer.branch) gremium::check(*layer.branch, check);
    if ((layer.parallel || layer.branch || layer.post_norms) && (layer.cross || !layer.has_feed_forward()))
        fail("{}: layer {}: such a block needs a feed-forward, and no encoder", check.source, check.layer);
    if (layer.parallel && (layer.branch || layer.post_norms))
        fail("{}: layer {}: parallel parts have one norm and no branch", check.source, check.layer);
    if (layer.branch && layer.post_norms)
        fail("{}: layer {}: norms behind its parts, and a dense branch", check.source, check.layer);
}

}  // namespace

void validate(const ModelSpec& spec, const std::string& source) {
    const Check model{source};
    model.range(spec.dim, 1, max_width, "the embedding length");
    model.range(spec.vocab, 1, max_width, "the vocabulary size");
    model.range(spec.context, 1, INT32_MAX, "the context length");
    model.range(static_cast<int64_t>(spec.layers.size()), 1, max_layers, "the number of layers");
    if (!(spec.norm.eps >= 0)) fail("{}: the norm's epsilon is {}, expected a positive number", source, spec.norm.eps);
    require_positive(spec.embedding_scale, "the embedding scale", source);
    require_positive(spec.residual_scale, "the residual scale", source);
    require_positive(spec.logit_divisor, "the divisor of logits", source);
    if (!(spec.logit_softcap >= 0))
        fail("{}: logits are capped at {}, expected a positive number", source, spec.logit_softcap);
    check_relative_bias(spec, model);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const LayerSpec& layer = spec.layers[l];
        const Check here{source, static_cast<int>(l)};
        const auto check_part = [&](const auto& part) { check(part, here); };
        std::visit(check_part, layer.mixer);
        std::visit(check_part, layer.feed_forward);
        check_block(layer, here);
        if (const MoeSpec* moe = layer.moe(); moe && moe->router.experts > max_elements / spec.dim / moe->hidden)
            fail("{}: layer {} has {} experts {} wide, more than any file can hold", source, l, moe->router.experts,
                 moe->hidden);
        if (!layer.has_mixer() && !layer.has_feed_forward()) fail("{}: layer {} has no part at all", source, l);
        if (layer.cross.has_value() != static_cast<bool>(spec.encoder))
            fail("{}: layer {} {} an encoder to attend to", source, l, layer.cross ? "lacks" : "does not look at");
        if (layer.cross) check(*layer.cross, here);
        if (layer.cross && layer.cross->gate.kind != GateKind::none)
            fail("{}: layer {}: attention to an encoder has no gate of its results", source, l);
    }
    if (!spec.encoder) return;
    const ModelSpec& encoder = *spec.encoder;
    if (encoder.dim != spec.dim || encoder.vocab != spec.vocab || !encoder.tied_head || encoder.encoder)
        fail("{}: the encoder does not have the decoder's embeddings", source);
    validate(encoder, source);
}

}  // namespace gremium
