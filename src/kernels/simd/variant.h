// Which implementation of the kernels runs. Instruction sets are chosen at run time; a build runs on any x86-64 (and,
// through Highway, on other processors), and each variant can be forced for tests and measurements.
#pragma once

#include <string_view>
#include <vector>

namespace gremium::kernels {

// Ordered from the plainest to the newest. `reference` is the readable code that defines what each kernel computes;
// `amx` is avx512 plus bf16 tiles in the grouped matmul; `avx512` uses VDPBF16PS for bf16 where the CPU has it.
// `native` is Highway's own choice, the only other one on processors that are not x86.
enum class Variant { reference, scalar, sse4, avx2, avx512, amx, native };

std::string_view name(Variant variant);
std::vector<Variant> available_variants();  // those this CPU (and kernel, for AMX tiles) can run

// Process-wide, before any kernel runs or between calls. `force` throws Error naming the available ones when this CPU
// lacks the variant. The default is the newest available.
void force(Variant variant);
void force(std::string_view variant_name);
Variant active();

// The Highway target that dispatched kernels really run on, as Highway names it ("AVX2"). For tests.
std::string_view dispatched_target();

}  // namespace gremium::kernels
