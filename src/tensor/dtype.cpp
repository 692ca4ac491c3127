#include "tensor/dtype.h"

#include <array>

namespace gremium {
namespace {

constexpr std::array<DTypeInfo, dtype_count> table{{
    {DType::f32, "f32", 1, 4, 0, 0, "F32"},
    {DType::f16, "f16", 1, 2, 1, 1, "F16"},
    {DType::bf16, "bf16", 1, 2, 30, 32, "BF16"},
    {DType::f8_e4m3, "f8_e4m3", 1, 1, -1, -1, "F8_E4M3"},
    {DType::i32, "i32", 1, 4, 26, -1, "I32"},
    {DType::q8_0, "q8_0", 32, 34, 8, 7, ""},
    {DType::q4_0, "q4_0", 32, 18, 2, 2, ""},
    {DType::q4_1, "q4_1", 32, 20, 3, 3, ""},
    {DType::q5_0, "q5_0", 32, 22, 6, 8, ""},
    {DType::q5_1, "q5_1", 32, 24, 7, 9, ""},
    {DType::iq4_nl, "iq4_nl", 32, 18, 20, 25, ""},
    {DType::mxfp4, "mxfp4", 32, 17, 39, 38, ""},
    {DType::q2_k, "q2_k", 256, 84, 10, 10, ""},
    {DType::q3_k, "q3_k", 256, 110, 11, 11, ""},
    {DType::q4_k, "q4_k", 256, 144, 12, 14, ""},
    {DType::q5_k, "q5_k", 256, 176, 13, 16, ""},
    {DType::q6_k, "q6_k", 256, 210, 14, 18, ""},
    {DType::iq4_xs, "iq4_xs", 256, 136, 23, 30, ""},
}};

consteval bool rows_stand_at_their_index() {
    for (size_t i = 0; i < table.size(); ++i) {
        if (table[i].dtype != static_cast<DType>(i)) return false;
    }
    return true;
}
static_assert(rows_stand_at_their_index());

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
    return find([&](const DTypeInfo& row) { return ggml_type >= 0 && row.ggml_type == ggml_type; });
}
std::optional<DType> dtype_from_safetensors(std::string_view name) {
    return find([&](const DTypeInfo& row) { return !name.empty() && row.safetensors == name; });
}

}  // namespace gremium
