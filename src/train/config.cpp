#include "train/config.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

#include <toml++/toml.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace gremium::train {
namespace {

const std::string override_source = "--set";

// One key of a section: how it is read, written, and what an error says it should be.
struct Field {
    std::string name, expected;
    std::function<bool(const toml::node&)> read;  // false: not what was expected
    std::function<nlohmann::json()> write;
};

template <typename Number>
Field number(std::string name, Number& value) {
    return {std::move(name), std::is_integral_v<Number> ? "an integer" : "a number",
            [&value](const toml::node& node) {
                if (std::is_integral_v<Number> && !node.is_integer()) return false;
                const auto read = node.value<Number>();  // also refuses what does not fit
                if (read) value = *read;
                return read.has_value();
            },
            [&value] { return nlohmann::json(value); }};
}

Field flag(std::string name, bool& value) {
    return {std::move(name), "true or false",
            [&value](const toml::node& node) {
                if (const auto* read = node.as_boolean()) return value = read->get(), true;
                return false;
            },
            [&value] { return nlohmann::json(value); }};
}

Field text(std::string name, std::string& value) {
    return {std::move(name), "a string",
            [&value](const toml::node& node) {
                if (const auto* read = node.as_string()) return value = read->get(), true;
                return false;
            },
            [&value] { return nlohmann::json(value); }};
}

Field texts(std::string name, std::vector<std::string>& value) {
    return {std::move(name), "a string or a list of strings",
            [&value](const toml::node& node) {
                value.clear();
                if (const auto* one = node.as_string()) return value.push_back(one->get()), true;
                const auto* list = node.as_array();
                if (!list) return false;
                for (const toml::node& item : *list) {
                    if (!item.is_string()) return false;
                    value.push_back(item.as_string()->get());
                }
                return true;
            },
            [&value] { return nlohmann::json(value); }};
}

template <typename Enum>
Field choice(std::string name, Enum& value, std::vector<std::pair<std::string, Enum>> options) {
    std::string expected = "one of";
    for (const auto& [word, meaning] : options) expected += fmt::format(" \"{}\"", word);
    return {std::move(name), expected,
            [&value, options](const toml::node& node) {
                const auto word = node.value<std::string>();
                for (const auto& [option, meaning] : options) {
                    if (word == option) return value = meaning, true;
                }
                return false;
            },
            [&value, options] {
                for (const auto& [option, meaning] : options) {
                    if (meaning == value) return nlohmann::json(option);
                }
                return nlohmann::json();
            }};
}

std::vector<Field> fields(ModelConfig& c) {
    using Score = moe::RouterPolicy::Score;
    using Second = moe::RouterPolicy::Second;
    return {
        text("architecture", c.architecture),
        text("name", c.name),
        number("dim", c.dim),
        number("layers", c.layers),
        number("context", c.context),
        number("heads", c.heads),
        number("kv_heads", c.kv_heads),
        number("head_dim", c.head_dim),
        flag("rope", c.rope),
        number("rope_base", c.rope_base),
        number("norm_eps", c.norm_eps),
        choice("qk_norm", c.qk_norm, {{"none", QkNorm::none}, {"per_head", QkNorm::per_head}, {"full", QkNorm::full}}),
        flag("qkv_bias", c.qkv_bias),
        flag("tied_head", c.tied_head),
        number("attention_period", c.attention_period),
        number("attention_offset", c.attention_offset),
        number("expert_period", c.expert_period),
        number("expert_offset", c.expert_offset),
        number("ssm_inner", c.ssm_inner),
        number("ssm_state", c.ssm_state),
        number("ssm_conv", c.ssm_conv),
        number("ssm_dt_rank", c.ssm_dt_rank),
        flag("ssm_norms", c.ssm_norms),
        number("experts", c.experts),
        number("top_k", c.top_k),
        number("expert_hidden", c.expert_hidden),
        number("shared_hidden", c.shared_hidden),
        flag("shared_gate", c.shared_gate),
        number("dense_layers", c.dense_layers),
        number("dense_hidden", c.dense_hidden),
        choice(
            "score", c.score,
            {{"softmax", Score::softmax}, {"softmax_selected", Score::softmax_selected}, {"sigmoid", Score::sigmoid}}),
        flag("normalise", c.normalise),
        flag("correction_bias", c.correction_bias),
        number("capacity_factor", c.capacity_factor),
        choice("second_expert", c.second_expert,
               {{"best", Second::best}, {"likely", Second::likely}, {"sampled", Second::sampled}}),
        number("scale", c.scale)};
}

std::vector<Field> fields(TokenizerConfig& c) {
    return {text("path", c.path), number("vocab_size", c.vocab_size), number("sample_bytes", c.sample_bytes)};
}

std::vector<Field> fields(DomainConfig& c) {
    return {text("name", c.name),
            texts("files", c.files),
            texts("heldout_files", c.heldout_files),
            number("heldout_share", c.heldout_share),
            text("tokens", c.tokens),
            text("heldout_tokens", c.heldout_tokens),
            number("weight", c.weight)};
}

std::vector<Field> fields(TrainingConfig& c) {
    return {number("steps", c.steps),
            number("tokens", c.tokens),
            number("sequence", c.sequence),
            number("batch_tokens", c.batch_tokens),
            number("micro_batch", c.micro_batch),
            number("lr", c.lr),
            number("min_lr", c.min_lr),
            choice("schedule", c.schedule, {{"cosine", ScheduleKind::cosine}, {"wsd", ScheduleKind::wsd}}),
            number("warmup", c.warmup),
            number("decay_share", c.decay_share),
            number("beta1", c.beta1),
            number("beta2", c.beta2),
            number("eps", c.eps),
            number("weight_decay", c.weight_decay),
            number("clip", c.clip),
            choice("compute", c.compute, {{"bf16", DType::bf16}, {"f32", DType::f32}}),
            number("balance_coef", c.balance_coef),
            number("z_coef", c.z_coef),
            number("bias_rate", c.bias_rate),
            choice("recompute", c.recompute,
                   {{"auto", Recompute::automatic}, {"always", Recompute::always}, {"never", Recompute::never}}),
            number("activation_memory", c.activation_memory),
            number("seed", c.seed),
            number("threads", c.threads),
            number("eval_every", c.eval_every),
            number("eval_tokens", c.eval_tokens),
            number("checkpoint_every", c.checkpoint_every),
            number("keep", c.keep),
            number("log_every", c.log_every),
            number("load_window", c.load_window)};
}

std::vector<Field> fields(OutputConfig& c) { return {text("dir", c.dir)}; }

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

