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

#include "engine/continuation.h"
#include "hooks/trace_blocks.h"
#include "model/model.h"

namespace gremium::hooks {

// All that the tokens depend on. Threads are not among it: their number changes no bit.
struct AuditSetup {
    std::string version;                        // of the program
    std::string model, model_name, model_hash;  // path; hash: model_hash.h, of the weights in force
    std::string kernels;                        // the variant that ran
    std::string steering, steering_hash;        // the profile in force as TOML; empty: none
    std::string prompt;
    std::vector<int32_t> source_tokens;  // what the encoder read, of models that have one
    std::vector<int32_t> prompt_tokens;
    int64_t context = 0;
    DType cache = DType::f32;
    engine::GenerateOptions generate;
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

struct Replay {
    int64_t positions = 0, tokens = 0;  // that were the same
    std::string difference;             // the first, with its line; empty: none
};
// Runs again what `lines` recorded, the first of them a setup's, the others up to the end of the run. Throws Error where it
// cannot begin: a model whose hash is another.
Replay replay(std::shared_ptr<const Model> model, const AuditSetup& setup, std::span<const std::string> lines);

}  // namespace gremium::hooks
