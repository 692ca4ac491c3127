// Which field of a layer's weights is which tensor: the one list that binding and writing share.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

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
    visit("attn_q_a.weight", w.attention.q_a);
    visit("attn_q_a_norm.weight", w.attention.q_a_norm);
    visit("attn_q_b.weight", w.attention.q_b);
    visit("attn_kv_a_mqa.weight", w.attention.kv_a);
    visit("attn_kv_a_norm.weight", w.attention.kv_a_norm);
    visit("attn_k_b.weight", w.attention.k_b);
    visit("attn_v_b.weight", w.attention.v_b);
    visit("attn_sinks.weight", w.attention.sinks);
    visit("cross_attn_norm.weight", w.cross_norm.weight);
    visit("cross_attn_norm.bias", w.cross_norm.bias);
    visit("cross_attn_q.weight", w.cross.q);
    visit("cross_attn_k.weight", w.cross.k);
    visit("cross_attn_v.weight", w.cross.v);
    visit("cross_attn_output.weight", w.cross.out);
    visit("cross_attn_q.bias", w.cross.q_bias);
    visit("cross_attn_k.bias", w.cross.k_bias);
    visit("cross_attn_v.bias", w.cross.v_bias);
    visit("cross_attn_output.bias", w.cross.out_bias);
    visit("ssm_in.weight", w.ssm.in);
    visit("ssm_conv1d.weight", w.ssm.conv);
    visit("ssm_conv1d.bias", w.ssm.conv_bias);
    visit("ssm_x.weight", w.ssm.x);
    visit("ssm_dt_norm.weight", w.ssm.dt_norm);
    visit("ssm_b_norm.weight", w.ssm.b_norm);
    visit("ssm_c_norm.weight", w.ssm.c_norm);
    visit("ssm_dt.weight", w.ssm.dt);
    visit("ssm_dt.bias", w.ssm.dt_bias);
    visit("ssm_a", w.ssm.a);
    visit("ssm_d", w.ssm.d);
    visit("ssm_out.weight", w.ssm.out);
    visit("ffn_norm.weight", w.feed_forward_norm.weight);
    visit("ffn_norm.bias", w.feed_forward_norm.bias);
    visit("ffn_gate.weight", w.dense.gate);
    visit("ffn_up.weight", w.dense.up);
    visit("ffn_down.weight", w.dense.down);
    visit("ffn_gate.bias", w.dense.gate_bias);
    visit("ffn_up.bias", w.dense.up_bias);
    visit("ffn_down.bias", w.dense.down_bias);
    visit("ffn_gate_inp.weight", w.moe.router);
    visit("ffn_gate_inp.bias", w.moe.router_bias);
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
    visit("blk.0.attn_rel_b.weight", w.relative_bias);
    visit("output_norm.weight", w.final_norm.weight);
    visit("output_norm.bias", w.final_norm.bias);
    visit("output.weight", w.head);
    visit("output.bias", w.head_bias);
}

// Every weight that is no expert's, by canonical name; an encoder's behind "enc.".
inline std::map<std::string, TensorView> weights_by_name(const Model& model, const std::string& prefix = "") {
    std::map<std::string, TensorView> values;
    if (model.encoder) values = weights_by_name(*model.encoder, "enc.");
    for_each_global_weight(model.weights,
                           [&](const char* name, const ops::Weight& w) { values[prefix + name] = w.value; });
    for (size_t l = 0; l < model.weights.layers.size(); ++l)
        for_each_weight(model.weights.layers[l], [&](const char* name, const ops::Weight& w) {
            values[fmt::format("{}blk.{}.{}", prefix, l, name)] = w.value;
        });
    return values;
}

// The layers that a tensor is of: the encoder's, or the model's own.
inline const Model& stack_of(const Model& model, const TensorSlot& slot) {
    return slot.of_encoder ? *model.encoder : model;
}

// What of an expert is in which stack.
struct ExpertTensor {
    const char* name;
    ops::Weight moe::ExpertWeights::*weight;
};
inline constexpr ExpertTensor expert_stacks[] = {
    {"ffn_gate_exps.weight", &moe::ExpertWeights::gate}, {"ffn_up_exps.weight", &moe::ExpertWeights::up},
    {"ffn_down_exps.weight", &moe::ExpertWeights::down}, {"ffn_gate_exps.bias", &moe::ExpertWeights::gate_bias},
    {"ffn_up_exps.bias", &moe::ExpertWeights::up_bias},  {"ffn_down_exps.bias", &moe::ExpertWeights::down_bias},
};
inline ops::Weight moe::ExpertWeights::*expert_tensor(const TensorSlot& slot) {
    for (const ExpertTensor& stack : expert_stacks)
        if (slot.name.ends_with(stack.name)) return stack.weight;
    return nullptr;  // the slot is no stack of experts
}

}  // namespace gremium
