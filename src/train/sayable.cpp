// Checks that an architecture can express a recipe's model. A value that is lost when the model is written to
// config.json and read back cannot be trained under that architecture, because no file could hold it.
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "model/archs/architecture.h"
#include "model/spec/difference.h"
#include "train/config.h"
#include "train/recipe_fields.h"

namespace gremium::train {
namespace {

// The model as it would be read back from the architecture's config.json.
ModelSpec heard(const ModelSpec& spec) {
    const Architecture& architecture = architecture_of(spec);
    nlohmann::ordered_json said;
    said["model_type"] = architecture.hf_model_type;
    architecture.to_hf(spec, said);
    return architecture.from_hf(HfConfig(said, "config.json"));
}

std::string list_of(const std::vector<int32_t>& layers) {
    return layers.empty() ? "none" : fmt::format("{}", fmt::join(layers, ", "));
}

struct Asked {
    const Outline& model;
    int vocab;
    const std::string& source;

    const std::string& architecture() const { return model.model.architecture; }

    // Several keys together say which layers are of a kind.
    void layers(const LayerPattern& asked, const LayerPattern& got, int count, const char* keys,
                const char* kind) const {
        if (asked.among(count) == got.among(count)) return;
        fail("{}: architecture {} cannot express these values of model.{}: {} would be in layers {} instead of {}",
             source, architecture(), keys, kind, list_of(got.among(count)), list_of(asked.among(count)));
    }

    // Whether the architecture keeps this value; other keys do not matter.
    bool can_say(const RecipeField<Outline>& field, const nlohmann::json& value) const {
        Outline trial = model;
        try {
            if (!read_value(field.member(trial), value)) return false;
            Outline got = outline_of(heard(model_spec(trial, vocab)));
            return write_value(field.member(got)) == value;
        } catch (const Error&) {
            return false;
        }
    }

    // The possible values, if they can be listed; otherwise the value that would be read back.
    std::string possible(const RecipeField<Outline>& field, const nlohmann::json& got) const {
        std::vector<nlohmann::json> candidates;
        Outline any = model;
        const ValueRef value = field.member(any);
        if (const auto* choice = std::get_if<Choice>(&value))
            for (const Word& word : choice->words) candidates.emplace_back(word.name);
        else if (std::holds_alternative<bool*>(value))
            candidates = {false, true};
        std::vector<std::string> said;
        for (const nlohmann::json& candidate : candidates)
            if (can_say(field, candidate)) said.push_back(candidate.dump());
        if (!said.empty()) return fmt::format("possible: {}", fmt::join(said, ", "));
        return fmt::format("with the other values as they are it must be {}", got.dump());
    }
};

}  // namespace

void check_sayable(const Outline& model, int vocab, const std::string& source) {
    const ModelSpec spec = model_spec(model, vocab);
    const Asked asked{model, vocab, source};
    if (architecture_of(spec).has_encoder)
        fail("{}: model.architecture = \"{}\" has an encoder, and a recipe trains models without one", source,
             asked.architecture());
    std::optional<ModelSpec> read;
    try {
        read = heard(spec);
    } catch (const Error& error) {
        fail("{}: {}", source, error.what());
    }
    if (*read == spec) return;
    Outline before = outline_of(spec), after = outline_of(*read);
    asked.layers(before.attention_layers, after.attention_layers, before.layers, "attention_period, attention_offset",
                 "attention");
    asked.layers(before.mixture_layers, after.mixture_layers, before.layers,
                 "experts, dense_layers, dense_also, expert_period, expert_offset", "mixtures");
    if (before.others_dense != after.others_dense)
        fail("{}: architecture {} cannot express model.dense_hidden = {}; it must be {}", source, asked.architecture(),
             model.dense.hidden, after.others_dense ? "above 0" : "0");
    for (const RecipeField<Outline>& field : recipe_fields<Outline>()) {
        const nlohmann::json wanted = write_value(field.member(before)), got = write_value(field.member(after));
        if (wanted != got)
            fail("{}: architecture {} cannot express model.{} = {}; {}", source, asked.architecture(), field.name,
                 wanted.dump(), asked.possible(field, got));
    }
    fail("{}: architecture {} cannot express {} as the recipe wants it", source, asked.architecture(),
         first_difference(spec, *read));
}

}  // namespace gremium::train
