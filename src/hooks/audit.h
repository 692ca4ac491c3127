// The record of a generation that can be checked: JSON Lines, a run after the other, each
//   {"audit":"gremium-audit-1", what the run was made from: AuditSetup}
//   {"position", "token", "layers":[{"layer", "experts", "weights", "margin"}…], "chose":{"token", "piece", "logit",
//    "against", "against_piece", "against_logit"}}                                for every position evaluated
//   {"end":"gremium-audit-1", "tokens"}
// "chose" is there where a token was made from the position's logits; "against" is the best other one. A margin is left
// out when infinite. Numbers have as many digits as make them the same again.
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

// All that the tokens depend on. Threads are not among it: their number changes no bit.
struct AuditSetup {
    // Of the program.
    std::string version = {};
    // Path, name and hash (versions/hash.h) of the weights in force.
    std::string model = {}, model_name = {}, model_hash = {};
    // The variant that ran.
    std::string kernels = {};
    // The profile in force as TOML; empty: none.
    std::string steering = {}, steering_hash = {};
    std::string prompt = {};
    // What the encoder read, of models that have one.
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
// Throws Error naming `source`: not the first line of a run, or one of another version.
AuditSetup parse_setup(const std::string& line, const std::string& source);

// The hook that says the lines of a run after the first. Call chose() for every token made, finish() at the end.
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
    nlohmann::ordered_json waiting_;  // the latest position: a token may still be chosen from it
    int64_t tokens_ = 0;
};

// The first thing in which two lines differ, by JSON pointer and values.
std::string first_difference(const std::string& recorded, const std::string& now);

}  // namespace gremium::hooks
