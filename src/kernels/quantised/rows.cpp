#include "kernels/quantised/rows.h"

#include <algorithm>

#include "kernels/quantised/quantised.h"
#include "kernels/simd/rows.h"

namespace gremium::kernels {

void load_weights(DType type, const std::byte* row, float* out, int64_t n) {
    const auto unpack = quantised_format(type).unpack;
    if (active() == Variant::reference || !unpack) return load_row(type, row, out, n);
    QuantisedChunk chunk;
    float values[chunk_size];
    for (int64_t begin = 0; begin < n; begin += chunk_size, out += chunk_size) {
        unpack(row, begin, n, chunk);
        const bool whole = n - begin >= chunk_size;
        dequantise(chunk, whole ? out : values);
        if (!whole) std::copy_n(values, n - begin, out);
    }
}

}  // namespace gremium::kernels
