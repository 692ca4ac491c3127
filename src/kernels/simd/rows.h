// Rows of activations as f32: f32 tensors are used in place, others go through a small buffer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "kernels/simd/variant.h"
#include "tensor/tensor.h"

// The function to use now: the active variant's, out of reference:: and what HWY_EXPORT(function) offers.
#define GREMIUM_SELECT(function) \
    (active() == Variant::reference ? &reference::function : &HWY_DYNAMIC_DISPATCH(function))

namespace gremium::kernels {

// n elements of any dtype but i32 to f32 (exact), and f32 rounded to nearest even into f32, f16 or bf16. Vectors read
// floats; those that read block-quantised weights stand above this: load_weights() of quantised/rows.h.
void load_row(DType dtype, const std::byte* in, float* out, int64_t n);
void store_row(DType dtype, const float* in, std::byte* out, int64_t n);

// Uninitialised room for a row of t, null if its rows are f32 already.
inline std::unique_ptr<float[]> row_buffer(TensorView t) {
    if (t.dtype == DType::f32) return nullptr;
    return std::make_unique_for_overwrite<float[]>(static_cast<size_t>(t.cols()));
}

class RowReader {
  public:
    explicit RowReader(TensorView t) : t_(t), buffer_(row_buffer(t)) {}
    // Valid until the next call. Null for an empty tensor.
    const float* operator[](int64_t row) {
        if (!t_ || t_.dtype == DType::f32)
            return t_ ? reinterpret_cast<const float*>(t_.data + row * stride_) : nullptr;
        load_row(t_.dtype, t_.data + row * stride_, buffer_.get(), t_.cols());
        return buffer_.get();
    }

  private:
    TensorView t_;
    int64_t stride_ = t_.row_bytes();
    std::unique_ptr<float[]> buffer_;
};

class RowWriter {
  public:
    explicit RowWriter(Tensor t) : t_(t), buffer_(row_buffer(t)) {}
    // Where to compute the row: its contents are undefined (begin) or the row so far (edit). finish() rounds
    // it into the tensor.
    float* begin(int64_t row) { return in_place() ? reinterpret_cast<float*>(at(row)) : buffer_.get(); }
    float* edit(int64_t row) {
        if (!in_place()) load_row(t_.dtype, at(row), buffer_.get(), t_.cols());
        return begin(row);
    }
    void finish(int64_t row) {
        if (!in_place()) store_row(t_.dtype, buffer_.get(), at(row), t_.cols());
    }

  private:
    bool in_place() const { return t_.dtype == DType::f32; }
    std::byte* at(int64_t row) const { return t_.data + row * stride_; }
    Tensor t_;
    int64_t stride_ = t_.row_bytes();
    std::unique_ptr<float[]> buffer_;
};

// Elements a task should touch at least, so that starting it costs nothing next to its work.
inline constexpr int64_t task_elements = 16384;

// body(begin, end) over row ranges in parallel. The ranges depend on the shape only.
template <typename Body>
void parallel_rows(int64_t rows, int64_t cols, Body&& body) {
    parallel_chunks(rows, std::max<int64_t>(1, task_elements / std::max<int64_t>(1, cols)), body);
}

// sums[0, width) += Σ over all rows: accumulate(partial, begin, end) adds rows [begin, end) to a zeroed
// partial. The partials are those of fixed row ranges, added in order.
template <typename Accumulate>
void reduce_rows(float* sums, int64_t width, int64_t rows, Accumulate&& accumulate) {
    const int64_t chunk = std::max<int64_t>(32, (rows + 63) / 64);
    std::vector<float> partials(static_cast<size_t>((rows + chunk - 1) / chunk * width));
    parallel_chunks(rows, chunk, [&](int64_t begin, int64_t end) {
        accumulate(partials.data() + begin / chunk * width, begin, end);
    });
    for (size_t at = 0; at < partials.size(); at += static_cast<size_t>(width)) {
        for (int64_t i = 0; i < width; ++i) sums[i] += partials[at + static_cast<size_t>(i)];
    }
}

}  // namespace gremium::kernels
