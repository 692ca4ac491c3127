// gremium chat: a conversation, one line of input a turn, in the words of the model's own template.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "cli/common.h"
#include "cli/steering.h"
#include "text/chat_template.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    Common common;
    std::string system;
    Context context;
    Steering steering;
    engine::GenerateOptions generate{.max_tokens = 2048, .sampler = {}, .ignore_end = false};
};

class Chat {
  public:
    explicit Chat(const Options& options)
        : options_(options),
          model_(open_model(options.common)),
          template_(template_of(*model_)),
          steering_(make_steering(options.steering, model_->spec)) {
        begin_session();
        if (!options.system.empty()) add("system", options.system);
    }

    void run() {
        if (!options_.common.quiet && !options_.common.json) announce(steering_.get());
        const bool asks = isatty(STDIN_FILENO) && !options_.common.quiet && !options_.common.json;
        while (true) {
            if (asks) fmt::print("> ");
            std::fflush(stdout);
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
        if (asks) fmt::print("\n");
    }

  private:
    static ChatTemplate template_of(const Model& model) {
        const std::string& source = tokenizer_of(model).vocabulary().chat_template;
        if (source.empty()) fail("{}: holds no chat template; 'gremium run' continues a text", model.source);
        return ChatTemplate(source);
    }

    // What was evaluated under other steering is evaluated again.
    void begin_session() {
        session_.emplace(
            model_, engine::SessionOptions{
                        .context = options_.context.size, .cache = options_.context.cache, .hook = steering_.get()});
        evaluated_.clear();
    }

    // "/steer --mute 3.17": from here on these flags instead of those before. A mistake leaves everything as it is.
    void steer(const std::string& flags) {
        Steering wished;
        try {
            parse_flags(flags, [&](Command parser) { add_steering(parser, wished); });
            auto steering = make_steering(wished, model_->spec);
            session_.reset();  // it refers to the old one
            steering_ = std::move(steering);
            begin_session();
            if (options_.common.quiet || options_.common.json) return;
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

    std::vector<int32_t> prompt() const {
        const Vocabulary& v = model_->tokenizer->vocabulary();
        const auto text_of = [&](int32_t id) { return id < 0 ? std::string() : v.tokens[id]; };
        const std::string text = template_.render({{"messages", messages_},
                                                   {"add_generation_prompt", true},
                                                   {"bos_token", text_of(v.bos)},
                                                   {"eos_token", text_of(v.eos)}});
        auto ids = model_->tokenizer->encode(text, {.add_bos_eos = false});
        if (v.add_bos && (ids.empty() || ids[0] != v.bos)) ids.insert(ids.begin(), v.bos);
        return ids;
    }

    // Forgets what is not a prefix of the prompt; at least one token is left to evaluate. Returns how many are kept.
    size_t keep_prefix(const std::vector<int32_t>& ids) {
        const auto [seen, given] = std::ranges::mismatch(evaluated_, ids);
        const int64_t kept =
            session_->reachable(std::min<int64_t>(given - ids.begin(), static_cast<int64_t>(ids.size()) - 1));
        session_->truncate(kept);
        return static_cast<size_t>(kept);
    }

    std::string answer() {
        const std::vector<int32_t> ids = prompt();
        if (ids.empty()) fail("{}: the chat template makes an empty prompt", model_->source);
        if (static_cast<int64_t>(ids.size()) >= session_->capacity()) {
            fail(
                "the conversation has {} tokens, more than the context of {} holds with an answer (-c sets "
                "it)",
                ids.size(), session_->capacity());
        }
        const size_t kept = keep_prefix(ids);
        engine::GenerateOptions generate_options = options_.generate;
        generate_options.sampler.seed += turn_++;
        StreamingDecoder decoder(*model_->tokenizer, {.specials = false, .at_start = false});
        std::string text;
        const auto show = [&](const std::string& part) {
            text += part;
            if (options_.common.json || part.empty()) return;
            fmt::print("{}", part);
            std::fflush(stdout);
        };
        const auto made =
            engine::generate(*session_, std::span(ids).subspan(kept), generate_options, [&](int32_t token) {
                show(decoder.push(token));
                return true;
            });
        show(decoder.flush());
        evaluated_ = ids;
        evaluated_.insert(evaluated_.end(), made.begin(), made.end());
        evaluated_.resize(session_->length());  // the last token may not have been evaluated
        report(text, ids.size(), ids.size() - kept, made.size());
        return text;
    }

    void report(const std::string& text, size_t prompt_tokens, size_t new_tokens, size_t answer_tokens) const {
        if (!options_.common.json) return fmt::print("\n");
        Json answer = {{"role", "assistant"},
                       {"content", text},
                       {"prompt_tokens", prompt_tokens},
                       {"evaluated_prompt_tokens", new_tokens},
                       {"tokens", answer_tokens}};
        add_to_report(answer, steering_.get());
        fmt::print("{}\n", answer.dump(-1, ' ', false, Json::error_handler_t::replace));
    }

    const Options& options_;
    std::shared_ptr<const Model> model_;
    ChatTemplate template_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    std::optional<engine::Session> session_;
    Json messages_ = Json::array();
    std::vector<int32_t> evaluated_;  // what the session's cache holds
    uint64_t turn_ = 0;
};

}  // namespace

void add_chat(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("chat",
                              "Talk with a model, one line a turn, by its chat template; the line '/steer FLAGS' sets "
                              "other steering (below) from there on, '/steer' none");
    add_common(command, options->common);
    command.option("--system", options->system, "what the model is told before the conversation");
    add_generation(command, options->generate, options->context);
    add_steering(command, options->steering);
    command.run([=] { Chat(*options).run(); });
}

}  // namespace gremium::cli
