#include "cli/common.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/default_model.h"
#include "kernels/simd/variant.h"
#include "versions/versions.h"

namespace gremium::cli {

void add_common(Command command, Common& common, bool with_model) {
    if (with_model)
        command.option(
            "-m,--model", common.model,
            "GGUF file, directory in Hugging Face layout, or STORE[@VERSION] of 'gremium versions' (default: the "
            "model that ships with Gremium)");
    command
        .option("-t,--threads", common.threads,
                "number of threads (default, and most: one for each CPU that this process may use)")
        .range(1, 1024);
    command.option(
        "--kernels", common.kernels,
        "use these kernels: reference, scalar, sse4, avx2, avx512 or amx (default: the fastest that this CPU has)");
    command.flag("--json", common.json, "print JSON");
    command.flag("-q,--quiet", common.quiet, "print results only");
    command.flag("-v,--verbose", common.verbose, "print more");
}

void add_arithmetic(Command command, Common& common, engine::Arithmetic unless_said) {
    common.arithmetic = unless_said;
    const auto set = [&common](const std::string& name) { common.arithmetic = engine::arithmetic_named(name); };
    command
        .option(
            "--arithmetic", set,
            "exact: activations stay 32-bit numbers; running: they are rounded where weights are quantised, which is "
            "faster")
        .one_of({"exact", "running"})
        .show_default(std::string(engine::name_of(unless_said)));
}

void add_cache_type(Command command, DType& cache) {
    const auto set = [&cache](const std::string& name) { cache = dtype_from_name(name).value(); };
    command.option("--cache-type", set, "type of cached keys and values: f32, f16, bf16 or q8_0")
        .one_of({"f32", "f16", "bf16", "q8_0"})
        .show_default(std::string(info(cache).name));
}

void add_context(Command command, Context& context) {
    command
        .option("-c,--ctx-size", context.size,
                "context length in tokens; 0: the model's, or what memory allows if that is less")
        .range(0, int64_t{1} << 30)
        .show_default();
    add_cache_type(command, context.cache);
}

void add_generation(Command command, Generation& generation, Context& context) {
    engine::GenerateOptions& generate = generation.generate;
    engine::SamplerOptions& sampler = generate.sampler;
    command.option("-n,--predict", generate.max_tokens, "maximum number of tokens to generate; -1: no limit")
        .range(-2, int64_t{1} << 30)
        .show_default();
    command.option("--stop", generation.stop, "end the answer before this text; may be given several times")
        .one_value();
    command.flag("--ignore-eos", generate.ignore_end, "go on after an end-of-text token");
    add_context(command, context);
    command.seed("-s,--seed", sampler.seed, "seed of the random numbers that choose tokens");
    command.option("--temp", sampler.temperature, "temperature; 0: always the most probable token")
        .at_least(0)
        .show_default();
    command.option("--top-k", sampler.top_k, "choose among the k most probable tokens; 0 or -1: all")
        .range(-1, INT32_MAX)
        .show_default();
    command
        .option("--top-p", sampler.top_p,
                "choose among the most probable tokens that have this probability together; 1: all, 0: the most "
                "probable")
        .between(0, 1)
        .show_default();
    command
        .option("--min-p", sampler.min_p,
                "ignore tokens below this share of the most probable one's probability; 0: none")
        .between(0, 1)
        .show_default();
    command.option("--repeat-penalty", sampler.repetition_penalty, "above 1: recent tokens become less likely")
        .above(0)
        .show_default();
    generation.said = [command](const char* flag) mutable { return command.get(flag).given(); };
    command.option("--repeat-last-n", sampler.repetition_window, "number of tokens that count as recent; -1: all")
        .range(-1, INT32_MAX)
        .show_default();
}

void apply(const Common& common) {
    allow_threads(common.threads);
    if (!common.kernels.empty()) kernels::force(common.kernels);
}

void say_arithmetic(const Common& common) {
    if (common.verbose && common.arithmetic)
        fmt::print(stderr, "arithmetic: {}\n",
                   *common.arithmetic == engine::Arithmetic::exact
                       ? "exact, activations stay 32-bit numbers"
                       : "running, activations are rounded where weights are quantised");
}

std::string model_path(const Common& common) {
    return common.model.empty() ? engine::default_model_path().string() : common.model;
}

std::shared_ptr<const Model> open_model(const Common& common) {
    apply(common);
    say_arithmetic(common);
    return open_model(model_path(common));
}

std::shared_ptr<const Model> open_model(const std::string& path) {
    auto model = versions::open_model_or_version(path);
    for (const std::string& warning : model->warnings) fmt::print(stderr, "warning: {}\n", warning);
    return model;
}

std::vector<int32_t> parse_ids(const std::string& list) {
    std::vector<int32_t> ids;
    const char *at = list.data(), *end = at + list.size();
    while (at < end) {
        int32_t id = 0;
        const auto [next, error] = std::from_chars(at, end, id);
        if (error != std::errc() || (next != end && *next != ',')) {
            fail("--tokens: a comma-separated list of token ids expected, found '{}'", std::string(at, end));
        }
        ids.push_back(id);
        at = next == end ? end : next + 1;
    }
    return ids;
}

Importance open_importance(const std::string& path, const ModelSpec& spec) {
    constexpr int64_t enough = 64;  // tokens: a mean of n squares is known to √(2/n), here 18 %
    constexpr size_t named = 12;
    Importance importance(path);
    auto scarce = importance.scarce(spec, enough);
    if (scarce.empty()) return importance;
    std::ranges::stable_sort(scarce, {}, &Importance::Scarce::tokens);
    std::string list;
    for (size_t i = 0; i < std::min(named, scarce.size()); ++i)
        list += fmt::format("{} layer {} expert {} ({})", i ? "," : "", scarce[i].layer, scarce[i].expert,
                            scarce[i].tokens);
    if (scarce.size() > named) list += fmt::format(" and {} more", scarce.size() - named);
    fmt::print(stderr, "warning: {}: {} experts met fewer than {} tokens, more text helps:{}\n", path, scarce.size(),
               enough, list);
    return importance;
}

void fail_for(const std::vector<std::string>& faults) {
    if (faults.empty()) return;
    for (size_t i = 0; i + 1 < faults.size(); ++i) fmt::print(stderr, "gremium: {}\n", faults[i]);
    throw Error(faults.back());
}

std::string human_count(double n) {
    if (n >= 1e9) return fmt::format("{:.1f}G", n / 1e9);
    if (n >= 1e6) return fmt::format("{:.1f}M", n / 1e6);
    if (n >= 1e3) return fmt::format("{:.1f}k", n / 1e3);
    return fmt::format("{:.0f}", n);
}

std::string human_bytes(double n) {
    if (n >= 0x1p30) return fmt::format("{:.2f} GiB", n / 0x1p30);
    if (n >= 0x1p20) return fmt::format("{:.1f} MiB", n / 0x1p20);
    if (n >= 0x1p10) return fmt::format("{:.1f} KiB", n / 0x1p10);
    return fmt::format("{:.0f} B", n);
}

}  // namespace gremium::cli
