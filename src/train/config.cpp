#include "train/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include <toml++/toml.h>

#include "base/error.h"
#include "text/text_file.h"
#include "train/recipe_fields.h"

namespace gremium::train {
namespace {

const std::string override_source = "--set";

// Converts TOML to JSON, from which fields are read.
nlohmann::json json_of(const toml::node& node) {
    if (const auto* value = node.as_boolean()) return value->get();
    if (const auto* value = node.as_integer()) return value->get();
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_string()) return value->get();
    const toml::array* list = node.as_array();
    // A table or a date, which no field accepts.
    if (!list) return nullptr;
    nlohmann::json json = nlohmann::json::array();
    for (const toml::node& item : *list) json.push_back(json_of(item));
    return json;
}

// Levenshtein's distance, for "did you mean".
size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = std::exchange(row[0], i);
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row.back();
}

std::string nearest(std::string_view key, std::vector<std::string> valid) {
    std::stable_sort(valid.begin(), valid.end(),
                     [&](const std::string& a, const std::string& b) { return distance(key, a) < distance(key, b); });
    valid.resize(std::min<size_t>(valid.size(), 3));
    return fmt::format("{}", fmt::join(valid, ", "));
}

class Reader {
  public:
    explicit Reader(std::string source) : source_(std::move(source)) {}

    template <typename Record>
    void read(const toml::table& table, std::string_view section, Record& record) const {
        const std::span<const RecipeField<Record>> fields = recipe_fields<Record>();
        for (const auto& [key, node] : table) {
            const auto field = std::ranges::find(fields, key.str(), &RecipeField<Record>::name);
            if (field == fields.end()) {
                std::vector<std::string> valid;
                for (const RecipeField<Record>& known : fields) valid.emplace_back(known.name);
                fail("{}: unknown key \"{}\" in [{}]; nearest: {}", where(node), key.str(), section,
                     nearest(key.str(), valid));
            }
            const ValueRef value = field->member(record);
            if (!read_value(value, json_of(node)))
                fail("{}: {}.{} must be {}", where(node), section, field->name, expected_of(value));
        }
    }

    const toml::table& table(const toml::node& node, std::string_view name) const {
        if (!node.is_table()) fail("{}: [{}] must be a table", where(node), name);
        return *node.as_table();
    }

    void read(const toml::table& root, TrainConfig& config) const {
        for (const auto& [key, node] : root) {
            if (key == "model")
                read(table(node, "model"), "model", config.model);
            else if (key == "tokenizer")
                read(table(node, "tokenizer"), "tokenizer", config.tokenizer);
            else if (key == "train")
                read(table(node, "train"), "train", config.train);
            else if (key == "output")
                read(table(node, "output"), "output", config.output);
            else if (key == "data")
                read_domains(node, config.data);
            else
                fail("{}: unknown section [{}]; nearest: {}", where(node), key.str(),
                     nearest(key.str(), {"model", "tokenizer", "data", "train", "output"}));
        }
    }

  private:
    void read_domains(const toml::node& node, std::vector<DomainConfig>& domains) const {
        if (!node.is_array()) fail("{}: data must be an array of tables, [[data]]", where(node));
        for (const toml::node& item : *node.as_array()) {
            DomainConfig domain;
            read(table(item, "[data]"), "[data]", domain);
            domains.push_back(std::move(domain));
        }
    }

    std::string where(const toml::node& node) const {
        const toml::source_region& from = node.source();
        const bool bare_word = from.begin.line == 0;
        if (bare_word || (from.path && *from.path == override_source)) return override_source;
        return fmt::format("{}:{}", source_, from.begin.line);
    }

    std::string source_;
};

toml::table parse_toml(std::string_view text, const std::string& source) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        fail("{}:{}: {}", source, error.source().begin.line, error.description());
    }
}

// The value of an override: parsed as TOML if possible, otherwise a bare word.
toml::table parse_value(const std::string& value) {
    try {
        return toml::parse("value = " + value, override_source);
    } catch (const toml::parse_error&) {
        toml::table table;
        table.insert("value", value);
        return table;
    }
}

