#include "kernels/simd/variant.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "base/error.h"
#include "kernels/simd/cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/variant.cpp"
#include "kernels/simd/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
std::string_view target_name() { return hwy::TargetName(HWY_TARGET); }
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(target_name);

namespace {

struct Row {
    Variant variant;
    std::string_view name;
    int64_t target;  // Highway's bits; 0: whatever Highway finds
};
constexpr Row table[] = {
    {Variant::reference, "reference", 0},
    {Variant::scalar, "scalar", HWY_STATIC_TARGET},
    {Variant::sse4, "sse4", HWY_SSE4},
    {Variant::avx2, "avx2", HWY_AVX2},
    {Variant::avx512, "avx512", HWY_AVX3 | HWY_AVX3_DL},
    {Variant::amx, "amx", HWY_AVX3 | HWY_AVX3_DL},
    {Variant::native, "native", 0},
};
const Row& row(Variant variant) { return table[static_cast<size_t>(variant)]; }

bool runs_here(const Row& r, int64_t supported) {
    if (r.variant == Variant::reference) return true;
    if (!HWY_ARCH_X86) return r.variant == Variant::native;
    if (r.variant == Variant::amx && !has_amx_bf16()) return false;
    return (r.target & supported & HWY_TARGETS) != 0;
}

// What the CPU offers, before any force() hides some of it from Highway.
const std::vector<Variant>& found() {
    static const std::vector<Variant> variants = [] {
        std::vector<Variant> out;
        const int64_t supported = hwy::SupportedTargets() | HWY_STATIC_TARGET;
        for (const Row& r : table) {
            if (runs_here(r, supported)) out.push_back(r.variant);
        }
        return out;
    }();
    return variants;
}

std::atomic<Variant>& current() {
    static std::atomic<Variant> variant{found().back()};
    return variant;
}

[[noreturn]] void refuse(std::string_view wanted) {
    std::string names;
    for (const Variant v : found()) names += (names.empty() ? "" : ", ") + std::string(name(v));
    fail("kernels '{}' cannot run on this machine; available: {}", wanted, names);
}

}  // namespace

std::string_view name(Variant variant) { return row(variant).name; }

std::vector<Variant> available_variants() { return found(); }

Variant active() { return current().load(std::memory_order_relaxed); }

void force(Variant variant) {
    if (std::ranges::find(found(), variant) == found().end()) refuse(name(variant));
    current() = variant;
    hwy::SetSupportedTargetsForTest(row(variant).target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

void force(std::string_view variant_name) {
    for (const Row& r : table) {
        if (r.name == variant_name) return force(r.variant);
    }
    refuse(variant_name);
}

std::string_view dispatched_target() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
