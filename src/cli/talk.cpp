#include "cli/talk.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/prompt_text.h"
#include "cli/terminal.h"
#include "text/text_file.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Order {
    std::string_view name, argument, help;
    void (Talk::*run)(const std::string&);
};
constexpr std::array<Order, 14> orders = {{
    {"help", "", "this list", &Talk::help},
    {"regen", "", "answer the last message again", &Talk::answer_again},
    {"edit", "[TEXT]", "say the last message in other words; without TEXT, edit it", &Talk::edit},
    {"undo", "", "forget the last message and its answer", &Talk::undo},
    {"system", "[TEXT]", "replace the instructions that come before the conversation", &Talk::set_system},
    {"clear", "", "forget the conversation, but not the instructions", &Talk::clear},
    {"history", "", "show the conversation", &Talk::show_history},
    {"save", "FILE", "write the conversation to a JSON file", &Talk::save},
    {"load", "FILE", "go on with the conversation of a JSON file", &Talk::load},
    {"think", "on|off", "let the model think before it answers, or not, where its template knows how", &Talk::think},
    {"steer", "[OPTIONS]", "replace the steering options; without OPTIONS, remove them", &Talk::steer},
    {"exit", "", "end, as Ctrl-D does", &Talk::leave},
    {"quit", "", "the same", &Talk::leave},
    {"bye", "", "the same", &Talk::leave},
}};

std::string template_of(const std::string& file) { return file.empty() ? "" : read_text(file); }

