// From a text or a conversation to the token ids of a prompt.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/model.h"
#include "text/chat_template.h"

namespace gremium::engine {

// Throws Error that says why the model has no tokenizer.
const Tokenizer& tokenizer_of(const Model& model);

struct Prompt {
    // The tokens that the answer follows.
    std::vector<int32_t> tokens;
    // The encoder's input, for encoder–decoder models.
    std::vector<int32_t> source = {};

    // The number of tokens of the prompt's text.
    size_t size() const { return source.empty() ? tokens.size() : source.size(); }
};

// For a translator: language codes that its vocabulary has as tokens (eng_Latn, …). Empty: none.
struct Languages {
    std::string source, target;
};

// From a text to continue, with begin- and end-of-text tokens as the vocabulary requires; for a model with an encoder,
// from a text to encode. Throws Error for an empty text and an unknown language.
Prompt text_prompt(const Model& model, const std::string& text, const Languages& languages = {});

struct ChatPromptOptions {
    // A template instead of the model's own; empty: none.
    std::string source = {};
    // Names of control tokens in messages become these tokens, as the template's own do.
    bool specials = false;
};

// Formats conversations with a chat template: the model's own, or the one given.
class ChatPrompt {
  public:
    // Throws Error for a model without a template, and for a template with a mistake in it.
    explicit ChatPrompt(std::shared_ptr<const Model> model, const ChatPromptOptions& options = {});
    // messages: [{"role": "user", "content": …}, …] up to the one to answer. variables: an object with anything else
    // that the template may use (tools, …); it may be empty. Throws Error as ChatTemplate::render, and for an empty
    // prompt.
    Prompt operator()(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& variables) const;

    const std::string& source() const { return source_; }
    // The control token that ends an answer by a template that is not the model's own.
    std::vector<int32_t> ends() const;

  private:
    std::shared_ptr<const Model> model_;
    std::string source_;
    bool specials_;
    ChatTemplate template_;
};

}  // namespace gremium::engine
