// Joins values of a few bits with the scales of their blocks (MXFP4, FP8), which Hugging Face files keep in two
// tensors.
#pragma once

#include "formats/tensor_index.h"
#include "tensor/arena.h"

namespace gremium {

// gpt-oss: `blocks` U8 [..., rows, blocks, 16], weights 2j and 2j + 1 of a block in the nibbles of byte j, low first;
// `scales` U8 [..., rows, blocks], 2^(s − 127). Gives mxfp4 [..., rows, 32·blocks].
OwnedTensor join_mxfp4(const OpaqueEntry& blocks, const OpaqueEntry& scales, const std::string& source);

// f8_e4m3 [rows, cols], or a stack of such matrices, times scales of any float type: of blocks of so many rows and
// columns [⌈rows/128⌉, ⌈cols/128⌉] (DeepSeek-V3), of rows, or one a matrix. Gives bf16, as DeepSeek's own conversion
// does. Error where a product is no number.
struct F8Block {
    int64_t rows = 128, cols = 128;
};
OwnedTensor scale_f8(TensorView weights, TensorView scales, const std::string& name, const std::string& source,
                     F8Block block = {});

// Types of Hugging Face files that nothing computes with, as f32: F64, and powers of two in one byte (F8_E8M0). Error
// where a number does not fit.
bool becomes_f32(const OpaqueEntry& tensor);
OwnedTensor opaque_as_f32(const OpaqueEntry& tensor, const std::string& source);

}  // namespace gremium
