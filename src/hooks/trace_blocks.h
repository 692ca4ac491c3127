// Routing decisions in blocks, one block per forward. Blocks are written to disk (trace_file.h), read back and counted
// (statistics.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/spec/spec.h"
#include "moe/hook.h"

namespace gremium::hooks {

struct TraceLayer {
    int layer;    // index in the decoder
    int experts;  // E
    friend bool operator==(const TraceLayer&, const TraceLayer&) = default;
};
// The layers that have experts.
std::vector<TraceLayer> trace_layers(const ModelSpec& spec);

// T tokens with k choices each, by descending selection score. A dropped choice has id −1 and weight 0.
struct TraceBlock {
    // A position that does not follow the one before it begins a new window.
    std::vector<int32_t> tokens, positions;
    struct Layer {
        // Hooks may change it from block to block.
        int top_k = 0;
        std::vector<int32_t> ids_Tk;
        std::vector<float> weights_Tk;
        // As moe::AfterSelection::margin_T; infinity if k = E.
        std::vector<float> margin_T;
        // Euclidean norms of the experts' outputs before their weights are applied; empty if not measured.
        std::vector<float> norms_Tk;
    };
    std::vector<Layer> layers;  // as trace_layers()

    size_t size() const { return tokens.size(); }
};

// The hook that makes blocks: it collects the decisions of one forward and passes them to on_block when the forward is
// over. It serves one session at a time.
class TraceCollector : public moe::RoutingHook {
  public:
    using OnBlock = std::function<void(const TraceBlock&)>;
    struct Options {
        bool norms = false;  // measure the norm of each expert's output
    };
    TraceCollector(const ModelSpec& spec, Options options, OnBlock on_block);

    void after_selection(const moe::AfterSelection& selection) override;
    void contributes(const moe::Contribution& contribution) override;
    // Passes on the last block; call it after the last forward.
    void finish();

  private:
    std::vector<int> row_of_layer_;  // −1: no experts
    Options options_;
    OnBlock on_block_;
    TraceBlock block_;
    size_t rows_ = 0;  // layers of the block that are complete
};

}  // namespace gremium::hooks
