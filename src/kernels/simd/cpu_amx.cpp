// Alone in its file: tests link tiles that every machine has in its place.
#include "kernels/simd/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gremium::kernels {

#if defined(__x86_64__)

namespace {

bool has_tiles() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
    constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
    return (edx & amx_bf16) && (edx & amx_tile) && has_avx512_bf16();
}

// Linux 5.16 keeps the 8 KiB of tile state off until a process asks for it
// (Documentation/arch/x86/xstate.rst).
bool request_tiles() {
    constexpr long arch_req_xcomp_perm = 0x1023, xfeature_xtiledata = 18;
    return syscall(SYS_arch_prctl, arch_req_xcomp_perm, xfeature_xtiledata) == 0;
}

}  // namespace

bool has_amx_bf16() {
    static const bool usable = has_tiles() && request_tiles();
    return usable;
}

#else

bool has_amx_bf16() { return false; }

#endif

}  // namespace gremium::kernels
