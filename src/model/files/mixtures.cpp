#include "model/files/mixtures.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace gremium {
namespace {

using enum DType;
using enum Where;
using enum When;

// Of one or two bits: `more` where values or the first matrices that project back need them.
constexpr Recipe low_bits(std::string_view name, int32_t file_type, DType base, DType more, DType attention_out,
                          DType embedding) {
    return {.name = name,
            .file_type = file_type,
            .base = base,
            .values = {keys_shared_or_four_experts, q4_k, more},
            .down = {first_eighth, more, base},
            .attention_out = attention_out,
            .attention_out_of_eight = q5_k,
            .embedding = embedding,
            .head = q5_k,
            .keys_of_eight = q4_k};
}

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
    {"IQ3_M", 27, iq3_s, {everywhere, q4_k}, {first_eighth_or_eight_experts, q4_k, iq3_s}, q4_k, q5_k},
    {"IQ3_S", 26, iq3_s, {keys_shared_by_four, q4_k, iq3_s}, {}, iq3_s, q5_k},
    {.name = "IQ3_XS",
     .file_type = 22,
     .base = iq3_s,
     .values = {keys_shared_by_four, q4_k, iq3_s},
     .attention_out_of_eight = q5_k,
     .queries_and_keys = iq3_xxs,
     .gate_and_up = {but_outer_eighths, iq3_xxs, iq3_s}},
    {.name = "IQ3_XXS",
     .file_type = 23,
     .base = iq3_xxs,
     .values = {keys_shared_by_four, q4_k, iq3_xxs},
     .down = {first_eighth, q4_k, q3_k, unweighed},
     .attention_out = iq3_s,
     .attention_out_of_eight = q5_k,
     .embedding = iq3_s,
     .head = q5_k,
     .queries_and_keys = iq2_s},
    low_bits("IQ2_M", 29, iq2_s, iq3_s, iq3_s, iq3_s),
    low_bits("IQ2_S", 28, iq2_xs, iq3_s, iq3_s, iq3_s),
    low_bits("IQ2_XS", 20, iq2_xs, q2_k, iq2_xs, q2_k),
    low_bits("IQ2_XXS", 19, iq2_xxs, q2_k, iq2_xxs, q2_k),
    low_bits("IQ1_M", 31, iq1_m, q2_k, iq2_xxs, q2_k),
    low_bits("IQ1_S", 24, iq1_s, q2_k, iq2_xxs, q2_k),
    {.name = "TQ2_0", .file_type = 37, .base = tq2_0, .embedding = q4_k},
    {.name = "TQ1_0", .file_type = 36, .base = tq1_0, .embedding = q4_k},
    {.name = "NVFP4", .file_type = 39, .base = nvfp4},
    {.name = "Q2_0", .file_type = 41, .base = q2_0, .embedding = q4_k},
    {.name = "Q1_0", .file_type = 40, .base = q1_0},
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool has_experts(const ModelSpec& spec, int least, int most) {
    return std::ranges::any_of(spec.layers, [&](const LayerSpec& layer) {
        return layer.moe() && layer.moe()->router.experts >= least && layer.moe()->router.experts <= most;
    });
}
bool has_eight_experts(const ModelSpec& spec) { return has_experts(spec, 8, 8); }

bool holds(Where where, int layer, const ModelSpec& spec, const AttentionSpec* attention) {
    const int layers = static_cast<int>(spec.layers.size());
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
        case keys_shared_or_four_experts:
            return holds(keys_shared_by_four, layer, spec, attention) || has_experts(spec, 4, INT32_MAX);
        case first_eighth_or_eight_experts:
            return layer < layers / 8 ||
                   (has_eight_experts(spec) && holds(outer_eighths_and_each_third, layer, spec, attention));
        case but_outer_eighths:
            return layer >= layers / 8 && layer < 7 * layers / 8;
    }
    return false;
}

DType head_type(const Recipe& recipe, const TensorSlot& slot) {
    const bool coarse = recipe.base != q8_0 && recipe.base != mxfp4;
    return coarse && slot.shape[slot.shape.rank - 1] % info(recipe.base).block == 0 ? recipe.head : q8_0;
}

DType layer_type(const Recipe& recipe, const ModelSpec& spec, const TensorSlot& slot, When now) {
    const auto apply = [&](const Rule& rule) {
        if (rule.where == nowhere || (rule.when != always && rule.when != now)) return recipe.base;
        const LayerSpec& layer = *layer_of(spec, slot);
        return holds(rule.where, slot.layer, spec, layer.attention()) ? rule.there : rule.elsewhere;
    };
    const bool eight = has_eight_experts(spec);
    const Matrix matrix = slot.traits.matrix;
    const bool values_stay = recipe.values.where == keys_shared_or_four_experts;
    if (eight && (matrix == Matrix::k || (matrix == Matrix::v && !values_stay))) return recipe.keys_of_eight;
    if (matrix == Matrix::v) return apply(recipe.values);
    if (matrix == Matrix::down) return apply(recipe.down);
    if (matrix == Matrix::gate || matrix == Matrix::up) return apply(recipe.gate_and_up);
    if ((matrix == Matrix::q || matrix == Matrix::k) && recipe.queries_and_keys != f32) return recipe.queries_and_keys;
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
    if (slot.role == TensorRole::embedding && recipe.embedding != f32) return recipe.embedding;
    return slot.layer < 0 ? recipe.base : layer_type(recipe, spec, slot, with_importance ? weighed : unweighed);
}

DType fitting_type(DType wanted, int64_t cols) {
    const auto fits = [&](DType dtype) { return cols % info(dtype).block == 0; };
    if (fits(wanted)) return wanted;
    DType smaller = f16;  // blocks of 32 with no fewer bits
    if (wanted == q2_k || wanted == q3_k) smaller = q4_0;
    if (wanted == iq4_xs || wanted == iq3_s || wanted == iq3_xxs || wanted == iq2_s || wanted == iq2_xs ||
        wanted == iq2_xxs || wanted == iq1_m || wanted == iq1_s)
        smaller = iq4_nl;
    if (wanted == tq1_0 || wanted == tq2_0 || wanted == q1_0 || wanted == q2_0 || wanted == nvfp4) smaller = q4_0;
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
