#include "text/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"

namespace gremium {

ChatTemplate::ChatTemplate(std::string_view source) try : root_(jinja::parse(source)) {
} catch (const Error& error) {
    fail("chat template: {}", error.what());
}

ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::render(const nlohmann::ordered_json& variables, size_t most_steps) const {
    try {
        std::map<std::string, jinja::Value> globals;
        for (const auto& [name, value] : variables.items()) globals[name] = jinja::Value::from(value);
        return jinja::Evaluator(std::move(globals), most_steps).render(*root_);
    } catch (const Error& error) {
        fail("chat template: {}", error.what());
    }
}

MarkedText ChatTemplate::render_marked(const nlohmann::ordered_json& variables,
                                       const std::vector<std::string_view>& names, size_t most_steps) const {
    std::string plain = render(variables, most_steps);
    const MessageMarks marks(variables.value("messages", nlohmann::ordered_json()), names);
    if (marks.empty()) return {.text = std::move(plain), .given = {}};
    nlohmann::ordered_json marked = variables;
    marked["messages"] = marks.messages();
    std::string made;
    try {
        made = render(marked, most_steps);
    } catch (const Error&) {
        // It has looked at a name: nothing to compare with.
    }
    return marks.compare(std::move(plain), made);
}

std::string text_after_answer(std::string_view source, std::string_view bos, std::string_view eos) {
    constexpr std::string_view answer = "4f1d an answer 8c2e";
    constexpr size_t few_steps = 500'000;
    try {
        const std::string text = ChatTemplate(source).render({{"messages",
                                                               {{{"role", "user"}, {"content", "a"}},
                                                                {{"role", "assistant"}, {"content", answer}},
                                                                {{"role", "user"}, {"content", "b"}}}},
                                                              {"add_generation_prompt", true},
                                                              {"bos_token", bos},
                                                              {"eos_token", eos}},
                                                             few_steps);
        const size_t at = text.rfind(answer);
        return at == std::string::npos ? "" : text.substr(at + answer.size());
    } catch (const Error&) {
        return "";
    }
}

}  // namespace gremium
