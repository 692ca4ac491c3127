// gremium convert: one model format into another, and quantisation.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.h"
#include "cli/common.h"
#include "model/files/mixtures.h"
#include "model/files/save.h"
#include "model/spec/size.h"
#include "model/spec/tensors.h"

namespace gremium::cli {
namespace {

struct ConvertArguments {
    Common common;
    std::string in, out, type;
    std::vector<std::string> overrides;
    std::string importance, head_type, embedding_type;
    std::vector<std::string> weighed, unweighed;  // parts of tensors' names
    bool pure = false, keep_head = false;
};

// What --type names: a recipe, or one type for all matrices.
struct Target {
    DType dtype;
    const Recipe* recipe;
};

Target target(const ConvertArguments& options) {
    std::string lower = options.type;
    if (lower == "F32" || lower == "F16" || lower == "BF16")
        for (char& c : lower) c = static_cast<char>(std::tolower(c));
    const auto dtype = dtype_from_name(lower);
    if (const Recipe* recipe = find_recipe(options.type)) return {recipe->base, options.pure ? nullptr : recipe};
    if (!dtype || !(is_float(*dtype) || is_quantised(*dtype)))
        fail("--type {}: unknown; f32, f16, bf16, q3_k, q4_k, q5_k or one of {} expected", options.type,
             recipe_names());
    return {*dtype, nullptr};
}

DType type_in_model(const Model& model, const TensorSlot& slot) {
    return (slot.role == TensorRole::head ? model.weights.head : model.weights.embedding).value.dtype;
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

void report(const ConvertArguments& options, bool gguf, std::string_view type, int64_t weights) {
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

void convert_model(const ConvertArguments& options) {
    apply(options.common);
    const auto [dtype, recipe] = target(options);
    const bool gguf = std::filesystem::path(options.out).extension() == ".gguf";
    const bool weighed = !options.importance.empty();
    if (recipe && recipe->needs_importance && !weighed)
        fail("--type {}: so few bits need to know what matters: --importance FILE", recipe->name);
    const auto model = open_model(options.in);
    std::vector<TypeOverride> overrides;
    for (const std::string& text : options.overrides) overrides.push_back(parse_type_override(text));
    std::optional<DType> head, embedding;
    if (!options.head_type.empty()) head = parse_weight_type("--output-tensor-type", options.head_type);
    if (!options.embedding_type.empty())
        embedding = parse_weight_type("--token-embedding-type", options.embedding_type);
    const auto type_of = [&, dtype = dtype, recipe = recipe](const ModelSpec& spec, const TensorSlot& slot) {
        const bool is_embedding = slot.role == TensorRole::embedding;
        const bool is_head = slot.role == TensorRole::head || (is_embedding && spec.tied_head);
        if (embedding && is_embedding) return *embedding;
        if (head && is_head) return *head;
        if (options.keep_head && is_head) return type_in_model(*model, slot);
        for (const TypeOverride& override : overrides)
            if (std::regex_search(slot.name, override.pattern)) return override.dtype;
        return recipe ? recipe_type(*recipe, spec, slot, weighed) : dtype;
    };

    std::optional<Importance> importance;
    std::optional<Importance::Origin> origin;
    if (weighed) {
        importance = open_importance(options.importance, model->spec);
        importance->require_same_shapes(model->spec);
        origin = importance->origin();
    }
    const auto importance_of = [&](const TensorSlot& slot, int matrix) {
        const auto named = [&](const std::string& part) { return slot.name.find(part) != std::string::npos; };
        const bool counts = importance && !std::ranges::any_of(options.unweighed, named) &&
                            (options.weighed.empty() || std::ranges::any_of(options.weighed, named));
        return counts ? importance->of(slot, matrix) : std::span<const float>();
    };
    {
        const ProgressLine progress(options.common.quiet || options.common.json);
        save_model(*model, options.out,
                   {.container = gguf ? Container::gguf : Container::hugging_face,
                    .dtype = dtype,
                    .type_of = type_of,
                    .file_type = recipe ? recipe->file_type : -1,
                    .importance = importance_of,
                    .importance_origin = origin,
                    .progress = std::cref(progress)});
    }
    report(options, gguf, recipe ? recipe->name : info(dtype).name, size_of(model->spec).total_parameters);
}

}  // namespace

void add_convert(Command app) {
    auto options = std::make_shared<ConvertArguments>();
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
    Flag importance = command.option(
        "--importance,--imatrix", options->importance,
        "keep what matters most precise: a file of 'gremium eval --importance' or of llama-imatrix, GGUF or .dat");
    Flag weighed = command
                       .option("--include-weights", options->weighed,
                               "use --importance only for tensors whose name contains this; may be given several times")
                       .one_value()
                       .needs(importance);
    command
        .option("--exclude-weights", options->unweighed,
                "do not use --importance for tensors whose name contains this; may be given several times")
        .one_value()
        .needs(importance)
        .excludes(weighed);
    command.flag("--pure", options->pure, "use a mixture's main type for all matrices");
    command.option("--token-embedding-type", options->embedding_type, "another type for the embedding");
    const Flag head = command.option("--output-tensor-type", options->head_type, "another type for the head");
    command.flag("--leave-output-tensor", options->keep_head, "keep the type that the head has in IN").excludes(head);
    command
        .option("--type-for,--tensor-type", options->overrides,
                "another type for tensors whose name matches a regular expression; the first match counts: "
                "'ffn_.*_exps=q4_k'")
        .one_value();
    command.examples(
        {"gremium convert model-directory model.gguf --type q4_k_m", "gremium convert model.gguf model-directory"});
    command.run([=] { convert_model(*options); });
}

}  // namespace gremium::cli
