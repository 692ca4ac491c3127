// gremium train: from a recipe to a model.
#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "cli/common.h"
#include "cli/interruption.h"
#include "train/recipe_fields.h"
#include "train/report.h"
#include "train/trainer.h"

namespace gremium::cli {
namespace {

struct TrainArguments {
    Common common;
    std::string config;
    std::vector<std::string> overrides;
    bool resume = false;
    bool help_recipe = false;
};

// One line that rewrites itself on a terminal; elsewhere a line every log_every steps. Beside JSON it goes to stderr.
class Screen : public train::TrainObserver {
  public:
    Screen(const Common& common, int64_t log_every)
        : out_(common.json ? stderr : stdout),
          quiet_(common.quiet),
          live_(::isatty(::fileno(out_)) != 0),
          log_every_(log_every) {}

    void on_note(std::string_view note) override { say(note); }
    void on_start(const train::RunInfo& run) override {
        stop_on_signals();  // before, there is nothing to keep but files that are whole
        if (!run.resumed_from.empty()) say(fmt::format("resuming from {} (step {})", run.resumed_from, run.first_step));
        say(fmt::format("{} parameters, {} active per token; {} steps of {} tokens",
                        human_count(static_cast<double>(run.parameters)),
                        human_count(static_cast<double>(run.active_parameters)), run.steps, run.tokens_a_step));
        for (const auto& domain : run.domains) {
            say(fmt::format("  {:<12} {:>5.1f} % of the sequences, {} tokens ({:.2f} epochs), {} held out", domain.name,
                            100 * domain.share, human_count(static_cast<double>(domain.tokens)), domain.epochs,
                            human_count(static_cast<double>(domain.heldout_tokens))));
        }
    }
    void on_step(const train::StepReport& step) override {
        if (quiet_ || (!live_ && step.step % log_every_ != 0)) return;
        const std::string line = train::live_line(step);
        // Back to the line's start, the text, clear what the last one left.
        put(live_ ? fmt::format("\r{}\x1b[K", line) : line + "\n");
        line_open_ = live_;
    }
    void on_evaluation(int64_t step, const std::vector<train::DomainScore>& scores) override {
        std::string line = fmt::format("step {}: held-out bits per byte:", step);
        for (const auto& score : scores) line += fmt::format("  {} {:.4f}", score.name, score.bits_per_byte);
        say(line);
    }
    void on_warning(std::string_view warning) override { say(fmt::format("warning: {}", warning), true); }
    void on_checkpoint(const std::filesystem::path& path) override { say(fmt::format("checkpoint {}", path.string())); }
    bool keep_going() override { return signal_to_stop() == 0; }

    void say(std::string_view text, bool always = false) {
        if (quiet_ && !always) return;
        put(fmt::format("{}{}\n", line_open_ ? "\n" : "", text));
        line_open_ = false;
    }

  private:
    // Whether it arrives or not: when the terminal goes, the run is still to be saved.
    void put(std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), out_);
        std::fflush(out_);
    }

    std::FILE* out_;
    bool quiet_, live_, line_open_ = false;
    int64_t log_every_;
};

void train_model(const TrainArguments& options) {
    apply(options.common);
    train::TrainConfig config = train::read_config(options.config, options.overrides);
    if (options.common.threads) config.train.threads = options.common.threads;
    Screen screen(options.common, config.train.log_every);
    const train::TrainSummary summary = train::train(config, {.resume = options.resume}, screen);
    if (options.common.json) {
        fmt::print("{}\n", to_text({{"steps", summary.steps},
                                    {"tokens", summary.tokens},
                                    {"seconds", summary.seconds},
                                    {"finished", summary.finished},
                                    {"model", summary.checkpoint.string()},
                                    {"report", summary.report.string()}}));
    } else {
        screen.say(fmt::format("{}{} steps, {} tokens, {:.0f} s\nmodel  {}\nreport {}",
                               summary.finished ? "" : "stopped early after ", summary.steps,
                               human_count(static_cast<double>(summary.tokens)), summary.seconds,
                               summary.checkpoint.string(), summary.report.string()));
        if (!summary.finished) screen.say(fmt::format("continue with: gremium train {} --resume", options.config));
    }
    if (!summary.finished) throw Interrupted(signal_to_stop());
}

// As a recipe with every key at its default.
void print_recipe_reference() {
    std::string section;
    for (const train::RecipeKey& key : train::recipe_reference()) {
        if (key.section != section)
            fmt::print("{}{}\n", section.empty() ? "" : "\n",
                       key.section == "data" ? "[[data]]" : "[" + key.section + "]");
        section = key.section;
        fmt::print("# {}; {}\n{} = {}\n", key.help, key.values, key.name, key.fallback);
    }
}

}  // namespace

void add_train(Command app) {
    auto options = std::make_shared<TrainArguments>();
    Command command =
        app.add("train", "Train a model as a recipe says; Ctrl-C (INT), TERM and HUP end it with a checkpoint");
    add_common(command, options->common, false);
    command.option("CONFIG", options->config, "the recipe, a TOML file");
    command.option("--set", options->overrides, "replace a value of the recipe: section.key=value").one_value();
    command.flag("--resume", options->resume, "go on from the newest checkpoint");
    command.flag("--help-recipe", options->help_recipe, "print every key of a recipe, its values and its default");
    command.examples({"gremium train recipe.toml --set train.steps=200", "gremium train recipe.toml --resume"});
    command.run([=] {
        if (options->help_recipe) return print_recipe_reference();
        if (options->config.empty()) require_flag("CONFIG");
        train_model(*options);
    });
}

}  // namespace gremium::cli
