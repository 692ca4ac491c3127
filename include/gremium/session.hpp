// Session: one sequence of tokens and what the model computed of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gremium/engine.hpp>
#include <gremium/hook.hpp>
#include <gremium/steering.hpp>

namespace gremium {
namespace api {
class OpenSession;
}

inline namespace v0 {

struct SamplerOptions {
    float temperature = 0.8f;      // 0: always the most probable token
    int top_k = 40;                // sample among the k most probable; 0: all
    float top_p = 0.95f;           // among the first that have this probability together; 1: all
    float min_p = 0.05f;           // not among those below this share of the best one's probability; 0: all
    float repetition_penalty = 1;  // above 1: recent tokens become less likely
    int repetition_window = 64;    // how many tokens count as recent
    uint64_t seed = 0;             // the same seed, prompt and options: the same tokens
};

struct GenerateOptions {
    int64_t max_tokens = 128;
    SamplerOptions sampler = {};
    std::vector<std::string> stops = {};  // the answer ends before the first of these texts
    bool ignore_end = false;              // go on after a token that ends an answer
};

enum class Finish : uint8_t {
    end,        // the model ended its answer
    stop,       // one of `stops` came
    length,     // max_tokens
    context,    // the context is full
    callback,   // on_text returned false
    cancelled,  // by Scheduler::cancel, or with the scheduler's end
    failed      // Scheduler::step threw
};

struct Answer {
    std::string text;             // empty without a tokenizer
    std::vector<int32_t> tokens;  // all that were made, those of a stop text included
    Finish finish = Finish::failed;
};

// Hears the answer as it is made: whole UTF-8 characters that are certain to belong to it (often none: the text is
// then empty), and the token just made. Return false to end the answer.
using OnText = std::function<bool(std::string_view text, int32_t token)>;

struct SessionOptions {
    // Tokens that it can hold; 0: the model's number, or what fits into half of the free memory where that is less.
    int64_t context = 0;
    int64_t prefill_chunk = 512;  // tokens of a prompt that are evaluated together
    CacheType cache = CacheType::f32;
    Arithmetic arithmetic = Arithmetic::running;
    SteeringProfile steering = {};
    std::vector<std::shared_ptr<RoutingHook>> hooks = {};  // called in this order, after `steering`
};

// What a session takes, in bytes.
struct MemoryEstimate {
    int64_t weights = 0;      // in mapped files: the system reads and drops their pages as it has room
    int64_t converted = 0;    // weights that are held in another form than the file's
    int64_t cache = 0;        // of the whole context
    int64_t activations = 0;  // of the largest evaluation, and what threads work in
    int64_t total() const { return weights + converted + cache + activations; }
};
// Known before the session is opened; a context of 0 is the model's.
MemoryEstimate memory_estimate(const Engine& engine, const SessionOptions& options = {});

// For one thread at a time, and so are sessions of one engine together (engine.hpp).
class Session {
  public:
    // Throws Error: options out of range, a context that does not fit into memory, steering that does not fit the
    // model.
    explicit Session(const Engine& engine, const SessionOptions& options = {});
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    // Makes the context hold exactly these tokens: keeps the longest common prefix, forgets the rest and evaluates
    // what is missing. Returns the logits after the last token, as evaluate() does. Throws Error for no tokens, ids
    // outside the vocabulary and more than the context holds. What was evaluated in other pieces may differ in the last
    // bits of a number, as sums are then made in another order.
    std::span<const float> sync(std::span<const int32_t> tokens);
    // Appends tokens. Returns a logit for each entry of the vocabulary, for what comes after the last token; they stay
    // valid until the next call that evaluates. Throws Error as sync().
    std::span<const float> evaluate(std::span<const int32_t> tokens);
    std::span<const float> logits() const;    // the latest
    std::span<const int32_t> tokens() const;  // what the context holds
    int64_t capacity() const;                 // tokens that it can hold
    // Forgets what comes after `length` tokens. Layers that keep a state or a window instead of all tokens may have to
    // forget more: returns how many are left.
    int64_t truncate(int64_t length);

    // Of a model with an encoder: reads the source that the tokens from now on are made from, and forgets all before.
    // Throws Error for other models.
    void read_source(std::span<const int32_t> source);
    // Other steering and hooks from now on. Where the fingerprints differ, the context is emptied.
    // Throws Error as the constructor, and then nothing has changed.
    void steer(const SteeringProfile& steering, std::vector<std::shared_ptr<RoutingHook>> hooks = {});

    // Syncs to the prompt and continues it. The tokens made are in the context afterwards, but for the last.
    // Throws Error as sync(); what on_text throws comes out of it.
    Answer generate(std::span<const int32_t> prompt, const GenerateOptions& options = {}, const OnText& on_text = {});
    // The same of a text, tokenised with the defaults of TokenizeOptions.
    Answer generate(std::string_view prompt, const GenerateOptions& options = {}, const OnText& on_text = {});

  private:
    std::unique_ptr<api::OpenSession> session_;
};

}  // namespace v0
}  // namespace gremium
