// Engine: an open model. The weights stay in their mapped files and never change.
//
//   const auto engine = gremium::Engine::open("model.gguf");
//   gremium::Session session(engine);
//   std::puts(session.generate("The first step is to").text.c_str());
//
// Stability: within a minor version (0.1.x), programs keep compiling, and keep running with a newer shared library.
// Between minor versions anything may change. Only the headers in include/gremium are public; no others are installed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gremium/error.hpp>

namespace gremium {
namespace api {
struct Access;
struct OpenModel;
}  // namespace api

// Everything except Error is in an inline namespace that marks the symbols of this minor version. Leave it out in your
// code: write gremium::Engine.
inline namespace v0 {

// The version of the library, "0.1.0".
std::string version();

// Sets the number of threads for all computations of this process; 0: one per core. Results do not depend on it. Do
// not call it while anything is being computed.
void use_threads(int threads);

// How products with block-quantised weights are computed. running: activations are rounded to integers first, which is
// fast; for generating text. exact: f32 throughout; for measuring.
enum class Arithmetic : uint8_t { running, exact };

// Element type of the cached keys and values.
enum class CacheType : uint8_t { f32, f16, bf16, q8_0 };

struct EngineOptions {
    // Copies all experts into memory when the model is opened. Otherwise the operating system reads pages of the mapped
    // file when they are needed.
    bool resident = false;
};

// A layer that has experts.
struct ExpertLayer {
    int layer;    // index in the decoder, from 0
    int experts;  // number of experts
    int chosen;   // experts used per token
    int width;    // hidden width of one expert
};

struct EngineFacts {
    std::string source;        // the path it was opened with
    std::string architecture;  // "mixtral", "qwen3moe", …
    std::string name;          // the model's name; may be empty
    int layers = 0;            // decoder layers
    int width = 0;             // model width (hidden size)
    int vocabulary = 0;        // token ids are 0 … vocabulary − 1
    int context = 0;           // the longest context that the model was made for, in tokens
    bool has_tokenizer = false;
    bool has_chat_template = false;
    bool has_encoder = false;                     // encoder–decoder models, for example translators
    std::vector<ExpertLayer> expert_layers = {};  // empty for a dense model
    int64_t parameters = 0;                       // total
    int64_t active_parameters = 0;                // used per token
    int64_t weight_bytes = 0;                     // total
    int64_t weight_bytes_per_token = 0;           // read per token
    int32_t begin_token = -1;                     // first token of a text; −1: none
    int32_t target_begin = -1;                    // first token of a translator's answer; −1: none
};

struct TokenizeOptions {
    // Adds the tokens that begin and end a text, if the model uses them.
    bool add_begin_end = true;
    // Text such as "</s>" becomes the special token of that name. Set false for text that you do not trust.
    bool special = true;
};

struct ChatMessage {
    std::string role;  // "system", "user", "assistant", or another role that the model's template knows
    std::string content;
};

// Copies are cheap and share one model. All functions may be called from several threads at once. Any number of
// sessions and schedulers may use one engine, and each of them keeps the model alive. Sessions and schedulers of one
// engine must compute in one thread at a time; those of different engines may compute at the same time.
class Engine {
  public:
    // Opens a GGUF file (the first one of a split model), a directory in Hugging Face layout, or a version written as
    // STORE or STORE@REFERENCE (versions.hpp). An empty path opens the small default model that comes with Gremium: it
    // is searched in the directory named by the environment variable GREMIUM_MODELS, or if that is not set, in
    // share/gremium/models and models of each directory above the library. Throws Error: file missing or damaged,
    // unsupported architecture, tensors missing or of the wrong shape.
    static Engine open(const std::string& path = {}, const EngineOptions& options = {});

    const EngineFacts& facts() const;
    // What the model's files say that is not understood, a line each; most often there is nothing. What is known to
    // change results is refused by open().
    const std::vector<std::string>& warnings() const;

    // Text to token ids and back. Throw Error if the model has no supported tokenizer, and for ids outside the
    // vocabulary.
    std::vector<int32_t> tokenize(std::string_view text, const TokenizeOptions& options = {}) const;
    std::string detokenize(std::span<const int32_t> tokens) const;
    // Formats a conversation with the model's chat template, up to where the next answer begins. Throws Error if the
    // model has no template, and if the template rejects the conversation or takes more work than it may.
    std::vector<int32_t> tokenize_chat(std::span<const ChatMessage> messages) const;
    // Whether the model ends its answer with this token. False without a tokenizer.
    bool ends_answer(int32_t token) const;

  private:
    friend struct api::Access;
    explicit Engine(std::shared_ptr<const api::OpenModel> model);
    std::shared_ptr<const api::OpenModel> model_;
};

}  // namespace v0
}  // namespace gremium
