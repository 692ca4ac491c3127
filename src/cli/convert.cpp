// gremium convert: one model format into another, and quantisation.
#include <unistd.h>

#include <optional>

#include "base/error.h"
#include "cli/common.h"
#include "model/files/mixtures.h"
#include "model/files/save.h"
#include "model/spec/size.h"
#include "model/spec/tensors.h"
#include "versions/versions.h"

namespace gremium::cli {
namespace {

struct Options {
    Common common;
    std::string in, out, type;
    std::vector<std::string> overrides;
    std::string importance;
    bool pure = false;
};

// What --type names: a recipe, or one type for all matrices.
struct Target {
    DType dtype;
    const Recipe* recipe;
};

Target target(const Options& options) {
    const auto dtype = dtype_from_name(options.type);
    if (const Recipe* recipe = find_recipe(options.type)) return {recipe->base, options.pure ? nullptr : recipe};
    if (!dtype || !(is_float(*dtype) || is_quantised(*dtype)))
        fail("--type {}: unknown; f32, f16, bf16, q3_k, q4_k, q5_k or one of {} expected", options.type,
             recipe_names());
    return {*dtype, nullptr};
}

// One line that rewrites itself on a terminal.
class ProgressLine {
  public:
    explicit ProgressLine(bool quiet) : live_(!quiet && ::isatty(::fileno(stdout)) != 0) {}
    ~ProgressLine() {
        if (live_) fmt::print("\r\x1b[K");
    }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void operator()(const SaveProgress& at) const {
        if (!live_) return;
        fmt::print("\r{:3.0f} %  {} of {}  {} ({})\x1b[K",
                   100 * static_cast<double>(at.tensor) / static_cast<double>(at.tensors), at.tensor + 1, at.tensors,
                   at.name, info(at.dtype).name);
        std::fflush(stdout);
    }

  private:
    bool live_;
};

void report(const Options& options, bool gguf, std::string_view type, int64_t weights) {
    const int64_t bytes = gguf ? static_cast<int64_t>(std::filesystem::file_size(options.out)) : 0;
    const double bits = 8 * static_cast<double>(bytes) / static_cast<double>(weights);
    if (options.common.json) {
        nlohmann::ordered_json said{
            {"from", options.in}, {"to", options.out}, {"layout", gguf ? "gguf" : "hugging_face"}, {"type", type}};
        if (gguf) said.update({{"bytes", bytes}, {"bits_per_weight", bits}});
        fmt::print("{}\n", to_text(said));
    } else if (!options.common.quiet) {
        fmt::print("{} -> {} ({}, {})\n", options.in, options.out, gguf ? "GGUF" : "Hugging Face layout", type);
        if (gguf) fmt::print("{}, {:.2f} bits a weight\n", human_bytes(static_cast<double>(bytes)), bits);
    }
}

void convert_model(const Options& options) {
    apply(options.common);
    const auto [dtype, recipe] = target(options);
    const bool weighed = !options.importance.empty();
    if (recipe && recipe->needs_importance && !weighed)
        fail("--type {}: so few bits need to know what matters: --importance FILE", recipe->name);
    std::vector<TypeOverride> overrides;
    for (const std::string& text : options.overrides) overrides.push_back(parse_type_override(text));
    const auto type_of = [&, dtype = dtype, recipe = recipe](const ModelSpec& spec, const TensorSlot& slot) {
        for (const TypeOverride& override : overrides)
            if (std::regex_search(slot.name, override.pattern)) return override.dtype;
        return recipe ? recipe_type(*recipe, spec, slot, weighed) : dtype;
    };

    const bool gguf = std::filesystem::path(options.out).extension() == ".gguf";
    const auto model = versions::open_model_or_version(options.in);
    std::optional<Importance> importance;
    if (weighed) {
        importance = open_importance(options.importance, model->spec);
        importance->require_same_shapes(model->spec);
    }
    const auto importance_of = [&](const TensorSlot& slot, int matrix) {
        return importance ? importance->of(slot, matrix) : std::span<const float>();
    };
    {
        const ProgressLine progress(options.common.quiet || options.common.json);
        save_model(*model, options.out,
                   {.container = gguf ? Container::gguf : Container::hugging_face,
                    .dtype = dtype,
                    .type_of = type_of,
                    .file_type = recipe ? recipe->file_type : -1,
                    .importance = importance_of,
                    .progress = std::cref(progress)});
    }
    report(options, gguf, recipe ? recipe->name : info(dtype).name, size_of(model->spec).total_parameters);
}

}  // namespace

void add_convert(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("convert", "Convert a model between GGUF and Hugging Face layout, and quantise it");
    add_common(command, options->common, false);
    command.option("IN", options->in, "GGUF file or directory in Hugging Face layout").required();
    command.option("OUT", options->out, "NAME.gguf for GGUF, otherwise a directory in Hugging Face layout").required();
    options->type = "f32";
    command.option(
        "--type", options->type,
        "type of the matrices: f32 (default), f16, bf16; for GGUF also q3_k, q4_k, q5_k, or a mixture of types as "
        "llama.cpp makes it: " +
            recipe_names());
    command.option("--importance", options->importance,
                   "keep what matters most precise: a file of 'gremium eval --importance' or of llama-imatrix");
    command.flag("--pure", options->pure, "use a mixture's main type for all matrices");
    command
        .option("--type-for", options->overrides,
                "another type for tensors whose name matches a regular expression; the first match counts: "
                "'ffn_.*_exps=q4_k'")
        .one_value();
    command.examples(
        {"gremium convert model-directory model.gguf --type q4_k_m", "gremium convert model.gguf model-directory"});
    command.run([=] { convert_model(*options); });
}

}  // namespace gremium::cli
