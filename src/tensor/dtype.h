// The table of element types, one row each: elements and bytes of a block, and the names in the two file formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gremium {

enum class DType : uint8_t {
    f32,
    f16,
    bf16,
    f8_e4m3,
    i32,
    // 32 weights per block.
    q8_0,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    iq4_nl,
    mxfp4,
    // 256 weights per block.
    q2_k,
    q3_k,
    q4_k,
    q5_k,
    q6_k,
    iq4_xs,
    iq1_s,
    iq1_m,
    iq2_xxs,
    iq2_xs,
    iq2_s,
    iq3_xxs,
    iq3_s,
    tq1_0,
    tq2_0,
    // 64, 128 and 64 weights per block.
    nvfp4,
    q1_0,
    q2_0,
};
inline constexpr int dtype_count = static_cast<int>(DType::q2_0) + 1;

struct DTypeInfo {
    DType dtype;
    std::string_view name;         // as on the command line: "q8_0"
    int block;                     // elements per block (1: not block-quantised)
    int bytes;                     // bytes per block
    int32_t ggml_type;             // GGUF tensor type id, -1 if none
    int32_t ggml_file_type;        // GGUF general.file_type of a file whose tensors are mostly of this type, -1 if none
    std::string_view safetensors;  // "" if safetensors has no such type
};

const DTypeInfo& info(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_ggml(int32_t ggml_type);
std::optional<DType> dtype_from_safetensors(std::string_view name);

inline bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }
inline bool is_quantised(DType dtype) { return info(dtype).block > 1; }

// Bytes of a row of n elements; n must be a multiple of the block.
inline int64_t row_bytes(DType dtype, int64_t n) { return n / info(dtype).block * info(dtype).bytes; }

}  // namespace gremium
