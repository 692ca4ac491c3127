// The chat template of a model: a Jinja template that turns a conversation into the prompt the model was
// trained on.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/message_marks.h"

namespace gremium {

namespace jinja {
struct Node;
}

class ChatTemplate {
  public:
    // Throws Error with the line at fault.
    explicit ChatTemplate(std::string_view source);
    ~ChatTemplate();

    // `variables` is an object. Templates look for messages ([{role, content, …}, …]), add_generation_prompt,
    // bos_token, eos_token, tools, and what else a model's authors thought of. White space, filters and
    // functions are those of transformers' apply_chat_template. Throws Error when the template refuses the
    // conversation, uses what is not supported, or takes more than `most_steps` (one for 4 bytes made or compared,
    // too): about a second, or 80 MB.
    std::string render(const nlohmann::ordered_json& variables, size_t most_steps = 20'000'000) const;

    // The same, with the places of these names of control tokens that came in with the messages.
    MarkedText render_marked(const nlohmann::ordered_json& variables, const std::vector<std::string_view>& names,
                             size_t most_steps = 20'000'000) const;

  private:
    std::unique_ptr<jinja::Node> root_;
};

// What a template writes behind an answer that another message follows: the model's end of its turn comes first. Empty
// for a template that cannot be used.
std::string text_after_answer(std::string_view source, std::string_view bos, std::string_view eos);

}  // namespace gremium
