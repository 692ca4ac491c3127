#include "lab/edit/peft.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/in_quotes.h"
#include "formats/safetensors/safetensors.h"
#include "model/archs/layout.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char *config_name = "adapter_config.json", *tensors_name = "adapter_model.safetensors";
constexpr std::string_view prefix = "base_model.model.", weight = ".weight";

// Modules by their names: tensors of files that are one matrix.
std::map<std::string, TensorSlot> modules_of(const ModelSpec& spec) {
    std::map<std::string, TensorSlot> modules;
    for (const archs::FileTensor& tensor : archs::hf_tensors(architecture_of(spec), spec)) {
        if (!tensor.plain() || !tensor.name.ends_with(weight)) continue;
        const TensorSlot& slot = tensor.pieces.front().slot;
        if (slot.role == TensorRole::expert && slot.expert < 0) continue;  // a stack
        modules.emplace(tensor.name.substr(0, tensor.name.size() - weight.size()), slot);
    }
    return modules;
}

auto find_slot(const std::map<std::string, TensorSlot>& modules, const TensorSlot& slot) {
    return std::ranges::find_if(
        modules, [&](const auto& m) { return m.second.name == slot.name && m.second.expert == slot.expert; });
}

bool can_change(const TensorSlot& slot) {
    return !slot.of_encoder && (slot.role == TensorRole::expert || slot.role == TensorRole::router);
}

// adapter_config.json.
class Config {
  public:
    explicit Config(const fs::path& path) : source_(path.string()), json_(read_json(path)) {
        if (!json_.is_object()) fail("{}: an object expected", source_);
        if (json_.value("peft_type", nlohmann::json()) != "LORA")
            fail("{}: peft_type is {}, \"LORA\" expected", source_, json_.value("peft_type", nlohmann::json()).dump());
        for (const auto& [key, value] : json_.items()) check(key, value);
        if (!json_.value("use_rslora", nlohmann::json(false)).is_boolean())
            fail("{}: \"use_rslora\" is {}, true or false expected", source_,
                 json_.at("use_rslora").dump().substr(0, 80));
        for (const char* key : {"r", "lora_alpha"}) number(json_.value(key, nlohmann::json()), key);
    }

    int64_t rank(const std::string& module) const { return std::llround(of(module, "r", "rank_pattern")); }
    float scale(const std::string& module) const {
        const auto r = static_cast<double>(rank(module));
        const bool stabilised = json_.value("use_rslora", false);
        return static_cast<float>(of(module, "lora_alpha", "alpha_pattern") / (stabilised ? std::sqrt(r) : r));
    }

  private:
    // What changes no number of a trained adapter, and what is read. Anything else must say nothing.
    void check(const std::string& key, const nlohmann::json& value) const {
        static const std::set<std::string> read = {"peft_type",    "r", "lora_alpha", "use_rslora", "rank_pattern",
                                                   "alpha_pattern"};
        static const std::set<std::string> harmless = {
            "task_type",         "base_model_name_or_path", "revision",        "inference_mode", "auto_mapping",
            "lora_dropout",      "target_modules",          "exclude_modules", "peft_version",   "layers_to_transform",
            "layers_pattern",    "megatron_core",           "loftq_config",    "eva_config",     "corda_config",
            "qalora_group_size", "runtime_config"};
        if (read.contains(key) || harmless.contains(key)) return;
        const bool says_nothing = value.is_null() || value == false || (value.is_structured() && value.empty()) ||
                                  (key == "bias" && value == "none");
        // Others change the base model's weights too.
        const bool plain_start = key == "init_lora_weights" &&
                                 (value.is_boolean() || value == "gaussian" || value == "orthogonal" || value == "eva");
        if (!says_nothing && !plain_start)
            fail("{}: {} = {} is not supported", source_, in_quotes(key), value.dump().substr(0, 80));
    }

    double number(const nlohmann::json& value, const std::string& key) const {
        if (!value.is_number() || !(value.get<double>() > 0) || !std::isfinite(value.get<double>()))
            fail("{}: {} is {}, a number above 0 expected", source_, in_quotes(key), value.dump().substr(0, 80));
        return value.get<double>();
    }

    // A pattern's key is a name, or how names end.
    double of(const std::string& module, const char* key, const char* patterns) const {
        const nlohmann::json by_name = json_.value(patterns, nlohmann::json());
        if (!by_name.is_null() && !by_name.is_object()) fail("{}: {}: an object expected", source_, patterns);
        for (const auto& [name, value] : by_name.items()) {
            if (name.find_first_of("*+?()[]{}|^$\\") != std::string::npos)
                fail("{}: {}: {} is a regular expression, names of modules expected", source_, patterns,
                     in_quotes(name));
            if (module == name || module.ends_with("." + name)) return number(value, name);
        }
        return number(json_.at(key), key);
    }

    std::string source_;
    nlohmann::json json_;
};

// "model.layers.0.mlp.experts.2.gate_proj", and which factor of its change: A or B.
struct FactorName {
    std::string module;
    char factor;
};
std::optional<FactorName> factor_name(std::string_view name) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    for (const char factor : {'A', 'B'})
        for (const char* adapter : {"", ".default"})
            if (const std::string end = fmt::format(".lora_{}{}{}", factor, adapter, weight); name.ends_with(end))
                return FactorName{std::string(name.substr(0, name.size() - end.size())), factor};
    return std::nullopt;
}

