// gremium bench: speed, beside what this machine can do at most.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/drafting.h"
#include "bench/running.h"
#include "bench/sequences.h"
#include "bench/training.h"
#include "cli/common.h"
#include "cli/drafting.h"
#include "kernels/simd/variant.h"
#include "model/spec/size.h"
#include "ops/stages.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchArguments {
    Common common;
    bool train = false, dense = false, profile = false, random_routing = false;
    std::string shape, compute;
    int64_t prompt = 512, predict = 64, sequences = 1;
    double drafts = -1;
    DType cache = DType::f32;
    int repeats = 5;
};

// Every report ends with the machine.
void print_json(Json report) {
    report["cpu"] = bench::cpu_name();
    report["kernels"] = kernels::name(kernels::active());
    fmt::print("{}\n", to_text(report));
}

std::string machine() { return fmt::format("{}, {} kernels", bench::cpu_name(), kernels::name(kernels::active())); }

void print_profile(const bench::PhaseSpeed& prefill, const bench::PhaseSpeed& decode) {
    fmt::print("{:<12}{:>10}{:>10}   ms a token; waiting: for other threads, within the stages above\n", "", "prefill",
               "decode");
    for (size_t s = 0; s < prefill.milliseconds.size(); ++s)
        fmt::print("{:<12}{:>10.4f}{:>10.4f}\n", prefill.milliseconds[s].first, prefill.milliseconds[s].second,
                   decode.milliseconds[s].second);
}

Json speeds_to_json(const bench::RunningSpeed& speed, bool profile) {
    const bench::Limits limits = bench::limits_of(speed);
    const auto phase = [](const bench::PhaseSpeed& p) { return Json{{"n", p.tokens}, {"tps", p.tokens_per_second}}; };
    Json report{
        {"pp", phase(speed.prefill)},
        {"tg", phase(speed.decode)},
        {"limits",
         {{"read_gbs", limits.read_gbs},
          {"gemm_gflops", {{"f32", limits.f32_gflops}, {"bf16", limits.bf16_gflops}, {"q8_0", limits.q8_0_gflops}}}}},
        {"share", {{"pp", speed.prefill.share}, {"tg", speed.decode.share}}}};
    if (profile)
        for (const auto& [name, p] : {std::pair{"pp", &speed.prefill}, std::pair{"tg", &speed.decode}})
            for (const auto& [stage, ms] : p->milliseconds) report["profile_ms"][name][stage] = ms;
    return report;
}

void bench_model(const BenchArguments& options) {
    const auto model = open_model(options.common);
    const bench::RunningSpeed speed = bench::run_running_bench(model, {.prompt = options.prompt,
                                                                       .predict = options.predict,
                                                                       .repeats = options.repeats,
                                                                       .cache = options.cache,
                                                                       .arithmetic = *options.common.arithmetic,
                                                                       .profile = options.profile});
    if (options.common.json) return print_json(speeds_to_json(speed, options.profile));
    fmt::print("{} on {}, median of {}\n", model->spec.name, machine(), options.repeats);
    const auto line = [](const char* what, const bench::PhaseSpeed& p, const char* unit, const std::string& limit) {
        fmt::print("{:<8}{:>5} tokens: {:>9.1f} tokens/s  {:>8.1f} {:<7} = {:>3.0f} % of the {:.0f} {} {}\n", what,
                   p.tokens, p.tokens_per_second, p.tokens_per_second * p.work, unit, 100 * p.share, p.limit, unit,
                   limit);
    };
    line("prefill", speed.prefill, "GFLOP/s", fmt::format("({}) measured now", info(speed.compute).name));
    if (options.predict > 0) line("decode", speed.decode, "GB/s", "read bandwidth measured now");
    if (options.profile) print_profile(speed.prefill, speed.decode);
}

void bench_together(const BenchArguments& options) {
    const auto model = open_model(options.common);
    const bench::SequencesSpeed speed = bench::run_sequences_bench(model, {.sequences = options.sequences,
                                                                           .prompt = options.prompt,
                                                                           .predict = options.predict,
                                                                           .repeats = options.repeats,
                                                                           .cache = options.cache,
                                                                           .arithmetic = *options.common.arithmetic,
                                                                           .random_routing = options.random_routing});
    if (options.common.json)
        return print_json({{"sequences",
                            {{"n", options.sequences},
                             {"tps", speed.together},
                             {"tps_alone", speed.alone},
                             {"ratio", speed.ratio},
                             {"limit", speed.limit},
                             {"experts", speed.experts}}}});
    fmt::print("{} on {}, {} tokens decoded after {}, median of {}\n", model->spec.name, machine(), options.predict,
               options.prompt, options.repeats);
    fmt::print("one sequence alone:   {:>9.1f} tokens/s\n", speed.alone);
    fmt::print(
        "{:>2} sequences together: {:>8.1f} tokens/s = {:.2f} times; {:.2f} is the most by bytes read "
        "({:.1f} experts a layer and step)\n",
        options.sequences, speed.together, speed.ratio, speed.limit, speed.experts);
}

void bench_drafts(const BenchArguments& options) {
    const auto model = open_model(options.common);
    const bench::DraftingSpeed speed = bench::run_drafting_bench(model, {.prompt = options.prompt,
                                                                         .predict = options.predict,
                                                                         .repeats = options.repeats,
                                                                         .cache = options.cache,
                                                                         .arithmetic = *options.common.arithmetic,
                                                                         .right = options.drafts});
    if (options.common.json)
        return print_json({{"drafting",
                            {{"right", options.drafts},
                             {"tps", speed.drafted},
                             {"tps_plain", speed.plain},
                             {"ratio", speed.ratio},
                             {"drafts", drafts_to_json(speed.stats)}}}});
    fmt::print("{} on {}, {} tokens decoded after {}, median of {}\n", model->spec.name, machine(), options.predict,
               options.prompt, options.repeats);
    fmt::print("plain:       {:>9.1f} tokens/s\nwith drafts: {:>9.1f} tokens/s = {:.2f} times\n{}\n", speed.plain,
               speed.drafted, speed.ratio, describe(speed.stats));
}

