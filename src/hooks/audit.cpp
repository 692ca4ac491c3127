#include "hooks/audit.h"

#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "engine/session.h"
#include "hooks/attribution.h"

namespace gremium::hooks {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* format_name = "gremium-audit-1";

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json layer_json(const TraceBlock::Layer& layer, int number, size_t t) {
    const auto k = static_cast<size_t>(layer.top_k);
    Json json{{"layer", number},
              {"experts", std::span(layer.ids_Tk).subspan(t * k, k)},
              {"weights", std::span(layer.weights_Tk).subspan(t * k, k)}};
    if (std::isfinite(layer.margin_T[t])) json["margin"] = layer.margin_T[t];
    return json;
}

Json generate_json(const AuditSetup& setup) {
    const engine::GenerateOptions& g = setup.generate;
    const engine::SamplerOptions& s = g.sampler;
    Json json{{"max_tokens", g.max_tokens},
              {"ignore_end", g.ignore_end},
              {"temperature", s.temperature},
              {"top_k", s.top_k},
              {"top_p", s.top_p},
              {"min_p", s.min_p},
              {"repetition_penalty", s.repetition_penalty},
              {"repetition_window", s.repetition_window},
              {"seed", s.seed}};
    // Left out if there are none, as in records that are older than stop texts.
    if (!setup.stop.empty()) json["stop"] = setup.stop;
    return json;
}

engine::GenerateOptions parse_generate(const nlohmann::json& json) {
    return {.max_tokens = json.at("max_tokens"),
            .sampler = {.temperature = json.at("temperature"),
                        .top_k = json.at("top_k"),
                        .top_p = json.at("top_p"),
                        .min_p = json.at("min_p"),
                        .repetition_penalty = json.at("repetition_penalty"),
                        .repetition_window = json.at("repetition_window"),
                        .seed = json.at("seed")},
            .ignore_end = json.at("ignore_end")};
}

}  // namespace

std::string to_line(const AuditSetup& s) {
    Json json({{"audit", format_name},
               {"version", s.version},
               {"model", {{"path", s.model}, {"name", s.model_name}, {"hash", s.model_hash}}},
               {"kernels", s.kernels},
               {"steering", {{"hash", s.steering_hash}, {"profile", s.steering}}},
               {"prompt", s.prompt},
               {"source_tokens", s.source_tokens},
               {"prompt_tokens", s.prompt_tokens},
               {"context", s.context},
               {"cache", info(s.cache).name},
               {"generate", generate_json(s)}});
    // Records without this key are older than the choice of arithmetic.
    if (s.arithmetic != engine::Arithmetic::running) json["arithmetic"] = engine::name_of(s.arithmetic);
    return dumped(json);
}

AuditSetup parse_setup(const std::string& line, const std::string& source) {
    try {
        const nlohmann::json json = parse_json(line, source);
        if (json.at("audit") != format_name) fail("{}: a record '{}' expected", source, format_name);
        const auto cache = dtype_from_name(json.value("cache", "f32"));
        if (!cache) fail("{}: the cache's type is unknown", source);
        const auto arithmetic = engine::arithmetic_named(json.value("arithmetic", "running"));
        if (!arithmetic) fail("{}: the arithmetic is unknown, expected exact or running", source);
        return {.version = json.at("version"),
                .model = json.at("model").at("path"),
                .model_name = json.at("model").at("name"),
                .model_hash = json.at("model").at("hash"),
                .kernels = json.at("kernels"),
                .steering = json.at("steering").at("profile"),
                .steering_hash = json.at("steering").at("hash"),
                .prompt = json.at("prompt"),
                .source_tokens = json.at("source_tokens"),
                .prompt_tokens = json.at("prompt_tokens"),
                .context = json.at("context"),
                .cache = *cache,
                .arithmetic = *arithmetic,
                .generate = parse_generate(json.at("generate")),
                .stop = json.at("generate").value("stop", std::vector<std::string>())};
    } catch (const nlohmann::json::exception& e) {
        fail("{}: not the beginning of an audit record: {}", source, e.what());
    }
}

AuditRecorder::AuditRecorder(const Model& model, OnLine on_line)
    : model_(model),
      layers_(trace_layers(model.spec)),
      on_line_(std::move(on_line)),
      collector_(model.spec, {}, [this](const TraceBlock& block) { add(block); }) {}

void AuditRecorder::add(const TraceBlock& block) {
    for (size_t t = 0; t < block.size(); ++t) {
        say();
        Json layers = Json::array();
        for (size_t r = 0; r < layers_.size(); ++r) layers.push_back(layer_json(block.layers[r], layers_[r].layer, t));
        waiting_ = {{"position", block.positions[t]}, {"token", block.tokens[t]}, {"layers", std::move(layers)}};
    }
}

void AuditRecorder::say() {
    if (!waiting_.is_null()) on_line_(dumped(waiting_));
    waiting_ = nullptr;
}

void AuditRecorder::chose(int32_t token, std::span<const float> logits_V) {
    collector_.finish();
    const int32_t against = runner_up(logits_V, token);
    const auto piece = [&](int32_t id) { return std::string(model_.tokenizer ? model_.tokenizer->piece(id) : ""); };
    waiting_["chose"] = {{"token", token},
                         {"piece", piece(token)},
                         {"logit", logits_V[static_cast<size_t>(token)]},
                         {"against", against},
                         {"against_piece", piece(against)},
                         {"against_logit", logits_V[static_cast<size_t>(against)]}};
    ++tokens_;
}

void AuditRecorder::finish() {
    collector_.finish();
    say();
    on_line_(dumped({{"end", format_name}, {"tokens", tokens_}}));
}

std::string first_difference(const std::string& recorded, const std::string& now) {
    Json a;
    try {
        a = parse_ordered_json(recorded, "recorded");
    } catch (const Error&) {
        return "recorded is no JSON";
    }
    const Json changes = Json::diff(a, Json::parse(now));
    if (changes.empty()) return "written differently";
    const Json& change = changes.front();
    const Json::json_pointer path(change.at("path").get<std::string>());
    const std::string was = a.contains(path) ? a.at(path).dump() : "nothing";
    const std::string is = change.contains("value") ? change.at("value").dump() : "nothing";
    return fmt::format("{} is {}, recorded {}", path.to_string(), is, was);
}

}  // namespace gremium::hooks
