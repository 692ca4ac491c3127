#include "cli/common.h"

#include <algorithm>
#include <charconv>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/parallel.h"
#include "engine/default_model.h"
#include "kernels/simd/variant.h"
#include "versions/versions.h"

namespace gremium::cli {

void add_common(Command command, Common& common, bool with_model) {
    if (with_model) {
        command.option("-m,--model", common.model,
                       "GGUF file, directory in Hugging Face layout, or STORE[@VERSION] (default: the "
                       "model that ships with "
                       "Gremium)");
    }
    command.option("-t,--threads", common.threads, "threads (default: all cores)").range(1, 1024);
    command.option("--kernels", common.kernels, "force a kernel variant: reference, scalar, sse4, avx2, avx512, amx");
    command.flag("--json", common.json, "machine-readable output");
    command.flag("-q,--quiet", common.quiet, "results only");
    command.flag("-v,--verbose", common.verbose, "say more");
}

void add_cache_type(Command command, DType& cache) {
    const auto set = [&cache](const std::string& name) { cache = dtype_from_name(name).value(); };
    command.option("--cache-type", set, "type of cached keys and values: f32, f16, bf16 or q8_0")
        .one_of({"f32", "f16", "bf16", "q8_0"})
        .show_default(std::string(info(cache).name));
}

void add_context(Command command, Context& context) {
    command.option("-c,--ctx-size", context.size, "context length (default: the model's, as far as memory reaches)")
        .range(int64_t{1}, int64_t{1} << 30);
    add_cache_type(command, context.cache);
}

void add_generation(Command command, engine::GenerateOptions& generate, Context& context) {
    engine::SamplerOptions& sampler = generate.sampler;
    command.option("-n,--predict", generate.max_tokens, "tokens to make")
        .range(int64_t{0}, int64_t{1} << 30)
        .show_default();
    add_context(command, context);
    command.option("-s,--seed", sampler.seed, "seed of the sampler").show_default();
    command.option("--temp", sampler.temperature, "temperature; 0: always the most probable token")
        .not_negative()
        .show_default();
    command.option("--top-k", sampler.top_k, "sample among the k best; 0: all").not_negative().show_default();
    command.option("--top-p", sampler.top_p, "sample among the best with this probability together; 1: all")
        .between(0.0, 1.0)
        .show_default();
    command.option("--min-p", sampler.min_p, "drop tokens below this share of the best one's probability")
        .between(0.0, 1.0)
        .show_default();
    command.option("--repeat-penalty", sampler.repetition_penalty, "above 1: recent tokens become less likely")
        .positive()
        .show_default();
    command.option("--repeat-last-n", sampler.repetition_window, "how many tokens count as recent")
        .not_negative()
        .show_default();
    command.flag("--ignore-eos", generate.ignore_end, "go on after an end-of-text token");
}

void apply(const Common& common) {
    set_threads(common.threads);
    if (!common.kernels.empty()) kernels::force(common.kernels);
}

std::string model_path(const Common& common) {
    return common.model.empty() ? engine::default_model_path().string() : common.model;
}

std::shared_ptr<const Model> open_model(const Common& common) {
    apply(common);
    return versions::open_model_or_version(model_path(common));
}

const Tokenizer& tokenizer_of(const Model& model) {
    if (model.tokenizer) return *model.tokenizer;
    if (model.tokenizer_error.empty()) fail("{}: holds no tokenizer", model.source);
    throw Error(model.tokenizer_error);
}

std::string text_or_file(const std::string& text, const std::string& file) {
    return file.empty() ? text : read_text_file(file);
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
