#include <gremium/tracing.hpp>

#include "api/access.h"
#include "api/hooks.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "hooks/recorder.h"

namespace gremium {

struct api::Trace {
    std::shared_ptr<const Model> model;
    hooks::RouteRecorder recorder;
};

inline namespace v0 {

RoutingTrace::RoutingTrace(const Engine& engine) {
    const auto& model = api::Access::model(engine);
    trace_ = std::make_unique<api::Trace>(model, hooks::RouteRecorder(model->spec));
}
RoutingTrace::~RoutingTrace() = default;

void RoutingTrace::after_selection(const AfterSelection& selection) {
    const moe::TokenBatch batch{selection.tokens_T, selection.positions_T};
    trace_->recorder.after_selection(api::to_internal(selection, batch));
}

int64_t RoutingTrace::size() const { return static_cast<int64_t>(trace_->recorder.size()); }

RoutingDecision RoutingTrace::decision(int64_t index) const {
    if (index < 0 || index >= size()) fail("a trace of {} decisions has none of index {}", size(), index);
    const hooks::RouteEvent event = trace_->recorder.event(static_cast<size_t>(index));
    const Tokenizer* tokenizer = trace_->model->tokenizer.get();
    return {.layer = event.layer,
            .position = event.position,
            .token = event.token,
            .piece = std::string(tokenizer ? tokenizer->piece(event.token) : std::string_view()),
            .experts = {event.experts.begin(), event.experts.end()},
            .weights = {event.weights.begin(), event.weights.end()},
            .margin = event.margin};
}

int64_t RoutingTrace::load(int layer, int expert) const {
    const std::vector<int>& layers = trace_->recorder.layers();
    const auto row = std::ranges::find(layers, layer);
    if (row == layers.end()) fail("{}: layer {} has no experts", trace_->model->source, layer);
    const int experts = trace_->model->spec.layers[static_cast<size_t>(layer)].moe()->router.experts;
    if (expert < 0 || expert >= experts)
        fail("{}: layer {} has no expert {} of {}", trace_->model->source, layer, expert, experts);
    return trace_->recorder.load(static_cast<size_t>(row - layers.begin()), expert);
}

void RoutingTrace::clear() { trace_->recorder.clear_events(); }

void RoutingTrace::write(const std::string& path) const {
    write_file_atomically(path, trace_->recorder.to_json_lines(trace_->model->tokenizer.get()));
}

std::vector<RoutingDecision> read_trace(const std::string& path) {
    std::vector<RoutingDecision> decisions;
    hooks::read_json_lines(path, [&](const hooks::RouteEvent& event, const std::string& piece) {
        decisions.push_back({.layer = event.layer,
                             .position = event.position,
                             .token = event.token,
                             .piece = piece,
                             .experts = {event.experts.begin(), event.experts.end()},
                             .weights = {event.weights.begin(), event.weights.end()},
                             .margin = event.margin});
    });
    return decisions;
}

}  // namespace v0
}  // namespace gremium
