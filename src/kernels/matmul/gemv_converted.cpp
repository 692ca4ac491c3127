// Weights of types without dots of their own: a few rows at a time become f32 or bf16 in memory, which the dots of that
// type then read.
#include <algorithm>
#include <vector>

#include "kernels/matmul/gemv.h"
#include "kernels/quantised/rows.h"
#include "kernels/simd/rows.h"

namespace gremium::kernels {
namespace {

// As many as one pass of the dots reads.
constexpr int64_t rows_at_once = 4;

template <DType to>
constexpr int64_t width = to == DType::f32 ? sizeof(float) : sizeof(uint16_t);

// A row of weights, n of them.
template <DType to>
void convert(DType type, const std::byte* row, std::byte* out, int64_t n) {
    if constexpr (to == DType::f32) {
        load_weights(type, row, reinterpret_cast<float*>(out), n);
    } else {
        thread_local std::vector<float> floats;
        floats.resize(static_cast<size_t>(n));
        load_weights(type, row, floats.data(), n);
        store_row(to, floats.data(), out, n);
    }
}

template <DType to>
void dots_of_converted(float* sums, const float* x, int64_t stride, int64_t m, const Product& product, int64_t n0,
                       int64_t n) {
    thread_local std::vector<std::byte> rows;
    const int64_t bytes = product.k * width<to>;
    rows.resize(static_cast<size_t>(rows_at_once * bytes));
    Product converted = product;
    converted.b = {.data = rows.data(), .dtype = to, .stride = bytes};
    const GemvDots dots = to == DType::f32 ? gemv_dots_f32() : gemv_dots_bf16();
    float part[gemv_rows_at_once * rows_at_once];
    for (int64_t j = 0; j < n; j += rows_at_once) {
        const int64_t count = std::min(rows_at_once, n - j);
        for (int64_t c = 0; c < count; ++c)
            convert<to>(product.b.dtype, product.b.row(n0 + j + c), rows.data() + c * bytes, product.k);
        dots(part, x, stride, m, converted, 0, count);
        for (int64_t i = 0; i < m; ++i) std::copy_n(part + i * count, count, sums + i * n + j);
    }
}

}  // namespace

GemvDots gemv_dots(DType weights, bool round) {
    switch (weights) {
        case DType::f32:
            return round ? GemvDots{dots_of_converted<DType::bf16>} : gemv_dots_f32();
        case DType::f16:
            return round ? GemvDots{dots_of_converted<DType::bf16>} : gemv_dots_f16();
        case DType::bf16:
            return gemv_dots_bf16();
        default:
            return dots_of_converted<DType::f32>;
    }
}

}  // namespace gremium::kernels
