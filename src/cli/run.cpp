// gremium run: continue a text, and show which experts decided.
#include <memory>

#include "cli/common.h"
#include "cli/prompt_text.h"
#include "cli/run_batch.h"
#include "cli/run_prompts.h"

namespace gremium::cli {
namespace {

struct RunArguments : RunPrompts {
    std::string file, batch;
    int64_t sequences = 8;
    bool help_profile = false;
    bool escape = false;
};

void run(RunArguments options) {
    if (options.escape)
        for (std::string& stop : options.generation.stop) stop = unescaped(stop);
    if (!options.batch.empty())
        return run_batch({.common = options.common,
                          .file = options.batch,
                          .escape = options.escape,
                          .languages = options.languages,
                          .sequences = options.sequences,
                          .context = options.context,
                          .generation = options.generation,
                          .steering = options.steering,
                          .drafts = options.drafts});
    if (options.prompts.empty() && options.file.empty()) require_flag("--prompt or --file");
    for (std::string& prompt : options.prompts) prompt = argument_text(prompt, "--prompt");
    if (!options.file.empty()) options.prompts = {prompt_of_file(options.file)};
    if (options.escape)
        for (std::string& prompt : options.prompts) prompt = unescaped(prompt);
    run_prompts(options);
}

}  // namespace

void add_run(Command app) {
    auto options = std::make_shared<RunArguments>();
    Command command = app.add("run", "Continue a text");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::running);
    const Flag prompt =
        command
            .option("-p,--prompt", options->prompts, "the text to continue; several are answered one after the other")
            .one_value();
    command.option("-f,--file", options->file, "read the prompt from a file or a pipe; -: from standard input")
        .excludes(prompt);
    command.flag("-e,--escape", options->escape,
                 "read \\n, \\t, \\\" and their like in prompts and --stop as the characters they stand for");
    Flag batch = command.option(
        "--batch", options->batch,
        "answer every line of this file (-: of standard input), several at a time; prints a line of JSON as each ends");
    command.option("--sequences", options->sequences, "with --batch: number of prompts answered at the same time")
        .needs(batch)
        .range(1, 1024)
        .show_default();
    command.option("--source-lang", options->languages.source,
                   "translation models: language of the prompt, as eng_Latn");
    command.option("--target-lang", options->languages.target,
                   "translation models: language of the answer, as deu_Latn");
    add_generation(command, options->generation, options->context);
    add_drafting(command, options->drafts);
    add_steering(command, options->steering);
    command.flag("--help-profile", options->help_profile, "print every key of a profile, what it can be and an example")
        .group("Steering");
    command.option("--trace", options->trace, "write every routing decision to this JSON Lines file");
    command.flag("--explain", options->explain, "show which experts decided each token");
    command.option("--audit", options->audit, "write a record to this JSON Lines file for 'gremium replay' to check");
    command.flag("--stats", options->stats, "show how often each expert was used, sizes and speed");
    command
        .option("--colour-layer", options->colour_layer,
                "colour tokens by the strongest expert of this layer (default: the middle one)")
        .range(0, 1 << 20);
    for (const char* other : {"--prompt", "--file", "--trace", "--explain", "--audit", "--stats", "--colour-layer"})
        batch.excludes(command.get(other));
    command.examples({"gremium run -p \"Once upon a time\" -n 200 --stats",
                      "gremium run -m model.gguf --batch prompts.txt --stop \"###\" > answers.jsonl"});
    command.run([=] { options->help_profile ? print_profile_reference() : run(*options); });
}

}  // namespace gremium::cli
