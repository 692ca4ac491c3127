#include "cli/run_batch.h"

#include <chrono>
#include <cstdio>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/scheduler.h"

namespace gremium::cli {
namespace {

constexpr int64_t prefill_chunk = engine::SessionOptions{}.prefill_chunk;  // nobody waits for the next token here

std::string_view name(engine::Finish finish) {
    return finish == engine::Finish::end_of_generation ? "end"
           : finish == engine::Finish::max_tokens      ? "length"
                                                       : "context";
}

struct Line {
    int64_t number;
    std::string prompt;
    StreamingDecoder decoder;
    std::string text = {};
    std::vector<int32_t> tokens = {};

    void print(engine::Finish finish) {
        text += decoder.flush();
        const nlohmann::ordered_json json{
            {"line", number}, {"prompt", prompt}, {"text", text}, {"tokens", tokens}, {"finish", name(finish)}};
        fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
        std::fflush(stdout);
    }
};

}  // namespace

void run_batch(const RunBatch& options) {
    const auto model = open_model(options.common);
    const Tokenizer& tokenizer = tokenizer_of(*model);
    if (model->encoder) fail("{}: --batch is for models without an encoder", model->source);
    const auto steering = make_steering(options.steering, model->spec);
    if (!options.common.quiet) announce(steering.get());
    engine::Scheduler scheduler(model, {.sequences = options.sequences,
                                        .context = options.context.size,
                                        .prefill_chunk = prefill_chunk,
                                        .cache = options.context.cache});
    std::istringstream text(text_or_file("", options.file));
    int64_t number = 0, made = 0, answers = 0;
    for (std::string prompt; std::getline(text, prompt);) {
        ++number;
        if (prompt.empty()) continue;
        const auto line = std::make_shared<Line>(Line{number, prompt, StreamingDecoder(tokenizer)});
        try {
            scheduler.submit({.prompt = tokenizer.encode(prompt),
                              .generate = options.generate,
                              .hook = steering.get(),
                              .on_token =
                                  [line](int32_t token) {
                                      line->tokens.push_back(token);
                                      line->text += line->decoder.push(token);
                                      return true;
                                  },
                              .on_finish =
                                  [&, line](engine::Finish finish) {
                                      if (finish >= engine::Finish::stopped) return;
                                      line->print(finish);
                                      made += std::ssize(line->tokens);
                                      ++answers;
                                  }});
        } catch (const Error& error) {
            fail("{}, line {}: {}", options.file, number, error.what());
        }
    }
    const auto start = std::chrono::steady_clock::now();
    while (scheduler.step()) {
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!options.common.quiet)
        fmt::print(stderr, "{} answers, {} tokens in {:.2f} s: {:.1f} tokens/s\n", answers, made, seconds,
                   static_cast<double>(made) / seconds);
}

}  // namespace gremium::cli
