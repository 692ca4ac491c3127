#include "kernels/matmul/gemv.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_unpacked.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/matmul/gemv_quantised-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

QuantisedDots dots_of_unpacked(bool) { return {}; }

#else

// Several chunks at a time, so that what unpacking needs stays in registers.
struct SeveralAtOnce : Unpacked<false, true> {
    struct Reader {
        QuantisedChunk chunks[QuantisedFormat::arranged_at_once];
        const std::byte* chunk_at(const Product& product, const std::byte* row, int64_t k) {
            const int64_t i = k / chunk_size % QuantisedFormat::arranged_at_once;
            if (i == 0) quantised_format(product.b.dtype).unpack_arranged(row, k, product.k, chunks);
            return reinterpret_cast<const std::byte*>(chunks + i);
        }
    };
};

QuantisedDots dots_of_unpacked(bool fine) { return dots_of_weights<SeveralAtOnce>(fine); }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(dots_of_unpacked);
QuantisedDots gemv_dots_of_unpacked(bool fine) { return HWY_DYNAMIC_DISPATCH(dots_of_unpacked)(fine); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
