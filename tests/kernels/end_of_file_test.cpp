// Weights lie in mapped files, whose last tensor may end where the mapping does: products must not read past a row's
// end.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "kernels/matmul/grouped_matmul.h"
#include "kernels/simd/variant.h"
#include "tensor/dtype.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

// A copy of a tensor whose last byte is the last of its pages; a page that cannot be read follows, and one is before
// it.
class AtTheEnd {
  public:
    explicit AtTheEnd(TensorView t) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        const auto bytes = static_cast<size_t>(t.bytes());
        size_ = (bytes + page_ - 1) / page_ * page_ + 2 * page_;
        void* const found = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(found, MAP_FAILED);
        memory_ = static_cast<std::byte*>(found);
        view_ = Tensor{memory_ + size_ - page_ - bytes, t.dtype, t.shape};
        std::memcpy(view_.data, t.data, bytes);
        EXPECT_EQ(mprotect(memory_, page_, PROT_NONE), 0);
        EXPECT_EQ(mprotect(memory_ + size_ - page_, page_, PROT_NONE), 0);
    }
    ~AtTheEnd() { munmap(memory_, size_); }
    AtTheEnd(const AtTheEnd&) = delete;
    AtTheEnd& operator=(const AtTheEnd&) = delete;
    TensorView view() const { return view_; }

  private:
    size_t page_, size_ = 0;
    std::byte* memory_ = nullptr;
    Tensor view_;
};

class EndOfFile : public testing::TestWithParam<Variant> {
  protected:
    void SetUp() override { force(GetParam()); }
    void TearDown() override { force(available_variants().back()); }
};

TEST_P(EndOfFile, ProductsStayWithinTheirWeights) {
    using enum DType;
    for (const DType type :
         {f32,  f16,    bf16,  f8_e4m3, q8_0,    q4_0,   q4_1,  q5_0,    q5_1,  iq4_nl, mxfp4, q2_k,  q3_k, q4_k, q5_k,
          q6_k, iq4_xs, iq1_s, iq1_m,   iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, tq1_0,  tq2_0, nvfp4, q1_0, q2_0}) {
        const int64_t block = info(type).block;
        for (const int64_t K : {block, 5 * block, int64_t{512}}) {
            const OwnedTensor w = random_tensor(type, {3, K}, 1);
            const AtTheEnd end(w);
            for (const int64_t rows : {1, 2, 3, 4, 8, 9, 20}) {
                const OwnedTensor x = random_tensor(f32, {rows, K}, 2);
                for (const bool fine : {false, true}) {
                    for (const DType compute : {f32, bf16, q8_0}) {
                        SCOPED_TRACE(
                            fmt::format("{}, K {}, {} rows, {}", info(type).name, K, rows, info(compute).name));
                        const OwnedTensor here(f32, {rows, 3}), there(f32, {rows, 3});
                        matmul(here, x, w, {.compute = compute, .fine = fine});
                        matmul(there, x, end.view(), {.compute = compute, .fine = fine});
                        EXPECT_EQ(
                            std::memcmp(here.get().data, there.get().data, static_cast<size_t>(here.get().bytes())), 0);
                    }
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Variants, EndOfFile, testing::ValuesIn(available_variants()),
                         [](const auto& test) { return std::string(name(test.param)); });

}  // namespace
}  // namespace gremium::kernels
