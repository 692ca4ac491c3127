#include "cli/run_batch.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/output.h"
#include "cli/prompt_text.h"
#include "hooks/answer.h"
#include "text/text_file.h"

namespace gremium::cli {
namespace {

const int64_t prefill_chunk = engine::SessionOptions{}.prefill_chunk;  // nobody waits for the next token here

class Batch {
  public:
    explicit Batch(const RunBatch& options)
        : options_(options),
          model_(open_model(options.common)),
          generate_(generate_options(options.generation, *model_)),
          steering_(make_steering(options.steering, model_->spec)),
          drafts_(options.drafts, *model_, options.context, engine::compute_of(*options.common.arithmetic)),
          scheduler_(model_, {.sequences = options.sequences,
                              .context = options.context.size,
                              .prefill_chunk = prefill_chunk,
                              .cache = options.context.cache,
                              .compute = engine::compute_of(*options.common.arithmetic),
                              .drafts = options.drafts.any() ? options.drafts.most : 0}) {}

    void run() {
        if (!options_.common.quiet) announce(steering_.get());
        if (options_.drafts.any() && steering_) say_note("nothing is drafted where experts are steered");
        std::istringstream text(read_text(options_.file, {.form = TextForm::lines, .note = say_note}));
        int64_t number = 0;
        for (std::string prompt; std::getline(text, prompt);)
            if (++number; !prompt.empty()) submit(number, options_.escape ? unescaped(prompt) : prompt);
        const auto start = std::chrono::steady_clock::now();
        while (scheduler_.step()) {
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (!options_.common.quiet)
            fmt::print(stderr, "{} answers, {} tokens in {:.2f} s: {:.1f} tokens/s\n", answers_, tokens_, seconds,
                       static_cast<double>(tokens_) / seconds);
        if (!options_.common.quiet && options_.drafts.any())
            fmt::print(stderr, "{}\n", describe(scheduler_.draft_stats()));
    }

  private:
    void submit(int64_t number, const std::string& prompt) {
        try {
            const auto answer =
                std::make_shared<hooks::Answer>(model_, engine::text_prompt(*model_, prompt, options_.languages),
                                                hooks::AnswerOptions{.generate = generate_,
                                                                     .stop = options_.generation.stop,
                                                                     .steering = steering_.get(),
                                                                     .drafter = drafts_.drafter()});
            // The request keeps its answer alive.
            scheduler_.submit(answer->request(
                [this, number, prompt, answer](const hooks::AnswerResult& result) { print(number, prompt, result); }));
        } catch (const Error& error) {
            fail("{}, line {}: {}", options_.file, number, error.what());
        }
    }

    void print(int64_t number, const std::string& prompt, const hooks::AnswerResult& a) {
        // The error that ended these is reported.
        if (a.finish == engine::Finish::failed || a.finish == engine::Finish::cancelled) return;
        ++answers_;
        tokens_ += std::ssize(a.tokens);
        print_now(to_text({{"line", number},
                           {"prompt", prompt},
                           {"text", a.text},
                           {"tokens", a.tokens},
                           {"finish", hooks::name_of(a.finish)}}) +
                  "\n");
    }

    const RunBatch& options_;
    std::shared_ptr<const Model> model_;
    engine::GenerateOptions generate_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    Drafts drafts_;
    int64_t answers_ = 0, tokens_ = 0;
    engine::Scheduler scheduler_;
};

}  // namespace

void run_batch(const RunBatch& options) { Batch(options).run(); }

}  // namespace gremium::cli
