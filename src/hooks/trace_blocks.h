// What routing decided, token by token, in blocks: one block is what one forward evaluated together. The unit that is
// written to disk (trace_file.h), read back and counted (statistics.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/spec/spec.h"
#include "moe/hook.h"

namespace gremium::hooks {

struct TraceLayer {
    int layer;    // of the decoder
    int experts;  // E
    friend bool operator==(const TraceLayer&, const TraceLayer&) = default;
};
std::vector<TraceLayer> trace_layers(const ModelSpec& spec);  // the layers that have experts

// T tokens, k choices by descending selection score. A dropped choice (capacity) has the id −1 and the weight 0.
struct TraceBlock {
    std::vector<int32_t> tokens, positions;  // a position not after the one before begins another window
    struct Layer {
        int top_k = 0;  // the hook may change it from block to block
        std::vector<int32_t> ids_Tk;
        std::vector<float> weights_Tk;
        std::vector<float> margin_T;  // as moe::AfterSelection; infinity when k = E
        std::vector<float> norms_Tk;  // Euclidean, of the experts' outputs before their weights; or empty
    };
    std::vector<Layer> layers;  // as trace_layers()

    size_t size() const { return tokens.size(); }
};

// The hook that makes blocks: keeps the events of one forward and hands them on when it is over. One sequence of
// forwards after another, not several at once.
class TraceCollector : public moe::RoutingHook {
  public:
    using OnBlock = std::function<void(const TraceBlock&)>;
    struct Options {
        bool norms = false;  // of each expert's output
    };
    TraceCollector(const ModelSpec& spec, Options options, OnBlock on_block);

    void after_selection(const moe::AfterSelection& selection) override;
    void contributes(const moe::Contribution& contribution) override;
    void finish();  // hands on the last block; call it after the last forward

  private:
    std::vector<int> row_of_layer_;  // −1: no experts
    Options options_;
    OnBlock on_block_;
    TraceBlock block_;
    size_t rows_ = 0;  // layers of the block that have reported
};

}  // namespace gremium::hooks
