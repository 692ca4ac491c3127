// Changes to experts, one function each. Every one leaves the draft as it was when it throws Error: an expert that is
// not there, a number that cannot be, or what the router's policy does not allow.
#pragma once

#include <vector>

#include "lab/edit/draft.h"
#include "lab/find/saliency.h"

namespace gremium::lab {

// Takes the `share` of the experts that matter least away: of each layer alike, or of all layers together (`across`:
// layers then differ in size, which no file layout here can say, and layers keep at least what a token uses). Their
// router rows, biases and places go with them; groups stay equal.
struct Prune {
    double share = 0.25;
    bool across = false;
};
void prune(Draft& draft, const SaliencyTable& saliency, const Prune& options);

// As many experts a layer as with prune, but those that go are first averaged into the nearest of those that stay
// (cosine of router rows), weighed by `frequency`, after their hidden units were put into the order that agrees best
// (greedily, by the product of their weights). The router rows are those of the experts that stay.
void merge(Draft& draft, const SaliencyTable& saliency, const SaliencyTable& frequency, double share);

// `to` gets the weights of `from`; its router row stays.
void replace(Draft& draft, moe::ExpertId to, moe::ExpertId from);
// As replace, from another model of the same widths; with_router: its router row and biases too.
void copy(Draft& draft, moe::ExpertId to, std::shared_ptr<const Model> other, moe::ExpertId from, bool with_router);
// New random gate and up matrices of the old ones' size, and a down matrix of zeros: says nothing until it is trained.
void reset(Draft& draft, moe::ExpertId expert, uint64_t seed);

// A copy of expert `like` at the end of its layer that no token can choose: the model computes bit for bit what it did.
// Where routers have a correction bias (scores within 0 and 1) the copy's lies below all others' by 1, and balancing
// can bring it in; where logits have a bias it is −10⁴. Refused where a router has neither.
void add(Draft& draft, moe::ExpertId like);

// Every expert of every layer becomes `parts` narrower ones with the same router row, and tokens use `parts` times as
// many: the same function in finer grains (He et al. 2024, "Upcycling Large Language Models into Mixture of Experts").
// Matrices whose blocks do not survive become f32. Refused for SparseMixer and for groups scored by two experts.
void split(Draft& draft, int parts);

// The matrices of an expert, or of all with expert −1, rounded to another type.
void retype(Draft& draft, int layer, int expert, DType dtype);
// Tokens of one layer, or of all with layer −1, use k experts.
void shrink_k(Draft& draft, int layer, int k);

}  // namespace gremium::lab
