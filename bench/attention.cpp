// Speed of attention at the bench model's shape (32 heads of 128 on 4 key/value heads) on one thread, in the time of
// its processor: a chunk of a prompt and a token, behind contexts of some length, by the type of the cache.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "bench/limits.h"
#include "kernels/attention/attention.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels {
namespace {

constexpr int64_t heads = 32, kv_heads = 4, head_dim = 128;

OwnedTensor random_rows(DType dtype, int64_t rows, int64_t columns) {
    Random random(1);
    OwnedTensor out(dtype, {rows, columns});
    std::vector<float> row(static_cast<size_t>(columns));
    for (int64_t r = 0; r < rows; ++r) {
        for (float& x : row) x = static_cast<float>(random.normal());
        quantise_row(dtype, row.data(), out.get().row(r), columns);
    }
    return out;
}

void attend(benchmark::State& state, int64_t queries, int64_t context, DType cache, DType compute) {
    set_threads(1);
    const OwnedTensor q = random_rows(DType::f32, queries, heads * head_dim),
                      k = random_rows(cache, context, kv_heads * head_dim),
                      v = random_rows(cache, context, kv_heads * head_dim),
                      out(DType::f32, {queries, heads * head_dim});
    const AttentionSpan span{.q_row = 0, .queries = queries, .first = context - queries, .k = k, .v = v};
    const AttentionShape shape{.heads = heads,
                               .kv_heads = kv_heads,
                               .head_dim = head_dim,
                               .value_dim = head_dim,
                               .scale = 1 / std::sqrt(static_cast<float>(head_dim)),
                               .compute = compute};
    for (auto _ : state) attention(out, {}, q, {&span, 1}, shape);
    const double seen = static_cast<double>(queries * (context - queries) + queries * (queries + 1) / 2);
    const auto rate = [&](double n) {
        return benchmark::Counter(n * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
    };
    state.counters["GFLOP/s"] = rate(4 * seen * heads * head_dim);
    state.counters["cache_GB/s"] = rate(static_cast<double>(k.get().bytes() + v.get().bytes()));
}

void add(const char* what, int64_t queries, int64_t context) {
    for (const DType cache : {DType::f32, DType::f16, DType::bf16, DType::q8_0}) {
        for (const DType compute : {DType::f32, DType::bf16}) {
            const std::string name =
                fmt::format("{}/{}/cache:{}/compute:{}", what, context, info(cache).name, info(compute).name);
            benchmark::RegisterBenchmark(name.c_str(), attend, queries, context, cache, compute)
                ->Unit(benchmark::kMillisecond);
        }
    }
}

}  // namespace
}  // namespace gremium::kernels

int main(int argc, char** argv) {
    using namespace gremium;
    for (const int64_t context : {512, 8192}) {
        kernels::add("prefill", 512, context);
        kernels::add("decode", 1, context);
    }
    benchmark::Initialize(&argc, argv);
    set_threads(1);
    fmt::print("{} kernels; peak of one thread, GFLOP/s: f32 {:.0f}, bf16 {:.0f}; read bandwidth {:.1f} GB/s\n",
               kernels::name(kernels::active()), bench::peak_gflops(DType::f32), bench::peak_gflops(DType::bf16),
               bench::read_gbs());
    benchmark::RunSpecifiedBenchmarks();
}
