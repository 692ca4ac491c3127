// gremium experts apply: edits to experts, each with what it does to texts, and a new model of them.
#include "base/error.h"
#include "cli/commit.h"
#include "cli/experts.h"
#include "cli/interruption.h"
#include "cli/texts.h"
#include "lab/edit/edit_recipe.h"
#include "model/spec/size.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ApplyArguments {
    Common common;
    std::vector<std::string> edits, recipes, calibrate, evaluate;
    std::string out;
    CommitFlags commit;
    data::SampleOptions sample;
};

std::vector<lab::Edit> edits_of(const ApplyArguments& options) {
    std::vector<lab::Edit> edits;
    for (const std::string& file : options.recipes)
        for (lab::Edit& edit : lab::read_edits(file)) edits.push_back(std::move(edit));
    for (const std::string& text : options.edits) edits.push_back(lab::parse_edit(text, "--edit"));
    if (edits.empty()) fail("nothing to do: --edit or --recipe expected");
    return edits;
}

void print_sizes(const lab::Edit& edit, const ModelSize& old_size, const ModelSize& size) {
    const auto count = [](int64_t n) { return human_count(static_cast<double>(n)); };
    fmt::print("{}: {} -> {} parameters, {} -> {} active\n", edit.text(), count(old_size.total_parameters),
               count(size.total_parameters), count(old_size.active_parameters), count(size.active_parameters));
}

void apply_edits(const ApplyArguments& options) {
    const std::vector<lab::Edit> edits = edits_of(options);
    const std::shared_ptr<const Model> base = open_model(options.common);
    CommitTarget target(options.commit, *base);
    if (!options.out.empty()) lab::require_target(options.out, model_path(options.common), lab::target_of(options.out));
    lab::Draft draft(base);
    const engine::Arithmetic arithmetic = *options.common.arithmetic;
    const lab::MeasuredTexts texts(base, named_files(options.evaluate), options.sample, arithmetic);
    const data::Windows calibration = lab::sample_files(options.calibrate, *base, options.sample);

    const bool says = !options.common.json && !options.common.quiet;
    stop_on_signals();
    std::shared_ptr<const Model> model = base;
    Json report = Json::array();
    try {
        std::vector<lab::MeasuredTexts::Numbers> before = texts.measure(*base, throw_if_interrupted);
        for (const lab::Edit& edit : edits) {
            throw_if_interrupted();
            const ModelSize old_size = size_of(model->spec);
            lab::apply_edit(draft, edit, calibration, arithmetic);
            model = draft.model();
            const ModelSize size = size_of(model->spec);
            const auto after = texts.measure(*model, throw_if_interrupted);
            report.push_back({{"edit", edit.text()},
                              {"parameters", size.total_parameters},
                              {"texts", measured_to_json(texts, before, after)}});
            if (says) {
                print_sizes(edit, old_size, size);
                print_measured(texts, before, after);
                std::fflush(stdout);
            }
            before = after;
        }
    } catch (const Interrupted&) {  // what was measured is shown, half a model is not written
        if (options.common.json) fmt::print("{}\n", to_text(report));
        throw;
    }
    if (!options.out.empty()) lab::save_edited(*model, options.out, model_path(options.common));
    std::vector<std::string> provenance;
    for (const lab::Edit& edit : edits) provenance.push_back("experts apply " + edit.text());
    target.commit(*model, std::move(provenance), says);
    if (options.common.json)
        fmt::print("{}\n", to_text(report));
    else if (!options.out.empty() && !options.common.quiet)
        fmt::print("written: {}\n", options.out);
}

}  // namespace

void add_experts_apply(Command experts) {
    auto options = std::make_shared<ApplyArguments>();
    Command command =
        experts.add("apply",
                    "Change experts, measure what each change does, and write a new model; the opened model "
                    "stays as it is");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    command
        .option("--edit", options->edits,
                "one change, such as 'prune share=25% by=reap'; also merge, replace, copy, adapt, reset, add, split, "
                "retype, "
                "shrink-k; several are made in this order")
        .one_value();
    command
        .option("--recipe", options->recipes,
                "a TOML file of changes, [[edit]] do = \"prune\" …; made before those of --edit")
        .one_value();
    command.option("--calibrate", options->calibrate,
                   "text files that show how much each expert matters, for prune and merge");
    command.option("--eval", options->evaluate, "text files to measure each change on: NAME=FILE or FILE");
    add_sample(command, options->sample, "limit of tokens of each --eval text, and of all --calibrate texts together");
    command.option("-o,--output", options->out,
                   "the new model: NAME.gguf, otherwise a directory in Hugging Face layout");
    add_commit_flags(command, options->commit);
    command.examples(
        {"gremium experts apply --edit 'prune share=25% by=reap' --calibrate text.txt --eval text.txt -o small.gguf"});
    command.run([=] { apply_edits(*options); });
}

}  // namespace gremium::cli
