// gremium chat: a person and a model in turns, and what the person may say to the program instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/common.h"
#include "cli/conversation.h"
#include "cli/drafting.h"
#include "cli/line_input.h"
#include "cli/steering.h"
#include "engine/prompt.h"
#include "engine/prompt_cache.h"
#include "hooks/answer.h"

namespace gremium::cli {

struct TalkOptions {
    Common common;
    std::string system;
    Context context;
    Steering steering;
    Generation generation{.generate = {.max_tokens = 2048, .sampler = {}}};
    std::string template_file;
    // What the template may look for; null: nothing.
    nlohmann::ordered_json variables = nullptr;
    // Names of control tokens in what is typed are these tokens.
    bool specials = false;
    // What a model thinks before it answers: empty: shown on a terminal.
    std::string thoughts;
    DraftFlags drafts = {};
};

// The names by which templates ask whether the model thinks before it answers.
void set_thinking(nlohmann::ordered_json& variables, bool on);

class Talk {
  public:
    // The options must outlive it. Throws Error as what it opens.
    explicit Talk(const TalkOptions& options);
    // Until the end of standard input. Throws Error; on a terminal, what is wrong with a message is said instead.
    void run();

    // What is said after a slash. Each throws Error for arguments that make no sense.
    void help(const std::string&);
    void leave(const std::string&);
    void clear(const std::string&);
    void set_system(const std::string& text);
    void answer_again(const std::string&);
    void edit(const std::string& text);
    void undo(const std::string&);
    void show_history(const std::string&);
    void save(const std::string& file);
    void load(const std::string& file);
    void think(const std::string& switch_);
    void steer(const std::string& flags);

  private:
    void hear(const Message& message);
    bool command(const std::string& text);
    void ask(const std::string& text);
    engine::Prompt fitting_prompt();
    void answer();
    hooks::AnswerOptions answer_options();
    void end_answer(const hooks::Answer& answer, bool stopped);
    void report(const hooks::Answer& answer) const;
    void show_thought(std::string_view text);
    void show_text(std::string_view text);
    void say(const std::string& line) const;
    void say_unknown_variables() const;

    const TalkOptions& options_;
    std::shared_ptr<const Model> model_;
    engine::ChatPrompt prompt_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    engine::PromptCache cache_;
    Drafts drafts_;
    LineInput input_;
    Conversation conversation_;
    nlohmann::ordered_json variables_;
    bool says_, shows_thoughts_, dims_;
    bool thinking_ = false;  // a thought is being shown
    bool over_ = false;
    uint64_t turn_ = 0;
};

}  // namespace gremium::cli
