#include <utility>

#include "api/c_handles.h"

struct gremium_rules {
    gremium::SelectionRules& rules;
};

namespace gremium::api {
namespace {

// Wraps a C hook as a C++ hook.
class CHook final : public RoutingHook {
  public:
    explicit CHook(const gremium_hook& hook) : hook_(hook), fingerprint_(hook.fingerprint ? hook.fingerprint : "") {}

    void before_selection(const BeforeSelection& s) override {
        if (!hook_.before_selection) return;
        gremium_rules rules{s.rules};
        int32_t top_k = s.top_k;
        const gremium_before_selection selection{.layer = s.layer,
                                                 .experts = s.experts,
                                                 .tokens = s.tokens_T.size(),
                                                 .token_ids = s.tokens_T.data(),
                                                 .positions = s.positions_T.data(),
                                                 .logits = s.logits_TE.data(),
                                                 .top_k = &top_k,
                                                 .rules = &rules};
        hook_.before_selection(hook_.user, &selection);
        s.top_k = top_k;
    }

    void after_selection(const AfterSelection& s) override {
        if (!hook_.after_selection) return;
        const gremium_after_selection selection{.layer = s.layer,
                                                .experts = s.experts,
                                                .top_k = s.top_k,
                                                .tokens = s.tokens_T.size(),
                                                .token_ids = s.tokens_T.data(),
                                                .positions = s.positions_T.data(),
                                                .logits = s.logits_TE.data(),
                                                .ids = s.ids_Tk.data(),
                                                .weights = s.weights_Tk.data(),
                                                .margins = s.margin_T.data()};
        hook_.after_selection(hook_.user, &selection);
    }

    std::string fingerprint() const override { return fingerprint_; }

  private:
    gremium_hook hook_;
    std::string fingerprint_;
};

gremium_status change_expert(gremium_steering* steering, char** error,
                             SteeringProfile& (SteeringProfile::*add)(int layer, int expert), int32_t layer,
                             int32_t expert) {
    return guarded(error, [&] { (required(steering, "steering").profile.*add)(layer, expert); });
}

}  // namespace

SteeringProfile profile_of(const gremium_steering* steering) {
    return steering ? steering->profile : SteeringProfile();
}

std::vector<std::shared_ptr<RoutingHook>> hooks_of(const gremium_hook* hook, gremium_trace* trace) {
    std::vector<std::shared_ptr<RoutingHook>> hooks;
    if (hook) hooks.push_back(std::make_shared<CHook>(*hook));
    if (trace && !trace->recorder) throw Error("a trace that was read from a file records nothing");
    if (trace) hooks.push_back(trace->recorder);
    return hooks;
}

}  // namespace gremium::api

using namespace gremium::api;
using gremium::SteeringProfile;

gremium_status gremium_steering_parse(const char* toml, const char* source, gremium_steering** steering, char** error) {
    return guarded(error, [&] {
        required(steering, "steering");
        *steering = new gremium_steering{SteeringProfile::parse(toml ? toml : "", source ? source : "profile")};
    });
}

gremium_status gremium_steering_read(const char* path, gremium_steering** steering, char** error) {
    return guarded(error, [&] {
        required(steering, "steering");
        *steering = new gremium_steering{SteeringProfile::read(&required(path, "path"))};
    });
}

void gremium_steering_close(gremium_steering* steering) { delete steering; }

gremium_status gremium_steering_bias(gremium_steering* steering, int32_t layer, int32_t expert, float value,
                                     char** error) {
    return guarded(error, [&] { required(steering, "steering").profile.bias(layer, expert, value); });
}
gremium_status gremium_steering_mute(gremium_steering* steering, int32_t layer, int32_t expert, char** error) {
    return change_expert(steering, error, &SteeringProfile::mute, layer, expert);
}
gremium_status gremium_steering_drop(gremium_steering* steering, int32_t layer, int32_t expert, char** error) {
    return change_expert(steering, error, &SteeringProfile::drop, layer, expert);
}
gremium_status gremium_steering_force(gremium_steering* steering, int32_t layer, int32_t expert, char** error) {
    return change_expert(steering, error, &SteeringProfile::force, layer, expert);
}

gremium_status gremium_steering_experts_per_token(gremium_steering* steering, int32_t layer, int32_t top_k, float mass,
                                                  char** error) {
    return guarded(error, [&] {
        SteeringProfile& profile = required(steering, "steering").profile;
        if (layer < 0)
            profile.experts_per_token(top_k, mass);
        else
            profile.experts_per_token_of_layer(layer, top_k, mass);
    });
}

gremium_status gremium_steering_merge(gremium_steering* steering, const gremium_steering* later, char** error) {
    return guarded(error, [&] { required(steering, "steering").profile.merge(required(later, "later").profile); });
}

gremium_status gremium_steering_check(const gremium_steering* steering, const gremium_engine* engine, char** error) {
    return guarded(error, [&] { required(steering, "steering").profile.check(required(engine, "engine").engine); });
}

gremium_status gremium_steering_toml(const gremium_steering* steering, char** toml, char** error) {
    return guarded(error, [&] {
        required(toml, "toml");
        *toml = copy_text(required(steering, "steering").profile.toml());
    });
}

void gremium_rules_force(gremium_rules* rules, int32_t expert) { rules->rules.forced.push_back(expert); }
void gremium_rules_drop(gremium_rules* rules, int32_t expert) { rules->rules.dropped.push_back(expert); }
void gremium_rules_mass(gremium_rules* rules, float mass) { rules->rules.mass = mass; }
