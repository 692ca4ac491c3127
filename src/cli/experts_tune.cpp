// gremium experts tune: training of chosen experts on a text.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "cli/commit.h"
#include "cli/experts.h"
#include "cli/interruption.h"
#include "cli/texts.h"
#include "hooks/steering_profile.h"
#include "lab/edit/draft.h"
#include "lab/edit/grow.h"
#include "lab/edit/peft.h"
#include "lab/tune/tune.h"
#include "model/spec/tensors.h"
#include "versions/named_tensors.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TuneArguments {
    Common common;
    std::vector<std::string> text, replay, evaluate;
    std::string experts, out, adapter;
    std::string by = "tokens";
    std::string state;
    bool routers = false, no_routers = false, resume = false;
    double grow = 0;
    double percent = 0;
    lab::TuneOptions tune;
    data::SampleOptions sample;
    CommitFlags commit;
};

std::set<moe::ExpertId> chosen_experts(const TuneArguments& options, const Model& model,
                                       const data::SampleOptions& sample) {
    std::set<moe::ExpertId> experts;
    if (!options.experts.empty()) hooks::SteeringProfile::add_experts(experts, options.experts, "--experts");
    if (options.percent > 0)
        experts.merge(lab::experts_for(model, lab::sample_files(options.text, model, sample), options.percent / 100,
                                       options.by == "gate", *options.common.arithmetic));
    if (experts.empty() && !options.tune.everything)
        fail("nothing to train: --experts, --percent or --everything expected");
    return experts;
}

// A line for all tensors of a layer whose same experts are trained.
void print_trained(const std::vector<TensorSlot>& slots, const lab::TuneOptions& tune) {
    if (tune.everything) return fmt::print("gradients go to all {} tensors but correction biases\n", slots.size());
    std::map<std::pair<int, bool>, std::pair<std::string, std::string>> lines;  // layer, router: names, ids
    fmt::print("gradients go to\n");
    for (const TensorSlot& slot : slots) {
        auto& [names, ids] = lines[{slot.layer, !slot.of_experts()}];
        const std::string name = slot.name.substr(slot.name.find('.', 4) + 1);
        if (names.find(name) == std::string::npos) names += (names.empty() ? "" : ", ") + name;
    }
    for (const moe::ExpertId id : tune.experts)
        for (const bool router : {false, true})
            if (const auto line = lines.find({id.layer, router}); line != lines.end())
                line->second.second += fmt::format(" {}", id.expert);
    for (const auto& [key, line] : lines)
        fmt::print("  blk.{}: {} of experts{}{}\n", key.first, line.first, line.second,
                   key.second || tune.rank == 0 ? "" : fmt::format(", as a change of rank {}", tune.rank));
}

std::shared_ptr<const Model> with_more_experts(const TuneArguments& options, std::shared_ptr<const Model> base,
                                               const data::SampleOptions& sample, lab::TuneOptions& tune) {
    const lab::Grown grown =
        lab::grow(base, lab::sample_files(options.text, *base, sample),
                  lab::sample_files(options.replay, *base, sample), options.grow / 100, *options.common.arithmetic);
    tune.experts = grown.experts;
    if (!options.common.json && !options.common.quiet)
        fmt::print(
            "one more expert in {} layers, chosen by {:.1f} % of the text's tokens and {:.1f} % of the "
            "others\n",
            grown.experts.size(), 100 * grown.chosen_text, 100 * grown.chosen_old);
    return grown.model;
}

std::vector<std::string> provenance(const TuneArguments& options, const std::vector<std::string>& trained) {
    const lab::TuneOptions& t = options.tune;
    std::string how =
        fmt::format("experts tune --text {} --replay {} --steps {} --batch {} --window {} --lr {} --seed {}",
                    fmt::join(options.text, " "), fmt::join(options.replay, " "), t.steps, t.batch,
                    options.sample.window, lab::learning_rate(t), t.seed);
    if (t.rank > 0) how += fmt::format(" --lora {} --alpha {}", t.rank, t.alpha);
    if (options.grow > 0) how += fmt::format(" --grow {}", options.grow);
    return {how, fmt::format("trained {}", fmt::join(trained, ", "))};
}

// Where a tuning that is stopped is kept: beside what it would have become; nowhere where that is nothing.
std::string state_of(const TuneArguments& options) {
    if (!options.state.empty()) return options.state;
    std::string result = !options.out.empty()       ? options.out
                         : !options.adapter.empty() ? options.adapter
                                                    : options.commit.store;
    while (result.ends_with('/')) result.pop_back();
    return result.empty() ? "" : result + ".unfinished";
}

