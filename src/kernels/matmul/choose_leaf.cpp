#include "kernels/matmul/leaf.h"
#include "kernels/quantised/quantised.h"
#include "kernels/simd/cpu.h"
#include "kernels/simd/variant.h"

namespace gremium::kernels {
namespace {

// Where there are tiles of bf16, they take bytes too: docs/kernels.md says why.
const Leaf& byte_leaf(DType b, bool fine) {
    const QuantisedFormat format = quantised_format(b);
    if (!format.unpack) return simd_leaf(DType::f32);
    return active() == Variant::amx ? *amx_bf16_leaf() : *quantised_leaf(format, fine);
}

}  // namespace

const Leaf& choose_leaf(DType compute, DType b, bool fine) {
    if (compute == DType::q8_0) return byte_leaf(b, fine);
    if (compute == DType::bf16 && active() == Variant::amx) return *amx_bf16_leaf();
    if (compute == DType::bf16 && active() >= Variant::avx512 && has_avx512_bf16()) return avx512_bf16_leaf();
    return simd_leaf(compute);
}

}  // namespace gremium::kernels