OwnedTensor in_f32(TensorView x, bool transposed, const std::string& what) {
    const std::vector<float> values = to_floats(x);
    if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); }))
        fail("{}: holds numbers that are not finite", what);
    OwnedTensor y(DType::f32, transposed ? Shape{x.cols(), x.rows()} : x.shape);
    for (int64_t r = 0; r < x.rows(); ++r)
        for (int64_t c = 0; c < x.cols(); ++c)
            y.get().f32()[transposed ? c * x.rows() + r : r * x.cols() + c] =
                values[static_cast<size_t>(r * x.cols() + c)];
    return y;
}

fs::path tensors_of(const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored) ? path / tensors_name : path;
}

}  // namespace

bool may_be_peft(const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored) || fs::exists(path.parent_path() / config_name, ignored);
}

std::vector<Adapter::Part> read_peft(const fs::path& path, const ModelSpec& spec) {
    const fs::path tensors = tensors_of(path);
    const std::string source = tensors.string();
    const Config config(tensors.parent_path() / config_name);
    const SafetensorsFile file = open_safetensors(tensors);
    const std::map<std::string, TensorSlot> modules = modules_of(spec);
    std::map<std::string, std::map<char, TensorView>> changes;
    for (const auto& [name, view] : file.tensors) {
        const std::optional<FactorName> factor = factor_name(name);
        if (!factor) fail("{}: {} is no factor of a change of low rank", source, in_quotes(name));
        const auto module = modules.find(factor->module);
        if (module == modules.end() || !can_change(module->second))
            fail("{}: changes {}, which is no expert's matrix and no router of this model", source,
                 in_quotes(factor->module));
        if (view.shape.rank != 2)
            fail("{}: {} is {}, a matrix expected", source, in_quotes(name), to_string(view.shape));
        if (!changes[factor->module].emplace(factor->factor, view).second)
            fail("{}: two factors {} of {}", source, factor->factor, in_quotes(factor->module));
    }
    if (changes.empty()) fail("{}: holds no change", source);
    std::vector<Adapter::Part> parts;
    for (const auto& [module, factors] : changes) {
        if (factors.size() != 2) fail("{}: {} has only one of the factors A and B", source, in_quotes(module));
        const TensorView a = factors.at('A'), b = factors.at('B');
        const int64_t rank = config.rank(module);
        if (a.rows() != rank || b.cols() != rank)
            fail("{}: the factors of {} are {} and {}, rank {} expected", source, in_quotes(module), to_string(b.shape),
                 to_string(a.shape), rank);
        parts.push_back({modules.at(module),
                         {config.scale(module), in_f32(b, false, source + ": " + module),
                          in_f32(a, true, source + ": " + module)}});
    }
    return parts;
}

void require_peft_modules(const ModelSpec& spec, std::span<const TensorSlot> slots) {
    const std::map<std::string, TensorSlot> modules = modules_of(spec);
    for (const TensorSlot& slot : slots)
        if (find_slot(modules, slot) == modules.end())
            fail(
                "an adapter in PEFT's layout: {} of {} is no module of its own in files of {}; --adapter "
                "NAME.safetensors holds it",
                slot.name, slot.expert < 0 ? "a layer" : fmt::format("expert {}", slot.expert), spec.architecture);
}

void save_peft(const Adapter& adapter, const ModelSpec& spec, const fs::path& directory,
               const std::string& base_model) {
    if (adapter.parts.empty()) fail("{}: no change of low rank to write", directory.string());
    std::vector<TensorDecl> declared;
    std::map<std::string, OwnedTensor> tensors;
    const auto add = [&](const std::string& name, OwnedTensor tensor) {
        declared.push_back({name, DType::f32, tensor.get().shape});
        tensors.emplace(name, std::move(tensor));
    };
    Json names = Json::array();
    const std::map<std::string, TensorSlot> modules = modules_of(spec);
    for (const Adapter::Part& part : adapter.parts) {
        const auto module = find_slot(modules, part.slot);
        if (module == modules.end()) require_peft_modules(spec, std::span(&part.slot, 1));
        names.push_back(module->first);
        const std::string stem = std::string(prefix) + module->first;
        add(stem + ".lora_A.weight", in_f32(part.change.a_Kr, true, module->first));
        add(stem + ".lora_B.weight", in_f32(part.change.b_Nr, false, module->first));
    }
    const LowRank& first = adapter.parts.front().change;
    const int64_t rank = first.b_Nr.get().cols();
    const Json config{{"peft_type", "LORA"},
                      {"task_type", "CAUSAL_LM"},
                      {"base_model_name_or_path", base_model},
                      {"r", rank},
                      {"lora_alpha", static_cast<double>(first.scale) * static_cast<double>(rank)},
                      {"target_modules", names},
                      {"bias", "none"},
                      {"fan_in_fan_out", false},
                      {"lora_dropout", 0.0},
                      {"inference_mode", true}};
    fs::path temporary = directory.has_filename() ? directory : directory.parent_path();
    const fs::path target = temporary;
    temporary += ".unfinished";
    std::error_code error;
    fs::remove_all(temporary, error);
    if (!fs::create_directories(temporary, error)) fail("{}: cannot create: {}", target.string(), error.message());
    try {
        SafetensorsWriter writer(temporary / tensors_name, declared);
        for (const TensorDecl& tensor : writer.tensors()) writer.write(tensor.name, tensors.at(tensor.name));
        writer.finish();
        write_file_atomically(temporary / config_name, to_text(config, 2) + "\n");
        commit_directory(temporary, target);
    } catch (...) {
        fs::remove_all(temporary, error);
        throw;
    }
}

}  // namespace gremium::lab
