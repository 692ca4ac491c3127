// Speed of the grouped matmul on the shapes of training and decoding, beside what the machine can do at most.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "base/usable_cpus.h"
#include "bench/limits.h"
#include "kernels/matmul/grouped_matmul.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels {
namespace {

enum class Direction { forward, dx, dw };

// R rows of `groups` groups, gathered from `sources` rows (0: dense).
struct Layer {
    std::string name;
    int64_t groups, R, sources, K, N;
    double unevenness = 0.6;
};

struct Problem {
    std::vector<int32_t> offsets{0}, rows;
    OwnedTensor x, dy, y, dx;
    std::vector<OwnedTensor> w, dw;
    std::vector<TensorView> w_views;
    std::vector<Tensor> dw_views;

    Problem(const Layer& l, DType activations, DType weights) {
        Random random(1);
        const auto fill = [&](OwnedTensor& t, DType dtype, Shape shape) {
            t = OwnedTensor(dtype, shape);
            std::vector<float> row(static_cast<size_t>(t.get().cols()));
            for (int64_t r = 0; r < t.get().rows(); ++r) {
                for (float& v : row) v = static_cast<float>(random.uniform() - 0.5);
                quantise_row(dtype, row.data(), t.get().row(r), std::ssize(row));
            }
        };
        for (int64_t g = 1; g < l.groups; ++g) {  // a router's loads: uneven
            const double share =
                (static_cast<double>(g) + l.unevenness * (random.uniform() - 0.5)) / static_cast<double>(l.groups);
            offsets.push_back(static_cast<int32_t>(std::lround(share * static_cast<double>(l.R))));
        }
        offsets.push_back(static_cast<int32_t>(l.R));
        for (int64_t r = 0; l.sources && r < l.R; ++r) rows.push_back(static_cast<int32_t>(random.below(l.sources)));
        fill(x, activations, {l.sources ? l.sources : l.R, l.K});
        fill(dy, activations, {l.R, l.N});
        y = OwnedTensor(activations, {l.R, l.N});
        dx = OwnedTensor(activations, {l.R, l.K});
        w.resize(static_cast<size_t>(l.groups));
        for (OwnedTensor& one : w) {
            fill(one, weights, {l.N, l.K});
            dw.emplace_back(DType::f32, Shape{l.N, l.K});
            w_views.push_back(one);
            dw_views.push_back(dw.back());
        }
    }

