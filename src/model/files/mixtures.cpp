#include "model/files/mixtures.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace gremium {
namespace {

using enum DType;
using enum Where;
using enum When;

constexpr Recipe table[] = {
    {"Q8_0", 7, q8_0},
    {"Q6_K", 18, q6_k},
    {"Q5_K_M", 17, q5_k, {outer_eighths_and_each_third, q6_k, q5_k}, {outer_eighths_and_each_third, q6_k, q5_k}},
    {"Q5_K_S", 16, q5_k},
    {"Q5_1", 9, q5_1},
    {"Q5_0", 8, q5_0, {}, {first_eighth, q5_1, q5_0, weighed}},
    {"Q4_K_M",
     15,
     q4_k,
     {outer_eighths_and_each_third, q6_k, q4_k},
     {outer_eighths_and_each_third, q6_k, q4_k},
     q4_k,
     q5_k},
    {"Q4_K_S", 14, q4_k, {first_four, q5_k, q4_k}, {first_eighth, q5_k, q4_k}, q4_k, q5_k},
    {"Q4_1", 3, q4_1},
    {"Q4_0", 2, q4_0, {}, {first_eighth, q4_1, q4_0, weighed}},
    {"IQ4_NL", 25, iq4_nl, {keys_shared_by_four, q5_k, iq4_nl}, {first_eighth, q5_k, iq4_nl, unweighed}, iq4_nl, q5_k},
    {"IQ4_XS", 30, iq4_xs, {keys_shared_by_four, q5_k, iq4_xs}, {first_eighth, q5_k, iq4_xs, unweighed}, iq4_xs, q5_k},
    {"MXFP4", 38, mxfp4},  // the experts; all else is q8_0
    {"Q3_K_L", 13, q3_k, {everywhere, q5_k}, {everywhere, q5_k}, q5_k, q3_k},
    {"Q3_K_M", 12, q3_k, {first_two, q5_k, q4_k}, {first_sixteenth, q5_k, q4_k}, q4_k, q5_k},
    {"Q3_K_S", 11, q3_k, {}, {}, q3_k, q5_k},
    {"Q2_K", 10, q2_k, {keys_shared_by_four, q4_k, q3_k}, {everywhere, q3_k}, q3_k, q5_k},
    {.name = "Q2_K_S",
     .file_type = 21,
     .base = q2_k,
     .values = {keys_shared_by_four, q4_k, q2_k},
     .down = {first_eighth, q4_k, q2_k},
     .needs_importance = true},
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool holds(Where where, int layer, int layers, const AttentionSpec* attention) {
    switch (where) {
        case nowhere:
            return false;
        case everywhere:
            return true;
        case first_two:
            return layer < 2;
        case first_four:
            return layer < 4;
        case first_sixteenth:
            return layer < layers / 16;
        case first_eighth:
            return layer < layers / 8;
        case outer_eighths_and_each_third:
            return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
        case keys_shared_by_four:
            return attention && attention->heads >= 4 * attention->kv_heads;
    }
    return false;
}

bool has_eight_experts(const ModelSpec& spec) {
    return std::ranges::any_of(spec.layers,
                               [](const LayerSpec& layer) { return layer.moe() && layer.moe()->router.experts == 8; });
}

DType head_type(const Recipe& recipe, const TensorSlot& slot) {
    const bool coarse = recipe.base != q8_0 && recipe.base != mxfp4;
    return coarse && slot.shape[slot.shape.rank - 1] % info(recipe.base).block == 0 ? q6_k : q8_0;
}

DType layer_type(const Recipe& recipe, const ModelSpec& spec, const TensorSlot& slot, When now) {
    const auto apply = [&](const Rule& rule) {
        if (rule.where == nowhere || (rule.when != always && rule.when != now)) return recipe.base;
        const LayerSpec& layer = *layer_of(spec, slot);
        const int layers = static_cast<int>(spec.layers.size());
        return holds(rule.where, slot.layer, layers, layer.attention()) ? rule.there : rule.elsewhere;
    };
    const bool eight = has_eight_experts(spec);
    const Matrix matrix = slot.traits.matrix;
    if (eight && (matrix == Matrix::v || matrix == Matrix::k)) return q8_0;
    if (matrix == Matrix::v) return apply(recipe.values);
    if (matrix == Matrix::down) return apply(recipe.down);
    if (matrix != Matrix::attention_out) return recipe.base;
    const DType out = eight ? recipe.attention_out_of_eight : recipe.attention_out;
    return out == f32 ? recipe.base : out;
}

}  // namespace

std::span<const Recipe> recipes() { return table; }

const Recipe* find_recipe(std::string_view name) {
    const auto found =
        std::ranges::find_if(table, [&](const Recipe& recipe) { return equal_ignoring_case(recipe.name, name); });
    return found == std::end(table) ? nullptr : found;
}

std::string recipe_names() {
    std::string names;
    for (const Recipe& recipe : table) names += (names.empty() ? "" : ", ") + std::string(recipe.name);
    return names;
}

DType recipe_type(const Recipe& recipe, const ModelSpec& spec, const TensorSlot& slot, bool with_importance) {
    const bool head = slot.role == TensorRole::head || (slot.role == TensorRole::embedding && spec.tied_head);
    if (head) return head_type(recipe, slot);
    if (recipe.base == mxfp4) return slot.role == TensorRole::expert ? mxfp4 : q8_0;
    return slot.layer < 0 ? recipe.base : layer_type(recipe, spec, slot, with_importance ? weighed : unweighed);
}

DType fitting_type(DType wanted, int64_t cols) {
    const auto fits = [&](DType dtype) { return cols % info(dtype).block == 0; };
    if (fits(wanted)) return wanted;
    DType smaller = f16;  // blocks of 32 with no fewer bits
    if (wanted == q2_k || wanted == q3_k) smaller = q4_0;
    if (wanted == iq4_xs) smaller = iq4_nl;
    if (wanted == q4_k) smaller = q5_0;
    if (wanted == q5_k) smaller = q5_1;
    if (wanted == q6_k) smaller = q8_0;
    return fits(smaller) ? smaller : f16;
}

DType parse_weight_type(const std::string& flag, const std::string& name) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto dtype = dtype_from_name(lower);
    if (!dtype || info(*dtype).ggml_type < 0 || *dtype == i32)
        fail("{}: {} is no element type of weights in GGUF", flag, name);
    return *dtype;
}

TypeOverride parse_type_override(const std::string& text) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0)
        fail("type override {}: PATTERN=TYPE expected, such as ffn_.*_exps=q4_k", text);
    const DType dtype = parse_weight_type("type override " + text, text.substr(equals + 1));
    try {
        return {std::regex(text.substr(0, equals)), dtype};
    } catch (const std::regex_error&) {
        fail("type override {}: {} is no regular expression", text, text.substr(0, equals));
    }
}

}  // namespace gremium