bench::BenchShape shape_of(const BenchArguments& options) {
    return options.shape.empty() ? bench::BenchShape{} : bench::parse_bench_shape(options.shape);
}

Json speeds_to_json(const bench::BenchShape& s, DType dtype, const bench::TrainBench& result) {
    return {{"dtype", info(dtype).name},
            {"tps", result.tokens_per_second},
            {"shape",
             {{"D", s.dim},
              {"L", s.layers},
              {"H", s.heads},
              {"E", s.experts},
              {"K", s.top_k},
              {"F", s.hidden},
              {"V", s.vocab},
              {"B", s.batch},
              {"T", s.sequence}}},
            {"gflops", result.gflops},
            {"peak_gflops", result.peak_gflops},
            {"kernels", kernels::name(kernels::active())}};
}

void bench_train(const BenchArguments& options) {
    apply(options.common);
    const bench::BenchShape shape = shape_of(options);
    Json report = Json::object();
    for (const DType dtype : {DType::bf16, DType::f32}) {
        if (!options.compute.empty() && options.compute != info(dtype).name) continue;
        const bench::TrainBench r = bench::run_train_bench(shape, dtype, options.repeats);
        if (options.common.json)
            // One object of the first type measured; f32 stands beside it.
            report[report.empty() ? "train" : "train_f32"] = speeds_to_json(shape, dtype, r);
        else
            fmt::print(
                "train {:>4}: {:>8.0f} tokens/s  {:>7.1f} GFLOP/s = {:>3.0f} % of the {:.0f} GFLOP/s "
                "measured now; forward {:.0f} ms, backward {:.0f} ms, optimiser {:.0f} ms a step ({} kernels)\n",
                info(dtype).name, r.tokens_per_second, r.gflops, 100 * r.gflops / r.peak_gflops, r.peak_gflops,
                1e3 * r.phases.forward, 1e3 * r.phases.backward, 1e3 * r.phases.update,
                kernels::name(kernels::active()));
    }
    if (options.common.json) print_json(std::move(report));
}

// The mixture beside the dense model with as many active parameters.
void bench_mixture(const BenchArguments& options) {
    apply(options.common);
    const bench::BenchShape shape = shape_of(options);
    const DType dtype = options.compute == "f32" ? DType::f32 : DType::bf16;
    const bench::MixtureCost cost = bench::run_mixture_bench(shape, dtype, options.repeats);
    if (options.common.json)
        return print_json({{"dtype", info(dtype).name},
                           {"shape", bench::to_string(shape)},
                           {"mixture_tps", cost.mixture.tokens_per_second},
                           {"dense_tps", cost.dense.tokens_per_second},
                           {"ratio", cost.ratio}});
    fmt::print(
        "train {:>4}: {:>8.0f} tokens/s with {:.1f}M parameters, {:.0f} tokens/s dense with {:.1f}M: {:.2f} of it, the "
        "median of {} pairs of steps\n",
        info(dtype).name, cost.mixture.tokens_per_second, 1e-6 * static_cast<double>(cost.mixture.parameters),
        cost.dense.tokens_per_second, 1e-6 * static_cast<double>(cost.dense.parameters), cost.ratio, options.repeats);
}

}  // namespace

void add_bench(Command app) {
    auto options = std::make_shared<BenchArguments>();
    Command command = app.add("bench", "Measure speed, beside the limits of this machine");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::running);
    command.option("-p,--prompt", options->prompt, "prompt length in tokens").range(1, 1 << 20).show_default();
    command.option("-n,--predict", options->predict, "number of tokens to decode").range(0, 1 << 20).show_default();
    command.option("-r,--repeats", options->repeats, "number of repetitions, of which the median is shown")
        .range(1, 1000)
        .show_default();
    add_cache_type(command, options->cache);
    const Flag train = command.flag("--train", options->train, "measure training instead");
    command.flag("--profile", options->profile, "show where the time of a token goes, in milliseconds").excludes(train);
    command
        .flag("--dense", options->dense,
              "with --train: compare with the dense model that has as many active parameters")
        .needs(train);
    command
        .option(
            "--shape", options->shape,
            "with --train: width, layers, heads, experts, experts per token, expert width, vocabulary, batch, sequence "
            "length, as D,L,H,E,K,F,V,B,T")
        .needs(train);
    command.option("--compute", options->compute, "with --train: measure only bf16 or f32")
        .needs(train)
        .one_of({"bf16", "f32"});
    const Flag sequences = command
                               .option("--sequences", options->sequences,
                                       "measure this many sequences decoding together instead, beside one alone")
                               .range(2, 1024);
    command
        .flag("--random-routing", options->random_routing,
              "with --sequences: choose experts at random, so that sequences share as few as possible")
        .needs(sequences);
    command
        .option("--drafts", options->drafts,
                "measure decoding with drafts, of whose tokens this share is right, beside plain decoding")
        .between(0, 1)
        .excludes(train)
        .excludes(sequences);
    command.examples(
        {"gremium bench -m model.gguf -p 512 -n 64", "gremium bench --train --shape 256,6,8,8,2,512,4096,16,256"});
    command.run([=] {
        if (options->dense)
            bench_mixture(*options);
        else if (options->train)
            bench_train(*options);
        else if (options->sequences > 1)
            bench_together(*options);
        else if (options->drafts >= 0)
            bench_drafts(*options);
        else
            bench_model(*options);
    });
}

}  // namespace gremium::cli
