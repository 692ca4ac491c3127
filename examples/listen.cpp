// Loads a model, continues a prompt, and listens on the routing hook: which experts did each layer choose?
//   listen [MODEL [PROMPT]]
#include <cstdio>
#include <map>

#include "base/error.h"
#include "engine/continuation.h"
#include "engine/default_model.h"
#include "engine/session.h"
#include "model/files/load.h"

using namespace gremium;

// Counts how often each expert of each layer was chosen. Hooks may also change scores: see moe/hook.h.
struct Listener : moe::RoutingHook {
    std::map<int, std::map<int32_t, int>> chosen;  // layer, expert
    void after_selection(const moe::AfterSelection& selection) override {
        for (const int32_t expert : selection.ids_Tk) ++chosen[selection.layer][expert];
    }
};

int main(int argc, char** argv) try {
    const auto model = load_model(argc > 1 ? argv[1] : engine::default_model_path());
    if (!model->tokenizer) fail("{}: holds no tokenizer", model->source);
    const auto prompt = model->tokenizer->encode(argc > 2 ? argv[2] : "The first step is to");

    Listener listener;
    engine::Session session(model, {.hook = &listener});
    StreamingDecoder text(*model->tokenizer);
    for (const int32_t token : prompt) std::fputs(text.push(token).c_str(), stdout);
    engine::generate(session, prompt, {.max_tokens = 40, .sampler = {.seed = 1}}, [&](int32_t token) {
        std::fputs(text.push(token).c_str(), stdout);
        return true;
    });
    std::puts(text.flush().c_str());

    for (const auto& [layer, experts] : listener.chosen) {
        std::printf("layer %2d:", layer);
        for (const auto& [expert, count] : experts) std::printf("  %d×%d", expert, count);
        std::puts("");
    }
} catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
