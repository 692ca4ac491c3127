// Loads a model, continues a prompt, and counts with a routing hook which experts each layer chose.
//   listen [MODEL [PROMPT]]
#include <cstdio>
#include <map>

#include <gremium/session.hpp>

// Counts how often each expert of each layer was chosen. Hooks may also change logits: see gremium/hook.hpp.
struct Listener : gremium::RoutingHook {
    // By layer, then by expert.
    std::map<int, std::map<int32_t, int>> chosen;
    void after_selection(const gremium::AfterSelection& selection) override {
        for (const int32_t expert : selection.ids_Tk) ++chosen[selection.layer][expert];
    }
};

int main(int argc, char** argv) try {
    const auto engine = gremium::Engine::open(argc > 1 ? argv[1] : "");
    const char* prompt = argc > 2 ? argv[2] : "The first step is to";
    const auto listener = std::make_shared<Listener>();
    gremium::Session session(engine, {.hooks = {listener}});

    std::fputs(prompt, stdout);
    session.generate(prompt, {.max_tokens = 40, .sampler = {.seed = 1}}, [](std::string_view text, int32_t) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        return true;
    });
    std::puts("");

    for (const auto& [layer, experts] : listener->chosen) {
        std::printf("layer %2d:", layer);
        for (const auto& [expert, count] : experts) std::printf("  %d×%d", expert, count);
        std::puts("");
    }
} catch (const gremium::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
