#include "cli/run_report.h"

#include <fmt/format.h>

#include "cli/common.h"
#include "cli/terminal.h"
#include "engine/footprint.h"
#include "model/spec/size.h"

namespace gremium::cli {
namespace {

void print_loads(const hooks::RouteRecorder& recorder, const StatsView& view) {
    fmt::print("\nShare of tokens each expert received ({}), layers down, experts across:\n",
               view.colour ? "dark: none, bright: the layer's maximum" : "' ' none to '@' the layer's maximum");
    fmt::print("{}",
               heat_map({.rows = recorder.layers().size(),
                         .columns = static_cast<size_t>(recorder.experts()),
                         .value = [&](size_t r, size_t c) { return recorder.share_of_maximum(r, static_cast<int>(c)); },
                         .row_label = [&](size_t r) { return fmt::format("layer {}", recorder.layers()[r]); }},
                        view.colour));
    if (view.colour)
        fmt::print("Colour of a token: the expert with the largest weight in layer {}.\n", view.colour_layer);
}

void print_sizes(const Model& model) {
    const ModelSize size = size_of(model.spec);
    const engine::Footprint bytes = engine::footprint(model);
    const auto line = [](std::string_view what, const std::string& ours, const std::string& dense) {
        fmt::print("{:<28} {:>14} {:>26}\n", what, ours, dense);
    };
    const auto total = static_cast<double>(size.total_parameters), active = static_cast<double>(size.active_parameters);
    line("", "this model", "dense model of equal size");
    line("parameters", human_count(total), human_count(total));
    line("active per token", fmt::format("{} ({:.0f} %)", human_count(active), 100 * active / total),
         fmt::format("{} (100 %)", human_count(total)));
    line("weight bytes per token", human_bytes(static_cast<double>(bytes.per_token)),
         human_bytes(static_cast<double>(bytes.total)));
    line("FLOPs per token", human_count(static_cast<double>(size.flops_per_token)), human_count(2.0 * total));
}

}  // namespace

nlohmann::ordered_json to_json(const std::string& prompt, const hooks::Answer& answer,
                               const engine::GenerateOptions& generate) {
    const hooks::AnswerResult& a = answer.result();
    return {{"prompt", prompt},
            {"text", a.text},
            {"prompt_tokens", answer.prompt().size()},
            {"tokens", a.tokens},
            {"finish", hooks::name_of(a.finish)},
            {"seed", generate.sampler.seed},
            {"prefill_tps", a.speed.prefill()},
            {"decode_tps", a.speed.decode()}};
}

void print_stats(const Model& model, const hooks::RouteRecorder& recorder, const hooks::Speed& speed,
                 const StatsView& view) {
    if (!recorder.layers().empty()) print_loads(recorder, view);
    fmt::print("\n");
    print_sizes(model);
    fmt::print("{:<28} {:>14}\n", "prefill, tokens/s", fmt::format("{:.0f}", speed.prefill()));
    fmt::print("{:<28} {:>14}\n", "decode, tokens/s", fmt::format("{:.0f}", speed.decode()));
}

}  // namespace gremium::cli
