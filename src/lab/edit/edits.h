// Edits of experts, one function each. They throw Error for an expert that does not exist, a number out of range, and a
// router policy that does not allow the edit; the draft is then unchanged.
#pragma once

#include <vector>

#include "lab/edit/draft.h"
#include "lab/find/saliency.h"

namespace gremium::lab {

// Removes the `share` of the experts that matter least, with their router rows and biases: the same number from each
// layer, or the least of all layers together (`across`). With `across`, layers end up with different numbers of
// experts, which none of the file layouts here can express, and keep at least k. Groups stay equally large.
struct Prune {
    double share = 0.25;
    bool across = false;
};
void prune(Draft& draft, const SaliencyTable& saliency, const Prune& options);

// Removes as many experts per layer as prune, but first averages each of them into the nearest expert that stays
// (cosine of router rows), weighted by `frequency`. Before averaging, hidden units are permuted to match best
// (greedily, by the dot product of their weights). The router rows are those of the experts that stay.
void merge(Draft& draft, const SaliencyTable& saliency, const SaliencyTable& frequency, double share);

// `to` gets the weights of `from`; its router row stays.
void replace(Draft& draft, moe::ExpertId to, moe::ExpertId from);
// As replace, but from another model of the same widths; with_router: also copies the router row and biases.
void copy(Draft& draft, moe::ExpertId to, std::shared_ptr<const Model> other, moe::ExpertId from, bool with_router);
// Gives an expert random gate and up matrices as large in norm as the old ones, and a down matrix of zeros: it outputs
// zero until it is trained.
void reset(Draft& draft, moe::ExpertId expert, uint64_t seed);

// Appends a copy of expert `like` to its layer. No token can choose it, so the model's results do not change by a bit.
// If the router has a correction bias (scores between 0 and 1), that of the copy is 1 below all others, and balancing
// can raise it; if its logits have a bias, that of the copy is −10⁴. Refused if the router has neither.
void add(Draft& draft, moe::ExpertId like);

// Splits every expert of every layer into `parts` narrower ones with the same router row; tokens then use `parts` times
// as many experts. The function stays the same (He et al. 2024, "Upcycling Large Language Models into Mixture of
// Experts"). Matrices whose quantised blocks cannot be cut become f32. Refused for SparseMixer and for groups scored by
// two experts.
void split(Draft& draft, int parts);

// Rounds the matrices of an expert to another type; expert −1: those of all experts.
void retype(Draft& draft, int layer, int expert, DType dtype);
// Sets the experts per token to k in one layer; layer −1: in all layers.
void shrink_k(Draft& draft, int layer, int k);

}  // namespace gremium::lab
