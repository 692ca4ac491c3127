// Audit records: generations that can be checked by replaying them. JSON Lines; a file holds one run after the other,
// each of them
//   {"audit":"gremium-audit-1", …}           what the tokens depend on: AuditSetup
//   {"position", "token", "layers":[{"layer", "experts", "weights", "margin"}…], "chose":{"token", "piece", "logit",
//    "against", "against_piece", "against_logit"}}   for every position evaluated
//   {"end":"gremium-audit-1", "tokens"}
// "chose" is present if a token was chosen from the position's logits; "against" is the best other token. An infinite
// margin is left out. Numbers have enough digits to be read back exactly.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine/arithmetic.h"
#include "engine/continuation.h"
#include "hooks/trace_blocks.h"
#include "model/model.h"

namespace gremium::hooks {

// Everything that the tokens depend on. The number of threads is not part of it: it changes no bit.
struct AuditSetup {
    // The version of the program.
    std::string version = {};
    // Path, name and weights hash (versions/hash.h) of the model.
    std::string model = {}, model_name = {}, model_hash = {};
    // The kernel variant.
    std::string kernels = {};
    // The steering profile as TOML; empty: none.
    std::string steering = {}, steering_hash = {};
    std::string prompt = {};
    // The encoder's input, for models that have one.
    std::vector<int32_t> source_tokens = {};
    std::vector<int32_t> prompt_tokens = {};
    int64_t context = 0;
    DType cache = DType::f32;
    engine::Arithmetic arithmetic = engine::Arithmetic::running;
    engine::GenerateOptions generate = {};
    // Texts that end the answer.
    std::vector<std::string> stop = {};
};
std::string to_line(const AuditSetup& setup);
// Throws Error naming `source` if it is not the first line of a run, or of another format version.
AuditSetup parse_setup(const std::string& line, const std::string& source);

// The hook that produces the lines of a run after the first. Call chose() for every generated token, finish() at the
// end.
class AuditRecorder : public moe::RoutingHook {
  public:
    using OnLine = std::function<void(const std::string& line)>;
    AuditRecorder(const Model& model, OnLine on_line);

    void after_selection(const moe::AfterSelection& s) override { collector_.after_selection(s); }
    void contributes(const moe::Contribution& c) override { collector_.contributes(c); }
    void chose(int32_t token, std::span<const float> logits_V);
    void finish();

  private:
    void add(const TraceBlock& block);
    void say();

    const Model& model_;
    std::vector<TraceLayer> layers_;
    OnLine on_line_;
    TraceCollector collector_;
    // The line of the latest position, from whose logits a token may still be chosen.
    nlohmann::ordered_json waiting_;
    int64_t tokens_ = 0;
};

// The first difference between two lines: its JSON pointer and both values.
std::string first_difference(const std::string& recorded, const std::string& now);

}  // namespace gremium::hooks
