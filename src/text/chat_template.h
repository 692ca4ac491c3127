// The chat template of a model: a Jinja template that turns a conversation into the prompt the model was
// trained on.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

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

  private:
    std::unique_ptr<jinja::Node> root_;
};

}  // namespace gremium
