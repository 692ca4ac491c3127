#include "tensor/dtype.h"

#include <array>

namespace gremium {
namespace {

// One row each.
// clang-format off
constexpr std::array<DTypeInfo, dtype_count> table{{
    {DType::f32, "f32", 1, 4, 0, 0, "F32"},           {DType::f16, "f16", 1, 2, 1, 1, "F16"},
    {DType::bf16, "bf16", 1, 2, 30, 32, "BF16"},      {DType::f8_e4m3, "f8_e4m3", 1, 1, -1, -1, "F8_E4M3"},
    {DType::i32, "i32", 1, 4, 26, -1, "I32"},         {DType::q8_0, "q8_0", 32, 34, 8, 7, ""},
    {DType::q4_0, "q4_0", 32, 18, 2, 2, ""},          {DType::q4_1, "q4_1", 32, 20, 3, 3, ""},
    {DType::q5_0, "q5_0", 32, 22, 6, 8, ""},          {DType::q5_1, "q5_1", 32, 24, 7, 9, ""},
    {DType::iq4_nl, "iq4_nl", 32, 18, 20, 25, ""},    {DType::mxfp4, "mxfp4", 32, 17, 39, 38, ""},
    {DType::q2_k, "q2_k", 256, 84, 10, 10, ""},       {DType::q3_k, "q3_k", 256, 110, 11, 11, ""},
    {DType::q4_k, "q4_k", 256, 144, 12, 14, ""},      {DType::q5_k, "q5_k", 256, 176, 13, 16, ""},
    {DType::q6_k, "q6_k", 256, 210, 14, 18, ""},      {DType::iq4_xs, "iq4_xs", 256, 136, 23, 30, ""},
    {DType::iq1_s, "iq1_s", 256, 50, 19, 24, ""},     {DType::iq1_m, "iq1_m", 256, 56, 29, 31, ""},
    {DType::iq2_xxs, "iq2_xxs", 256, 66, 16, 19, ""}, {DType::iq2_xs, "iq2_xs", 256, 74, 17, 20, ""},
    {DType::iq2_s, "iq2_s", 256, 82, 22, 28, ""},     {DType::iq3_xxs, "iq3_xxs", 256, 98, 18, 23, ""},
    {DType::iq3_s, "iq3_s", 256, 110, 21, 26, ""},    {DType::tq1_0, "tq1_0", 256, 54, 34, 36, ""},
    {DType::tq2_0, "tq2_0", 256, 66, 35, 37, ""},     {DType::nvfp4, "nvfp4", 64, 36, 40, 39, ""},
    {DType::q1_0, "q1_0", 128, 18, 41, 40, ""},       {DType::q2_0, "q2_0", 64, 18, 42, 41, ""},
}};
// clang-format on

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
