// gremium chat: a conversation in the words of the model's own template.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "cli/common.h"
#include "cli/talk.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ChatArguments : TalkOptions {
    std::string kwargs, thinking, effort;
};

Json variables_of(const ChatArguments& options) {
    Json variables = Json::object();
    if (!options.thinking.empty()) set_thinking(variables, options.thinking == "on");
    if (!options.effort.empty()) variables["reasoning_effort"] = options.effort;
    if (options.kwargs.empty()) return variables;
    const Json given = parse_ordered_json(options.kwargs, "--chat-template-kwargs");
    if (!given.is_object()) fail("--chat-template-kwargs: a JSON object expected, found {}", given.type_name());
    if (given.contains("messages")) fail("--chat-template-kwargs: \"messages\" are what is said");
    variables.update(given);
    return variables;
}

void add_template(Command command, ChatArguments& options) {
    command.option("--chat-template-file", options.template_file,
                   "a file with a chat template (Jinja) instead of the model's own");
    command.option("--chat-template-kwargs", options.kwargs,
                   "a JSON object of what the template may look for: '{\"enable_thinking\": false}'");
    command
        .option("--thinking", options.thinking,
                "on or off: whether the model thinks before it answers, where its template knows how")
        .one_of({"on", "off"});
    command.option("--reasoning-effort", options.effort, "how much, where its template knows how: low, medium, high");
    command
        .option("--thoughts", options.thoughts,
                "show or hide what the model thinks before it answers (default: shown on a terminal)")
        .one_of({"show", "hide"});
    command.flag("--special", options.specials,
                 "read the names of control tokens in messages as these tokens (without it they are text)");
}

}  // namespace

void add_chat(Command app) {
    auto options = std::make_shared<ChatArguments>();
    Command command =
        app.add("chat",
                "Talk with a model, a line at a time; a line that ends with a backslash goes on in the "
                "next, \"\"\" begins and ends a message of several lines, and /help lists what can be said "
                "to the program");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::running);
    command.option("--system", options->system, "instructions that the model gets before the conversation");
    add_template(command, *options);
    add_generation(command, options->generation, options->context);
    add_drafting(command, options->drafts);
    add_steering(command, options->steering);
    command.examples({"gremium chat -m model.gguf --system \"Answer in one sentence.\""});
    command.run([=] {
        options->variables = variables_of(*options);
        Talk(*options).run();
    });
}

}  // namespace gremium::cli
