// Speed of the row-wise kernels (bytes moved, beside what memory delivers) and of attention (useful operations, beside
// the f32 peak) on the shapes of training and decoding.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "bench/limits.h"
#include "kernels/attention/attention.h"
#include "kernels/rowwise/activation.h"
#include "kernels/rowwise/adamw.h"
#include "kernels/rowwise/elementwise.h"
#include "kernels/rowwise/embedding.h"
#include "kernels/rowwise/norm.h"
#include "kernels/rowwise/rope.h"
#include "kernels/rowwise/softmax.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels {
namespace {

OwnedTensor filled(DType dtype, Shape shape) {
    Random random(1);
    std::vector<float> values(static_cast<size_t>(shape.count()));
    for (float& v : values) v = static_cast<float>(random.uniform() - 0.5);
    OwnedTensor out(dtype, shape);
    convert(as_tensor(std::as_const(values).data(), shape), out);
    return out;
}

// Wall time, and processor time of all threads: what counts where the machine is shared.
struct Seconds {
    double wall = 1e30, cpu = 1e30;
};

Seconds best_seconds(benchmark::State& state, const std::function<void()>& work) {
    using Clock = std::chrono::steady_clock;
    Seconds best;
    for (auto _ : state) {
        const auto start = Clock::now();
        const std::clock_t cpu = std::clock();
        work();
        best.cpu = std::min(best.cpu, static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
        const double took = std::chrono::duration<double>(Clock::now() - start).count();
        best.wall = std::min(best.wall, took);
        state.SetIterationTime(took);
    }
    return best;
}

// 10⁹ of what is counted a second, and a second of one core.
void report(benchmark::State& state, const char* unit, double count, const Seconds& best) {
    state.counters[unit] = count / best.wall * 1e-9;
    state.counters[std::string(unit) + "_core"] = count / best.cpu * 1e-9;
}

void add(const std::string& title, std::function<void(benchmark::State&)> run) {
    benchmark::RegisterBenchmark(title.c_str(), [run](benchmark::State& state) { run(state); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
}

// Rows that together exceed the last-level cache are not the point: in training these tensors come from there.
void add_row_kernel(const std::string& name, DType dtype, int64_t rows, int64_t cols, double bytes_per_element,
                    std::function<void(const std::vector<OwnedTensor>&)> work) {
    add(fmt::format("{}/{}/{}x{}", name, info(dtype).name, rows, cols), [=](benchmark::State& state) {
        std::vector<OwnedTensor> t;  // two inputs and an output of the type, a gradient and four sums in f32
        for (int i = 0; i < 3; ++i) t.push_back(filled(dtype, {rows, cols}));
        for (int i = 0; i < 2; ++i) t.push_back(filled(DType::f32, {rows, cols}));
        for (int i = 0; i < 4; ++i) t.push_back(filled(DType::f32, {cols}));
        const Seconds best = best_seconds(state, [&] { work(t); });
        report(state, "GBs", bytes_per_element * static_cast<double>(rows * cols), best);
    });
}

void add_row_kernels() {
    for (const DType dtype : {DType::f32, DType::bf16}) {
        const double size = info(dtype).bytes;
        using T = const std::vector<OwnedTensor>&;
        const int64_t rows = 4096, cols = 256;
        add_row_kernel("rms_norm", dtype, rows, cols, 2 * size, [=](T t) { rms_norm(t[2], t[0], t[5], 1e-5f, cols); });
        add_row_kernel("rms_norm_backward", dtype, rows, cols, size + 12,
                       [=](T t) { rms_norm_backward(t[3], t[5], t[4], t[0], t[6], 1e-5f, cols); });
        add_row_kernel("layer_norm", dtype, rows, cols, 2 * size,
                       [](T t) { layer_norm(t[2], t[0], t[5], t[6], 1e-5f); });
        add_row_kernel("layer_norm_backward", dtype, rows, cols, size + 12,
                       [](T t) { layer_norm_backward(t[3], t[5], t[6], t[4], t[0], t[7], 1e-5f); });
        add_row_kernel("silu_gate", dtype, 2 * rows, 2 * cols, 3 * size,
                       [](T t) { activate(t[2], t[0], t[1], Activation::silu); });
        add_row_kernel("silu_gate_backward", dtype, 2 * rows, 2 * cols, 2 * size + 12,
                       [](T t) { activate_backward(t[3], t[2], t[4], t[0], t[1], Activation::silu); });
        add_row_kernel("axpby", dtype, rows, cols, 3 * size, [](T t) { axpby(t[0], t[1]); });
        add_row_kernel("sum_rows", dtype, rows, cols, size, [](T t) { sum_rows(t[5], t[0]); });
        std::vector<int32_t> ids;
        for (int32_t t = 0; t < rows; ++t) ids.push_back(t * 7 % 4096);
        add_row_kernel("embedding", dtype, rows, cols, 2 * size, [=](T t) { embedding(t[2], t[0], ids); });
        add_row_kernel("embedding_backward", dtype, rows, cols, 12, [=](T t) { embedding_backward(t[3], t[4], ids); });
        for (const RopePairing pairing : {RopePairing::half_split, RopePairing::interleaved}) {
            add_row_kernel(pairing == RopePairing::half_split ? "rope_halves" : "rope_pairs", dtype, rows, cols,
                           2 * size, [=](T t) { rope(t[0], t[3], ids, 256, 256, pairing); });
        }
    }
    const int64_t vocabulary = 8192;
    std::vector<int32_t> targets;
    for (int32_t t = 0; t < 1024; ++t) targets.push_back(t);
    add_row_kernel("cross_entropy", DType::f32, 1024, vocabulary, 8, [=](const std::vector<OwnedTensor>& t) {
        std::vector<float> loss(1024);
        cross_entropy(loss, {}, t[3], targets, 1);
    });
    add_row_kernel("sum_of_squares", DType::f32, 1024, vocabulary, 4,
                   [](const std::vector<OwnedTensor>& t) { benchmark::DoNotOptimize(sum_of_squares(t[0])); });
    add_row_kernel("adamw", DType::f32, 1024, vocabulary, 28,
                   [](const std::vector<OwnedTensor>& t) { adamw(t[0], t[1], t[2], t[3], {}, {.lr = 1e-3f}); });
}

void add_attention(int64_t sequences, int64_t length, const AttentionShape& shape) {
    const int64_t rows = sequences * length;
    // A query sees half the keys; a score costs its dot product and its share of the output, twice two operations a
    // number.
    const double pairs = static_cast<double>(sequences * shape.heads) * static_cast<double>(length * (length + 1)) / 2;
    const double forward = pairs * 2 * static_cast<double>(shape.head_dim + shape.value_dim);
    const double backward = pairs * 2 * static_cast<double>(3 * shape.head_dim + 2 * shape.value_dim);
    for (const bool back : {false, true}) {
        add(fmt::format("attention/{}/{}x{}_heads{}_{}_dim{}", back ? "backward" : "forward", sequences, length,
                        shape.heads, shape.kv_heads, shape.head_dim),
            [=](benchmark::State& state) {
                const auto q = filled(DType::f32, {rows, shape.heads * shape.head_dim});
                const auto k = filled(DType::f32, {rows, shape.kv_heads * shape.head_dim});
                const auto v = filled(DType::f32, {rows, shape.kv_heads * shape.value_dim});
                const auto out = filled(DType::f32, {rows, shape.heads * shape.value_dim}),
                           dout = filled(DType::f32, out.get().shape);
                const auto dq = filled(DType::f32, q.get().shape), dk = filled(DType::f32, k.get().shape);
                const auto dv = filled(DType::f32, v.get().shape), lse = filled(DType::f32, {rows, shape.heads});
                std::vector<AttentionSpan> spans;
                const auto part = [&](TensorView t, int64_t s) {
                    return TensorView{t.row(s * length), t.dtype, {length, t.cols()}};
                };
                for (int64_t s = 0; s < sequences; ++s)
                    spans.push_back({s * length, length, 0, part(k, s), part(v, s)});
                attention(out, lse, q, spans, shape);
                const Seconds best = best_seconds(state, [&] {
                    if (back) return attention_backward({dq, dk, dv, dout, out, lse, q, k, v, length, shape});
                    attention(out, lse, q, spans, shape);
                });
                report(state, "GFLOPs", back ? backward : forward, best);
            });
    }
}

void add_decode(DType cache, int64_t keys, const AttentionShape& shape) {
    add(fmt::format("decode/{}/{}keys_heads{}_{}_dim{}", info(cache).name, keys, shape.heads, shape.kv_heads,
                    shape.head_dim),
        [=](benchmark::State& state) {
            const auto q = filled(DType::f32, {1, shape.heads * shape.head_dim}),
                       out = filled(DType::f32, q.get().shape);
            const auto k = filled(cache, {keys, shape.kv_heads * shape.head_dim}), v = filled(cache, k.get().shape);
            const AttentionSpan span{0, 1, keys - 1, k, v};
            const Seconds best = best_seconds(state, [&] { attention(out, {}, q, {&span, 1}, shape); });
            report(state, "GBs", static_cast<double>(k.get().bytes() + v.get().bytes()), best);
        });
}

void add_all() {
    add_row_kernels();
    for (const int64_t length : {256, 512}) {
        add_attention(4096 / length, length, {8, 8, 32, 32, 0.2f});
        add_attention(4096 / length, length, {4, 4, 64, 64, 0.125f});
        add_attention(4096 / length, length, {8, 2, 32, 32, 0.2f});
    }
    add_attention(1, 2048, {8, 2, 128, 128, 0.1f});
    for (const DType cache : {DType::f32, DType::f16, DType::bf16}) {
        add_decode(cache, 512, {32, 8, 128, 128, 0.1f});
        add_decode(cache, 8192, {32, 8, 128, 128, 0.1f});
        add_decode(cache, 8192, {16, 16, 64, 64, 0.1f});
    }
}

}  // namespace
}  // namespace gremium::kernels

int main(int argc, char** argv) {
    using namespace gremium;
    // --kernels NAME forces a variant, -t N sets the threads.
    for (int i = 1; i + 1 < argc;) {
        const std::string word = argv[i];
        if (word != "--kernels" && word != "-t") {
            ++i;
            continue;
        }
        if (word == "-t") set_threads(std::stoi(argv[i + 1]));
        if (word == "--kernels") kernels::force(argv[i + 1]);
        std::rotate(argv + i, argv + i + 2, argv + argc);
        argc -= 2;
    }
    fmt::print("{}, {} threads: peak f32 {:.0f} GFLOP/s, read {:.1f} GB/s\n", kernels::name(kernels::active()),
               threads(), bench::peak_gflops(DType::f32), bench::read_gbs());
    benchmark::Initialize(&argc, argv);
    kernels::add_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