// Whether it arrives or not: when the terminal goes, the training is still to be saved.
void say(const std::string& line) {
    std::fputs(line.c_str(), stdout);
    std::fflush(stdout);
}

bool in_peft_layout(const std::string& adapter) { return !adapter.ends_with(".safetensors"); }

// Before hours of work: what would only fail at their end.
void require_writable(const TuneArguments& options, const Model& model, const std::vector<TensorSlot>& trained) {
    const bool peft = !options.adapter.empty() && in_peft_layout(options.adapter);
    if (peft) lab::require_peft_modules(model.spec, trained);
    const auto require = [&](const std::string& path, lab::Target target) {
        if (!path.empty()) lab::require_target(path, model_path(options.common), target);
    };
    require(options.out, lab::target_of(options.out));
    require(options.adapter, peft ? lab::Target::folder : lab::Target::file);
    require(state_of(options), lab::Target::file);
}

// Trained as the options say; stopped by a signal, what was learnt is kept.
lab::Tuned train(const TuneArguments& options, std::shared_ptr<const Model> base, const data::Windows& text,
                 const data::Windows& replay, lab::TuneOptions tune) {
    const bool says = !options.common.json && !options.common.quiet;
    tune.on_step = [&](int64_t step, double loss) {
        const bool shown = step % std::max<int64_t>(1, tune.steps / 10) == 0 || step + 1 == tune.steps;
        if (says && shown) say(fmt::format("step {:>6}  loss {:.4f}\n", step + 1, loss));
    };
    tune.keep_going = [] { return signal_to_stop() == 0; };
    stop_on_signals();
    lab::Tuned tuned = lab::tune(std::move(base), text, replay, tune);
    if (signal_to_stop() == 0) return tuned;
    const std::string where =
        tune.state.empty() ? "no output was named, so nothing is kept"
                           : fmt::format("{} keeps them: the same command with --resume goes on", tune.state.string());
    std::fputs(fmt::format("stopped after {} of {} steps; {}\n", tuned.steps, tune.steps, where).c_str(), stderr);
    throw Interrupted(signal_to_stop());
}

void save_adapter(const TuneArguments& options, const lab::Tuned& tuned) {
    if (in_peft_layout(options.adapter))
        lab::save_peft(tuned.adapter, tuned.model->spec, options.adapter, model_path(options.common));
    else
        lab::save_adapter(tuned.adapter, options.adapter);
}

void tune_experts(const TuneArguments& options) {
    const std::shared_ptr<const Model> original = open_model(options.common);
    CommitTarget target(options.commit, *original);
    data::SampleOptions sample = options.sample, whole = options.sample;
    sample.window = whole.window = std::min<int64_t>(sample.window, original->spec.context);
    whole.tokens = options.tune.steps * options.tune.batch * whole.window;
    const data::Windows text = lab::sample_files(options.text, *original, whole),
                        replay = lab::sample_files(options.replay, *original, whole);
    const lab::MeasuredTexts texts(original, named_files(options.evaluate), sample, *options.common.arithmetic);
    const bool says = !options.common.json && !options.common.quiet;

    lab::TuneOptions tune = options.tune;
    std::shared_ptr<const Model> base = original;
    if (options.grow > 0)
        base = with_more_experts(options, original, sample, tune);
    else
        tune.experts = chosen_experts(options, *base, sample);
    tune.routers = options.routers || (!options.no_routers && options.grow == 0 && options.adapter.empty());
    tune.state = state_of(options);
    tune.resume = options.resume;
    if (tune.routers && !options.adapter.empty()) fail("{}: an adapter holds no router rows", options.adapter);
    const std::vector<TensorSlot> trained = lab::trained_slots(*base, tune);
    require_writable(options, *base, trained);
    if (says) print_trained(trained, tune);
    std::fflush(stdout);
    const lab::Tuned tuned = train(options, base, text, replay, tune);
    const std::vector<std::string> changed = lab::differing_tensors(*base, *tuned.model);
    std::vector<std::string> names;
    for (const TensorSlot& slot : trained) names.push_back(versions::name_of(slot));
    for (const std::string& name : changed)
        if (std::ranges::find(names, name) == names.end()) fail("{} changed without being trained", name);
    if (says) fmt::print("{} tensors changed; all others are bit for bit what they were\n", changed.size());
    const auto before = texts.measure(*original), after = texts.measure(*tuned.model);
    if (says) print_measured(texts, before, after);
    if (!options.out.empty()) lab::save_edited(*tuned.model, options.out, model_path(options.common));
    if (!options.adapter.empty()) save_adapter(options, tuned);
    const auto committed = target.commit(*tuned.model, provenance(options, names), says);
    std::error_code ignored;
    std::filesystem::remove(tune.state, ignored);
    Json report{{"trained", names}, {"changed", changed}, {"texts", measured_to_json(texts, before, after)}};
    if (committed) report["committed"] = to_json(*committed);
    if (options.common.json)
        fmt::print("{}\n", to_text(report));
    else if (!options.out.empty() && !options.common.quiet)
        fmt::print("written: {}\n", options.out);
}

