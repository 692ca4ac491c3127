// A chat template: parsed, and run on a conversation with tools, on an empty one and on one with parts of messages.
#include "text/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "fuzz/target.h"

namespace gremium::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t most_steps = 100'000;  // sanitized, a second is too long for each input

const std::vector<Json>& conversations() {
    static const std::vector<Json> all = {
        Json::parse(R"({"add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>","enable_thinking":false,
            "date_string":"26 Jul 2026","messages":[{"role":"system","content":"You help."},
            {"role":"user","content":" Hi <b> \n"},{"role":"assistant","content":"","tool_calls":[{"type":"function",
            "function":{"name":"f","arguments":{"x":1.5}}}]},{"role":"tool","content":"[1, 2]","name":"f"}],
            "tools":[{"type":"function","function":{"name":"f","description":"F","parameters":{"type":"object",
            "properties":{"x":{"type":"number"}},"required":["x"]}}}]})"),
        Json::parse(R"({"messages":[],"add_generation_prompt":false,"bos_token":null,"tools":null})"),
        Json::parse(
            R"({"messages":[{"role":"user","content":[{"type":"text","text":"ä"},{"type":"img"}]},{"role":"user"}]})"),
    };
    return all;
}

}  // namespace

void run(std::span<const std::byte> input) {
    const ChatTemplate chat(text_of(input));
    std::string refused;
    for (const Json& conversation : conversations()) {
        try {
            (void)chat.render(conversation, most_steps);
        } catch (const Error& error) {
            refused = error.what();
        }
    }
    if (!refused.empty()) throw Error(refused);
}

}  // namespace gremium::fuzz
