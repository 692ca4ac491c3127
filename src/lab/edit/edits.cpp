// Edits of single experts, and of the number of experts per token.
#include "lab/edit/edits.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using moe::ExpertWeights;
using ops::Weight;

size_t index(const DraftLayer& layer, int expert) {
    if (expert < 0 || expert >= layer.count())
        fail("there is no expert {}.{}: layer {} has {}", layer.layer, expert, layer.layer, layer.count());
    return static_cast<size_t>(expert);
}

ExpertWeights& expert_of(Draft& draft, ExpertId id) {
    DraftLayer& layer = draft.layer(id.layer);
    return layer.experts[index(layer, id.expert)];
}

void require_same_shape(const ExpertWeights& to, const ExpertWeights& from, const std::string& source) {
    for (const auto tensor : moe::expert_tensors)
        if ((to.*tensor).value.shape != (from.*tensor).value.shape || bool(to.*tensor) != bool(from.*tensor))
            fail("{}: an expert has a matrix of {}, expected {}", source, to_string((from.*tensor).value.shape),
                 to_string((to.*tensor).value.shape));
}

Weight random_like(Draft& draft, const Weight& old, Random& random) {
    if (!old) return {};
    std::vector<float> values = to_floats(old.value);
    double sum = 0;
    for (const float v : values) sum += double{v} * v;
    const double size = std::sqrt(sum / static_cast<double>(values.size()));
    for (float& v : values) v = static_cast<float>(size * random.normal());
    return draft.weight(values, old.value.dtype, old.value.shape);
}

Weight zeros_like(Draft& draft, const Weight& old) {
    if (!old) return {};
    return draft.weight(std::vector<float>(static_cast<size_t>(old.value.count())), old.value.dtype, old.value.shape);
}

// A view of rows [begin, end) of a matrix or vector.
Weight rows_of(const Weight& w, int64_t begin, int64_t end) {
    if (!w) return {};
    TensorView view = w.value;
    if (view.shape.rank == 1) {
        view.data += begin * row_bytes(view.dtype, 1);
        view.shape = {end - begin};
    } else {
        view.data = w.value.row(begin);
        view.shape = {end - begin, view.cols()};
    }
    return {view, {}};
}

// Columns [begin, end) times a factor, in the old type if its blocks allow.
Weight columns_of(Draft& draft, const Weight& w, int64_t begin, int64_t end, float factor) {
    const std::vector<float> all = to_floats(w.value);
    const int64_t rows = w.value.rows(), cols = w.value.cols(), width = end - begin;
    std::vector<float> part;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = begin; c < end; ++c) part.push_back(all[static_cast<size_t>(r * cols + c)] * factor);
    const DType dtype = width % info(w.value.dtype).block == 0 ? w.value.dtype : DType::f32;
    return draft.weight(part, dtype, {rows, width});
}

void check_splittable(const DraftLayer& layer, int parts) {
    const moe::RouterPolicy& policy = layer.spec.router;
    if (parts < 2 || layer.spec.hidden % parts != 0)
        fail("layer {}: experts {} wide cannot be split into {}", layer.layer, layer.spec.hidden, parts);
    if (policy.score == moe::RouterPolicy::Score::sparsemixer)
        fail("layer {}: SparseMixer weighs each choice against the others: split experts would count otherwise",
             layer.layer);
    if (policy.groups > 1 && policy.group_score == moe::RouterPolicy::GroupScore::two_best)
        fail("layer {}: groups are scored by their two best experts, which would be parts of one", layer.layer);
}

// The routing weight of each part of a split expert, relative to the weight that the expert had.
float kept_weight(const moe::RouterPolicy& policy, int parts) {
    const bool shares = policy.normalise || policy.score != moe::RouterPolicy::Score::sigmoid;
    return shares ? 1 / static_cast<float>(parts) : 1;
}

}  // namespace

void replace(Draft& draft, ExpertId to, ExpertId from) {
    const ExpertWeights& source = expert_of(draft, from);
    ExpertWeights& target = expert_of(draft, to);
    require_same_shape(target, source, draft.base().source);
    target = source;
}

void copy(Draft& draft, ExpertId to, std::shared_ptr<const Model> other, ExpertId from, bool with_router) {
    Draft source(other);
    DraftLayer &theirs = source.layer(from.layer), &ours = draft.layer(to.layer);
    const size_t i = index(ours, to.expert), j = index(theirs, from.expert);
    require_same_shape(ours.experts[i], theirs.experts[j], other->source);
    if (with_router && (theirs.router_bias.empty() != ours.router_bias.empty() ||
                        theirs.correction.empty() != ours.correction.empty()))
        fail("{}: its router has other biases", other->source);
    ours.experts[i] = theirs.experts[j];
    draft.keep_alive(other);
    if (!with_router) return;
    ours.router_ED[i] = theirs.router_ED[j];
    if (!ours.router_bias.empty()) ours.router_bias[i] = theirs.router_bias[j];
    if (!ours.correction.empty()) ours.correction[i] = theirs.correction[j];
}

