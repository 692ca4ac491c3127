// Weights of any type: a few rows at a time become f32 in memory, which the dots of f32 then read.
#include "kernels/matmul/gemv.h"

#include <algorithm>
#include <vector>

#include "kernels/quantised/rows.h"

namespace gremium::kernels {
namespace {

constexpr int64_t rows_at_once = 4;  // as many as one pass of the dots reads

void dots_unpacked(float* sums, const float* x, int64_t stride, int64_t m, const Product& product, int64_t n0,
                   int64_t n) {
    thread_local std::vector<float> rows;
    rows.resize(static_cast<size_t>(rows_at_once * product.k));
    Product unpacked = product;
    unpacked.b = {.data = reinterpret_cast<const std::byte*>(rows.data()),
                  .dtype = DType::f32,
                  .stride = product.k * int64_t{sizeof(float)}};
    const GemvDots dots = gemv_dots_f32(false);
    float part[gemv_rows_at_once * rows_at_once];
    for (int64_t j = 0; j < n; j += rows_at_once) {
        const int64_t count = std::min(rows_at_once, n - j);
        for (int64_t c = 0; c < count; ++c)
            load_weights(product.b.dtype, product.b.row(n0 + j + c), rows.data() + c * product.k, product.k);
        dots(part, x, stride, m, unpacked, 0, count);
        for (int64_t i = 0; i < m; ++i) std::copy_n(part + i * count, count, sums + i * n + j);
    }
}

}  // namespace

GemvDots gemv_dots_unpacked() { return dots_unpacked; }

}  // namespace gremium::kernels
