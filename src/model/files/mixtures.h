// Which element type each matrix of a quantised model gets: the mixtures that llama.cpp's quantiser made known by name,
// as its rules say (llama-quant.cpp, without its exceptions for single models), and patterns that overrule them.
#pragma once

#include <regex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/tensors.h"

namespace gremium {

// Where a rule gives more bits than usual.
enum class Where : uint8_t {
    nowhere,
    everywhere,
    first_two,  // layers
    first_four,
    first_sixteenth,  // of the layers
    first_eighth,
    outer_eighths_and_each_third,
    keys_shared_by_four,  // at least four heads have the same keys and values
    keys_shared_or_four_experts,
    first_eighth_or_eight_experts,  // of models with eight experts: outer_eighths_and_each_third
    but_outer_eighths,
};

// Whether it does so only with an importance matrix, or only without one.
enum class When : uint8_t { always, weighed, unweighed };

struct Rule {
    Where where = Where::nowhere;
    DType there = DType::f32, elsewhere = DType::f32;
    When when = When::always;
};

struct Recipe {
    std::string_view name;
    int32_t file_type;  // GGUF's general.file_type
    DType base;
    Rule values = {}, down = {};                // attn_v and ffn_down; nowhere: base
    DType attention_out = DType::f32;           // f32: base
    DType attention_out_of_eight = DType::f32;  // of models with eight experts, whose attention is small beside them
    bool needs_importance = false;
    // For base and head where it is f32: what llama.cpp gives the embedding; attn_q and attn_k; attn_k of eight
    // experts, where attn_v then gets the same unless `values` stays in force.
    DType embedding = DType::f32;
    DType head = DType::q6_k;
    DType queries_and_keys = DType::f32;
    DType keys_of_eight = DType::q8_0;
    Rule gate_and_up = {};
};

std::span<const Recipe> recipes();
// By name, in upper or lower case. Null when there is none.
const Recipe* find_recipe(std::string_view name);
std::string recipe_names();  // "Q8_0, Q6_K, …", for messages

// "ffn_.*_exps=q4_k": the tensors in whose name the regular expression is found get the type. Error for anything else.
struct TypeOverride {
    std::regex pattern;
    DType dtype;
};
TypeOverride parse_type_override(const std::string& text);
// A type of weights that GGUF can hold by its name, in upper or lower case. Error naming the flag for anything else.
DType parse_weight_type(const std::string& flag, const std::string& name);

// What the recipe gives a matrix, before its shape is considered. `with_importance`: the quantisers know what matters.
DType recipe_type(const Recipe& recipe, const ModelSpec& spec, const TensorSlot& slot, bool with_importance = false);

// The type itself, or the one that llama.cpp falls back to where its blocks do not divide the columns.
DType fitting_type(DType wanted, int64_t cols);

}  // namespace gremium
