#include "formats/gguf/format.h"

#include <array>
#include <bit>

#include "base/error.h"
#include "tensor/dtype.h"

namespace gremium::gguf {
namespace {

// ggml_type; an empty name was never used or has been removed.
constexpr std::array<std::string_view, 43> type_names{
    "F32",   "F16",    "Q4_0",  "Q4_1", "",     "",        "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  "",       "",
    "",      "TQ1_0",  "TQ2_0", "",     "",     "",        "MXFP4",  "NVFP4",   "Q1_0",  "Q2_0"};

struct ForkType {
    uint32_t id;
    std::string_view name;
};
// ik_llama.cpp's own; those from 200 on are others with rows interleaved.
constexpr ForkType fork_types[] = {{36, "I2_S"},    {137, "IQ2_K"},  {138, "IQ3_K"},  {139, "IQ4_K"},
                                   {144, "IQ4_KS"}, {145, "IQ2_KS"}, {153, "IQ2_KT"}, {154, "IQ3_KT"},
                                   {155, "IQ4_KT"}, {157, "IQ2_KL"}, {158, "IQ1_KT"}};

// Empty for types that are not ik_llama.cpp's alone.
std::string label_of_fork(uint32_t ggml_type) {
    std::string name;
    for (const ForkType& type : fork_types)
        if (type.id == ggml_type) name = type.name;
    const uint32_t plain = ggml_type - 200;
    if (ggml_type >= 200 && plain < type_names.size() && !type_names[plain].empty())
        name = fmt::format("{} with interleaved rows", type_names[plain]);
    if (name.empty() && (ggml_type < 97 || ggml_type > 400)) return {};
    return fmt::format(
        "type {} ({}), which only ik_llama.cpp reads: have its llama-quantize write a type that others "
        "read, with --allow-requantize, or take another file of the model",
        name.empty() ? "unknown" : name, ggml_type);
}

}  // namespace

std::string type_label(uint32_t ggml_type) {
    if (const std::string label = label_of_fork(ggml_type); !label.empty()) return label;
    const std::string_view name = ggml_type < type_names.size() ? type_names[ggml_type] : "";
    return name.empty() ? fmt::format("unknown type {}", ggml_type) : fmt::format("type {} ({})", name, ggml_type);
}

std::string supported_types() {
    std::string list;
    for (size_t id = 0; id < type_names.size(); ++id) {
        if (!dtype_from_ggml(static_cast<int32_t>(id))) continue;
        list += list.empty() ? "" : ", ";
        list += type_names[id];
    }
    return list;
}

size_t alignment(const Metadata& metadata) {
    const auto alignment = metadata.get<uint32_t>("general.alignment", 32);
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > (1u << 20))
        fail("{}: general.alignment is {}, expected a power of two from 8 to 1048576", metadata.source(), alignment);
    return alignment;
}

}  // namespace gremium::gguf
