// gremium inspect: what a model is.
#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "engine/facts.h"

namespace gremium::cli {
namespace {

std::string describe(const moe::RouterPolicy& r) {
    std::string text = fmt::format("{}, top {} of {}", moe::name(r.score), r.top_k, r.experts);
    if (r.correction_bias) text += ", selection with correction bias";
    if (r.normalise) text += ", weights normalised";
    if (r.groups > 1) text += fmt::format(", of the best {} of {} groups", r.groups_used, r.groups);
    if (r.weight_on_input) text += ", weights on the experts' input";
    if (r.scale != 1) text += fmt::format(", times {:g}", r.scale);
    return text;
}

nlohmann::ordered_json model_to_json(const engine::RunMemory& m) {
    return {{"context", m.options.context},
            {"chunk", m.options.chunk},
            {"weights_mapped", m.need.weights},
            {"weights_converted", m.need.converted},
            {"cache",
             {{"type", info(m.options.cache).name},
              {"keys_values", m.need.keys_values},
              {"latents", m.need.latents},
              {"states", m.need.states}}},
            {"activations", m.need.activations},
            {"program", m.program},
            {"total", m.total()},
            {"available", m.available},
            {"longest_context", m.longest_context}};
}

std::string describe(const engine::RunMemory& m) {
    std::string text;
    const auto part = [&](int64_t bytes, const std::string& of_what) {
        if (bytes > 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : " + ", human_bytes(static_cast<double>(bytes)), of_what);
    };
    const std::string_view type = info(m.options.cache).name;
    part(m.need.weights, "mapped weights");
    part(m.need.converted, "converted weights");
    part(m.need.keys_values, fmt::format("{} keys and values", type));
    part(m.need.latents, fmt::format("{} latents", type));
    part(m.need.states, "states");
    part(m.need.activations, fmt::format("activations of {} tokens", m.options.chunk));
    part(m.program, "program");
    return fmt::format("{} for {} tokens of context: {}", human_bytes(static_cast<double>(m.total())),
                       m.options.context, text);
}

std::string verdict(const engine::RunMemory& m) {
    const std::string available = human_bytes(static_cast<double>(m.available));
    if (!m.context_fits())
        return fmt::format("{} free: the context does not fit, {} tokens do", available, m.longest_context);
    if (!m.all_fits())
        return fmt::format("{} free: the context fits, parts of the weights will be read from the file again and again",
                           available);
    return fmt::format("{} free: everything fits", available);
}

nlohmann::ordered_json model_to_json(const Model& model, const engine::ModelFacts& f, const engine::RunMemory& memory) {
    const ModelSpec& s = model.spec;
    const AttentionSpec none, &a = f.attention ? *f.attention : none;
    nlohmann::ordered_json out = {
        {"name", s.name},
        {"architecture", s.architecture},
        {"source", model.source},
        {"dim", s.dim},
        {"layers", s.layers.size()},
        {"vocab", s.vocab},
        {"context", s.context},
        {"heads", a.heads},
        {"kv_heads", a.kv_heads},
        {"head_dim", a.head_dim},
        {"parameters", {{"total", f.size.total_parameters}, {"active", f.size.active_parameters}}},
        {"bytes",
         {{"total", f.bytes.total},
          {"read_per_token", f.bytes.per_token},
          {"kv_cache_per_token", f.kv_bytes_per_token}}},
        {"flops_per_token", f.size.flops_per_token}};
    if (f.ssm) {
        out["state_space"] = {{"layers", f.ssm_layers}, {"inner", f.ssm->inner},     {"state", f.ssm->state},
                              {"conv", f.ssm->conv},    {"dt_rank", f.ssm->dt_rank}, {"state_bytes", f.state_bytes}};
    }
    if (f.recurrent)
        out["recurrent"] = {{"layers", f.recurrent_layers}, {"kind", f.recurrent}, {"state_bytes", f.state_bytes}};
    if (f.moe) {
        const moe::RouterPolicy& r = f.moe->router;
        out["moe"] = {{"layers", f.moe_layers},
                      {"experts", r.experts},
                      {"top_k", r.top_k},
                      {"expert_hidden", f.moe->hidden},
                      {"shared_hidden", f.moe->shared_hidden},
                      {"router",
                       {{"score", moe::name(r.score)},
                        {"correction_bias", r.correction_bias},
                        {"normalise", r.normalise},
                        {"scale", r.scale},
                        {"groups", r.groups},
                        {"groups_used", r.groups_used},
                        {"weight_on_input", r.weight_on_input}}}};
    }
    out["memory"] = model_to_json(memory);
    return out;
}

void print(const Model& model, const engine::ModelFacts& f, const engine::RunMemory& memory) {
    const ModelSpec& s = model.spec;
    const auto line = [](std::string_view what, const std::string& value) { fmt::print("{:<22} {}\n", what, value); };
    line("model", fmt::format("{} ({})", s.name, model.source));
    line("architecture", s.architecture);
    line("layers", fmt::format("{}, {} of them with experts", s.layers.size(), f.moe_layers));
    line("width", fmt::format("{}", s.dim));
    if (f.attention) {
        line("attention", fmt::format("{} heads of {}, {} key/value heads", f.attention->heads, f.attention->head_dim,
                                      f.attention->kv_heads));
    }
    if (f.ssm) {
        line("state space",
             fmt::format("in {} layers, {} channels with {} numbers each, {} of state in all", f.ssm_layers,
                         f.ssm->inner, f.ssm->state, human_bytes(static_cast<double>(f.state_bytes))));
    }
    if (f.recurrent && !f.ssm)
        line("recurrent", fmt::format("{} in {} layers, {} of state in all", f.recurrent, f.recurrent_layers,
                                      human_bytes(static_cast<double>(f.state_bytes))));
    line("vocabulary", fmt::format("{}", s.vocab));
    line("context",
         fmt::format("{} tokens, {} of {} key/value cache per token", s.context,
                     human_bytes(static_cast<double>(f.kv_bytes_per_token)), info(memory.options.cache).name));
    if (f.moe) {
        line("experts",
             fmt::format("{} a layer, {} wide{}", f.moe->router.experts, f.moe->hidden,
                         f.moe->shared_hidden ? fmt::format(", and a shared one {} wide{}", f.moe->shared_hidden,
                                                            f.moe->shared_gate ? " with a gate" : "")
                                              : ""));
        line("router", describe(f.moe->router));
    }
    line("parameters",
         fmt::format(
             "{} in all, {} active per token ({:.1f} %)", human_count(static_cast<double>(f.size.total_parameters)),
             human_count(static_cast<double>(f.size.active_parameters)),
             100.0 * static_cast<double>(f.size.active_parameters) / static_cast<double>(f.size.total_parameters)));
    line("weights", fmt::format("{} in all, {} read per token", human_bytes(static_cast<double>(f.bytes.total)),
                                human_bytes(static_cast<double>(f.bytes.per_token))));
    line("work", fmt::format("{} FLOPs per token, attention scores not counted",
                             human_count(static_cast<double>(f.size.flops_per_token))));
    line("memory", describe(memory));
    line("", verdict(memory));
}

}  // namespace

void add_inspect(Command app) {
    auto common = std::make_shared<Common>();
    Command command =
        app.add("inspect", "Show what a model is: architecture, experts, parameters, and the memory and work it takes");
    add_common(command, *common);
    auto context = std::make_shared<Context>();
    add_context(command, *context);
    command.examples({"gremium inspect -m model.gguf -c 8192"});
    command.run([=] {
        const auto model = open_model(*common);
        const engine::ModelFacts facts = engine::facts_of(*model, context->cache);
        const engine::RunMemory memory = engine::run_memory(*model, context->size, context->cache);
        if (common->json)
            fmt::print("{}\n", to_text(model_to_json(*model, facts, memory)));
        else
            print(*model, facts, memory);
    });
}

}  // namespace gremium::cli