std::string_view without_space_around(std::string_view text) {
    const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

// "/name": letters up to a space or the end. Paths and the like are no commands.
bool looks_like_order(std::string_view text) {
    if (text.size() < 2 || text[0] != '/') return false;
    const std::string_view name = text.substr(1, text.find_first_of(" \n") - 1);
    return std::ranges::all_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

void set_thinking(Json& variables, bool on) { variables["enable_thinking"] = variables["thinking"] = on; }

Talk::Talk(const TalkOptions& options)
    : options_(options),
      model_(open_model(options.common)),
      prompt_(model_, {.source = template_of(options.template_file), .specials = options.specials}),
      steering_(make_steering(options.steering, model_->spec)),
      cache_(model_, {.context = options.context.size,
                      .cache = options.context.cache,
                      .compute = engine::compute_of(*options.common.arithmetic),
                      .cancelled = interrupted}),
      drafts_(options.drafts, *model_, options.context, engine::compute_of(*options.common.arithmetic)),
      input_(!options.common.quiet && !options.common.json),
      variables_(options.variables.is_null() ? Json::object() : options.variables),
      says_(!options.common.quiet && !options.common.json),
      shows_thoughts_(options.thoughts.empty() ? ::isatty(STDOUT_FILENO) != 0 : options.thoughts == "show"),
      dims_(wants_colour(stdout)) {
    conversation_.set_system(options.system);
    say_unknown_variables();
}

// Of the two names of thinking, one is enough.
void Talk::say_unknown_variables() const {
    const auto known = [&](std::string_view name) { return prompt_.source().find(name) != std::string::npos; };
    for (const auto& [name, value] : variables_.items())
        if (!known(name) && !(name.ends_with("thinking") && known("thinking")))
            say_note(fmt::format("the chat template does not look for \"{}\"", name));
}

void Talk::run() {
    if (says_) announce(steering_.get());
    if (options_.drafts.any() && steering_) say_note("nothing is drafted where experts are steered");
    if (input_.terminal()) {
        catch_interrupts();
        say("/help lists what can be said besides messages; Ctrl-C stops an answer, Ctrl-D ends");
    }
    while (!over_) {
        const std::optional<Message> message = input_.next();
        if (!message) break;
        if (message->text.empty()) continue;
        try {
            hear(*message);
        } catch (const Error& error) {
            if (!input_.terminal()) throw;
            fmt::print(stderr, "{}\n", error.what());
        }
    }
    if (input_.terminal() && says_ && !over_) print_now("\n");
}

void Talk::hear(const Message& message) {
    if (!message.quoted && looks_like_order(message.text) && command(message.text)) return;
    ask(message.text);
}

bool Talk::command(const std::string& text) {
    const size_t end = text.find_first_of(" \n");
    const std::string name = text.substr(1, end - 1);
    const auto order = std::ranges::find(orders, name, &Order::name);
    if (order == orders.end())
        fail("/{} is no command; /help lists them, and \"\"\" begins and ends any message", name);
    (this->*order->run)(end == std::string::npos ? "" : text.substr(end + 1));
    return true;
}

void Talk::ask(const std::string& text) {
    conversation_.add("user", text);
    try {
        answer();
    } catch (const Error& error) {
        conversation_.remove_turn();
        if (!take_interrupt()) throw;
        say("stopped; the message is forgotten");
    }
}

// The rule of a full context: the oldest turns are not shown until a quarter of it is left for the answer, or what the
// answer may have if that is less; the last message stays whatever it takes.
engine::Prompt Talk::fitting_prompt() {
    const size_t before = conversation_.dropped();
    const int64_t capacity = cache_.session().capacity(), limit = options_.generation.generate.max_tokens;
    const int64_t reserve = limit < 0 ? capacity / 4 : std::min(limit, capacity / 4);
    engine::Prompt prompt = prompt_(conversation_.shown(), variables_);
    while (std::ssize(prompt.tokens) + reserve > capacity && conversation_.drop_turn())
        prompt = prompt_(conversation_.shown(), variables_);
    if (conversation_.dropped() > before)
        say_note(fmt::format("the context of {} tokens is full: the oldest {} messages are not shown to the model",
                             capacity, conversation_.dropped()));
    return prompt;
}

hooks::AnswerOptions Talk::answer_options() {
    hooks::AnswerOptions options{.generate = generate_options(options_.generation, *model_),
                                 .stop = options_.generation.stop,
                                 .steering = steering_.get(),
                                 .drafter = drafts_.drafter(),
                                 .draft_gate = &drafts_.gate(),
                                 .parts = true};
    options.generate.sampler.seed += turn_++;
    options.generate.ends = prompt_.ends();
    options.on_token = [](int32_t) { return !interrupted(); };
    if (options_.common.json) return options;
    options.on_text = [this](std::string_view text, int32_t) { show_text(text); };
    if (shows_thoughts_) options.on_thought = [this](std::string_view text) { show_thought(text); };
    return options;
}

void Talk::answer() {
    hooks::Answer answer(model_, fitting_prompt(), answer_options());
    answer.run(cache_);
    end_answer(answer, take_interrupt());
}

void Talk::end_answer(const hooks::Answer& answer, bool stopped) {
    const hooks::AnswerResult& result = answer.result();
    if (options_.common.json) {
        report(answer);
    } else {
        if (thinking_) show_text("");
        print_now("\n");
    }
    conversation_.add("assistant", result.text);
    if (stopped && result.text.empty()) conversation_.remove_turn();
    if (stopped)
        say(result.text.empty() ? "stopped; the message is forgotten" : "stopped");
    else if (result.finish == engine::Finish::context_full)
        say_note(fmt::format("the context of {} tokens is full: the answer is cut", cache_.session().capacity()));
    else if (result.finish == engine::Finish::max_tokens)
        say(fmt::format("the answer is cut at {} tokens (-n)", result.tokens.size()));
}

void Talk::report(const hooks::Answer& answer) const {
    const hooks::AnswerResult& result = answer.result();
    Json json = {{"role", "assistant"},
                 {"content", result.text},
                 {"prompt_tokens", answer.prompt().size()},
                 {"evaluated_prompt_tokens", answer.prompt().size() - result.kept},
                 {"tokens", result.tokens.size()},
                 {"finish", hooks::name_of(result.finish)}};
    if (const std::string_view thought = without_space_around(result.thought); !thought.empty())
        json["reasoning_content"] = thought;
    if (conversation_.dropped() > 0) json["dropped_messages"] = conversation_.dropped();
    add_to_report(json, steering_.get());
    print_now(to_text(json) + "\n");
}

void Talk::show_thought(std::string_view text) {
    if (!thinking_) {
        text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
        if (text.empty()) return;
        if (dims_) print_now("\x1b[2m");
        thinking_ = true;
    }
    print_now(text);
}

void Talk::show_text(std::string_view text) {
    if (thinking_) print_now(dims_ ? "\x1b[0m\n\n" : "\n\n");
    thinking_ = false;
    print_now(text);
}

void Talk::say(const std::string& line) const {
    if (says_) fmt::print(stderr, "({})\n", line);
}

void Talk::help(const std::string&) {
    std::string text;
    for (const Order& order : orders)
        text += fmt::format("{:<18} {}\n", fmt::format("/{} {}", order.name, order.argument), order.help);
    fmt::print(
        stderr,
        "{}A line that ends with a backslash goes on in the next one; \"\"\" begins and ends a message of any lines.\n",
        text);
}

void Talk::leave(const std::string&) { over_ = true; }

void Talk::clear(const std::string&) { conversation_.clear(); }

void Talk::set_system(const std::string& text) { conversation_.set_system(text); }

void Talk::answer_again(const std::string&) {
    const std::optional<std::string> question = conversation_.last_question();
    if (!question) fail("/regen: nothing was said yet");
    conversation_.remove_turn();
    ask(*question);
}

void Talk::edit(const std::string& text) {
    const std::optional<std::string> before = conversation_.last_question();
    if (!before) fail("/edit: nothing was said yet");
    const std::optional<std::string> after = text.empty() ? input_.edit(*before) : text;
    if (!after) return;
    conversation_.remove_turn();
    ask(*after);
}

void Talk::undo(const std::string&) {
    if (!conversation_.last_question()) fail("/undo: nothing was said yet");
    conversation_.remove_turn();
}

void Talk::show_history(const std::string&) {
    for (const Json& message : conversation_.messages())
        fmt::print(stderr, "{}: {}\n", message["role"].get<std::string>(), message["content"].get<std::string>());
}

void Talk::save(const std::string& file) {
    if (file.empty()) fail("/save: a file's name expected");
    conversation_.save(file);
    say(fmt::format("{}: {} messages", file, conversation_.messages().size()));
}

void Talk::load(const std::string& file) {
    if (file.empty()) fail("/load: a file's name expected");
    conversation_.load(file);
    say(fmt::format("{}: {} messages", file, conversation_.messages().size()));
}

void Talk::think(const std::string& text) {
    if (text != "on" && text != "off") fail("/think: on or off expected, found '{}'", text);
    set_thinking(variables_, text == "on");
    say_unknown_variables();
}

// "/steer --mute 3.17": from here on these flags instead of those before. A mistake leaves everything as it is.
void Talk::steer(const std::string& flags) {
    Steering wished;
    try {
        parse_flags(flags, [&](Command parser) { add_steering(parser, wished); });
        steering_ = make_steering(wished, model_->spec);
        if (!says_) return;
        if (steering_)
            announce(steering_.get());
        else
            fmt::print(stderr, "no steering\n");
    } catch (const std::exception& error) {
        fmt::print(stderr, "/steer: {}\n", error.what());
    }
}

}  // namespace gremium::cli
