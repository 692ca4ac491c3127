// Views of row-major tensors that somebody else owns. Dimensions are in torch order: the last one is contiguous.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "tensor/dtype.h"

namespace gremium {

struct Shape {
    static constexpr int max_rank = 4;
    std::array<int64_t, max_rank> dim{};
    int rank = 0;

    Shape() = default;
    Shape(std::initializer_list<int64_t> dims) {
        assert(dims.size() <= max_rank);
        for (int64_t d : dims) dim[static_cast<size_t>(rank++)] = d;
    }
    int64_t operator[](int i) const { return dim[static_cast<size_t>(i)]; }
    int64_t count() const {
        int64_t n = 1;
        for (int i = 0; i < rank; ++i) n *= (*this)[i];
        return n;
    }
    friend bool operator==(const Shape&, const Shape&) = default;
};

std::string to_string(const Shape& shape);  // "[8, 96, 64]"

// A read-only view. Rows are contiguous and follow each other without gaps.
struct TensorView {
    const std::byte* data = nullptr;
    DType dtype = DType::f32;
    Shape shape;

    explicit operator bool() const { return data != nullptr; }
    int64_t count() const { return shape.count(); }
    int64_t cols() const { return shape.rank ? shape[shape.rank - 1] : 1; }
    int64_t rows() const { return shape.rank ? count() / (cols() ? cols() : 1) : 1; }
    int64_t row_bytes() const { return gremium::row_bytes(dtype, cols()); }
    int64_t bytes() const { return rows() * row_bytes(); }
    const std::byte* row(int64_t i) const { return data + i * row_bytes(); }
    // Sub-view along the first dimension: tensor[i].
    TensorView at(int64_t i) const {
        assert(shape.rank > 0 && i >= 0 && i < shape[0]);
        TensorView part{data, dtype, {}};
        for (int d = 1; d < shape.rank; ++d) part.shape.dim[static_cast<size_t>(part.shape.rank++)] = shape[d];
        part.data += i * part.bytes();
        return part;
    }
    const float* f32() const {
        assert(dtype == DType::f32);
        return reinterpret_cast<const float*>(data);
    }
    const uint16_t* bf16() const {
        assert(dtype == DType::bf16);
        return reinterpret_cast<const uint16_t*>(data);
    }
    const int32_t* i32() const {
        assert(dtype == DType::i32);
        return reinterpret_cast<const int32_t*>(data);
    }
};

// A writable view; converts to TensorView.
struct Tensor {
    std::byte* data = nullptr;
    DType dtype = DType::f32;
    Shape shape;

    operator TensorView() const { return {data, dtype, shape}; }
    TensorView view() const { return *this; }
    explicit operator bool() const { return data != nullptr; }
    int64_t count() const { return shape.count(); }
    int64_t cols() const { return view().cols(); }
    int64_t rows() const { return view().rows(); }
    int64_t row_bytes() const { return view().row_bytes(); }
    int64_t bytes() const { return view().bytes(); }
    std::byte* row(int64_t i) const { return data + i * row_bytes(); }
    Tensor at(int64_t i) const {
        const TensorView part = view().at(i);
        return {const_cast<std::byte*>(part.data), part.dtype, part.shape};
    }
    float* f32() const {
        assert(dtype == DType::f32);
        return reinterpret_cast<float*>(data);
    }
    uint16_t* bf16() const {
        assert(dtype == DType::bf16);
        return reinterpret_cast<uint16_t*>(data);
    }
    int32_t* i32() const {
        assert(dtype == DType::i32);
        return reinterpret_cast<int32_t*>(data);
    }
};

// The same data with another shape of the same element count.
inline Tensor reshape(Tensor t, Shape shape) {
    assert(t.count() == shape.count());
    t.shape = shape;
    return t;
}
inline TensorView reshape(TensorView t, Shape shape) {
    assert(t.count() == shape.count());
    t.shape = shape;
    return t;
}

// A float array as an f32 tensor.
inline Tensor as_tensor(float* data, Shape shape) { return {reinterpret_cast<std::byte*>(data), DType::f32, shape}; }
inline TensorView as_tensor(const float* data, Shape shape) {
    return {reinterpret_cast<const std::byte*>(data), DType::f32, shape};
}

}  // namespace gremium
