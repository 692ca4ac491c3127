#include <gremium/engine.hpp>

#include <nlohmann/json.hpp>
#include <utility>

#include "api/access.h"
#include "base/error.h"
#include "base/parallel.h"
#include "engine/arithmetic.h"
#include "engine/default_model.h"
#include "engine/footprint.h"
#include "engine/prompt.h"
#include "model/spec/size.h"
#include "versions/versions.h"

namespace gremium::api {
namespace {

EngineFacts facts_of(const Model& model) {
    const ModelSpec& spec = model.spec;
    EngineFacts facts{.source = model.source,
                      .architecture = spec.architecture,
                      .name = spec.name,
                      .layers = static_cast<int>(spec.layers.size()),
                      .width = spec.dim,
                      .vocabulary = spec.vocab,
                      .context = spec.context,
                      .has_tokenizer = model.tokenizer != nullptr,
                      .has_chat_template = model.tokenizer && !model.tokenizer->vocabulary().chat_template.empty(),
                      .has_encoder = model.encoder != nullptr,
                      .target_begin = spec.decoder_start};
    for (size_t l = 0; l < spec.layers.size(); ++l)
        if (const MoeSpec* moe = spec.layers[l].moe())
            facts.expert_layers.push_back({static_cast<int>(l), moe->router.experts, moe->router.top_k, moe->hidden});
    const ModelSize size = size_of(spec);
    facts.parameters = size.total_parameters;
    facts.active_parameters = size.active_parameters;
    const engine::Footprint bytes = engine::footprint(model);
    facts.weight_bytes = bytes.total;
    facts.weight_bytes_per_token = bytes.per_token;
    if (model.tokenizer && model.tokenizer->vocabulary().add_bos) facts.begin_token = model.tokenizer->vocabulary().bos;
    return facts;
}

}  // namespace

Engine Access::engine(std::shared_ptr<const Model> model) {
    EngineFacts facts = facts_of(*model);
    return Engine(std::make_shared<const OpenModel>(OpenModel{std::move(model), std::move(facts)}));
}

DType compute_type(Arithmetic arithmetic) {
    switch (arithmetic) {
        case Arithmetic::running:
            return engine::compute_of(engine::Arithmetic::running);
        case Arithmetic::exact:
            return engine::compute_of(engine::Arithmetic::exact);
    }
    fail("an arithmetic of number {}, expected running or exact", static_cast<int>(arithmetic));
}

DType cache_type(CacheType type) {
    switch (type) {
        case CacheType::f32:
            return DType::f32;
        case CacheType::f16:
            return DType::f16;
        case CacheType::bf16:
            return DType::bf16;
        case CacheType::q8_0:
            return DType::q8_0;
    }
    fail("a cache type of number {}, expected f32, f16, bf16 or q8_0", static_cast<int>(type));
}

}  // namespace gremium::api

namespace gremium {
inline namespace v0 {

std::string version() { return GREMIUM_VERSION; }

void use_threads(int threads) {
    if (threads < 0) fail("{} threads, expected at least 1, or 0 for one for each core", threads);
    gremium::allow_threads(threads);
}

Engine::Engine(std::shared_ptr<const api::OpenModel> model) : model_(std::move(model)) {}

Engine Engine::open(const std::string& path, const EngineOptions& options) {
    return api::Access::engine(versions::open_model_or_version(
        path.empty() ? engine::default_model_path().string() : path,
        {.experts = options.resident ? moe::Residency::resident : moe::Residency::mapped}));
}

const EngineFacts& Engine::facts() const { return model_->facts; }

const std::vector<std::string>& Engine::warnings() const { return model_->model->warnings; }

std::vector<int32_t> Engine::tokenize(std::string_view text, const TokenizeOptions& options) const {
    return engine::tokenizer_of(*model_->model)
        .encode(text, {.add_bos_eos = options.add_begin_end, .parse_special = options.special});
}

std::string Engine::detokenize(std::span<const int32_t> tokens) const {
    return engine::tokenizer_of(*model_->model).decode(tokens);
}

std::vector<int32_t> Engine::tokenize_chat(std::span<const ChatMessage> messages) const {
    nlohmann::ordered_json conversation = nlohmann::ordered_json::array();
    for (const ChatMessage& message : messages)
        conversation.push_back({{"role", message.role}, {"content", message.content}});
    return engine::ChatPrompt(model_->model)(conversation, nlohmann::ordered_json::object()).tokens;
}

bool Engine::ends_answer(int32_t token) const {
    const auto& tokenizer = model_->model->tokenizer;
    return tokenizer && tokenizer->is_end_of_generation(token);
}

}  // namespace v0
}  // namespace gremium
