#include "cli/run_prompts.h"

#include <optional>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "cli/explain.h"
#include "cli/output.h"
#include "cli/prompt_text.h"
#include "cli/run_report.h"
#include "cli/terminal.h"
#include "hooks/answer.h"
#include "kernels/simd/variant.h"
#include "versions/hash.h"

namespace gremium::cli {
namespace {

class Runner {
  public:
    explicit Runner(const RunPrompts& options)
        : options_(options),
          model_(open_model(options.common)),
          generate_(generate_options(options.generation, *model_)),
          steering_(make_steering(options.steering, model_->spec)),
          recorder_(model_->spec),
          drafts_(options.drafts, *model_, options.context, engine::compute_of(*options.common.arithmetic)),
          live_(!options.common.json),
          colour_(live_ && wants_colour(stdout) && (!options.drafts.any() || options.colour_layer >= 0)),
          layer_(options.colour_layer >= 0 ? recorder_.require_layer(options.colour_layer, "--colour-layer")
                                           : recorder_.middle_layer()) {
        if (!options.trace.empty()) trace_file_.emplace(options.trace);
        if (!options.audit.empty()) audit_file_.emplace(options.audit);
    }

    void run() {
        if (!options_.common.quiet && !options_.common.json) announce(steering_.get());
        if (options_.drafts.any() && (steering_ || watched() || options_.explain || audit_file_))
            say_note("nothing is drafted where experts are steered, traced, explained, coloured or recorded");
        require_prompts();
        nlohmann::ordered_json report = nlohmann::ordered_json::array();
        for (const std::string& prompt : options_.prompts) report.push_back(answer(prompt));
        if (trace_file_) trace_file_->commit();
        if (audit_file_) audit_file_->commit();
        if (options_.common.json)
            fmt::print("{}\n", to_text(report.size() == 1 ? report[0] : report));
        else if (options_.stats)
            print_stats(*model_, recorder_, speed_, {.colour = colour_, .colour_layer = layer_});
        if (options_.stats && options_.drafts.any() && !options_.common.json)
            print_now(fmt::format("{}\n", describe(drafts_.gate().stats())));
    }

  private:
    engine::PromptCache new_cache() const {
        return engine::PromptCache(model_, {.context = options_.context.size,
                                            .cache = options_.context.cache,
                                            .compute = engine::compute_of(*options_.common.arithmetic)});
    }

    // Before the first of them is shown.
    void require_prompts() const {
        const engine::PromptCache cache = new_cache();
        for (const std::string& prompt : options_.prompts)
            cache.require(engine::text_prompt(*model_, prompt, options_.languages));
    }

    nlohmann::ordered_json answer(const std::string& prompt) {
        hooks::Answer answer(model_, engine::text_prompt(*model_, prompt, options_.languages), answer_options(prompt));
        engine::PromptCache cache = new_cache();
        if (live_ && !model_->encoder) print_now(prompt);
        const hooks::AnswerResult& result = answer.run(cache);
        if (live_) print_now("\n");
        speed_ += result.speed;
        if (trace_file_) trace_file_->write(recorder_.to_json_lines(model_->tokenizer.get()));
        recorder_.clear_events();
        if (options_.explain && live_) print_explained(*model_, result.explained);
        if (!options_.common.json) return {};
        nlohmann::ordered_json report = to_json(prompt, answer, generate_);
        add_to_report(report, steering_.get());
        if (options_.drafts.any()) report["drafts"] = drafts_to_json(drafts_.gate().stats());
        if (options_.explain) report["explain"] = explained_to_json(*model_, result.explained);
        return report;
    }

    // Drafts and counts of experts exclude each other: many of the tokens that experts see are none of the answer.
    bool watched() const { return !options_.trace.empty() || colour_ || (options_.stats && !options_.drafts.any()); }

    hooks::AnswerOptions answer_options(const std::string& prompt) {
        hooks::AnswerOptions options{.generate = generate_,
                                     .stop = options_.generation.stop,
                                     .steering = steering_.get(),
                                     .explain = options_.explain};
        if (watched()) options.watcher = &recorder_;
        options.drafter = drafts_.drafter();
        options.draft_gate = &drafts_.gate();
        if (live_)
            options.on_text = [this](std::string_view text, int32_t position) {
                print_now(coloured(text, colour_ ? recorder_.dominant(layer_, position) : -1, colour_));
            };
        if (!audit_file_) return options;
        if (hash_.empty()) hash_ = versions::model_hash(*model_);
        options.on_audit = [this](const std::string& line) { audit_file_->write(line + "\n"); };
        options.audit = {.version = GREMIUM_VERSION,
                         .model = model_path(options_.common),
                         .model_hash = hash_,
                         .kernels = std::string(kernels::name(kernels::active())),
                         .prompt = prompt,
                         .cache = options_.context.cache,
                         .arithmetic = *options_.common.arithmetic};
        return options;
    }

    const RunPrompts& options_;
    std::shared_ptr<const Model> model_;
    engine::GenerateOptions generate_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    hooks::RouteRecorder recorder_;
    Drafts drafts_;
    std::optional<AtomicFile> trace_file_, audit_file_;
    std::string hash_;  // the model's
    bool live_, colour_;
    int layer_;
    hooks::Speed speed_;
};

}  // namespace

void run_prompts(const RunPrompts& options) { Runner(options).run(); }

}  // namespace gremium::cli