// What is trained.
void add_choice(Command command, const std::shared_ptr<TuneArguments>& options) {
    const Flag list = command.option("--experts", options->experts, "the experts to train: 3.17,4.1");
    const Flag percent = command
                             .option("--percent", options->percent,
                                     "train this percentage of all experts: those that matter most to the text (ESFT)")
                             .between(0, 100);
    command
        .option("--by", options->by,
                "with --percent: experts matter by how often they are chosen (tokens), or by their weight (gate)")
        .one_of({"tokens", "gate"})
        .show_default()
        .needs(percent);
    const Flag everything = command.flag("--everything", options->tune.everything, "train all tensors, for comparison")
                                .excludes(list)
                                .excludes(percent);
    const Flag grow =
        command
            .option("--grow", options->grow,
                    "add an expert to each layer and train it; at most this percentage of the --replay tokens "
                    "choose it")
            .between(0.1, 50)
            .excludes(list)
            .excludes(percent)
            .excludes(everything);
    const Flag rank =
        command
            .option("--lora", options->tune.rank,
                    "train a low-rank change (LoRA) of this rank to each expert's matrices; it is merged into "
                    "them at the end")
            .range(1, 1 << 20)
            .excludes(everything);
    command.option("--alpha", options->tune.alpha, "with --lora: scale of the change; it is multiplied by alpha / rank")
        .above(0)
        .show_default()
        .needs(rank);
    command
        .option("--adapter", options->adapter,
                "with --lora: write the changes alone too, for 'apply --edit \"adapt file=NAME\"': NAME.safetensors, "
                "otherwise a directory in PEFT's layout")
        .needs(rank)
        .excludes(grow);
    const Flag routers =
        command.flag("--routers", options->routers,
                     "train the experts' router rows too (default: yes, but not with --grow or --adapter)");
    command.flag("--no-routers", options->no_routers, "do not train router rows").excludes(routers);
}

}  // namespace

void add_experts_tune(Command experts) {
    auto options = std::make_shared<TuneArguments>();
    Command command = experts.add(
        "tune", "Fine-tune chosen experts on a text and write a new model; everything else stays bit for bit as it is");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    command.option("--text", options->text, "training text files; a zero byte ends a document").required();
    command.option("--replay", options->replay, "text files of what the model should not forget");
    command.option("--replay-share", options->tune.replay, "share of the training windows that come from --replay")
        .between(0, 1)
        .show_default();
    add_choice(command, options);
    command.option("--steps", options->tune.steps, "number of training steps")
        .range(1, int64_t{1} << 30)
        .show_default();
    command.option("--batch", options->tune.batch, "windows in a step").range(1, int64_t{1} << 20).show_default();
    command
        .option("--lr", options->tune.lr,
                "highest learning rate (default: 0.005; with --lora 0.01, with --everything 0.001)")
        .above(0);
    command.seed("-s,--seed", options->tune.seed, "seed of the order of the windows");
    command.option("--eval", options->evaluate, "text files to measure before and after: NAME=FILE or FILE");
    add_sample(command, options->sample,
               "limit of tokens of each --eval text, and of the text that --percent looks at");
    command.option("-o,--output", options->out,
                   "the new model: NAME.gguf, otherwise a directory in Hugging Face layout");
    add_commit_flags(command, options->commit);
    command.option(
        "--state", options->state,
        "where a training that is stopped, by Ctrl-C (INT), TERM or HUP, is kept (default: the output's name "
        "and .unfinished)");
    command.flag("--resume", options->resume, "go on with a training that was stopped; all else as it was");
    command.examples(
        {"gremium experts tune --text german.txt --percent 10 --steps 200 --eval german.txt -o tuned.gguf"});
    command.run([=] { tune_experts(*options); });
}

}  // namespace gremium::cli
