// Session: one sequence of tokens and what the model has computed for it (the context).
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
    // 0: always the most probable token.
    float temperature = 0.8f;
    // Sample from the k most probable tokens; 0: all.
    int top_k = 40;
    // Sample from the fewest most probable tokens whose probabilities sum to top_p; 1: all.
    float top_p = 0.95f;
    // Leave out tokens less probable than this share of the best one's probability; 0: none.
    float min_p = 0.05f;
    // Above 1: recent tokens, of the prompt too, become less likely.
    float repetition_penalty = 1;
    // How many tokens count as recent.
    int repetition_window = 64;
    // The same seed, prompt and options give the same tokens.
    uint64_t seed = 0;
};

struct GenerateOptions {
    int64_t max_tokens = 128;
    SamplerOptions sampler = {};
    // Stop texts: the answer ends before the first one that appears.
    std::vector<std::string> stops = {};
    // Continue after a token that ends an answer.
    bool ignore_end = false;
};

enum class Finish : uint8_t {
    end,        // the model ended its answer
    stop,       // one of `stops` appeared
    length,     // max_tokens was reached
    context,    // the context is full
    callback,   // on_text returned false
    cancelled,  // by Scheduler::cancel or the scheduler's destructor
    failed      // Scheduler::step threw
};

struct Answer {
    std::string text;             // empty without a tokenizer
    std::vector<int32_t> tokens;  // all generated tokens, including those of a stop text
    Finish finish = Finish::failed;
};

// Called for each generated token. `text` holds the UTF-8 characters that are now complete and certain to belong to the
// answer; it is often empty. Return false to end the answer.
using OnText = std::function<bool(std::string_view text, int32_t token)>;

struct SessionOptions {
    // Capacity in tokens; 0: the model's context, or what fits into half of the free memory if that is less.
    int64_t context = 0;
    // Prompt tokens that are evaluated together.
    int64_t prefill_chunk = 512;
    CacheType cache = CacheType::f32;
    Arithmetic arithmetic = Arithmetic::running;
    SteeringProfile steering = {};
    // Called in this order, after `steering`.
    std::vector<std::shared_ptr<RoutingHook>> hooks = {};
};

// Memory that a session needs, in bytes.
struct MemoryEstimate {
    int64_t weights = 0;      // in mapped files: the operating system loads and drops their pages as it has room
    int64_t converted = 0;    // weights that are kept in another form than the file's
    int64_t cache = 0;        // for the whole context
    int64_t activations = 0;  // of the largest evaluation, with the working memory of all threads
    int64_t total() const { return weights + converted + cache + activations; }
};
// Computed without opening a session; a context of 0 means the model's context.
MemoryEstimate memory_estimate(const Engine& engine, const SessionOptions& options = {});

// Use it from one thread at a time; this also holds for all sessions of one engine together (engine.hpp).
class Session {
  public:
    // Throws Error: options out of range, a context that does not fit into memory, steering that does not fit the
    // model.
    explicit Session(const Engine& engine, const SessionOptions& options = {});
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    // Makes the context hold exactly these tokens: keeps the longest common prefix, forgets the rest and evaluates the
    // missing tokens. Returns the logits after the last token, as evaluate() does. Throws Error for no tokens, ids
    // outside the vocabulary, and more tokens than the capacity. Tokens that were evaluated in other pieces can give
    // logits that differ in the last bits, because sums are then taken in another order.
    std::span<const float> sync(std::span<const int32_t> tokens);
    // Appends tokens. Returns the logits [vocabulary] of the token that follows the last one; they stay valid until the
    // next evaluation. Throws Error as sync() does.
    std::span<const float> evaluate(std::span<const int32_t> tokens);
    // The latest logits.
    std::span<const float> logits() const;
    // The tokens in the context.
    std::span<const int32_t> tokens() const;
    // The most tokens that the context can hold.
    int64_t capacity() const;
    // Forgets all but the first `length` tokens. Layers that keep a state or a window instead of all tokens may have to
    // forget more. Returns the number of tokens left.
    int64_t truncate(int64_t length);

    // For models with an encoder: encodes the source that the following tokens depend on, and empties the context.
    // Throws Error for other models.
    void read_source(std::span<const int32_t> source);
    // Replaces steering and hooks. The context is emptied if their fingerprint differs. Throws Error as the constructor
    // does; nothing has changed then.
    void steer(const SteeringProfile& steering, std::vector<std::shared_ptr<RoutingHook>> hooks = {});

    // Syncs to the prompt and continues it. Afterwards the context holds the prompt and all generated tokens but the
    // last. Throws Error as sync() does, and passes on what on_text throws.
    Answer generate(std::span<const int32_t> prompt, const GenerateOptions& options = {}, const OnText& on_text = {});
    // The same for a text, tokenised with the default TokenizeOptions.
    Answer generate(std::string_view prompt, const GenerateOptions& options = {}, const OnText& on_text = {});

  private:
    std::unique_ptr<api::OpenSession> session_;
};

}  // namespace v0
}  // namespace gremium
