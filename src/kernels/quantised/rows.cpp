#include "kernels/quantised/rows.h"

#include <algorithm>

#include "kernels/quantised/quantised.h"
#include "kernels/simd/rows.h"

namespace gremium::kernels {

void load_weights(DType type, const std::byte* row, float* out, int64_t n) {
    const auto unpack = code_format(type).unpack;
    if (active() == Variant::reference || !unpack) return load_row(type, row, out, n);
    Codes codes;
    float values[code_chunk];
    for (int64_t begin = 0; begin < n; begin += code_chunk, out += code_chunk) {
        unpack(row, begin, n, codes);
        const bool whole = n - begin >= code_chunk;
        decode(codes, whole ? out : values);
        if (!whole) std::copy_n(values, n - begin, out);
    }
}

}  // namespace gremium::kernels
