#include <gremium/session.hpp>

#include <utility>

#include "api/access.h"
#include "api/answer.h"
#include "api/hooks.h"
#include "engine/memory.h"
#include "engine/prompt_cache.h"

namespace gremium {
namespace api {
namespace {

// Hooks are passed with each call instead.
engine::SessionOptions session_options(const SessionOptions& o) {
    return {.context = o.context,
            .prefill_chunk = o.prefill_chunk,
            .cache = cache_type(o.cache),
            .compute = compute_type(o.arithmetic)};
}

}  // namespace

class OpenSession {
  public:
    OpenSession(const std::shared_ptr<const Model>& model, const SessionOptions& options)
        : model_(model),
          hooks_(std::make_unique<Hooks>(options.steering, options.hooks, model->spec)),
          cache_(model, session_options(options)) {}

    engine::PromptCache& cache() { return cache_; }
    moe::RoutingHook* hook() { return hooks_->get(); }
    const Model& model() const { return *model_; }

    void steer(const SteeringProfile& steering, const std::vector<std::shared_ptr<gremium::RoutingHook>>& hooks) {
        auto next = std::make_unique<Hooks>(steering, hooks, model_->spec);
        cache_.set_hook(next->get());
        hooks_ = std::move(next);
    }

    Answer generate(engine::Prompt prompt, const GenerateOptions& options, const OnText& on_text) {
        Delivery delivery(on_text);
        hooks::Answer answer(model_, std::move(prompt), delivery.options(options, hook()));
        return delivery.finish(answer.run(cache_));
    }

  private:
    std::shared_ptr<const Model> model_;
    std::unique_ptr<Hooks> hooks_;
    engine::PromptCache cache_;
};

}  // namespace api

inline namespace v0 {

MemoryEstimate memory_estimate(const Engine& engine, const SessionOptions& options) {
    const Model& model = *api::Access::model(engine);
    const engine::MemoryNeed need =
        engine::memory_need(model, engine::memory_options(model, api::session_options(options)));
    return {
        .weights = need.weights, .converted = need.converted, .cache = need.cache(), .activations = need.activations};
}

Session::Session(const Engine& engine, const SessionOptions& options)
    : session_(std::make_unique<api::OpenSession>(api::Access::model(engine), options)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

std::span<const float> Session::sync(std::span<const int32_t> tokens) {
    return session_->cache().sync(tokens, session_->hook());
}
std::span<const float> Session::evaluate(std::span<const int32_t> tokens) {
    return session_->cache().evaluate(tokens, session_->hook());
}
std::span<const float> Session::logits() const { return session_->cache().logits(); }
std::span<const int32_t> Session::tokens() const { return session_->cache().tokens(); }
int64_t Session::capacity() const { return session_->cache().session().capacity(); }
int64_t Session::truncate(int64_t length) { return session_->cache().truncate(length); }
void Session::read_source(std::span<const int32_t> source) { session_->cache().read_source(source, session_->hook()); }
void Session::steer(const SteeringProfile& steering, std::vector<std::shared_ptr<RoutingHook>> hooks) {
    session_->steer(steering, hooks);
}
Answer Session::generate(std::span<const int32_t> prompt, const GenerateOptions& options, const OnText& on_text) {
    return session_->generate({.tokens = {prompt.begin(), prompt.end()}}, options, on_text);
}
Answer Session::generate(std::string_view prompt, const GenerateOptions& options, const OnText& on_text) {
    return session_->generate(engine::text_prompt(session_->model(), std::string(prompt)), options, on_text);
}

}  // namespace v0
}  // namespace gremium
