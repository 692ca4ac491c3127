#include "cli/common.h"

#include <charconv>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/variant.h"
#include "model/default_model.h"

namespace gremium::cli {

void add_common(CLI::App& command, Common& common, bool with_model) {
    if (with_model) {
        command.add_option(
            "-m,--model", common.model,
            "GGUF file or directory in Hugging Face layout (default: the model that ships with Gremium)");
    }
    command.add_option("-t,--threads", common.threads, "threads (default: all cores)")
        ->check(CLI::Range(1, 1024));
    command.add_option("--kernels", common.kernels,
                       "force a kernel variant: reference, scalar, sse4, avx2, avx512, amx");
    command.add_flag("--json", common.json, "machine-readable output");
    command.add_flag("-q,--quiet", common.quiet, "results only");
    command.add_flag("-v,--verbose", common.verbose, "say more");
}

void apply(const Common& common) {
    set_threads(common.threads);
    if (!common.kernels.empty()) kernels::force(common.kernels);
}

std::string model_path(const Common& common) {
    return common.model.empty() ? default_model_path().string() : common.model;
}

std::shared_ptr<const Model> open_model(const Common& common) {
    apply(common);
    return load_model(model_path(common));
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
