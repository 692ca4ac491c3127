// gremium bench: speed, beside what this machine can do at most.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>

#include <nlohmann/json.hpp>

#include "bench/limits.h"
#include "bench/training.h"
#include "cli/bench_sequences.h"
#include "cli/common.h"
#include "engine/footprint.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "kernels/simd/variant.h"
#include "model/spec/size.h"
#include "ops/stages.h"

namespace gremium::cli {
namespace {

struct Options {
    Common common;
    bool train = false, dense = false, profile = false, random_routing = false;
    std::string shape, compute;
    int64_t prompt = 512, predict = 64, sequences = 1;
    DType cache = DType::f32;
    int repeats = 5;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        const size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown";
}

double seconds(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Repeated runs of one kind, each beside the machine's limit as it is then: others may use the same memory.
struct Phase {
    int64_t tokens;
    double work;                      // of a token: 10⁹ of what the limit counts
    std::function<double()> measure;  // the limit, in 10⁹ a second
    std::vector<double> speeds = {};  // tokens a second
    std::vector<double> limits = {};
    std::vector<double> shares = {};
    double total = 0;  // seconds
    Profile profile = {};

    void run(bool profiled, const std::function<void()>& body) {
        {
            const Profiling on(profiled ? &profile : nullptr);
            const double took = seconds(body);
            speeds.push_back(static_cast<double>(tokens) / took);
            total += took;
        }
        limits.push_back(measure());
        shares.push_back(speeds.back() * work / limits.back());
    }
    double speed() const { return median(speeds); }
    double limit() const { return median(limits); }
    double share() const { return median(shares); }
    // Milliseconds a token; `rest` is norms, residuals, the embedding and what lies between stages.
    nlohmann::ordered_json milliseconds() const {
        const double per_token = speeds.empty() ? 0 : 1e3 / static_cast<double>(tokens * std::ssize(speeds));
        nlohmann::ordered_json out;
        double rest = total;
        for (const std::string_view stage : ops::Stage::all) {
            const auto found = profile.stages.find(stage);
            const double seconds = found == profile.stages.end() ? 0 : found->second;
            out[std::string(stage)] = seconds * per_token;
            rest -= seconds;
        }
        out["rest"] = rest * per_token;
        out["all"] = total * per_token;
        out["waiting"] = profile.waiting * per_token;
        return out;
    }
};

void print_profile(const nlohmann::ordered_json& prefill, const nlohmann::ordered_json& decode) {
    fmt::print("{:<12}{:>10}{:>10}   ms a token; waiting: for other threads, within the stages above\n", "", "prefill",
               "decode");
    for (const auto& [stage, ms] : prefill.items())
        fmt::print("{:<12}{:>10.4f}{:>10.4f}\n", stage, ms.get<double>(), decode[stage].get<double>());
}

void bench_model(const Options& options) {
    const auto model = open_model(options.common);
    const ModelSize size = size_of(model->spec);
    std::vector<int32_t> prompt(static_cast<size_t>(options.prompt));
    for (size_t i = 0; i < prompt.size(); ++i)
        prompt[i] = static_cast<int32_t>(i * 7919 % static_cast<size_t>(model->spec.vocab));
    engine::Session session(model, {.context = options.prompt + options.predict, .cache = options.cache});
    // Pages in; arenas grow.
    session.evaluate(std::span(prompt).first(std::min<size_t>(prompt.size(), 512)));
    const bool quantised = is_quantised(model->weights.head.value.dtype);
    const DType compute = quantised ? DType::q8_0 : DType::f32;
    // A token reads its weights, and the keys and values of half the decoded context on average.
    const int64_t cached =
        engine::memory_need(*model, {.context = options.prompt + options.predict / 2, .cache = options.cache}).cache();
    Phase prefill{.tokens = options.prompt,
                  .work = 1e-9 * static_cast<double>(size.flops_per_token),
                  .measure = [&] { return bench::peak_gflops(compute); }},
        decode{.tokens = options.predict,
               .work = 1e-9 * static_cast<double>(engine::footprint(*model).per_token + cached),
               .measure = bench::read_gbs};
    for (int r = 0; r < options.repeats; ++r) {
        session.truncate(0);
        prefill.run(options.profile, [&] { session.evaluate(prompt); });
        if (options.predict == 0) continue;
        decode.run(options.profile, [&] {
            for (int64_t i = 0; i < options.predict; ++i)
                session.evaluate(std::span(&prompt[static_cast<size_t>(i % options.prompt)], 1));
        });
    }
    if (options.common.json) {
        nlohmann::ordered_json report{{"pp", {{"n", options.prompt}, {"tps", prefill.speed()}}},
                                      {"tg", {{"n", options.predict}, {"tps", decode.speed()}}},
                                      {"limits",
                                       {{"read_gbs", options.predict > 0 ? decode.limit() : bench::read_gbs()},
                                        {"gemm_gflops",
                                         {{"f32", bench::peak_gflops(DType::f32)},
                                          {"bf16", bench::peak_gflops(DType::bf16)},
                                          {"q8_0", bench::peak_gflops(DType::q8_0)}}}}},
                                      {"share", {{"pp", prefill.share()}, {"tg", decode.share()}}},
                                      {"cpu", cpu_name()},
                                      {"kernels", kernels::name(kernels::active())}};
        if (options.profile) report["profile_ms"] = {{"pp", prefill.milliseconds()}, {"tg", decode.milliseconds()}};
        fmt::print("{}\n", report.dump());
        return;
    }
    fmt::print("{} on {}, {} kernels, median of {}\n", model->spec.name, cpu_name(), kernels::name(kernels::active()),
               options.repeats);
    const auto line = [](const char* what, const Phase& phase, const char* unit, const std::string& limit) {
        fmt::print("{:<8}{:>5} tokens: {:>9.1f} tokens/s  {:>8.1f} {:<7} = {:>3.0f} % of the {:.0f} {} {}\n", what,
                   phase.tokens, phase.speed(), phase.speed() * phase.work, unit, 100 * phase.share(), phase.limit(),
                   unit, limit);
    };
    line("prefill", prefill, "GFLOP/s", fmt::format("({}) measured now", info(compute).name));
    if (options.predict > 0) line("decode", decode, "GB/s", "read bandwidth measured now");
    if (options.profile) print_profile(prefill.milliseconds(), decode.milliseconds());
}

void bench_together(const Options& options) {
    const auto model = open_model(options.common);
    const SequencesSpeed speed = bench_sequences(model, {.sequences = options.sequences,
                                                         .prompt = options.prompt,
                                                         .predict = options.predict,
                                                         .repeats = options.repeats,
                                                         .cache = options.cache,
                                                         .random_routing = options.random_routing});
    if (options.common.json) {
        fmt::print("{}\n", nlohmann::ordered_json{{"sequences",
                                                   {{"n", options.sequences},
                                                    {"tps", speed.together},
                                                    {"tps_alone", speed.alone},
                                                    {"ratio", speed.ratio},
                                                    {"limit", speed.limit},
                                                    {"experts", speed.experts}}},
                                                  {"cpu", cpu_name()},
                                                  {"kernels", kernels::name(kernels::active())}}
                               .dump());
        return;
    }
    fmt::print("{} on {}, {} kernels, {} tokens decoded after {}, median of {}\n", model->spec.name, cpu_name(),
               kernels::name(kernels::active()), options.predict, options.prompt, options.repeats);
    fmt::print("one sequence alone:   {:>9.1f} tokens/s\n", speed.alone);
    fmt::print(
        "{:>2} sequences together: {:>8.1f} tokens/s = {:.2f} times; {:.2f} is the most by bytes read "
        "({:.1f} experts a layer and step)\n",
        options.sequences, speed.together, speed.ratio, speed.limit, speed.experts);
}

void bench_train(const Options& options) {
    apply(options.common);
    const bench::BenchShape shape =
        options.shape.empty() ? bench::BenchShape{} : bench::parse_bench_shape(options.shape);
    nlohmann::ordered_json report = nlohmann::ordered_json::array();
    for (const DType dtype : {DType::bf16, DType::f32}) {
        if (!options.compute.empty() && options.compute != info(dtype).name) continue;
        const bench::TrainBench result = bench::run_train_bench(shape, dtype, options.repeats);
        const double peak = bench::peak_gflops(dtype);
        const double gflops = result.tokens_per_second * static_cast<double>(result.flops_per_token) / 1e9;
        if (options.common.json) {
            report.push_back({{"dtype", info(dtype).name},
                              {"tps", result.tokens_per_second},
                              {"shape",
                               {{"D", shape.dim},
                                {"L", shape.layers},
                                {"H", shape.heads},
                                {"E", shape.experts},
                                {"K", shape.top_k},
                                {"F", shape.hidden},
                                {"V", shape.vocab},
                                {"B", shape.batch},
                                {"T", shape.sequence}}},
                              {"gflops", gflops},
                              {"peak_gflops", peak},
                              {"kernels", kernels::name(kernels::active())}});
        } else {
            fmt::print(
                "train {:>4}: {:>8.0f} tokens/s  {:>7.1f} GFLOP/s = {:>3.0f} % of the {:.0f} GFLOP/s "
                "measured now; forward {:.0f} ms, backward {:.0f} ms, "
                "optimiser {:.0f} ms a step ({} kernels)\n",
                info(dtype).name, result.tokens_per_second, gflops, 100 * gflops / peak, peak,
                1e3 * result.phases.forward, 1e3 * result.phases.backward, 1e3 * result.phases.update,
                kernels::name(kernels::active()));
        }
    }
    // The contract names one object, of the first type measured; f32 stands beside it.
    if (options.common.json) {
        nlohmann::ordered_json all = {{"train", report[0]}, {"cpu", cpu_name()}};
        if (report.size() > 1) all["train_f32"] = report[1];
        fmt::print("{}\n", all.dump());
    }
}

// The mixture beside the dense model with as many active parameters.
void bench_mixture(const Options& options) {
    apply(options.common);
    const bench::BenchShape shape =
        options.shape.empty() ? bench::BenchShape{} : bench::parse_bench_shape(options.shape);
    const DType dtype = options.compute == "f32" ? DType::f32 : DType::bf16;
    const bench::MixtureCost cost = bench::run_mixture_bench(shape, dtype, options.repeats);
    if (options.common.json) {
        fmt::print("{}\n", nlohmann::ordered_json{{"dtype", info(dtype).name},
                                                  {"shape", bench::to_string(shape)},
                                                  {"mixture_tps", cost.mixture.tokens_per_second},
                                                  {"dense_tps", cost.dense.tokens_per_second},
                                                  {"ratio", cost.ratio},
                                                  {"cpu", cpu_name()},
                                                  {"kernels", kernels::name(kernels::active())}}
                               .dump());
        return;
    }
    fmt::print(
        "train {:>4}: {:>8.0f} tokens/s with {:.1f}M parameters, {:.0f} tokens/s dense with {:.1f}M: {:.2f} "
        "of it, "
        "the median of {} pairs of steps\n",
        info(dtype).name, cost.mixture.tokens_per_second, 1e-6 * static_cast<double>(cost.mixture.parameters),
        cost.dense.tokens_per_second, 1e-6 * static_cast<double>(cost.dense.parameters), cost.ratio, options.repeats);
}

}  // namespace

void add_bench(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("bench", "Measure speed beside this machine's limits");
    add_common(command, options->common);
    command.flag("--train", options->train, "measure training instead of running");
    command.flag("--profile", options->profile, "where a token's time goes, in milliseconds")
        .excludes(command.get("--train"));
    command
        .flag("--dense", options->dense,
              "with --train: beside the dense model with as many active parameters, steps of both in turn")
        .needs(command.get("--train"));
    command.option("--shape", options->shape, "with --train: D,L,H,E,K,F,V,B,T").needs(command.get("--train"));
    command.option("--compute", options->compute, "with --train: bf16 or f32 alone")
        .needs(command.get("--train"))
        .one_of({"bf16", "f32"});
    command.option("-p,--prompt", options->prompt, "prompt tokens").range(1, 1 << 20).show_default();
    command.option("-n,--predict", options->predict, "tokens to decode").range(0, 1 << 20).show_default();
    add_cache_type(command, options->cache);
    command.option("--sequences", options->sequences, "instead: so many sequences decoding together beside one alone")
        .range(2, 1024);
    command
        .flag("--random-routing", options->random_routing,
              "with --sequences: every expert is as likely, the least that sequences can share")
        .needs(command.get("--sequences"));
    command.option("-r,--repeats", options->repeats, "repetitions; the median counts").range(1, 1000).show_default();
    command.run([=] {
        if (options->dense)
            bench_mixture(*options);
        else if (options->train)
            bench_train(*options);
        else if (options->sequences > 1)
            bench_together(*options);
        else
            bench_model(*options);
    });
}

}  // namespace gremium::cli
