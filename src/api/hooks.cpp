#include "api/hooks.h"

#include <utility>

#include "api/access.h"
#include "base/error.h"

namespace gremium::api {
namespace {

// Wraps a hook of the public interface as one of the library.
class Adapter final : public moe::RoutingHook {
  public:
    explicit Adapter(std::shared_ptr<gremium::RoutingHook> hook) : hook_(std::move(hook)) {}

    void before_selection(const moe::BeforeSelection& s) override {
        SelectionRules rules{std::move(s.rules.forced), std::move(s.rules.dropped), s.rules.mass};
        hook_->before_selection({.layer = s.layer,
                                 .experts = s.experts,
                                 .tokens_T = s.batch.tokens,
                                 .positions_T = s.batch.positions,
                                 .logits_TE = s.logits_TE,
                                 .top_k = s.top_k,
                                 .rules = rules});
        s.rules = {std::move(rules.forced), std::move(rules.dropped), rules.mass};
    }

    void after_selection(const moe::AfterSelection& s) override {
        hook_->after_selection({.layer = s.layer,
                                .experts = s.experts,
                                .top_k = s.top_k,
                                .tokens_T = s.batch.tokens,
                                .positions_T = s.batch.positions,
                                .logits_TE = s.logits_TE,
                                .ids_Tk = s.ids_Tk,
                                .weights_Tk = s.weights_Tk,
                                .margin_T = s.margin_T});
    }

    std::string fingerprint() const override { return hook_->fingerprint(); }

  private:
    std::shared_ptr<gremium::RoutingHook> hook_;
};

}  // namespace

moe::AfterSelection to_internal(const AfterSelection& s, const moe::TokenBatch& batch) {
    return {.layer = s.layer,
            .batch = batch,
            .experts = s.experts,
            .top_k = s.top_k,
            .logits_TE = s.logits_TE,
            .ids_Tk = s.ids_Tk,
            .weights_Tk = s.weights_Tk,
            .margin_T = s.margin_T};
}

Hooks::Hooks(const SteeringProfile& steering, const std::vector<std::shared_ptr<gremium::RoutingHook>>& hooks,
             const ModelSpec& spec) {
    if (!steering.empty()) hooks_.push_back(std::make_unique<hooks::SteeringHook>(Access::settings(steering), spec));
    for (const auto& hook : hooks) {
        if (!hook) fail("a routing hook is null");
        hooks_.push_back(std::make_unique<Adapter>(hook));
    }
    std::vector<moe::RoutingHook*> all;
    for (const auto& hook : hooks_) all.push_back(hook.get());
    if (!all.empty()) chain_.emplace(std::move(all));
}

}  // namespace gremium::api

namespace gremium {
inline namespace v0 {

RoutingHook::~RoutingHook() = default;
void RoutingHook::before_selection(const BeforeSelection&) {}
void RoutingHook::after_selection(const AfterSelection&) {}
std::string RoutingHook::fingerprint() const { return {}; }

}  // namespace v0
}  // namespace gremium
