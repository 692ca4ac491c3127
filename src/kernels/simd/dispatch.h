// How a kernel file gets its instruction sets. Its loops are compiled once per Highway target and chosen at
// run time:
//
//     #include "kernels/foo.h"
//     #include "kernels/simd/rows.h"
//
//     #undef HWY_TARGET_INCLUDE
//     #define HWY_TARGET_INCLUDE "kernels/foo.cpp"  // this file
//     #include "kernels/simd/dispatch.h"
//
//     #include "kernels/simd/rows-inl.h"
//     HWY_BEFORE_NAMESPACE();
//     namespace gremium::kernels {
//     namespace HWY_NAMESPACE {
//     namespace hn = hwy::HWY_NAMESPACE;
//     void foo_rows(...) { const hn::ScalableTag<float> d; ... }
//     }}
//     HWY_AFTER_NAMESPACE();
//     #if HWY_ONCE
//     namespace gremium::kernels {
//     HWY_EXPORT(foo_rows);
//     void foo(Tensor y, ...) {
//         if (active() == Variant::reference) return reference::foo(y, ...);
//         parallel_chunks(rows, 16, [&](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(foo_rows)(...); });
//     }
//     }
//     #endif
//
// dispatch.h has no include guard, on purpose, and must come before all that includes Highway: the `-inl.h` headers. It
// therefore stands alone, with an empty line behind it: clang-format sorts includes that follow one another.
//
// `force()` steers HWY_DYNAMIC_DISPATCH, so a file that follows this convention has nothing else to do.
// Targets are scalar (one lane; EMU128 where the compiler has no bug in it), SSE4, AVX2, AVX3 and NEON; code must
// not assume a number of lanes. A file that defines HWY_WANT_AVX3_DL first is compiled for AVX3 with VNNI too.
// SSSE3 would be no Variant of its own; vectors of SVE cannot lie in arrays, so 64-bit ARM has NEON.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include "hwy/foreach_target.h"  // re-includes HWY_TARGET_INCLUDE; must come before highway.h
#include "hwy/highway.h"
