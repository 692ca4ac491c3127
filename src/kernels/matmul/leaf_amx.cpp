// Alone in its file, and the file holds nothing else that others call: tests link a leaf on emulated tiles in its
// place.
#include "kernels/matmul/leaf_amx.h"

#include "kernels/simd/cpu.h"

namespace gremium::kernels {

const Leaf* amx_bf16_leaf() {
#if defined(__x86_64__)
    if (has_amx_bf16()) return &amx::bf16_leaf<amx::Tiles>;
#endif
    return nullptr;
}

}  // namespace gremium::kernels
