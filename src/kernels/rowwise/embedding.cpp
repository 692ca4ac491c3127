#include "kernels/rowwise/embedding.h"

#include <cassert>

#include "base/error.h"
#include "kernels/quantised/rows.h"
#include "kernels/simd/rows.h"

namespace gremium::kernels {
namespace {

void check_ids(std::span<const int32_t> ids, int64_t vocabulary) {
    for (const int32_t id : ids) {
        if (id < 0 || id >= vocabulary) fail("token {} is outside the vocabulary of {}", id, vocabulary);
    }
}

}  // namespace

void embedding(Tensor y_TD, TensorView table_VD, std::span<const int32_t> ids) {
    assert(y_TD.rows() == static_cast<int64_t>(ids.size()) && y_TD.cols() == table_VD.cols());
    check_ids(ids, table_VD.rows());
    parallel_rows(y_TD.rows(), y_TD.cols(), [&](int64_t begin, int64_t end) {
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            load_weights(table_VD.dtype, table_VD.row(ids[static_cast<size_t>(t)]), y.begin(t), y_TD.cols());
            y.finish(t);
        }
    });
}

void embedding_backward(Tensor dtable_VD, TensorView dy_TD, std::span<const int32_t> ids) {
    assert(dy_TD.rows() == static_cast<int64_t>(ids.size()) && dy_TD.cols() == dtable_VD.cols());
    check_ids(ids, dtable_VD.rows());
    // A task owns columns of all table rows, so each sum runs in token order.
    constexpr int64_t block = 128;
    const int64_t cols = dy_TD.cols(), width = info(dy_TD.dtype).bytes;
    parallel_chunks(cols, block, [&](int64_t begin, int64_t end) {
        float dy[block];
        for (int64_t t = 0; t < dy_TD.rows(); ++t) {
            load_row(dy_TD.dtype, dy_TD.row(t) + begin * width, dy, end - begin);
            float* row = dtable_VD.f32() + ids[static_cast<size_t>(t)] * cols;
            for (int64_t i = begin; i < end; ++i) row[i] += dy[i - begin];
        }
    });
}

}  // namespace gremium::kernels
