#include "kernels/rowwise/elementwise.h"

#include <cassert>

#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/elementwise.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

void axpby_row(float* y, const float* x, float a, float b, int64_t n) {
    const VecF va = hn::Set(F32(), a), vb = hn::Set(F32(), b);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        lanes.store(hn::MulAdd(va, lanes.load(x + i), hn::Mul(vb, lanes.load(y + i))), y + i);
    });
}

double sum_of_squares_row(const float* x, int64_t n) {
    const hn::ScalableTag<double> d;
    const hn::Rebind<float, decltype(d)> half;
    const int64_t width = static_cast<int64_t>(hn::Lanes(d));
    auto sum = hn::Zero(d);
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        const auto v = hn::PromoteTo(d, hn::LoadU(half, x + i));
        sum = hn::MulAdd(v, v, sum);
    }
    double total = hn::GetLane(hn::SumOfLanes(d, sum));
    for (; i < n; ++i) total += double{x[i]} * x[i];
    return total;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

void axpby_row(float* y, const float* x, float a, float b, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = a * x[i] + b * y[i];
}

double sum_of_squares_row(const float* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
    return sum;
}

}  // namespace
}  // namespace reference

HWY_EXPORT(axpby_row);
HWY_EXPORT(sum_of_squares_row);

namespace {

// Elements [begin, end) of the flattened tensor as one row.
TensorView piece(TensorView t, int64_t begin, int64_t end) {
    return {t.data + begin * info(t.dtype).bytes, t.dtype, {end - begin}};
}
Tensor piece(Tensor t, int64_t begin, int64_t end) {
    return {t.data + begin * info(t.dtype).bytes, t.dtype, {end - begin}};
}

}  // namespace

void axpby(Tensor y, TensorView x, float a, float b) {
    const auto row = GREMIUM_SELECT(axpby_row);
    assert(x.count() == y.count());
    parallel_chunks(y.count(), 4096, [&](int64_t begin, int64_t end) {
        RowReader in(piece(x, begin, end));
        RowWriter out(piece(y, begin, end));
        row(out.edit(0), in[0], a, b, end - begin);
        out.finish(0);
    });
}

void add_bias(Tensor y_TD, TensorView bias_D) {
    const auto row = GREMIUM_SELECT(axpby_row);
    parallel_rows(y_TD.rows(), y_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader bias(bias_D);
        RowWriter y(y_TD);
        const float* added = bias[0];
        for (int64_t t = begin; t < end; ++t) {
            row(y.edit(t), added, 1, 1, y_TD.cols());
            y.finish(t);
        }
    });
}

void sum_rows(Tensor dbias_D, TensorView dy_TD) {
    const auto row = GREMIUM_SELECT(axpby_row);
    reduce_rows(dbias_D.f32(), dy_TD.cols(), dy_TD.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader dy(dy_TD);
        for (int64_t t = begin; t < end; ++t) row(partial, dy[t], 1, 1, dy_TD.cols());
    });
}

double sum_of_squares(TensorView x) {
    const auto row = GREMIUM_SELECT(sum_of_squares_row);
    std::vector<double> partials(static_cast<size_t>((x.count() + task_elements - 1) / task_elements));
    parallel_chunks(x.count(), task_elements, [&](int64_t begin, int64_t end) {
        RowReader in(piece(x, begin, end));
        partials[static_cast<size_t>(begin / task_elements)] = row(in[0], end - begin);
    });
    double sum = 0;
    for (const double partial : partials) sum += partial;
    return sum;
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
