// Sums of tensors: axpby, add_bias, sum_rows, sum_of_squares.
#include <cassert>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

void axpby(float* y, const float* x, float a, float b, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = a * x[i] + b * y[i];
}

double sum_of_squares(const float* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
    return sum;
}

}  // namespace
}  // namespace reference

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
    assert(x.count() == y.count());
    parallel_chunks(y.count(), task_elements, [&](int64_t begin, int64_t end) {
        RowReader in(piece(x, begin, end));
        RowWriter out(piece(y, begin, end));
        reference::axpby(out.edit(0), in[0], a, b, end - begin);
        out.finish(0);
    });
}

void add_bias(Tensor y_TD, TensorView bias_D) {
    parallel_rows(y_TD.rows(), y_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader bias(bias_D);
        RowWriter y(y_TD);
        const float* added = bias[0];
        for (int64_t t = begin; t < end; ++t) {
            reference::axpby(y.edit(t), added, 1, 1, y_TD.cols());
            y.finish(t);
        }
    });
}

void sum_rows(Tensor dbias_D, TensorView dy_TD) {
    reduce_rows(dbias_D.f32(), dy_TD.cols(), dy_TD.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader dy(dy_TD);
        for (int64_t t = begin; t < end; ++t) reference::axpby(partial, dy[t], 1, 1, dy_TD.cols());
    });
}

double sum_of_squares(TensorView x) {
    std::vector<double> partials(static_cast<size_t>((x.count() + task_elements - 1) / task_elements));
    parallel_chunks(x.count(), task_elements, [&](int64_t begin, int64_t end) {
        RowReader in(piece(x, begin, end));
        partials[static_cast<size_t>(begin / task_elements)] = reference::sum_of_squares(in[0], end - begin);
    });
    double sum = 0;
    for (const double partial : partials) sum += partial;
    return sum;
}

}  // namespace gremium::kernels
