#include "engine/step.h"

#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/layers/attention/attention.h"

namespace gremium::engine {
namespace {

std::string fingerprint(const moe::RoutingHook* hook) { return hook ? hook->fingerprint() : std::string(); }

ops::Graph::Options after_clearing(Arena& arena, DType compute) {
    arena.clear();
    return running_options(compute);
}

// The due tokens, row by row.
struct Rows {
    std::vector<int32_t> tokens, positions, sequences;
    std::vector<KvCache*> caches;
    std::vector<moe::RoutingHook*> hooks;

    explicit Rows(std::span<const Due> due) {
        for (const Due& own : due) {
            auto position = static_cast<int32_t>(own.timeline->length());
            for (size_t i = 0; i < own.tokens.size(); ++i) {
                if (i == 0 || own.apart) begin_sequence(*own.timeline);
                tokens.push_back(own.tokens[i]);
                sequences.push_back(static_cast<int32_t>(caches.size() - 1));
                positions.push_back(position++);
            }
        }
        // A single sequence needs no cohorts.
        if (caches.size() == 1) sequences.clear();
    }

    void begin_sequence(Timeline& timeline) {
        caches.push_back(&timeline.cache());
        hooks.push_back(timeline.hook());
    }
};

}  // namespace

void Timeline::set_hook(moe::RoutingHook* hook) {
    if (fingerprint(hook) != steering_) cache_.truncate(0);
    hook_ = hook;
}

bool Timeline::steering_holds() const { return length() == 0 || fingerprint(hook_) == steering_; }

void Timeline::require_steering() {
    if (!steering_holds())
        fail("the {} tokens of the context were computed under other steering; it must be emptied first", length());
    if (length() == 0) steering_ = fingerprint(hook_);
}

Step::Step(Arena& arena, const Model& model, DType compute, std::span<const Due> due)
    : graph_(arena, after_clearing(arena, compute)), model_(model) {
    for (const Due& own : due) own.timeline->require_steering();
    const Rows rows(due);
    const Forward out =
        forward(graph_, model, {.tokens = rows.tokens, .positions = rows.positions, .sequences = rows.sequences},
                {.caches = rows.caches, .hooks = rows.hooks});
    hidden_TD_ = out.hidden_TD;
}

Tensor Step::logits(std::span<const int32_t> rows) {
    const Tensor logits_RV = gremium::logits(graph_, model_, hidden_TD_, rows)->value;
    for (int64_t r = 0; r < logits_RV.rows(); ++r)
        require_finite({logits_RV.f32() + r * logits_RV.cols(), static_cast<size_t>(logits_RV.cols())},
                       "the logit of token", model_);
    return logits_RV;
}

void Step::each_logits(const OnLogits& on_row) { engine::each_logits(graph_, model_, hidden_TD_, on_row); }

void read_source(Arena& arena, const Model& model, std::span<const int32_t> source, DType compute, KvCache& cache) {
    if (!model.encoder) fail("{}: has no encoder that could read a source", model.source);
    std::vector<int32_t> positions(source.size());
    std::iota(positions.begin(), positions.end(), 0);
    ops::Graph g(arena, after_clearing(arena, compute));
    const Forward out = forward(g, *model.encoder, {.tokens = source, .positions = positions, .sequences = {}});
    remember_source(g, out.hidden_TD, model, cache);
}

}  // namespace gremium::engine
