// Which field of a layer's weights is which tensor: the one list that binding and writing share.
#pragma once

#include "model/model.h"

namespace gremium {

// visit(canonical name without "blk.N.", weight) for every weight of a layer that is not an expert's. `Layer`
// is LayerWeights or const LayerWeights.
template <typename Layer, typename Visit>
void for_each_weight(Layer& w, Visit&& visit) {
    visit("attn_norm.weight", w.attention_norm.weight);
    visit("attn_norm.bias", w.attention_norm.bias);
    visit("attn_q.weight", w.attention.q);
    visit("attn_k.weight", w.attention.k);
    visit("attn_v.weight", w.attention.v);
    visit("attn_output.weight", w.attention.out);
    visit("attn_q.bias", w.attention.q_bias);
    visit("attn_k.bias", w.attention.k_bias);
    visit("attn_v.bias", w.attention.v_bias);
    visit("attn_output.bias", w.attention.out_bias);
    visit("attn_q_norm.weight", w.attention.q_norm);
    visit("attn_k_norm.weight", w.attention.k_norm);
    visit("ffn_norm.weight", w.feed_forward_norm.weight);
    visit("ffn_norm.bias", w.feed_forward_norm.bias);
    visit("ffn_gate.weight", w.dense.gate);
    visit("ffn_up.weight", w.dense.up);
    visit("ffn_down.weight", w.dense.down);
    visit("ffn_gate_inp.weight", w.moe.router);
    visit("exp_probs_b.bias", w.moe.correction);
    visit("ffn_gate_inp_shexp.weight", w.moe.shared_gate);
    visit("ffn_gate_shexp.weight", w.moe.shared.gate);
    visit("ffn_up_shexp.weight", w.moe.shared.up);
    visit("ffn_down_shexp.weight", w.moe.shared.down);
}

// The same for weights outside layers. The head of a model that ties it is the embedding.
template <typename Weights, typename Visit>
void for_each_global_weight(Weights& w, Visit&& visit) {
    visit("token_embd.weight", w.embedding);
    visit("output_norm.weight", w.final_norm.weight);
    visit("output_norm.bias", w.final_norm.bias);
    visit("output.weight", w.head);
}

// The matrix of an expert that a stacked slot stands for.
inline ops::Weight moe::ExpertWeights::*expert_matrix(const TensorSlot& slot) {
    if (slot.name.find("ffn_gate_exps") != std::string::npos) return &moe::ExpertWeights::gate;
    if (slot.name.find("ffn_up_exps") != std::string::npos) return &moe::ExpertWeights::up;
    return &moe::ExpertWeights::down;
}

}  // namespace gremium
