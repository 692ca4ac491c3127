// From text or a conversation to the token ids a model is given.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/model.h"
#include "text/chat_template.h"

namespace gremium::engine {

const Tokenizer& tokenizer_of(const Model& model);  // throws Error that says why there is none

struct Prompt {
    // The answer follows these.
    std::vector<int32_t> tokens;
    // Of encoder–decoder models: what the encoder reads first.
    std::vector<int32_t> source = {};

    // How many the text of the prompt has become.
    size_t size() const { return source.empty() ? tokens.size() : source.size(); }
};

// Of a translator: codes that its vocabulary has as tokens (eng_Latn, …). Empty: none.
struct Languages {
    std::string source, target;
};

// A text to continue, with begin- and end-of-text tokens as the vocabulary wants them; of a model with an encoder, a
// text to read. Throws Error for an empty text and an unknown language.
Prompt text_prompt(const Model& model, const std::string& text, const Languages& languages = {});

struct ChatPromptOptions {
    // A template instead of the model's own; empty: none.
    std::string source = {};
    // Names of control tokens in messages become these tokens, as the template's own do.
    bool specials = false;
};

// Conversations in the words of a chat template.
class ChatPrompt {
  public:
    // Throws Error for a model without a template, and for a template with a mistake in it.
    explicit ChatPrompt(std::shared_ptr<const Model> model, const ChatPromptOptions& options = {});
    // messages: [{"role": "user", "content": …}, …] up to the one that is answered. variables: an object of what else
    // the template may look for (tools, …); it may be empty. Throws Error as ChatTemplate::render, and for an empty
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
