// Continues one prompt under three steering profiles in one batch: each request has its own profile.
//   batch [MODEL [PROMPT]]
#include <cstdio>

#include <gremium/scheduler.hpp>

int main(int argc, char** argv) try {
    const auto engine = gremium::Engine::open(argc > 1 ? argv[1] : "");
    const auto prompt = engine.tokenize(argc > 2 ? argv[2] : "The first step is to");
    if (engine.facts().expert_layers.empty()) throw gremium::Error("a model without experts has nothing to steer");
    const gremium::ExpertLayer layer = engine.facts().expert_layers.front();

    struct Way {
        const char* name;
        gremium::SteeringProfile profile;
    };
    gremium::SteeringProfile fewer, other;
    fewer.experts_per_token(1);
    for (int e = 0; e < layer.chosen; ++e) other.bias(layer.layer, e, 4).mute(layer.layer, layer.experts - 1 - e);
    const Way ways[] = {{"unchanged", {}}, {"one expert per token", fewer}, {"other experts in one layer", other}};

    gremium::Scheduler scheduler(engine, {.sequences = 3});
    for (const Way& way : ways)
        scheduler.submit({.prompt = prompt,
                          .generate = {.max_tokens = 24, .sampler = {.temperature = 0}},
                          .steering = way.profile,
                          .on_finish = [&way](const gremium::Answer& answer) {
                              std::printf("%s:%s\n", way.name, answer.text.c_str());
                          }});
    while (scheduler.step()) {
    }
} catch (const gremium::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
