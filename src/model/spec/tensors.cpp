#include "model/spec/tensors.h"

#include <fmt/format.h>

#include <utility>

#include "model/weights.h"

namespace gremium {

namespace {

void list_layer(const LayerSpec& spec, LayerWeights& w, int layer, TensorList& list) {
    const auto fill = [&](const auto& part, auto& weights) { list_tensors(part, weights, list); };
    if (spec.has_mixer()) {
        list.enter(layer, BlockPart::mixer_norm);
        list.norm("attn_norm", w.mixer_norm);
    }
    list.enter(layer, BlockPart::mixer);
    visit_kind(spec.mixer, w.mixer, fill);
    if (spec.post_norms) {
        list.enter(layer, BlockPart::mixer_post_norm);
        list.norm("post_attention_norm", w.mixer_post_norm);
    }
    if (spec.cross) {
        list.enter(layer, BlockPart::cross_norm);
        list.norm("cross_attn_norm", w.cross_norm);
        list.enter(layer, BlockPart::cross);
        list_cross_tensors(*spec.cross, w.cross, list);
    }
    if (!spec.has_feed_forward()) return;
    if (spec.branch) {
        list.enter(layer, BlockPart::branch_norm);
        list.norm("ffn_norm", w.branch_norm);
        list.enter(layer, BlockPart::branch);
        list_tensors(*spec.branch, w.branch, list);
    }
    if (!spec.parallel) {
        list.enter(layer, BlockPart::feed_forward_norm);
        list.norm(spec.branch ? "ffn_norm_exps" : "ffn_norm", w.feed_forward_norm);
    }
    list.enter(layer, BlockPart::feed_forward);
    visit_kind(spec.feed_forward, w.feed_forward, fill);
    if (!spec.post_norms) return;
    list.enter(layer, BlockPart::feed_forward_post_norm);
    list.norm("post_ffw_norm", w.feed_forward_post_norm);
}

// Makes `weights` hold the kinds of layer that the specification has.
void make_layers(const ModelSpec& spec, ModelWeights& weights) {
    for (const LayerSpec& layer : spec.layers) {
        LayerWeights& w = weights.layers.emplace_back();
        std::visit([&]<typename Spec>(const Spec&) { w.mixer.emplace<typename Spec::Weights>(); }, layer.mixer);
        std::visit([&]<typename Spec>(const Spec&) { w.feed_forward.emplace<typename Spec::Weights>(); },
                   layer.feed_forward);
    }
}

}  // namespace

void TensorList::add(const std::string& name, ops::Weight& weight, Shape shape, TensorRole role, TensorTraits traits) {
    add_row(name, &weight, shape, role, traits);
}

void TensorList::norm(const std::string& name, NormWeights& weights) {
    add(name + ".weight", weights.weight, {dim()}, TensorRole::norm);
    if (spec_.norm.bias) add(name + ".bias", weights.bias, {dim()}, TensorRole::bias);
}

void TensorList::matrix(const std::string& name, ops::Weight& weight, int64_t out, int64_t in, TensorTraits traits) {
    add(name + ".weight", weight, {out, in}, TensorRole::matrix, traits);
}

void TensorList::affine(const std::string& name, ops::Weight& weight, Bias bias, int64_t out, int64_t in,
                        TensorTraits traits) {
    matrix(name, weight, out, in, traits);
    if (bias.present) add(name + ".bias", bias.weight, {out}, TensorRole::bias, traits);
}

void TensorList::experts(const std::string& name, ops::Weight moe::ExpertWeights::*weight, Shape shape, TensorRole role,
                         TensorTraits traits) {
    add_row(name, nullptr, shape, role, traits);
    rows_.back().slot.of_expert = weight;
}

void TensorList::head(const std::string& name, ops::Weight& weight) {
    add(name, weight, {spec_.vocab, dim()}, TensorRole::head);
    rows_.back().tied = spec_.tied_head;
}

void TensorList::enter(int layer, BlockPart part) {
    layer_ = layer;
    part_ = part;
}

void TensorList::add_row(const std::string& name, ops::Weight* weight, Shape shape, TensorRole role,
                         TensorTraits traits) {
    rows_.push_back({.slot = {.name = layer_ < 0 ? name : fmt::format("blk.{}.{}", layer_, name),
                              .shape = shape,
                              .role = role,
                              .layer = layer_,
                              .part = part_,
                              .traits = traits},
                     .weight = weight});
}

std::vector<TensorList::Row> list_tensors(const ModelSpec& spec, ModelWeights& weights) {
    if (weights.layers.empty()) make_layers(spec, weights);
    TensorList list(spec);
    list.add(embedding_name, weights.embedding, {spec.vocab, spec.dim}, TensorRole::embedding);
    list.norm("output_norm", weights.final_norm);
    list.head("output.weight", weights.head);
    if (spec.head_bias) list.add("output.bias", weights.head_bias, {spec.vocab}, TensorRole::bias);
    if (spec.relative_bias.buckets > 0)
        list.add("blk.0.attn_rel_b.weight", weights.relative_bias,
                 {spec.relative_bias.buckets, spec.layers.front().attention()->heads}, TensorRole::relative_bias);
    for (size_t l = 0; l < spec.layers.size(); ++l)
        list_layer(spec.layers[l], weights.layers[l], static_cast<int>(l), list);
    return std::move(list).rows();
}

std::vector<TensorSlot> tensor_slots(const ModelSpec& spec) {
    ModelWeights unused;
    std::vector<TensorSlot> slots;
    for (TensorList::Row& row : list_tensors(spec, unused))
        if (!row.tied) slots.push_back(std::move(row.slot));
    if (!spec.encoder) return slots;
    for (TensorSlot& slot : tensor_slots(*spec.encoder))
        if (slot.role != TensorRole::embedding) slots.push_back(in_encoder(std::move(slot)));
    return slots;
}

TensorSlot in_encoder(TensorSlot slot) {
    if (slot.role == TensorRole::embedding) return slot;  // the decoder's
    slot.name.insert(0, "enc.");
    slot.of_encoder = true;
    return slot;
}

const LayerSpec* layer_of(const ModelSpec& spec, const TensorSlot& slot) {
    if (slot.layer < 0) return nullptr;
    const ModelSpec& stack = slot.of_encoder ? *spec.encoder : spec;
    return &stack.layers[static_cast<size_t>(slot.layer)];
}

TensorSlot part_of(const TensorSlot& stack, int expert) {
    TensorSlot part = stack;
    part.shape = Shape{stack.shape[1]};
    if (stack.shape.rank == 3) part.shape = {stack.shape[1], stack.shape[2]};
    part.expert = expert;
    return part;
}

}  // namespace gremium
