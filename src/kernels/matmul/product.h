// One product of the grouped matmul: the operands of one group, and where its result goes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gremium::kernels {

struct Leaf;

// One operand; its other index is called i (m or n). Rows are those of a tensor, maybe gathered.
struct Operand {
    const std::byte* data;
    DType dtype;
    // Bytes from row to row.
    int64_t stride;
    // Row j of the operand is row rows[j] of data; null: row j.
    const int32_t* rows = nullptr;
    // Row i holds element (i, ·); otherwise row k holds (·, k).
    bool along_k = true;
    // The rows once more, as Rounded or FineRounded chunks (chunk.h), where products run on that; `rounded_rows` as
    // `rows`, the stride in bytes.
    const std::byte* rounded = nullptr;
    const int32_t* rounded_rows = nullptr;
    int64_t rounded_stride = 0;
    bool fine = false;

    const std::byte* row(int64_t j) const { return data + (rows ? rows[j] : j) * stride; }
    template <typename Row>
    const Row* rounded_row(int64_t j) const {
        return reinterpret_cast<const Row*>(rounded + (rounded_rows ? rounded_rows[j] : j) * rounded_stride);
    }
};

// Where results go: rows of f32 or bf16, `stride` bytes apart.
struct Output {
    std::byte* data;
    DType dtype;
    int64_t stride;

    Output at(int64_t row, int64_t col) const {
        return {data + row * stride + col * (dtype == DType::f32 ? 4 : 2), dtype, stride};
    }
};

// The product of one group, and what multiplies it when there are many rows. `chain` of them, this and those behind it,
// are summed to one C: they agree in m, n, c and leaf.
struct Product {
    Operand a, b;
    int64_t m, n, k;
    Output c;
    const Leaf* leaf;
    // Does not pack: both operands along k.
    bool few_rows = false;
    int chain = 1;
};

}  // namespace gremium::kernels
