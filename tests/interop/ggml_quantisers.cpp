// ggml_quantisers LIBGGML_BASE: our quantisers beside ggml's own, on the same rows: relative RMS errors, plain and
// weighted by importance. Fails where ours is more than 2 % above ggml's.
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "tensor/quantised/blocks.h"

namespace {

using namespace gremium;

// ggml.h: quantises rows of f32; returns the bytes written.
using QuantizeChunk = size_t (*)(int type, const float* src, void* dst, int64_t start, int64_t rows, int64_t per_row,
                                 const float* importance);

constexpr int64_t rows = 64, cols = 512;

struct Rows {
    const char* name;
    std::vector<float> x;
};

std::vector<float> draw(uint64_t seed, double (*value)(Random&), int64_t n = rows * cols) {
    Random random(seed);
    std::vector<float> x(static_cast<size_t>(n));
    for (float& v : x) v = static_cast<float>(0.02 * value(random));
    return x;
}

double gaussian(Random& random) { return random.normal(); }
double laplace(Random& random) {
    const double u = random.uniform() - 0.5;
    return std::copysign(std::log(1 - 2 * std::abs(u) + 1e-12), u);
}
double student3(Random& random) {  // Student's t with three degrees of freedom
    const double a = random.normal(), b = random.normal(), c = random.normal();
    return random.normal() / std::sqrt((a * a + b * b + c * c) / 3);
}
double squared_lognormal(Random& random) { return std::exp(2 * random.normal()); }

double relative_rms(const std::vector<float>& x, const std::vector<std::byte>& bytes, DType dtype,
                    const float* importance) {
    std::vector<float> y(x.size());
    dequantise_row(dtype, bytes.data(), y.data(), std::ssize(y));
    double error = 0, size = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        const double w = importance ? double{importance[i % cols]} : 1, difference = double{x[i]} - double{y[i]};
        error += w * difference * difference;
        size += w * double{x[i]} * double{x[i]};
    }
    return std::sqrt(error / size);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fputs("usage: ggml_quantisers LIBGGML_BASE\n", stderr), 2;
    void* const library = dlopen(argv[1], RTLD_NOW);
    void* const symbol = library ? dlsym(library, "ggml_quantize_chunk") : nullptr;
    if (!symbol) return std::fprintf(stderr, "%s\n", dlerror()), 2;
    const auto theirs = reinterpret_cast<QuantizeChunk>(symbol);
    const auto needs_importance = reinterpret_cast<bool (*)(int)>(dlsym(library, "ggml_quantize_requires_imatrix"));
    if (!needs_importance) return std::fprintf(stderr, "%s\n", dlerror()), 2;

    const Rows kinds[] = {
        {"gaussian", draw(1, gaussian)}, {"laplace", draw(2, laplace)}, {"student-3", draw(3, student3)}};
    const std::vector<float> importance = draw(4, squared_lognormal, cols);
    bool good = true;
    for (int t = 0; t < dtype_count; ++t) {
        const DTypeInfo& type = info(static_cast<DType>(t));
        if (type.block == 1) continue;
        for (const Rows& kind : kinds) {
            for (const float* weights : {static_cast<const float*>(nullptr), importance.data()}) {
                if (!weights && needs_importance(type.ggml_type)) continue;
                std::vector<std::byte> a(static_cast<size_t>(row_bytes(type.dtype, rows * cols))), b(a.size());
                for (int64_t r = 0; r < rows; ++r) {
                    quantise_row(type.dtype, kind.x.data() + r * cols, a.data() + r * row_bytes(type.dtype, cols), cols,
                                 weights ? std::span(importance) : std::span<const float>());
                }
                theirs(type.ggml_type, kind.x.data(), b.data(), 0, rows, cols, weights);
                const double ours = relative_rms(kind.x, a, type.dtype, weights),
                             ggml = relative_rms(kind.x, b, type.dtype, weights);
                const bool fine = ours <= 1.02 * ggml;
                good = good && fine;
                std::printf("%s %-7s %-10s %-10s ours %.5f ggml %.5f ratio %.4f%s\n", fine ? "ok  " : "FAIL",
                            std::string(type.name).c_str(), kind.name, weights ? "importance" : "plain", ours, ggml,
                            ours / ggml, a == b ? " (same bits)" : "");
            }
        }
    }
    return good ? 0 : 1;
}
