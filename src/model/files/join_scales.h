// Joins values of a few bits with the scales of their blocks (MXFP4, FP8), which Hugging Face files keep in two
// tensors.
#pragma once

#include "formats/tensor_index.h"
#include "tensor/arena.h"

namespace gremium {

// gpt-oss: `blocks` U8 [..., rows, blocks, 16], weights 2j and 2j + 1 of a block in the nibbles of byte j, low first;
// `scales` U8 [..., rows, blocks], 2^(s − 127). Gives mxfp4 [..., rows, 32·blocks].
OwnedTensor join_mxfp4(const OpaqueEntry& blocks, const OpaqueEntry& scales, const std::string& source);

// DeepSeek-V3: f8_e4m3 [rows, cols] times f32 scales of 128×128 blocks [⌈rows/128⌉, ⌈cols/128⌉]. Gives bf16, as
// DeepSeek's own conversion does.
OwnedTensor scale_f8(TensorView weights, TensorView scales, const std::string& name, const std::string& source);

}  // namespace gremium