toml::table& section_of(toml::table& root, const std::string& section, const std::string& text) {
    if (section.rfind("data.", 0) == 0) {
        const std::string name = section.substr(5);
        if (auto* domains = root["data"].as_array()) {
            for (toml::node& domain : *domains) {
                if (domain.is_table() && (*domain.as_table())["name"].value<std::string>() == name) {
                    return *domain.as_table();
                }
            }
        }
        fail("--set {}: there is no [[data]] named \"{}\"", text, name);
    }
    if (!root.contains(section)) root.insert(section, toml::table{});
    if (!root[section].is_table()) fail("--set {}: [{}] is not a table", text, section);
    return *root[section].as_table();
}

void apply_override(toml::table& root, const std::string& text) {
    const size_t equals = text.find('=');
    const size_t dot = text.rfind('.', equals);
    if (equals == std::string::npos || dot == std::string::npos || dot == 0) {
        fail("--set {}: section.key=value expected", text);
    }
    toml::table value = parse_value(text.substr(equals + 1));
    toml::table& section = section_of(root, text.substr(0, dot), text);
    value["value"].node()->visit(
        [&](auto& node) { section.insert_or_assign(text.substr(dot + 1, equals - dot - 1), std::move(node)); });
}

// Normalises a record that another version of the program wrote, so that it can be compared with one of this version:
// missing keys get their present defaults, and numbers the precision of their fields.
template <typename Record>
nlohmann::json as_written_now(const nlohmann::json& saved, Record defaults) {
    nlohmann::json written = saved;
    for (const RecipeField<Record>& field : recipe_fields<Record>()) {
        const std::string name(field.name);
        const ValueRef value = field.member(defaults);
        if (!saved.contains(name) || read_value(value, saved.at(name))) written[name] = write_value(value);
    }
    return written;
}

struct TrainingKey {
    std::string name;
    nlohmann::json before, now;
};

// Keys of [train] of one kind that differ.
std::vector<TrainingKey> changed_training(const nlohmann::json& saved, const nlohmann::json& now, WhenResumed kind) {
    const nlohmann::json before = as_written_now(saved.value("train", nlohmann::json::object()), TrainingConfig{});
    std::vector<TrainingKey> keys;
    for (const RecipeField<TrainingConfig>& field : recipe_fields<TrainingConfig>()) {
        const std::string name(field.name);
        const nlohmann::json &was = before.at(name), &is = now.at("train").at(name);
        if (field.resumed == kind && was != is) keys.push_back({name, was, is});
    }
    return keys;
}

}  // namespace

TrainConfig parse_config(std::string_view text, const std::string& source, std::span<const std::string> overrides) {
    toml::table root = parse_toml(text, source);
    for (const std::string& text_of_one : overrides) apply_override(root, text_of_one);
    TrainConfig config;
    Reader(source).read(root, config);
    complete(config, source);
    return config;
}

TrainConfig read_config(const std::filesystem::path& path, std::span<const std::string> overrides) {
    return parse_config(read_text(path, {}, size_t{1} << 20), path.string(), overrides);
}

nlohmann::json to_json(const TrainConfig& config) {
    nlohmann::json data = nlohmann::json::array();
    for (const DomainConfig& domain : config.data) data.push_back(values_of(domain));
    return {{"model", values_of(config.model)},
            {"tokenizer", values_of(config.tokenizer)},
            {"data", data},
            {"train", values_of(config.train)},
            {"output", values_of(config.output)}};
}

std::string first_conflict(const nlohmann::json& saved, const nlohmann::json& now) {
    for (const std::string section : {"model", "tokenizer", "data"}) {
        nlohmann::json before = saved.value(section, nlohmann::json());
        if (before.is_object() && section == "model") before = as_written_now(before, default_model());
        if (before.is_object() && section == "tokenizer") before = as_written_now(before, TokenizerConfig{});
        for (const auto& change : nlohmann::json::diff(before, now.at(section))) {
            std::string key = section + change.at("path").get<std::string>();
            std::replace(key.begin(), key.end(), '/', '.');
            return key;
        }
    }
    const std::vector<TrainingKey> keys = changed_training(saved, now, WhenResumed::as_begun);
    return keys.empty() ? "" : "train." + keys.front().name;
}

std::vector<std::string> replanned(const nlohmann::json& saved, const nlohmann::json& now) {
    std::vector<std::string> changes;
    for (const TrainingKey& key : changed_training(saved, now, WhenResumed::replanned))
        changes.push_back(fmt::format("train.{} = {} instead of {}", key.name, key.now.dump(), key.before.dump()));
    return changes;
}

}  // namespace gremium::train