    void read(const toml::table& table, std::string_view section, const std::vector<Field>& fields) const {
        for (const auto& [key, node] : table) {
            const std::string_view asked = key.str();
            const auto field =
                std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == asked; });
            if (field == fields.end()) {
                std::vector<std::string> valid(fields.size());
                std::transform(fields.begin(), fields.end(), valid.begin(), [](const Field& f) { return f.name; });
                fail("{}: unknown key \"{}\" in [{}]; nearest: {}", where(node), asked, section, nearest(asked, valid));
            }
            if (!field->read(node)) fail("{}: {}.{} must be {}", where(node), section, field->name, field->expected);
        }
    }

    const toml::table& table(const toml::node& node, std::string_view name) const {
        if (!node.is_table()) fail("{}: [{}] must be a table", where(node), name);
        return *node.as_table();
    }

    void read(const toml::table& root, TrainConfig& config) const {
        for (const auto& [key, node] : root) {
            if (key == "model")
                read(table(node, "model"), "model", fields(config.model));
            else if (key == "tokenizer")
                read(table(node, "tokenizer"), "tokenizer", fields(config.tokenizer));
            else if (key == "train")
                read(table(node, "train"), "train", fields(config.train));
            else if (key == "output")
                read(table(node, "output"), "output", fields(config.output));
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
            read(table(item, "[data]"), "[data]", fields(domain));
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

// The node an override puts in: TOML if it is that, else a bare word.
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

nlohmann::json section_json(const std::vector<Field>& list) {
    nlohmann::json json = nlohmann::json::object();
    for (const Field& field : list) json[field.name] = field.write();
    return json;
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
    return parse_config(read_text_file(path, size_t{1} << 20), path.string(), overrides);
}

nlohmann::json to_json(const TrainConfig& config) {
    TrainConfig copy = config;  // fields are bound to a mutable record
    nlohmann::json data = nlohmann::json::array();
    for (DomainConfig& domain : copy.data) data.push_back(section_json(fields(domain)));
    return {{"model", section_json(fields(copy.model))},
            {"tokenizer", section_json(fields(copy.tokenizer))},
            {"data", data},
            {"train", section_json(fields(copy.train))},
            {"output", section_json(fields(copy.output))}};
}

std::string first_conflict(const nlohmann::json& saved, const nlohmann::json& now) {
    static const std::vector<std::string> fixed = {"sequence", "batch_tokens", "seed"};
    const nlohmann::json defaults = to_json(TrainConfig{});
    for (const char* section : {"model", "tokenizer", "data"}) {
        nlohmann::json before = saved.value(section, nlohmann::json());
        // A key that the saved run's program did not know had what is the default now.
        if (before.is_object())
            for (const auto& [key, value] : defaults.at(section).items()) before.emplace(key, value);
        for (const auto& change : nlohmann::json::diff(before, now.at(section))) {
            std::string key = section + change.at("path").get<std::string>();
            std::replace(key.begin(), key.end(), '/', '.');
            return key;
        }
    }
    const nlohmann::json old = saved.value("train", nlohmann::json::object());
    for (const std::string& key : fixed) {
        if (old.value(key, nlohmann::json()) != now.at("train").at(key)) return "train." + key;
    }
    return {};
}

}  // namespace gremium::train
