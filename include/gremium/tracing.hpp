// Traces: the decisions of all routers, in memory and as the JSON Lines that `gremium run --trace` writes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gremium/engine.hpp>
#include <gremium/hook.hpp>

namespace gremium {
namespace api {
struct Trace;
}

inline namespace v0 {

// One layer's decision about one token.
struct RoutingDecision {
    int layer = 0;
    int32_t position = 0, token = 0;
    std::string piece = {};             // the token's text; empty without a tokenizer
    std::vector<int32_t> experts = {};  // the experts chosen, best first, without dropped ones
    std::vector<float> weights = {};    // their routing weights
    float margin = 0;                   // as AfterSelection::margin_T
};

// The hook that records decisions. It does not change any result. Use it from one thread at a time.
class RoutingTrace final : public RoutingHook {
  public:
    explicit RoutingTrace(const Engine& engine);
    ~RoutingTrace() override;

    void after_selection(const AfterSelection& selection) override;

    // Number of decisions recorded. They are in the order in which they were made.
    int64_t size() const;
    RoutingDecision decision(int64_t index) const;
    // Number of tokens that were routed to an expert since construction.
    int64_t load(int layer, int expert) const;
    // Forgets the decisions, but keeps the loads.
    void clear();

    // Writes one JSON object per line: position, token, piece, layer, experts, weights, margin. The file appears
    // complete or not at all. Throws Error if it cannot be written.
    void write(const std::string& path) const;

  private:
    std::unique_ptr<api::Trace> trace_;
};

// Reads such a file. Throws Error naming the line.
std::vector<RoutingDecision> read_trace(const std::string& path);

}  // namespace v0
}  // namespace gremium
