// Recording what routers decided, in memory and as the JSON Lines that `gremium run --trace` writes.
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
    std::vector<int32_t> experts = {};  // chosen, best first; those that were given up are left out
    std::vector<float> weights = {};    // of each
    float margin = 0;                   // as AfterSelection::margin_T
};

// The hook that records. It changes no bit of the result. Not for several threads at once.
class RoutingTrace final : public RoutingHook {
  public:
    explicit RoutingTrace(const Engine& engine);
    ~RoutingTrace() override;

    void after_selection(const AfterSelection& selection) override;

    int64_t size() const;  // decisions kept, in the order in which they were made
    RoutingDecision decision(int64_t index) const;
    // Tokens that chose an expert, of all since construction.
    int64_t load(int layer, int expert) const;
    void clear();  // forgets the decisions, not the loads

    // One JSON object a line: position, token, piece, layer, experts, weights, margin. The file appears whole or not
    // at all. Throws Error where it cannot be written.
    void write(const std::string& path) const;

  private:
    std::unique_ptr<api::Trace> trace_;
};

// Reads such a file. Throws Error naming the line at fault.
std::vector<RoutingDecision> read_trace(const std::string& path);

}  // namespace v0
}  // namespace gremium
