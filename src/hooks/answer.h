// One answer of a model and what goes with it: steering, those who watch, a record, when to stop, and its text as it
// is made.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer_parts.h"
#include "engine/prompt_cache.h"
#include "engine/scheduler.h"
#include "engine/text_stream.h"
#include "hooks/attribution.h"
#include "hooks/audit.h"
#include "hooks/steering.h"

namespace gremium::hooks {

struct AnswerOptions {
    engine::GenerateOptions generate = {};
    // Texts that end the answer and are no part of it.
    std::vector<std::string> stop = {};
    // Null: none.
    SteeringHook* steering = nullptr;
    // A hook that only looks; null: none.
    moe::RoutingHook* watcher = nullptr;
    // Null: nothing is drafted; nor is it where anything steers, watches, explains or records.
    std::shared_ptr<engine::Drafter> drafter = {};
    // Of an answer that is alone.
    engine::DraftGate* draft_gate = nullptr;
    // Fills AnswerResult::explained.
    bool explain = false;
    // Gets all lines of an audit record. Of its setup the caller gives version, model, kernels, cache and prompt.
    AuditRecorder::OnLine on_audit = {};
    AuditSetup audit = {};
    // What the model thinks is told apart from what it says (engine/answer_parts.h): text is what it says.
    bool parts = false;
    std::function<void(std::string_view thought)> on_thought = {};
    // Text as soon as it is certain (engine/text_stream.h), and the position at which its last token was decided.
    std::function<void(std::string_view text, int32_t position)> on_text = {};
    // After on_text; false: enough.
    std::function<bool(int32_t token)> on_token = {};
};

// Tokens and seconds of evaluating prompts and of making the tokens after the first, which comes out of the prompt.
struct Speed {
    int64_t prefill_tokens = 0, decode_tokens = 0;
    double prefill_seconds = 0, decode_seconds = 0;

    double prefill() const { return rate(prefill_tokens, prefill_seconds); }  // tokens a second
    double decode() const { return rate(decode_tokens, decode_seconds); }
    Speed& operator+=(const Speed& other);

  private:
    static double rate(int64_t tokens, double seconds) {
        return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
    }
};

struct AnswerResult {
    std::string text, thought;
    // With those that made a stop text.
    std::vector<int32_t> tokens;
    engine::Finish finish = engine::Finish::failed;
    // Tokens of the prompt that were not evaluated again.
    size_t kept = 0;
    // Zeros beside other answers.
    Speed speed;
    std::vector<Attribution> explained;
};
std::string_view name_of(engine::Finish finish);  // end, stop, length, context, cancelled, failed

class Answer {
  public:
    // What the options refer to must outlive it. Throws Error for a stop text that cannot be met and
    // for a sampler's option out of its range.
    Answer(std::shared_ptr<const Model> model, engine::Prompt prompt, AnswerOptions options);
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;

    // Alone: all at once. Throws Error as PromptCache::answer.
    const AnswerResult& run(engine::PromptCache& cache);

    // Beside others: for a scheduler, which then calls this answer until it calls on_finish, once. Throws Error for
    // answers that explain or record: a scheduler hands out no logits.
    engine::Request request(std::function<void(const AnswerResult&)> on_finish);

    const engine::Prompt& prompt() const { return prompt_; }
    const AnswerResult& result() const { return result_; }

  private:
    using Clock = std::chrono::steady_clock;

    moe::RoutingHook* hook() { return hooked_ ? &chain_ : nullptr; }
    std::vector<moe::RoutingHook*> hooks();
    void begin_record(const engine::Session& session);
    bool take(int32_t token, std::span<const float> logits_V);
    void end(engine::Finish finish);
    void show_text(std::string text);
    void show(const engine::AnswerPieces& pieces);

    std::shared_ptr<const Model> model_;
    engine::Prompt prompt_;
    AnswerOptions options_;
    engine::TextStream stream_;
    std::optional<engine::AnswerParts> parts_;
    std::optional<ContributionRecorder> contributions_;
    std::optional<AuditRecorder> audit_;
    moe::HookChain chain_;
    bool hooked_;  // the chain is not empty
    AnswerResult result_;
};

}  // namespace gremium::hooks
