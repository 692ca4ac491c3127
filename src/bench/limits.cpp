#include "bench/limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/parallel.h"
#include "kernels/matmul/leaf.h"
#include "tensor/arena.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/limits.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::F32;
using kernels::HWY_NAMESPACE::VecF;

// Chains enough to hide the latency of an addition; returns the operations done.
double spin_f32(int64_t rounds, float* sink) {
    const F32 d;
    constexpr int chains = HWY_CAP_GE512 ? 24 : 12;
    const VecF x = hn::Set(d, 0.999f), y = hn::Set(d, 0.001f);
    VecF sums[chains];
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
    for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 24
        for (int i = 0; i < chains; ++i) sums[i] = hn::MulAdd(sums[i], x, y);
    }
    for (int i = 1; i < chains; ++i) sums[0] = hn::Add(sums[0], sums[i]);
    *sink = hn::GetLane(sums[0]);
    return 2.0 * chains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

double read_all(const std::byte* data, int64_t bytes) {
    const F32 d;
    const int64_t step = 4 * static_cast<int64_t>(sizeof(float) * hn::Lanes(d));
    VecF a = hn::Zero(d), b = a, c = a, e = a;
    for (int64_t i = 0; i + step <= bytes; i += step) {
        const float* const at = reinterpret_cast<const float*>(data + i);
        a = hn::Add(a, hn::LoadU(d, at));
        b = hn::Add(b, hn::LoadU(d, at + hn::Lanes(d)));
        c = hn::Add(c, hn::LoadU(d, at + 2 * hn::Lanes(d)));
        e = hn::Add(e, hn::LoadU(d, at + 3 * hn::Lanes(d)));
    }
    return hn::GetLane(hn::Add(hn::Add(a, b), hn::Add(c, e)));
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::bench {

HWY_EXPORT(spin_f32);
HWY_EXPORT(read_all);

namespace {

// The best of a few runs of body(): what the machine can do when nothing else runs. Returns amount per second.
template <typename Body>
double best_rate(int runs, Body&& body) {
    double best = 0;
    for (int i = 0; i < runs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const double amount = body();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        best = std::max(best, amount / took.count());
    }
    return best;
}

}  // namespace

double peak_gflops(DType compute) {
    const kernels::Leaf& leaf = kernels::choose_leaf(compute, compute);
    return 1e-9 * best_rate(8, [&] {
               std::vector<double> done(static_cast<size_t>(threads()));
               parallel_for(std::ssize(done), [&](int64_t i) {
                   float sink = 0;
                   done[i] = leaf.spin ? leaf.spin(100000) : HWY_DYNAMIC_DISPATCH(spin_f32)(200000, &sink);
                   done[i] += sink > 1e30f;  // keeps the sum alive
               });
               double all = 0;
               for (const double one : done) all += one;
               return all;
           });
}

double read_gbs() {
    OwnedTensor memory(DType::f32, {int64_t{64} << 20});  // 256 MiB
    const TensorView bytes = memory;
    // or all its pages are one page of zeros
    std::memset(memory.get().data, 1, static_cast<size_t>(bytes.bytes()));
    const int64_t part = bytes.bytes() / 256;
    return 1e-9 * best_rate(8, [&] {
               std::vector<double> sums(256);
               parallel_for(256,
                            [&](int64_t i) { sums[i] = HWY_DYNAMIC_DISPATCH(read_all)(bytes.data + i * part, part); });
               return static_cast<double>(bytes.bytes()) + (sums[0] > 1 ? 1 : 0);
           });
}

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        const size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown";
}

}  // namespace gremium::bench
#endif  // HWY_ONCE