    void run(Direction direction, MatmulOptions options) {
        switch (direction) {
            case Direction::forward:
                return grouped_matmul(y, x, rows, w_views, offsets, options);
            case Direction::dx:
                return grouped_matmul_dx(dx, dy, w_views, offsets, options);
            case Direction::dw:
                return grouped_matmul_dw(dw_views, dy, x, rows, offsets, options);
        }
    }
};

// Peaks are measured once a number of threads and type.
double peak(DType compute, int count) {
    static std::map<std::pair<DType, int>, double> known;
    if (!known.contains({compute, count})) known[{compute, count}] = bench::peak_gflops(compute);
    return known[{compute, count}];
}
double read_peak(int count) {
    static std::map<int, double> known;
    if (!known.contains(count)) known[count] = bench::read_gbs();
    return known[count];
}

// Seconds since some start. One thread is timed by its own clock, which programs beside it do not disturb.
double now() {
    timespec t{};
    clock_gettime(threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Times work() as the benchmark's iterations; returns the best.
template <typename Work>
double best_seconds(benchmark::State& state, Work&& work) {
    double best = 1e30;
    for (auto _ : state) {
        const double start = now();
        work();
        const double took = now() - start;
        best = std::min(best, took);
        state.SetIterationTime(took);
    }
    state.SetLabel(std::string(last_grouped_matmul_leaf()));
    return best;
}

void products(benchmark::State& state, const Layer& layer, Direction direction, DType activations, DType compute,
              int count) {
    set_threads(count);
    Problem problem(layer, activations, compute);
    const double flops = 2.0 * static_cast<double>(layer.R * layer.K * layer.N);
    const double best = best_seconds(state, [&] { problem.run(direction, {.compute = compute}); });
    state.counters["GFLOPs_best"] = flops / best * 1e-9;
    state.counters["of_peak"] = flops / best * 1e-9 / peak(compute, count);
}

void decode(benchmark::State& state, int64_t rows, DType weights, int count) {
    set_threads(count);
    // Weights that no cache holds, so that what is measured is how fast they stream.
    const Layer layer{"", 16, 16 * rows, 0, 2048, 2048, 0};
    Problem problem(layer, DType::f32, weights);
    const MatmulOptions options{.compute = is_quantised(weights) ? DType::q8_0 : DType::f32};
    const double best = best_seconds(state, [&] { problem.run(Direction::forward, options); });
    const double bytes = static_cast<double>(layer.groups * layer.N * row_bytes(weights, layer.K));
    state.counters["GBs_best"] = bytes / best * 1e-9;
    state.counters["of_read"] = bytes / best * 1e-9 / read_peak(count);
    state.counters["GFLOPs_best"] = 2.0 * static_cast<double>(layer.R * layer.K * layer.N) / best * 1e-9;
}

void register_all() {
    const Layer layers[] = {
        {"experts8_256x512", 8, 8192, 4096, 256, 512}, {"experts32_256x512", 32, 8192, 4096, 256, 512},
        {"experts8_512x256", 8, 8192, 0, 512, 256},    {"dense_256x768", 1, 4096, 0, 256, 768},
        {"dense_256x256", 1, 4096, 0, 256, 256},       {"dense_256x4096", 1, 4096, 0, 256, 4096},
        {"dense_2048x2048", 1, 2048, 0, 2048, 2048},
    };
    const std::pair<Direction, const char*> directions[] = {
        {Direction::forward, "forward"}, {Direction::dx, "dx"}, {Direction::dw, "dw"}};
    struct Types {
        const char* name;
        // weights are stored in the type of the computation, gradients of weights in f32
        DType activations, compute;
    };
    constexpr Types types[] = {
        {"f32", DType::f32, DType::f32}, {"bf16", DType::bf16, DType::bf16}, {"bf16_of_f32", DType::f32, DType::bf16}};
    std::vector<int> counts{1};
    if (usable_cpus() > 1) counts.push_back(usable_cpus());
    for (const int count : counts) {
        for (const auto& [word_of_types, activations, compute] : types) {
            for (const Layer& layer : layers) {
                for (const auto& [direction, word] : directions) {
                    const std::string title = fmt::format("{}/{}/{}/t{}", word_of_types, layer.name, word, count);
                    benchmark::RegisterBenchmark(title.c_str(), products, layer, direction, activations, compute, count)
                        ->UseManualTime()
                        ->Unit(benchmark::kMicrosecond);
                }
            }
        }
        for (const DType weights :
             {DType::f32,     DType::bf16,   DType::f16,    DType::q4_0,  DType::q4_1,    DType::q5_0,   DType::q5_1,
              DType::q8_0,    DType::iq4_nl, DType::iq4_xs, DType::mxfp4, DType::q2_k,    DType::q3_k,   DType::q4_k,
              DType::q5_k,    DType::q6_k,   DType::iq1_s,  DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
              DType::iq3_xxs, DType::iq3_s,  DType::tq1_0,  DType::tq2_0, DType::nvfp4,   DType::q1_0,   DType::q2_0}) {
            for (const int64_t rows : {1, 2, 4, 5, 8}) {
                const std::string title = fmt::format("decode/{}/rows{}/t{}", info(weights).name, rows, count);
                benchmark::RegisterBenchmark(title.c_str(), decode, rows, weights, count)
                    ->UseManualTime()
                    ->Unit(benchmark::kMicrosecond);
            }
        }
    }
}

}  // namespace
}  // namespace gremium::kernels

int main(int argc, char** argv) {
    using namespace gremium;
    // --kernels NAME forces a variant.
    for (int i = 1; i + 1 < argc; ++i) {
        if (std::string_view(argv[i]) != "--kernels") continue;
        kernels::force(argv[i + 1]);
        std::rotate(argv + i, argv + i + 2, argv + argc);
        argc -= 2;
    }
    for (const int count : {1, usable_cpus()}) {
        set_threads(count);
        fmt::print("{} with {} threads: peak f32 {:.0f}, bf16 {:.0f} GFLOP/s; read {:.1f} GB/s\n",
                   kernels::name(kernels::active()), count, kernels::peak(DType::f32, count),
                   kernels::peak(DType::bf16, count), kernels::read_peak(count));
    }
    benchmark::Initialize(&argc, argv);
    kernels::register_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
