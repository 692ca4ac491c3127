// Engine: an open model. The weights stay in their mapped files and never change.
//
//   const auto engine = gremium::Engine::open("model.gguf");
//   gremium::Session session(engine);
//   std::puts(session.generate("The first step is to").text.c_str());
//
// What is stable: within a minor version (0.1.x) programs keep compiling and keep running with a newer shared library.
// Between minor versions anything may change. There is nothing else to rely on: no other header is installed.
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

// Everything but Error lies in an inline namespace, which marks the symbols of this minor version: write
// gremium::Engine.
inline namespace v0 {

// The version of the library, "0.1.0".
std::string version();

// Threads that computations use from now on, in the whole process; 0: one for each core. Their number changes no
// result. Call it while nothing is being computed.
void use_threads(int threads);

// How products with block-quantised weights are computed. running: activations are rounded to whole numbers first, the
// fast way, for making text. exact: f32 throughout, for measuring.
enum class Arithmetic : uint8_t { running, exact };

// How a context keeps its keys and values.
enum class CacheType : uint8_t { f32, f16, bf16, q8_0 };

struct EngineOptions {
    // Copies all experts to memory at once. Otherwise the system reads pages of the mapped file as they are needed.
    bool resident = false;
};

// A layer that has experts.
struct ExpertLayer {
    int layer;    // of the decoder, from 0
    int experts;  // how many there are
    int chosen;   // how many of them a token uses
    int width;    // hidden numbers of one expert
};

struct EngineFacts {
    std::string source;        // the path it was opened with
    std::string architecture;  // "mixtral", "qwen3moe", …
    std::string name;          // the model's own; may be empty
    int layers = 0;            // of the decoder
    int width = 0;             // numbers of a token between layers
    int vocabulary = 0;        // token ids are 0 … vocabulary − 1
    int context = 0;           // the most tokens that the model was made for
    bool has_tokenizer = false;
    bool has_chat_template = false;
    bool has_encoder = false;                     // it reads a source first (translators)
    std::vector<ExpertLayer> expert_layers = {};  // none of a dense model
    int64_t parameters = 0;                       // in all
    int64_t active_parameters = 0;                // that one token meets
    int64_t weight_bytes = 0;                     // in all
    int64_t weight_bytes_per_token = 0;           // that one token reads
    int32_t begin_token = -1;                     // that a text begins with; −1: none
    int32_t target_begin = -1;                    // that an answer of a translator begins with; −1: none
};

struct TokenizeOptions {
    bool add_begin_end = true;  // the tokens that begin and end a text, where the model wants them
    bool special = true;  // text like "</s>" becomes the token of that name. Set false for text that you do not trust
};

struct ChatMessage {
    std::string role;  // "system", "user", "assistant", or what else the model's template knows
    std::string content;
};

// Copies are cheap and share one model. The functions here may be called from several threads at once. Any number of
// sessions and schedulers may use one engine, each of which keeps the model alive; those of one engine compute in one
// thread at a time, those of different engines at once.
class Engine {
  public:
    // Opens a GGUF file (of a split model, its first), a directory in Hugging Face layout, or a version, STORE or
    // STORE@REFERENCE (versions.hpp). An empty path is the small model that comes with Gremium. Throws Error: not
    // there or damaged, an architecture that is not supported, tensors that are missing or misshapen.
    static Engine open(const std::string& path = {}, const EngineOptions& options = {});

    const EngineFacts& facts() const;

    // Text to token ids and back. Throw Error where the model's files hold no tokenizer that is supported, and for ids
    // outside the vocabulary.
    std::vector<int32_t> tokenize(std::string_view text, const TokenizeOptions& options = {}) const;
    std::string detokenize(std::span<const int32_t> tokens) const;
    // A conversation in the words of the model's own chat template, up to where its next answer begins. Throws Error
    // where it has no template, and where the template refuses the conversation.
    std::vector<int32_t> tokenize_chat(std::span<const ChatMessage> messages) const;
    // Whether the model says with this token that its answer is complete. False without a tokenizer.
    bool ends_answer(int32_t token) const;

  private:
    friend struct api::Access;
    explicit Engine(std::shared_ptr<const api::OpenModel> model);
    std::shared_ptr<const api::OpenModel> model_;
};

}  // namespace v0
}  // namespace gremium