void reset(Draft& draft, ExpertId id, uint64_t seed) {
    ExpertWeights& expert = expert_of(draft, id);
    Random random(seed, (static_cast<uint64_t>(id.layer) << 32) + static_cast<uint64_t>(id.expert));
    expert.gate = random_like(draft, expert.gate, random);
    expert.up = random_like(draft, expert.up, random);
    for (const auto tensor :
         {&ExpertWeights::down, &ExpertWeights::gate_bias, &ExpertWeights::up_bias, &ExpertWeights::down_bias})
        expert.*tensor = zeros_like(draft, expert.*tensor);
}

void add(Draft& draft, ExpertId like) {
    DraftLayer& layer = draft.layer(like.layer);
    index(layer, like.expert);
    if (layer.spec.router.groups > 1) fail("layer {} has groups of experts, which must stay equal", layer.layer);
    const bool corrected = !layer.correction.empty() && layer.spec.router.score == moe::RouterPolicy::Score::sigmoid;
    if (!corrected && layer.router_bias.empty())
        fail("layer {}: its router has no bias that could keep a new expert unchosen", layer.layer);
    std::vector<int> order(static_cast<size_t>(layer.count()));
    std::iota(order.begin(), order.end(), 0);
    const float below = corrected ? std::ranges::min(layer.correction) - 1 : 0;
    order.push_back(like.expert);
    layer.keep(order);
    if (corrected)
        layer.correction.back() = below;
    else
        layer.router_bias.back() = -1e4f;
}

void split(Draft& draft, int parts) {
    for (const DraftLayer& layer : draft.layers()) check_splittable(layer, parts);
    for (DraftLayer& layer : draft.layers()) {
        const float factor = 1 / kept_weight(layer.spec.router, parts);
        const int64_t width = layer.spec.hidden / parts;
        std::vector<int> order;
        std::vector<ExpertWeights> experts;
        for (int e = 0; e < layer.count(); ++e) {
            const ExpertWeights& old = layer.experts[static_cast<size_t>(e)];
            for (int part = 0; part < parts; ++part) {
                const int64_t begin = part * width, end = begin + width;
                order.push_back(e);
                // Each part adds its share of the bias.
                Weight bias = old.down_bias;
                if (bias) {
                    std::vector<float> values = to_floats(bias.value);
                    for (float& v : values) v *= factor / static_cast<float>(parts);
                    bias = draft.weight(values, DType::f32, bias.value.shape);
                }
                experts.push_back({.gate = rows_of(old.gate, begin, end),
                                   .up = rows_of(old.up, begin, end),
                                   .down = columns_of(draft, old.down, begin, end, factor),
                                   .gate_bias = rows_of(old.gate_bias, begin, end),
                                   .up_bias = rows_of(old.up_bias, begin, end),
                                   .down_bias = bias});
            }
        }
        layer.keep(order);
        layer.experts = std::move(experts);
        layer.spec.hidden = static_cast<int>(width);
        layer.spec.router.top_k *= parts;
    }
}

void retype(Draft& draft, int layer, int expert, DType dtype) {
    DraftLayer& l = draft.layer(layer);
    if (expert >= 0) index(l, expert);
    if (!is_float(dtype) && !is_quantised(dtype)) fail("experts cannot be {}", info(dtype).name);
    for (int e = expert < 0 ? 0 : expert; e < (expert < 0 ? l.count() : expert + 1); ++e) {
        const auto matrices = {&ExpertWeights::gate, &ExpertWeights::up, &ExpertWeights::down};
        ExpertWeights& w = l.experts[static_cast<size_t>(e)];
        for (const auto matrix : matrices)
            if (w.*matrix && (w.*matrix).value.cols() % info(dtype).block != 0)
                fail("layer {}: rows of {} do not fit blocks of {}", layer, (w.*matrix).value.cols(), info(dtype).name);
        for (const auto matrix : matrices)
            if (w.*matrix) w.*matrix = draft.weight(to_floats((w.*matrix).value), dtype, (w.*matrix).value.shape);
    }
}

void shrink_k(Draft& draft, int layer, int k) {
    const auto check = [&](const DraftLayer& l) {
        if (k < 1 || k > l.count()) fail("layer {} has {} experts: a token cannot use {}", l.layer, l.count(), k);
    };
    if (layer >= 0) {
        check(draft.layer(layer));
        draft.layer(layer).spec.router.top_k = k;
        return;
    }
    for (const DraftLayer& l : draft.layers()) check(l);
    for (DraftLayer& l : draft.layers()) l.spec.router.top_k = k;
}

}  // namespace gremium::lab
