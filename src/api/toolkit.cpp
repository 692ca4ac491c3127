#include <gremium/toolkit.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include "api/access.h"
#include "base/error.h"
#include "base/random.h"
#include "kernels/matmul/grouped_matmul.h"
#include "kernels/rowwise/adamw.h"
#include "moe/mixture.h"
#include "moe/store/stores.h"
#include "tensor/arena.h"

namespace gremium {

struct api::TapeState {
    explicit TapeState(bool record) : graph(arena, {.record = record}) {}
    Arena arena;
    ops::Graph graph;
};
struct api::MixtureState {
    moe::RouterPolicy policy;
    std::vector<toolkit::Parameter> parameters;
    std::unique_ptr<moe::ExpertStore> experts;
};

toolkit::Value api::Access::value(ops::Var node) {
    toolkit::Value value;
    value.node_ = node;
    return value;
}
ops::Var api::Access::node(toolkit::Value value) {
    if (!value.node_) fail("a value that no operation made");
    return static_cast<ops::Var>(value.node_);
}
ops::Graph& api::Access::graph(toolkit::Tape& tape) { return tape.state_->graph; }

namespace {

using api::Access;
using toolkit::Parameter;
using toolkit::Tape;
using toolkit::Value;

Shape shape_of(const toolkit::Tensor& tensor) {
    Shape shape;
    for (const int64_t d : tensor.shape()) shape.dim[static_cast<size_t>(shape.rank++)] = d;
    return shape;
}
Tensor view(const toolkit::Tensor& tensor) {
    return tensor ? as_tensor(tensor.values().data(), shape_of(tensor)) : Tensor{};
}
ops::Weight weight(const Parameter& p) { return {view(p.value), view(p.gradient)}; }

// The same, kept alive as long as the tape records the operation.
ops::Weight weight(ops::Graph& g, const Parameter& p) {
    if (g.recording()) g.keep(std::make_shared<const Parameter>(p));
    return weight(p);
}

void require_shape(const char* operation, TensorView given, const Shape& expected) {
    if (given.shape != expected)
        fail("{}: a shape of {} expected, got {}", operation, to_string(expected), to_string(given.shape));
}
void require_vector(const char* operation, const Parameter& p, int64_t count) {
    if (p.value) require_shape(operation, view(p.value), {count});
}
void require_matrix(const char* operation, const Parameter& p) {
    if (!p.value || p.value.shape().size() != 2)
        fail("{}: a matrix expected, got {}", operation, to_string(shape_of(p.value)));
}
void require_ids(const char* operation, std::span<const int32_t> ids, int32_t first, int64_t end) {
    for (const int32_t id : ids)
        if (id < first || id >= end) fail("{}: {} is outside {} to {}", operation, id, first, end - 1);
}

}  // namespace

inline namespace v0 {
namespace toolkit {

double Random::uniform() {
    gremium::Random random(seed_, stream_);
    random.seek(position_++);
    return random.uniform();
}
double Random::normal() {
    gremium::Random random(seed_, stream_);
    random.seek(std::exchange(position_, position_ + 2));
    return random.normal();
}

Tensor::Tensor(std::vector<int64_t> shape) : shape_(std::move(shape)) {
    if (shape_.empty() || shape_.size() > static_cast<size_t>(Shape::max_rank))
        fail("a tensor of {} dimensions, expected 1 to {}", shape_.size(), Shape::max_rank);
    for (const int64_t d : shape_)
        if (d < 1) fail("a tensor's dimension of {}, expected at least 1", d);
    const auto memory = std::make_shared<const OwnedTensor>(DType::f32, shape_of(*this));
    data_ = memory->get().f32();
    memory_ = memory;
}

Tensor Tensor::normal(std::vector<int64_t> shape, Random& random, float scale) {
    Tensor tensor(std::move(shape));
    for (float& x : tensor.values()) x = scale * static_cast<float>(random.normal());
    return tensor;
}

int64_t Tensor::count() const {
    int64_t count = shape_.empty() ? 0 : 1;
    for (const int64_t d : shape_) count *= d;
    return count;
}

Tensor Tensor::operator[](int64_t index) const {
    if (shape_.size() < 2 || index < 0 || index >= shape_[0])
        fail("a tensor of shape {} has no part {}", to_string(shape_of(*this)), index);
    Tensor part = *this;
    part.shape_.erase(part.shape_.begin());
    part.data_ += index * part.count();
    return part;
}

Tensor Tensor::reshaped(std::vector<int64_t> shape) const {
    Tensor other = *this;
    other.shape_ = std::move(shape);
    if (other.shape_.size() > static_cast<size_t>(Shape::max_rank) || other.count() != count() ||
        std::ranges::any_of(other.shape_, [](int64_t d) { return d < 1; }))
        fail("a tensor of {} numbers cannot have the shape {}", count(), fmt::join(other.shape_, " x "));
    return other;
}

void matmul(const Tensor& y_RN, const Tensor& x_RK, const Tensor& w_NK) {
    const gremium::Tensor y = view(y_RN), x = view(x_RK), w = view(w_NK);
    if (!y || !x || !w || w.shape.rank != 2 || x.cols() != w.cols() || y.cols() != w.rows() || y.rows() != x.rows())
        fail("matmul: {} = {} times {} transposed: the shapes do not fit", to_string(y.shape), to_string(x.shape),
             to_string(w.shape));
    kernels::matmul(y, x, w);
}

Parameter::Parameter(Tensor initial)
    : value(std::move(initial)), gradient(value.shape()), mean(value.shape()), variance(value.shape()) {}

void AdamW::update(std::span<const Parameter> parameters) {
    const auto steps = static_cast<float>(++steps_);
    const kernels::AdamW how{.lr = options_.learning_rate,
                             .beta1 = options_.beta1,
                             .beta2 = options_.beta2,
                             .eps = options_.epsilon,
                             .decay = options_.decay,
                             .correction_m = 1 - std::pow(options_.beta1, steps),
                             .correction_v = 1 - std::pow(options_.beta2, steps)};
    for (const Parameter& p : parameters) {
        if (!p.value) continue;
        kernels::adamw(view(p.value), view(p.mean), view(p.variance), view(p.gradient), {}, how);
        std::ranges::fill(p.gradient.values(), 0.0f);
    }
}

std::vector<int64_t> Value::shape() const {
    const gremium::Tensor& value = Access::node(*this)->value;
    return {value.rows(), value.cols()};
}
std::span<const float> Value::values() const {
    const gremium::Tensor& value = Access::node(*this)->value;
    return {value.f32(), static_cast<size_t>(value.count())};
}

Tape::Tape(bool record) : state_(std::make_unique<api::TapeState>(record)) {}
Tape::~Tape() = default;

Value Tape::input(const Tensor& x, bool wants_gradient) {
    if (!x) fail("input: an empty tensor");
    state_->graph.keep(std::make_shared<const Tensor>(x));
    return Access::value(state_->graph.input(view(x), wants_gradient));
}

std::span<float> Tape::gradient(Value v) {
    const gremium::Tensor gradient = state_->graph.grad_of(Access::node(v));
    return {gradient.f32(), static_cast<size_t>(gradient.count())};
}

void Tape::backward() { state_->graph.backward(); }
void Tape::backward(Value loss, float seed) {
    const ops::Var node = Access::node(loss);
    if (node->value.count() != 1)
        fail("backward: a single number expected as the loss, got {}", to_string(node->value.shape));
    state_->graph.backward(node, seed);
}
void Tape::clear() {
    state_->graph.clear();
    state_->arena.clear();
}

Value linear(Tape& tape, Value x, const Parameter& w, const Parameter& bias) {
    require_matrix("linear", w);
    require_vector("linear: bias", bias, w.value.shape()[0]);
    ops::Graph& g = Access::graph(tape);
    return Access::value(ops::linear(g, Access::node(x), weight(g, w), weight(g, bias)));
}

Value embedding(Tape& tape, const Parameter& table, std::span<const int32_t> ids) {
    require_matrix("embedding", table);
    if (ids.empty()) fail("embedding: no ids");
    require_ids("embedding: an id", ids, 0, table.value.shape()[0]);
    ops::Graph& g = Access::graph(tape);
    return Access::value(ops::embedding(g, weight(g, table), ids));
}

Value rms_norm(Tape& tape, Value x, const Parameter& w, float epsilon) {
    const ops::Var node = Access::node(x);
    require_vector("rms_norm", w, node->value.cols());
    ops::Graph& g = Access::graph(tape);
    return Access::value(ops::rms_norm(g, node, weight(g, w), epsilon, node->value.cols(), DType::f32));
}

Value softmax(Tape& tape, Value x) { return Access::value(ops::softmax(Access::graph(tape), Access::node(x))); }
Value sigmoid(Tape& tape, Value x) { return Access::value(ops::sigmoid(Access::graph(tape), Access::node(x))); }

Value silu(Tape& tape, Value gate, Value up) {
    require_shape("silu", Access::node(up)->value, Access::node(gate)->value.shape);
    return Access::value(
        ops::activate(Access::graph(tape), Access::node(gate), Access::node(up), kernels::Activation::silu));
}

Value add(Tape& tape, Value x, Value y) {
    require_shape("add", Access::node(y)->value, Access::node(x)->value.shape);
    return Access::value(ops::add(Access::graph(tape), Access::node(x), Access::node(y)));
}

Value scale(Tape& tape, Value x, float factor) {
    return Access::value(ops::scale(Access::graph(tape), Access::node(x), factor));
}

Value cross_entropy(Tape& tape, Value x, const Parameter& head, std::span<const int32_t> targets) {
    const ops::Var node = Access::node(x);
    require_matrix("cross_entropy: head", head);
    if (head.value.shape()[1] != node->value.cols() || static_cast<int64_t>(targets.size()) != node->value.rows())
        fail("cross_entropy: {} inputs, a head of {} and {} targets do not fit", to_string(node->value.shape),
             to_string(shape_of(head.value)), targets.size());
    require_ids("cross_entropy: a target", targets, -1, head.value.shape()[0]);
    ops::Graph& g = Access::graph(tape);
    return Access::value(ops::cross_entropy(g, node, weight(g, head), targets));
}

Mixture::Mixture(const MixtureOptions& options, Random& random) {
    const int64_t D = options.width, F = options.hidden;
    if (D < 1 || F < 1 || options.experts < 1)
        fail("mixture: {} experts of {} hidden numbers for a width of {}, expected at least 1 of each", options.experts,
             F, D);
    if (options.top_k < 1 || options.top_k > options.experts)
        fail("mixture: {} experts per token, expected 1 to {}", options.top_k, options.experts);
    using Score = moe::RouterPolicy::Score;
    constexpr Score scores[] = {Score::softmax, Score::softmax_selected, Score::sigmoid};
    auto state = std::make_shared<api::MixtureState>();
    state->policy = {.experts = options.experts,
                     .top_k = options.top_k,
                     .score = scores[static_cast<size_t>(options.score)],
                     .normalise = options.normalise};
    state->parameters.emplace_back(Tensor::normal({options.experts, D}, random, options.router_scale));
    std::vector<std::vector<moe::ExpertWeights>> layers(1);
    for (int e = 0; e < options.experts; ++e) {
        for (const auto& [rows, columns] : {std::pair{F, D}, {F, D}, {D, F}})
            state->parameters.emplace_back(Tensor::normal({rows, columns}, random, options.expert_scale));
        const Parameter* expert = &state->parameters.back() - 2;
        layers[0].push_back({weight(expert[0]), weight(expert[1]), weight(expert[2])});
    }
    state->experts = moe::make_expert_store(std::move(layers), moe::Residency::mapped);
    state_ = std::move(state);
}

MixtureOutput Mixture::operator()(Tape& tape, Value x) const {
    const ops::Var node = Access::node(x);
    const ops::Weight router = weight(state_->parameters[0]);
    if (node->value.cols() != router.value.cols())
        fail("mixture: inputs of a width of {}, expected {}", node->value.cols(), router.value.cols());
    ops::Graph& g = Access::graph(tape);
    g.keep(state_);
    moe::MoeOutput out = moe::mixture(g, node, state_->policy, {.router_ED = router, .bias_E = {}, .correction_E = {}},
                                      *state_->experts, kernels::Activation::silu);
    return {.y_TD = Access::value(out.y_TD),
            .ids_Tk = std::move(out.routing.ids_Tk),
            .weights_Tk = Access::value(out.routing.weights_Tk),
            .load_E = std::move(out.routing.load_E),
            .balance_loss = Access::value(out.routing.balance_loss),
            .z_loss = Access::value(out.routing.z_loss)};
}

std::span<const Parameter> Mixture::parameters() const { return state_->parameters; }

}  // namespace toolkit
}  // namespace v0
}  // namespace gremium
