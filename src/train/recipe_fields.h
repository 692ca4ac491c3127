// The keys of recipes: the name, the member of the record and a line of help for each.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/value_ref.h"
#include "train/recipe.h"

namespace gremium::train {

// What a run that goes on may have otherwise than it was begun with.
enum class WhenResumed : uint8_t {
    as_begun,   // nothing: it changes the numbers
    replanned,  // the plan from here on: what is otherwise is said
    free        // how fast it goes, and what is reported
};

template <typename Record>
struct RecipeField {
    std::string_view name;
    Member<Record> member;
    std::string_view help;
    WhenResumed resumed = WhenResumed::as_begun;
};

template <typename Record>
std::span<const RecipeField<Record>>
recipe_fields();  // of Outline, TokenizerConfig, DomainConfig, TrainingConfig, OutputConfig
template <>
std::span<const RecipeField<Outline>> recipe_fields();
template <>
std::span<const RecipeField<TokenizerConfig>> recipe_fields();
template <>
std::span<const RecipeField<DomainConfig>> recipe_fields();
template <>
std::span<const RecipeField<TrainingConfig>> recipe_fields();
template <>
std::span<const RecipeField<OutputConfig>> recipe_fields();

// Returns false if the JSON is not of the expected kind.
bool read_value(const ValueRef& value, const nlohmann::json& json);
nlohmann::json write_value(const ValueRef& value);
// "an integer", "one of "a" "b"", …
std::string expected_of(const ValueRef& value);

// The record's values by key.
template <typename Record>
nlohmann::json values_of(const Record& record) {
    // The members refer to a mutable record.
    Record copy = record;
    nlohmann::json json = nlohmann::json::object();
    for (const RecipeField<Record>& field : recipe_fields<Record>())
        json[std::string(field.name)] = write_value(field.member(copy));
    return json;
}

// Every key of recipes, in their order.
struct RecipeKey {
    std::string section;  // "model", "tokenizer", "data", "train" or "output"
    std::string name;
    std::string values;    // possible values: "an integer", "one of \"softmax\" …"
    std::string fallback;  // the default, as in TOML
    std::string help;
};
std::vector<RecipeKey> recipe_reference();

}  // namespace gremium::train
