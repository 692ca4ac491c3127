#include "tensor/quantised/finite.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "tensor/quantised/blocks.h"

namespace gremium {

namespace {

bool is_finite(float value) {
    constexpr uint32_t exponent = 0x7F800000u;
    return (std::bit_cast<uint32_t>(value) & exponent) != exponent;
}

// Without a branch in the loop, so that it is as fast as memory.
bool all_finite(const float* row, int64_t n) {
    bool finite = true;
    for (int64_t i = 0; i < n; ++i) finite &= is_finite(row[i]);
    return finite;
}

}  // namespace

std::optional<NotFinite> first_not_finite(TensorView tensor) {
    const int64_t rows = tensor.rows(), cols = tensor.cols();
    std::atomic<int64_t> first = rows;
    parallel_chunks(rows, 16, [&](int64_t begin, int64_t end) {
        std::vector<float> row(static_cast<size_t>(cols));
        for (int64_t r = begin; r < end && r < first; ++r) {
            dequantise_row(tensor.dtype, tensor.row(r), row.data(), cols);
            if (all_finite(row.data(), cols)) continue;
            int64_t known = first;
            while (r < known && !first.compare_exchange_weak(known, r)) {
            }
        }
    });
    if (first == rows) return std::nullopt;
    std::vector<float> row(static_cast<size_t>(cols));
    dequantise_row(tensor.dtype, tensor.row(first), row.data(), cols);
    const auto found = std::ranges::find_if_not(row, is_finite);
    return NotFinite{first, found - row.begin(), *found};
}

}  // namespace gremium
