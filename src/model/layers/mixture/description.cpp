#include <cmath>

#include "model/layers/mixture/mixture.h"
#include "model/layers/row_bytes.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"
#include "moe/store/contract.h"

namespace gremium {

namespace {

using moe::ExpertWeights;

void check_router(const moe::RouterPolicy& r, const Check& check) {
    const std::string& source = check.source;
    check.range(r.groups, 1, r.experts, "the number of groups of experts");
    check.range(r.groups_used, 1, r.groups, "the number of groups used per token");
    if (r.experts % r.groups != 0) fail("{}: {} groups do not divide {} experts", source, r.groups, r.experts);
    check.range(r.top_k, 1, r.experts / r.groups * r.groups_used, "the number of experts used per token");
    check.range(r.capacity, 0, INT32_MAX, "the capacity of an expert");
    if (!(r.capacity_factor >= 0))
        fail("{}: the capacity factor is {}, expected a positive number", source, r.capacity_factor);
    if (r.second != moe::RouterPolicy::Second::best && r.top_k != 2)
        fail("{}: a random second choice needs 2 experts per token, not {}", source, r.top_k);
    const bool sparsemixer = r.score == moe::RouterPolicy::Score::sparsemixer;
    if (sparsemixer && (r.correction_bias || r.groups > 1 || !(r.sparse_epsilon > 0)))
        fail("{}: SparseMixer needs a positive epsilon, no correction bias and no groups", source);
}

void check_adjugate(const MoeSpec& m, const Check& check) {
    const AdjugateSpec& a = m.adjugate;
    check.range(a.group, 0, m.router.experts, "the number of experts that share a small one");
    if (a.group == 0) return;
    check.range(a.hidden, 1, max_width, "the width of the small experts of groups");
    if (m.router.experts % a.group != 0)
        fail("{}: groups of {} do not divide {} experts", check.source, a.group, m.router.experts);
    if (!std::isfinite(a.scale)) fail("{}: the scale of the small experts of groups is {}", check.source, a.scale);
    if (!m.gated || m.bias || m.router.weight_on_input)
        fail("{}: small experts of groups want gated experts without biases", check.source);
}

void list_adjugate(const MoeSpec& m, MoeWeights& w, TensorList& list) {
    if (m.adjugate.group == 0) return;
    const int64_t n = m.router.experts / m.adjugate.group, F = m.adjugate.hidden, D = list.dim();
    list.add("ffn_gate_chexps.weight", w.adjugate.gate, {n, F, D}, TensorRole::matrix, {.matrix = Matrix::gate});
    list.add("ffn_up_chexps.weight", w.adjugate.up, {n, F, D}, TensorRole::matrix, {.matrix = Matrix::up});
    list.add("ffn_down_chexps.weight", w.adjugate.down, {n, D, F}, TensorRole::matrix,
             {.matrix = Matrix::down, .spread = Spread::residual});
}

void list_experts(const MoeSpec& m, TensorList& list) {
    const int64_t E = m.router.experts, F = m.hidden, D = m.latent > 0 ? m.latent : list.dim();
    const TensorTraits gate{.matrix = Matrix::gate}, up{.matrix = Matrix::up},
        down{.matrix = Matrix::down, .spread = Spread::residual};
    if (m.gated) list.experts("ffn_gate_exps.weight", &ExpertWeights::gate, {E, F, D}, TensorRole::expert, gate);
    list.experts("ffn_up_exps.weight", &ExpertWeights::up, {E, F, D}, TensorRole::expert, up);
    list.experts("ffn_down_exps.weight", &ExpertWeights::down, {E, D, F}, TensorRole::expert, down);
    if (!m.bias) return;
    if (m.gated) list.experts("ffn_gate_exps.bias", &ExpertWeights::gate_bias, {E, F}, TensorRole::expert_bias, gate);
    list.experts("ffn_up_exps.bias", &ExpertWeights::up_bias, {E, F}, TensorRole::expert_bias, up);
    list.experts("ffn_down_exps.bias", &ExpertWeights::down_bias, {E, D}, TensorRole::expert_bias, down);
}

}  // namespace

void check(const MoeSpec& m, const Check& check) {
    check.range(m.router.experts, 1, max_experts, "the number of experts");
    check.range(m.router.top_k, 1, m.router.experts, "the number of experts used per token");
    check_router(m.router, check);
    check.range(m.hidden, 1, max_width, "the width of an expert");
    check_activation(m.activation, check);
    check.range(m.latent, 0, max_width, "the latent width of experts");
    check_adjugate(m, check);
    if (m.shared_activation) check_activation(*m.shared_activation, check);
    if (!(m.output_scale > 0) || !std::isfinite(m.output_scale))
        fail("{}: the scale of a mixture's output is {}, expected a positive number", check.source, m.output_scale);
    check.range(m.shared_hidden, 0, max_width, "the width of the shared experts");
    if (m.shared_gate && m.shared_hidden == 0)
        fail("{}: a gate for shared experts, but no shared experts", check.source);
}

void list_tensors(const MoeSpec& m, MoeWeights& w, TensorList& list) {
    const int64_t E = m.router.experts;
    list.add("ffn_gate_inp.weight", w.router, {E, list.dim()}, TensorRole::router);
    if (m.router_bias) list.add("ffn_gate_inp.bias", w.router_bias, {E}, TensorRole::router_bias);
    if (m.router.correction_bias) list.add("exp_probs_b.bias", w.correction, {E}, TensorRole::correction);
    if (m.latent > 0) {
        list.matrix("ffn_latent_down", w.latent_down, m.latent, list.dim());
        list.matrix("ffn_latent_up", w.latent_up, list.dim(), m.latent, {.spread = Spread::residual});
    }
    list_experts(m, list);
    list_adjugate(m, w, list);
    if (m.shared_hidden > 0) list_matrices("_shexp", {.hidden = m.shared_hidden, .gated = m.gated}, w.shared, list);
    if (m.shared_gate) list.add("ffn_gate_inp_shexp.weight", w.shared_gate, {list.dim()}, TensorRole::shared_gate);
}

int64_t forward_bytes(const MoeSpec& m, int64_t dim, const RowBytes& t) {
    const RowBytes routed{t.tokens * m.router.top_k, t.type};
    const int64_t width = m.latent > 0 ? m.latent : dim;
    int64_t sum = 2 * t.f32(m.router.experts) + t.f32(m.router.top_k);  // logits, scores, weights
    sum += forward_bytes(DenseSpec{.hidden = m.hidden, .gated = m.gated}, width, routed) + t.f32(width);
    if (m.latent > 0) sum += t(width) + t(dim);
    if (m.router.weight_on_input) sum += routed(width);
    if (m.adjugate.group > 0) sum += forward_bytes(DenseSpec{.hidden = m.adjugate.hidden}, dim, routed) + t.f32(dim);
    if (m.shared_hidden > 0) sum += forward_bytes(DenseSpec{.hidden = m.shared_hidden, .gated = m.gated}, dim, t);
    if (m.shared_gate) sum += t(dim) + 2 * t.f32(1);
    return sum;
}

}  // namespace gremium
