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

}  // namespace gremium
