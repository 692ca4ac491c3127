#include "tensor/dtype.h"

#include <array>

namespace gremium {
namespace {

constexpr std::array<DTypeInfo, 6> table{{
    {DType::f32, "f32", 1, 4, 0, 0, "F32"},
    {DType::f16, "f16", 1, 2, 1, 1, "F16"},
    {DType::bf16, "bf16", 1, 2, 30, 32, "BF16"},
    {DType::q8_0, "q8_0", 32, 34, 8, 7, ""},
    {DType::q4_0, "q4_0", 32, 18, 2, 2, ""},
    {DType::i32, "i32", 1, 4, 26, -1, "I32"},
}};

template <typename Match>
std::optional<DType> find(Match&& match) {
    for (const DTypeInfo& row : table) {
        if (match(row)) return row.dtype;
    }
    return std::nullopt;
}

}  // namespace

const DTypeInfo& info(DType dtype) { return table[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
    return find([&](const DTypeInfo& row) { return row.name == name; });
}
std::optional<DType> dtype_from_ggml(int32_t ggml_type) {
    return find([&](const DTypeInfo& row) { return row.ggml_type == ggml_type; });
}
std::optional<DType> dtype_from_safetensors(std::string_view name) {
    return find([&](const DTypeInfo& row) { return !name.empty() && row.safetensors == name; });
}

}  // namespace gremium
