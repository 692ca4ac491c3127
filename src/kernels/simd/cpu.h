// What this processor lets us run beyond Highway's own detection. (AMX: amx_bf16_leaf() of gemm.h.)
#pragma once

namespace gremium::kernels {

bool has_avx512_bf16();  // VDPBF16PS on 512-bit registers

}  // namespace gremium::kernels
