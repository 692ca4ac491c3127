// gremium chat: a conversation, one line of input a turn, in the words of the model's own template.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/steering.h"
#include "hooks/answer.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    Common common;
    std::string system;
    Context context;
    Steering steering;
    Generation generation{.generate = {.max_tokens = 2048, .sampler = {}}};
};

class Chat {
  public:
    explicit Chat(const Options& options)
        : options_(options),
          model_(open_model(options.common)),
          generate_(generate_options(options.generation, *model_)),
          prompt_(model_),
          steering_(make_steering(options.steering, model_->spec)),
          cache_(model_, {.context = options.context.size,
                          .cache = options.context.cache,
                          .compute = engine::compute_of(*options.common.arithmetic)}),
          says_(!options.common.quiet && !options.common.json) {
        if (!options.system.empty()) add("system", options.system);
    }

    void run() {
        if (says_) announce(steering_.get());
        const bool asks = isatty(STDIN_FILENO) && says_;
        while (true) {
            if (asks) show("> ");
            std::string line;
            if (!std::getline(std::cin, line)) break;
            if (line.empty()) continue;
            if (line == "/steer" || line.starts_with("/steer ")) {
                steer(line.substr(6));
                continue;
            }
            add("user", line);
            add("assistant", answer());
        }
        if (asks) show("\n");
    }

  private:
    // "/steer --mute 3.17": from here on these flags instead of those before. A mistake leaves everything as it is.
    void steer(const std::string& flags) {
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

    void add(const char* role, const std::string& content) {
        messages_.push_back({{"role", role}, {"content", content}});
    }

    std::string answer() {
        hooks::AnswerOptions options{
            .generate = generate_, .stop = options_.generation.stop, .steering = steering_.get()};
        options.generate.sampler.seed += turn_++;
        if (!options_.common.json) options.on_text = [](std::string_view text, int32_t) { show(text); };
        hooks::Answer answer(model_, prompt_(messages_, Json::object()), std::move(options));
        const hooks::AnswerResult& result = answer.run(cache_);
        if (options_.common.json)
            report(answer);
        else
            show("\n");
        return result.text;
    }

    void report(const hooks::Answer& answer) const {
        const hooks::AnswerResult& result = answer.result();
        Json json = {{"role", "assistant"},
                     {"content", result.text},
                     {"prompt_tokens", answer.prompt().size()},
                     {"evaluated_prompt_tokens", answer.prompt().size() - result.kept},
                     {"tokens", result.tokens.size()},
                     {"finish", hooks::name_of(result.finish)}};
        add_to_report(json, steering_.get());
        fmt::print("{}\n", to_text(json));
    }

    static void show(std::string_view text) {
        fmt::print("{}", text);
        std::fflush(stdout);
    }

    const Options& options_;
    std::shared_ptr<const Model> model_;
    engine::GenerateOptions generate_;
    engine::ChatPrompt prompt_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    engine::PromptCache cache_;
    bool says_;
    Json messages_ = Json::array();
    uint64_t turn_ = 0;
};

}  // namespace

void add_chat(Command app) {
    auto options = std::make_shared<Options>();
    Command command =
        app.add("chat",
                "Talk with a model, a line at a time; the line '/steer OPTIONS' replaces the steering options "
                "from there on, '/steer' removes them");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::running);
    command.option("--system", options->system, "instructions that the model gets before the conversation");
    add_generation(command, options->generation, options->context);
    add_steering(command, options->steering);
    command.examples({"gremium chat -m model.gguf --system \"Answer in one sentence.\""});
    command.run([=] { Chat(*options).run(); });
}

}  // namespace gremium::cli
