#include "kernels/simd/cpu.h"

namespace gremium::kernels {

#if defined(__x86_64__)

bool has_avx512_bf16() {
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

#else

bool has_avx512_bf16() { return false; }

#endif

}  // namespace gremium::kernels
