#include "engine/prompt.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace gremium::engine {
namespace {

int32_t language_token(const Model& model, const std::string& code) {
    const std::vector<int32_t> ids = tokenizer_of(model).encode(code, {.add_bos_eos = false});
    if (ids.size() != 1) fail("{}: \"{}\" is not a language of this model", model.source, code);
    return ids.front();
}

// The input of the encoder, and the tokens with which the decoder begins.
Prompt translation_prompt(const Model& model, const std::string& text, const Languages& languages) {
    const Tokenizer& tokenizer = tokenizer_of(model);
    Prompt prompt{.tokens = {model.spec.decoder_start}, .source = tokenizer.encode(text, {.add_bos_eos = false})};
    if (!languages.source.empty()) prompt.source.insert(prompt.source.begin(), language_token(model, languages.source));
    if (tokenizer.vocabulary().eos >= 0) prompt.source.push_back(tokenizer.vocabulary().eos);
    if (!languages.target.empty()) prompt.tokens.push_back(language_token(model, languages.target));
    return prompt;
}

std::vector<std::string_view> control_texts(const Vocabulary& v) {
    std::vector<std::string_view> texts;
    for (size_t id = 0; id < v.tokens.size(); ++id)
        if (v.types[id] == TokenType::control && !v.tokens[id].empty()) texts.push_back(v.tokens[id]);
    return texts;
}

std::string template_source(const Model& model, const std::string& given) {
    const std::string& source = given.empty() ? tokenizer_of(model).vocabulary().chat_template : given;
    if (source.empty()) fail("{}: holds no chat template; 'gremium run' continues a text", model.source);
    return source;
}

}  // namespace

const Tokenizer& tokenizer_of(const Model& model) {
    if (model.tokenizer) return *model.tokenizer;
    if (model.tokenizer_error.empty()) fail("{}: holds no tokenizer", model.source);
    throw Error(model.tokenizer_error);
}

Prompt text_prompt(const Model& model, const std::string& text, const Languages& languages) {
    if (text.empty()) fail("the prompt is empty");
    if (model.encoder) return translation_prompt(model, text, languages);
    Prompt prompt{.tokens = tokenizer_of(model).encode(text)};
    if (prompt.tokens.empty()) fail("the prompt is empty: it has no token to start from");
    return prompt;
}

ChatPrompt::ChatPrompt(std::shared_ptr<const Model> model, const ChatPromptOptions& options)
    : model_(std::move(model)),
      source_(template_source(*model_, options.source)),
      specials_(options.specials),
      template_(source_) {}

std::vector<int32_t> ChatPrompt::ends() const {
    const int32_t end = end_of_template(tokenizer_of(*model_).vocabulary(), source_);
    return end < 0 ? std::vector<int32_t>() : std::vector{end};
}

Prompt ChatPrompt::operator()(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& variables) const {
    const Vocabulary& v = model_->tokenizer->vocabulary();
    const auto text_of = [&](int32_t id) { return id < 0 ? std::string() : v.tokens[static_cast<size_t>(id)]; };
    nlohmann::ordered_json all = {{"messages", messages},
                                  {"add_generation_prompt", true},
                                  {"bos_token", text_of(v.bos)},
                                  {"eos_token", text_of(v.eos)}};
    all.update(variables);
    Prompt prompt;
    if (specials_) {
        prompt.tokens = model_->tokenizer->encode(template_.render(all), {.add_bos_eos = false});
    } else {
        const MarkedText text = template_.render_marked(all, control_texts(v));
        prompt.tokens = model_->tokenizer->encode(text.text, {.add_bos_eos = false, .untrusted = text.given});
    }
    // Many templates begin with this token themselves.
    if (v.add_bos && (prompt.tokens.empty() || prompt.tokens[0] != v.bos))
        prompt.tokens.insert(prompt.tokens.begin(), v.bos);
    if (prompt.tokens.empty()) fail("{}: the chat template makes an empty prompt", model_->source);
    return prompt;
}

}  // namespace gremium::engine
